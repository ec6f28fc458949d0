import assert from "node:assert/strict";
import { exchange } from "../testing/raw.ts";
import fc from "fast-check";
import {
  encodeQuery,
  hasParameter,
  isLocalHost,
  isLoopback,
  rawTarget,
  type Target,
} from "./target.ts";

/** Target as in a request line, Host header (null for none), and what is read from them */
const REQUESTS: [string, string | null, Target | null][] = [
  ["/archive/x/", "h", { path: "/archive/x/", query: "" }],
  ["/archive/x/", "localhost:8080", { path: "/archive/x/", query: "" }],
  ["/archive/x/", "[::1]:8080", { path: "/archive/x/", query: "" }],
  ["/archive/x/", "", { path: "/archive/x/", query: "" }],
  ["/archive/x/", null, { path: "/archive/x/", query: "" }],
  ["/", "h", { path: "/", query: "" }],
  ["/?", "h", { path: "/", query: "" }],
  ["/a?b=c&d=/../e?f", "h", { path: "/a", query: "b=c&d=/../e?f" }],
  ["/archive/../x/./y", "h", { path: "/archive/../x/./y", query: "" }],
  ["/..", "h", { path: "/..", query: "" }],
  ["//archive//x/", "h", { path: "//archive//x/", query: "" }],
  ["/%2e%2e/%41%zz", "h", { path: "/%2e%2e/%41%zz", query: "" }],
  ["/a\\..\\b", "h", { path: "/a\\..\\b", query: "" }],
  ["/http://h/b", "h", { path: "/http://h/b", query: "" }],
  ["http://other/archive/../x/?q", "h", { path: "/archive/../x/", query: "q" }],
  ["http://other", "h", { path: "/", query: "" }],
  ["HTTP://other/x/", "h", { path: "/x/", query: "" }],
  ["http://user@other/x/", "h", null],
  ["ftp://other/x/", "h", null],
  ["/x/", "a/b", null],
  ["/x/", "a@b", null],
  ["/x/", "a b", null],
  ["/x/", "a\\b", null],
  ["/x/", "a?b", null],
  ["/x/", "a#b", null],
  ["/x/", "a%2fb", null],
  ["/x/", "a,b", null],
  ["/x/", "h/archive", null],
];

Deno.test("rawTarget() is the target as it came over the wire", async () => {
  const seen = (request: Request) =>
    Response.json(rawTarget(request.url, request.headers.get("host")));
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, seen);
  for (const [target, host, expected] of REQUESTS) {
    const fields = host === null ? "" : `Host: ${host}\r\n`;
    const request = `GET ${target} HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`;
    const { status, body } = await exchange(server.addr.port, request);
    assert.equal(status, 200, request);
    assert.deepEqual(JSON.parse(new TextDecoder().decode(body)), expected, request);
  }
});

Deno.test("rawTarget() trusts neither the URL nor the Host header alone", () => {
  const target = { path: "/x/", query: "" };
  assert.deepEqual(rawTarget("http://h/x/", "h"), target);
  assert.deepEqual(rawTarget("https://h/x/", "h"), target);
  assert.deepEqual(rawTarget("http:///x/", ""), target);
  assert.equal(rawTarget("http://a@b/x/", "h"), null);
  assert.equal(rawTarget("http://h/x/", "a/b"), null);
  assert.deepEqual(rawTarget("http+unix://h/x/", "h"), target);
  assert.deepEqual(rawTarget("http+unix://%2Frun%2Fsocket/x/", null), target);
  assert.equal(rawTarget("http+unix://a%2fb/x/", "a%2fb"), null);
  assert.equal(rawTarget("ws://h/x/", "h"), null);
  assert.equal(rawTarget("/x/", "h"), null);
  assert.deepEqual(rawTarget("http://h/x/#y?z", "h"), target);
});

