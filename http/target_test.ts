import assert from "node:assert/strict";
import { exchange } from "../testing/raw.ts";
import { isLocalHost, isLoopback, rawTarget, type Target } from "./target.ts";

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
