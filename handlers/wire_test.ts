import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createStoreEngine } from "../engines/store.ts";
import { logDownloads } from "../observe/log.ts";
import { Checksums } from "../storage/checksums.ts";
import { DiskSource } from "../storage/disk/disk.ts";
import { captureLog } from "../testing/log.ts";
import { until } from "../testing/process.ts";
import { exchange } from "../testing/raw.ts";
import { makeTree, randomBytes } from "../testing/tree.ts";
import { createHandler } from "./mod.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const CANARY = "canary-3f9a2c";
const PHOTO = randomBytes(2_000_000);

/** A server on a free port; beside its photos folder lie files that nobody may ever see */
async function serve() {
  const tree = await makeTree({
    [`photos/${HASH}/photo.jpg`]: PHOTO,
    "canary.txt": CANARY,
    [`${HASH}/canary.txt`]: CANARY,
    "photos/canary.txt": CANARY,
    "archive/canary.txt": CANARY,
  });
  const source = new DiskSource({ root: tree.join("photos") });
  const engine = createStoreEngine({ source, checksums: new Checksums(source) });
  const log = captureLog();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, automaticCompression: false, onListen: () => {} },
    createHandler({ source, engine, observer: logDownloads(), listing: "auto" }),
  );
  return {
    port: server.addr.port,
    logged: log.lines,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      source[Symbol.dispose]();
      log[Symbol.dispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

/** Each character stands for one byte */
function request(target: string, fields = "Host: x\r\n", method = "GET") {
  return bytes(`${method} ${target} HTTP/1.1\r\n${fields}\r\n`);
}

function bytes(text: string) {
  return Buffer.from(text, "latin1");
}

/** Writes all bytes on one connection and reads to its end, one character a byte */
async function converse(port: number, sent: Uint8Array<ArrayBuffer>): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const sending = new Blob([sent]).stream()
    .pipeTo(connection.writable, { preventClose: true });
  const chunks = await Array.fromAsync(connection.readable);
  await sending;
  return Buffer.concat(chunks).toString("latin1");
}

const WHOLE = `/archive/${HASH}/`;

Deno.test("createHandler(): no form of a path leads anywhere but to the archive", async () => {
  await using server = await serve();
  const right = [
    WHOLE,
    `${WHOLE}?`,
    `${WHOLE}?/../../canary.txt`,
    `${WHOLE}?x=%00%ff%2e%2e%2f`,
    `http://evil.test${WHOLE}`,
    `http://evil.test:8080${WHOLE}?x`,
    `${WHOLE}#/../../canary.txt`,
  ];
  for (const target of right) {
    const answer = await exchange(server.port, request(target));
    assert.equal(answer.status, 200, target);
    assert.ok(answer.complete);
    assert.equal(answer.headers.get("content-type"), "application/zip");
  }
  const wrong = [
    ...[
      "/archive/../canary.txt",
      "/archive/../../canary.txt",
      "/../canary.txt",
      "/../../etc/passwd",
    ],
    ...["/archive/..", "/archive/../", "/archive/./", "/archive/.", `/archive/./${HASH}/`],
    ...["/archive/%2e%2e/canary.txt", "/archive/%2e%2e/", "/archive/.%2E/", "/archive/%2E./"],
    ...["/archive/..%2fcanary.txt", "/archive/..%2f", "/archive/%2e%2e%2f", `/archive%2f${HASH}/`],
    ...["/archive/%2e%2e%5c", "/archive/..%5c..%5cwindows/", "/archive/..\\", "/archive\\..\\"],
    ...[`${WHOLE}../`, `${WHOLE}..`, `${WHOLE}../${HASH}/`, `/archive/${HASH}/../../canary.txt`],
    ...[`/archive/${HASH}/..%2f..%2fcanary.txt`, `/archive/x/../${HASH}/`, `/x/..${WHOLE}`],
    ...["/archive/\0/", `/archive/${HASH}\0/`, "/archive/%00/", `/archive/${HASH}%00/`],
    ...[
      "/archive/%c0%ae%c0%ae/",
      "/archive/%c0%af/",
      "/archive/\xc0\xae\xc0\xae/",
      "/archive/%ff/",
    ],
    ...["/archive/%/", "/archive/%2/", "/archive/%zz/", "/archive/%u002e%u002e/", "%"],
    ...["/archive/%252e%252e%252f/", "/archive/%252e%252e/", "/archive/%25252e/"],
    ...[`//archive//${HASH}//`, `/archive//${HASH}/`, `${WHOLE}/`, `/${WHOLE}`, `/.${WHOLE}`],
    ...[`/ARCHIVE/${HASH}/`, `/Archive/${HASH}/`, `/archive/${HASH.toUpperCase()}/`, "/archive"],
    ...[`/archive/${HASH}::$DATA/`, `/archive/${HASH}:x/`, "/archive/C:/", "/archive/\\\\?\\C:\\/"],
    ...[
      "/archive/CON/",
      "/archive/nul/",
      "/archive/AUX.txt/",
      "/archive/COM1/",
      "/archive/CONIN$/",
    ],
    ...["/archive/5D1C0F~1/", `/archive/${HASH}./`, `/archive/${HASH}.../`, `/archive/${HASH}%20/`],
    ...[`/archive/${HASH}%09/`, `/archive/${HASH};x/`, `/archive/${HASH}*/`, `/archive/*/`],
    ...[
      "/archive/\xef\xbc\x8e\xef\xbc\x8e\xef\xbc\x8f/",
      "/archive/%ef%bc%8e%ef%bc%8e/",
      "/\xd0\xbf/",
    ],
    ...[
      "/archive/canary.txt",
      "/archive/canary.txt/",
      "/canary.txt",
      "/photos/canary.txt",
      "/photos/",
    ],
    ...["/archive/.git/", "/archive/-rf/", "/archive/~root/", "/archive/$HOME/", "/archive/`id`/"],
    ...[`http://evil.test//archive/${HASH}/`, "http://evil.test/archive/../canary.txt"],
    ...["/archive/#/../", `*`, `archive/${HASH}/`, "file:///etc/passwd"],
    ...[8, 32, 63, 70].map((kilobytes) => `/archive/${"a".repeat(kilobytes * 1024)}/`),
  ];
  assert.ok(new Set(wrong).size === wrong.length && wrong.length > 90);
  for (const target of wrong) {
    const answer = await exchange(server.port, request(target));
    const what = JSON.stringify(target.slice(0, 80));
    // 0: a head that is too long may be answered by a reset
    assert.ok([400, 404].includes(answer.status) || target.length > 65_536, what);
    assert.ok(!answer.raw.includes(HASH), what);
    assert.ok(!new TextDecoder().decode(answer.body).includes(CANARY), what);
  }
  // A request is no line in the log: neither its target nor anything that looks like a line
  await exchange(server.port, request("/\x1b[2J%0d%0a{}", "Host: x\r\nReferer: \x1b]0;x\x07\r\n"));
  assert.deepEqual(server.logged.filter((line) => !/"download (started|complete)"/.test(line)), []);
  assert.equal(server.logged.length, 2 * right.length);
});

Deno.test("createHandler(): no word of dots, slashes and escapes leads out of the photos folder", async () => {
  await using server = await serve();
  const syllables = ["%", "25", "2e", "2f", ".", "/"];
  const long = [...everyWord(syllables, 6)].filter((_, i) => i % 17 === 0);
  const chosen = [...everyWord(syllables, 4), ...long];
  assert.equal(chosen.length, 4848);
  for (let i = 0; i < chosen.length; i += 500) {
    const some = chosen.slice(i, i + 500);
    const requests = some.map((word) => `GET /archive/${word} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const text = await converse(server.port, bytes(requests.join("") + last));
    const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d+) /gm)].map(([, status]) => status);
    const expected = some.map((word) => /^[0-9a-f]+$/.test(word) ? "301" : "404");
    assert.deepEqual(statuses, [...expected, "200"]);
    assert.ok(!text.includes(CANARY));
  }
  assert.deepEqual(server.logged, []);
});

/** All words of 1 to so many syllables */
function* everyWord(syllables: readonly string[], most: number, word = ""): Generator<string> {
  for (const syllable of syllables) {
    yield word + syllable;
    if (most > 1) yield* everyWord(syllables, most - 1, word + syllable);
  }
}

Deno.test("createHandler(): a bad Host never shifts the path, nor breaks anything", async () => {
  await using server = await serve();
  const longest = `${"a".repeat(300)}.test`;
  const cases: [string, string, number[]][] = [
    ["/healthz", "Host: a/b\r\n", [400]],
    ["/healthz", `Host: x${WHOLE}?\r\n`, [400]],
    ["/nowhere", "Host: x/healthz?\r\n", [400]],
    ["/nowhere", "Host: x/healthz#\r\n", [400]],
    ["/healthz", "Host: a@b\r\n", [400]],
    ["/healthz", "Host: a?b\r\n", [400]],
    ["/healthz", "Host: a#b\r\n", [400]],
    ["/healthz", "Host: a\\b\r\n", [400]],
    ["/healthz", "Host: a b\r\n", [400]],
    ["/healthz", "Host: a\xffb\r\n", [400]],
    ["/healthz", "Host: x\r\nHost: y\r\n", [400]],
    ["/healthz", "Host: x\r\nHost: x\r\n", [400]],
    ["http://a@b/healthz", "Host: x\r\n", [400]],
    ["http://a%2fb/healthz", "Host: x\r\n", [400]],
    ["/healthz", "Host:\r\n", [200, 400]],
    ["/healthz", "Host: [::1\r\n", [200, 400]],
    ["/healthz", "Host: x:99999\r\n", [200, 400]],
    ["/healthz", `Host: ${longest}\r\n`, [200, 400]],
    ["/healthz", "", [200, 400]],
    ["/nowhere", "Host:\r\n", [404, 400]],
    ["/nowhere", "Host: [::1\r\n", [404, 400]],
    ["/healthz", "Host: x\r\n", [200]],
    ["/healthz", "Host: [::1]:8080\r\n", [200]],
  ];
  for (const [target, fields, allowed] of cases) {
    const answer = await exchange(server.port, request(target, fields));
    assert.ok(allowed.includes(answer.status), `${target} ${fields}: ${answer.status}`);
  }
  const old = await exchange(server.port, bytes("GET /healthz HTTP/1.0\r\n\r\n"));
  assert.equal(old.status, 200);
  const redirect = await exchange(server.port, request(`/archive/${HASH}`, "Host: evil.test\r\n"));
  assert.equal(redirect.headers.get("location"), WHOLE);
  const absolute = await exchange(server.port, request(`http://evil.test//evil.test/archive/x`));
  assert.equal(absolute.headers.get("location"), null);
  // Nothing that a client can put into a query ends the header field, or goes anywhere else
  const queries: [string, string][] = [
    ["manifest", "manifest"],
    ["a=1&manifest=%D0%BF", "a=1&manifest=%D0%BF"],
    ["manifest=\xd0\xbf\xf0\x9f\x93\xb7", "manifest=%D0%BF%F0%9F%93%B7"],
    ['a[]=<"{|}^`\\>', "a%5B%5D=%3C%22%7B%7C%7D%5E%60%5C%3E"],
    ["100%&%zz&%0d%0aX:%20y", "100%25&%25zz&%0d%0aX:%20y"],
    ["//evil.test/?..", "//evil.test/?.."],
    ["x".repeat(60_000), "x".repeat(60_000)],
  ];
  for (const [query, expected] of queries) {
    const { status, headers } = await exchange(server.port, request(`/archive/${HASH}?${query}`));
    assert.deepEqual([status, headers.get("location")], [301, `${WHOLE}?${expected}`]);
  }
  for (const query of ["a b", "a\tb", "\xff", "\xd0", "\x00", "\x7f", "a\rX: y", "a\nX: y"]) {
    const { status } = await exchange(server.port, request(`/archive/${HASH}?${query}`));
    assert.equal(status, 400, JSON.stringify(query));
  }
  assert.deepEqual(server.logged, []);
});

Deno.test("createHandler(): only GET and HEAD are methods here, spelled like this", async () => {
  await using server = await serve();
  for (const method of ["get", "Get", "head", "TRACE", "PROPFIND", "FOO", "POST", "DELETE"]) {
    const answer = await exchange(server.port, request(WHOLE, undefined, method));
    assert.equal(answer.status, 405, method);
    assert.equal(answer.headers.get("allow"), "GET, HEAD");
  }
  for (const target of ["OPTIONS *", "CONNECT x:443", "CONNECT /", "PRI *", "GET"]) {
    const answer = await exchange(server.port, bytes(`${target} HTTP/1.1\r\nHost: x\r\n\r\n`));
    assert.ok([400, 405].includes(answer.status), `${target}: ${answer.status}`);
  }
  assert.deepEqual(server.logged, []);
});

Deno.test("createHandler(): one connection carries several archives, each of them whole", async () => {
  await using server = await serve();
  const { body } = await exchange(server.port, request(WHOLE));
  const get = `GET ${WHOLE} HTTP/1.1\r\nHost: x\r\n`;
  const text = await converse(
    server.port,
    bytes(`${get}\r\n${get}\r\n${get}Connection: close\r\n\r\n`),
  );
  const [nothing, ...answers] = text.split("HTTP/1.1 200 OK\r\n");
  assert.equal(nothing, "");
  assert.equal(answers.length, 3);
  for (const answer of answers) {
    const content = answer.slice(answer.indexOf("\r\n\r\n") + 4);
    assert.ok(Buffer.from(content, "latin1").equals(body));
  }
});

Deno.test("createHandler(): an archive stays the same whatever else the request says", async () => {
  await using server = await serve();
  const { body: expected } = await exchange(server.port, request(WHOLE));
  const megabyte = "x".repeat(1 << 20);
  const cases: [string, string | Uint8Array][] = [
    ["HTTP/1.0", `GET ${WHOLE} HTTP/1.0\r\n\r\n`],
    ["HTTP/1.0 with a Host", `GET ${WHOLE} HTTP/1.0\r\nHost: x\r\n\r\n`],
    ["compression", request(WHOLE, "Host: x\r\nAccept-Encoding: gzip, br\r\n")],
    [
      "WebSocket",
      request(
        WHOLE,
        "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
      ),
    ],
    ["h2c", request(WHOLE, "Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n")],
    ["a body", `GET ${WHOLE} HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n${megabyte}`],
    ["Expect", request(WHOLE, "Host: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n")],
    ["cookies", request(WHOLE, `Host: x\r\nCookie: ${"a=b; ".repeat(1000)}\r\n`)],
    [
      "a name with ..",
      request(WHOLE, "Host: x\r\nX-Original-URL: /../\r\nX-Rewrite-URL: /../\r\n"),
    ],
  ];
  for (const [name, sent] of cases) {
    const { status, headers, body, complete } = await exchange(server.port, sent);
    assert.deepEqual([status, complete], [200, true], name);
    assert.equal(headers.get("content-encoding"), null, name);
    assert.equal(headers.get("content-length"), `${expected.length}`, name);
    assert.ok(Buffer.from(body).equals(expected), name);
  }
  const page = await exchange(server.port, request("/", "Host: x\r\nAccept-Encoding: gzip\r\n"));
  assert.equal(page.headers.get("content-encoding"), null);
  const head = await exchange(server.port, request(WHOLE, undefined, "HEAD"));
  assert.equal(head.headers.get("content-length"), `${expected.length}`);
});

Deno.test("createHandler(): clients that leave early are no errors, and stop the work", async () => {
  await using server = await serve();
  for (const sent of [request(WHOLE), bytes("GET /archive/"), bytes("")]) {
    for (let i = 0; i < 20; i++) {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      await connection.write(sent);
    }
  }
  const part = await exchange(server.port, request(WHOLE), { stopAfter: 1000 });
  assert.equal(part.complete, false);
  await until(() => {
    const count = (what: string) => server.logged.filter((line) => line.includes(what)).length;
    const started = count("download started");
    return started > 0 && started === count("download cancelled") + count("download complete");
  }, "downloads end");
  assert.ok(server.logged.every((line) => !line.includes("ERROR") && !line.includes(HASH)));
  assert.equal((await exchange(server.port, request("/healthz"))).status, 200);
});