Deno.test("hasParameter() finds a name with or without a value, and no other name", () => {
  const present = [
    ...["manifest", "manifest=", "manifest=1", "manifest=0", "manifest=a=b", "manifest&manifest"],
    ...["manifest&_=1", "_=1&manifest=", "a&&manifest&", "%6danifest", "manifest=%zz", "&manifest"],
  ];
  const absent = [
    ...["", "&", "=", "=manifest", "manifesto", "manifest1", "Manifest", "MANIFEST", " manifest"],
    ...[
      "a=manifest",
      "amanifest",
      "?manifest",
      "manifest?",
      "manifest+",
      "%20manifest",
      "a;manifest",
    ],
    ...["manifest%3D1", "manifest[]=1", "%256danifest", "mani fest"],
  ];
  for (const query of present) assert.equal(hasParameter(query, "manifest"), true, query);
  for (const query of absent) assert.equal(hasParameter(query, "manifest"), false, query);
});

Deno.test("encodeQuery() changes the characters of a query, not what it says", () => {
  const cases: [string, string][] = [
    ["", ""],
    ["a=b&c=d/?:@!$'()*+,;-._~", "a=b&c=d/?:@!$'()*+,;-._~"],
    ["%D0%BF%2f", "%D0%BF%2f"],
    ["%", "%25"],
    ["100%&%zz&%4", "100%25&%25zz&%254"],
    ["ё😀", "%D1%91%F0%9F%98%80"],
    [`a[]=<"{|}^\`\\> #`, "a%5B%5D=%3C%22%7B%7C%7D%5E%60%5C%3E%20%23"],
    ["\r\nX: y\0\x7f", "%0D%0AX:%20y%00%7F"],
    ["\ud800", "%EF%BF%BD"],
  ];
  for (const [query, expected] of cases) assert.equal(encodeQuery(query), expected);

  const query = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom(..."%%25aFz&=+ё\r\n#?/\ud800") }),
  );
  const property = fc.property(query, (query) => {
    const encoded = encodeQuery(query);
    assert.match(encoded, /^(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*$/);
    assert.equal(encodeQuery(encoded), encoded);
    const pairsOf = (query: string) => [...new URLSearchParams(`?${query}`)];
    assert.deepEqual(pairsOf(encoded), pairsOf(query));
    new Headers({ location: encoded });
  });
  fc.assert(property, { numRuns: 2000 });
});

Deno.test("isLocalHost() is true for the names of this machine only", () => {
  const local = [
    "localhost",
    "LOCALHOST",
    "localhost:8080",
    "127.0.0.1",
    "127.0.0.1:80",
    "127.1.2.3:65535",
    "[::1]",
    "[::1]:8080",
  ];
  const other = [
    null,
    "",
    "example.com",
    "localhost.",
    "localhost.example.com",
    "notlocalhost",
    "localhost:",
    "localhost:123456",
    "localhost:80:80",
    "localhost/",
    "user@localhost",
    "127.0.0.1.example.com",
    "127.0.0",
    "1127.0.0.1",
    "128.0.0.1",
    "0.0.0.0",
    "::1",
    "[::2]",
    "[::1",
    "localhost\n",
    " localhost",
    "localhost, example.com",
  ];
  for (const host of local) assert.equal(isLocalHost(host), true, host);
  for (const host of other) assert.equal(isLocalHost(host), false, String(host));
});

Deno.test("isLoopback() is true for addresses of the loopback interface only", () => {
  for (const address of ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"]) {
    assert.equal(isLoopback(address), true, address);
  }
  const other = [
    "",
    "10.0.0.1",
    "192.168.0.1",
    "0.0.0.0",
    "::",
    "::2",
    "fe80::1",
    "::ffff:10.0.0.1",
  ];
  for (
    const address of [...other, "127.0.0.1.2", "1127.0.0.1", "localhost", "2001:db8::127.0.0.1"]
  ) {
    assert.equal(isLoopback(address), false, address);
  }
});
