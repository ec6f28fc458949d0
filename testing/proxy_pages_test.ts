/**
 * What a proxy answers by itself: pages in the service's look.
 *
 * @module
 */

import assert from "node:assert/strict";
import { errorPages } from "../tools/write_error_pages.ts";
import { freePort } from "./free_port.ts";
import {
  type Proxy,
  type ProxyOptions,
  startCaddy,
  startComposeNginx,
  startHaproxy,
  startNginx,
} from "./proxy.ts";
import { exchange } from "./raw.ts";
import { testWith } from "./tools.ts";

const ROOT = new URL("../", import.meta.url);
const PATH = "/archive/5e81d0c47b2f4a6993c0be7d16f2a834/";

/** Each sample, and the lines in it that say how long an answer may take and how many may ask */
const SAMPLES = [
  {
    name: "nginx.conf",
    program: "nginx",
    startProxy: startNginx,
    down: 502,
    impatient: (text: string) => text.replace("read_timeout 600s", "read_timeout 200ms"),
    strict: (text: string) => text.replace("burst=40", "burst=1"),
  },
  {
    name: "compose/nginx.conf",
    program: "nginx",
    startProxy: startComposeNginx,
    down: 502,
    impatient: (text: string) => text.replace("read_timeout 600s", "read_timeout 200ms"),
    strict: (text: string) => text.replace("burst=40", "burst=1"),
  },
  {
    name: "haproxy.cfg",
    program: "haproxy",
    startProxy: startHaproxy,
    down: 503,
    impatient: (text: string) =>
      text.replace("server 600s", "server 200ms").replace("option httpchk GET /healthz", "")
        .replace("http-check expect status 200", "").replace(" check inter", " inter"),
    strict: (text: string) => text.replace("gt 140", "gt 1"),
  },
  {
    name: "Caddyfile",
    program: "caddy",
    startProxy: startCaddy,
    down: 502,
    impatient: (text: string) =>
      text.replace("header_timeout 600s", "header_timeout 200ms")
        .replace("try_duration 5s", "try_duration 100ms")
        .replace("fail_duration 10s", ""), // it would ask nobody for a while, and answer 503
    strict: null, // it has no limits
  },
] as const;

function ask(
  port: number,
  { method = "GET", target = PATH, lines = [] as readonly string[] } = {},
) {
  return exchange(port, [`${method} ${target} HTTP/1.1`, "Host: x", ...lines, "\r\n"].join("\r\n"));
}

/** Sends what would get a part or nothing of a file that is there, and takes the whole page */
async function assertPage(proxy: Proxy, status: number, retryAfter: number) {
  const page = await Deno.readTextFile(new URL(`deploy/errors/${status}.html`, ROOT));
  const part = [
    "Range: bytes=5-9",
    'If-Match: "x"',
    "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
  ];
  for (const lines of [[], part, ["Accept-Encoding: gzip"]]) {
    const { body, headers, ...answer } = await ask(proxy.port, { lines });
    assert.equal(answer.status, status, `${lines}`);
    assert.equal(new TextDecoder().decode(body), page);
    assert.equal(headers.get("content-length"), `${body.length}`);
    assert.deepEqual(
      ["content-type", "content-language", "cache-control", "referrer-policy", "retry-after"]
        .map((name) => headers.get(name)),
      ["text/html; charset=utf-8", "en, ru", "no-store", "no-referrer", `${retryAfter}`],
    );
    const sheet = new TextEncoder().encode(/<style>([^]*)<\/style>/.exec(page)![1]);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", sheet)).toBase64();
    const policy = headers.get("content-security-policy")!;
    assert.ok(policy.includes(`default-src 'none'; style-src 'sha256-${hash}';`), policy);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("x-robots-tag"), "noindex, nofollow");
    assert.equal(headers.get("etag"), null);
  }
}

/** Takes connections and never answers */
function startMute(): Disposable & { readonly port: number } {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const connections: Deno.Conn[] = [];
  (async () => {
    for await (const connection of listener) connections.push(connection);
  })();
  return {
    port: listener.addr.port,
    [Symbol.dispose]() {
      for (const connection of connections) connection.close();
      listener.close();
    },
  };
}

Deno.test("errorPages() are in deploy/, in both languages, and load nothing", () => {
  const files = Object.entries(errorPages());
  for (const [path, text] of files) {
    assert.equal(Deno.readTextFileSync(new URL(path, ROOT)), text, `${path}: write_error_pages.ts`);
  }
  const pages = files.filter(([path]) => path.endsWith(".html"));
  assert.deepEqual(pages.map(([path]) => /\d+/.exec(path)?.[0]), ["429", "502", "503", "504"]);
  for (const [path, text] of pages) {
    assert.match(text, /<section lang="en">[^]*<section lang="ru">[^]*[а-я]{5}/, path);
    assert.doesNotMatch(text, /\{\{|<script|<img|https?:|\bsrc=|url\(|@import|\bstyle=/, path);
  }
  const folder = [...Deno.readDirSync(new URL("deploy/errors/", ROOT))].map(({ name }) => name);
  assert.equal(folder.length, 2 * pages.length, "nothing else lies there");
});

for (const { name, program, startProxy, down, impatient, strict } of SAMPLES) {
  const fast = program === "caddy" ? impatient : undefined; // the others notice at once
  const start = (upstream: number, options: Omit<ProxyOptions, "upstreams"> = {}) =>
    startProxy({ upstreams: [upstream], ...options });

  testWith([program], `deploy/${name}: a page where there is no service`, async () => {
    await using proxy = await start(freePort(), { edit: fast });
    await assertPage(proxy, down, 5);
    const { status, headers, body } = await ask(proxy.port, { method: "HEAD" });
    assert.deepEqual([status, headers.get("retry-after"), body.length], [down, "5", 0]);
    assert.equal((await ask(proxy.port, { method: "POST" })).status, down);
    for (const target of ["/zipferry-errors/502.html", "/502.html", "/zipferry-errors/"]) {
      assert.equal((await ask(proxy.port, { target })).status, 404, target);
    }
  });

  testWith([program], `deploy/${name}: a page where the service takes too long`, async () => {
    using mute = startMute();
    await using proxy = await start(mute.port, { edit: impatient });
    await assertPage(proxy, 504, name === "Caddyfile" ? 5 : 60);
  });

  testWith([program], `deploy/${name}: pages of the service pass as they are`, async () => {
    const page = "<!doctype html><title>its own</title>";
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      ({ url }) =>
        new Response(page, {
          status: Number(new URL(url).pathname.slice("/archive/".length, -1)) || 200,
          headers: { "retry-after": "7", "content-type": "text/html; charset=utf-8" },
        }),
    );
    const http = program === "nginx" ? "proxy_intercept_errors on;" : undefined; // of the whole site
    await using proxy = await start(server.addr.port, { http });
    for (const status of [404, 429, 500, 502, 503, 504]) {
      const { body, headers, ...answer } = await ask(proxy.port, { target: `/archive/${status}/` });
      assert.equal(answer.status, status);
      assert.deepEqual([new TextDecoder().decode(body), headers.get("retry-after")], [page, "7"]);
    }
  });

  if (program !== "haproxy") { // it reads the pages when it starts, or does not start
    testWith([program], `deploy/${name}: an error stays an error without the pages`, async () => {
      await using proxy = await start(freePort(), { edit: fast, errorPages: false });
      const { status, headers } = await ask(proxy.port);
      assert.equal(status, program === "nginx" ? 503 : 502);
      assert.equal(headers.get("retry-after"), "5");
    });
  }

  if (strict) {
    testWith([program], `deploy/${name}: a page for who asks too often`, async () => {
      await using proxy = await start(freePort(), { edit: strict });
      let answer = await ask(proxy.port);
      for (let i = 0; i < 20 && answer.status !== 429; i++) answer = await ask(proxy.port);
      const page = await Deno.readTextFile(new URL("deploy/errors/429.html", ROOT));
      const { status, headers, body } = answer;
      assert.deepEqual([status, new TextDecoder().decode(body)], [429, page]);
      assert.equal(headers.get("retry-after"), "10");
    });
  }
}
