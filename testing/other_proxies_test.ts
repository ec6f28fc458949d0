/**
 * Proxies without a sample, with what `docs/proxies.md` says of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { start } from "./process.ts";
import { type Proxy, startProxy } from "./proxy.ts";
import { exchange } from "./raw.ts";
import { testWith } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const PAGE = await Deno.readTextFile(new URL("../docs/proxies.md", import.meta.url));
const PATH = "/archive/c2f7406ab91d4e0d8e35b7c01d9a46ef/";
const PART = "Range: bytes=1000-2000000";

const MODULES = ["mpm_event", "authz_core", "proxy", "proxy_http", "filter", "deflate", "env"];

/** The block in this language that the page has for a proxy, for a service on this port */
function blockOf(language: string, port: number): string {
  const [, block] = PAGE.split(`\n\`\`\`${language}\n`);
  assert.ok(block, language);
  return block.slice(0, block.indexOf("```")).replaceAll("127.0.0.1:8080", `127.0.0.1:${port}`);
}

function startApache(lines: string) {
  return startProxy((tree, port) => {
    const modules = MODULES.map((name) =>
      `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`
    );
    const own = ["ServerRoot " + tree.path, "PidFile pid", "ServerName localhost", "User nobody"];
    const config = [...own, `Listen 127.0.0.1:${port}`, "ErrorLog /dev/stderr", ...modules, lines];
    Deno.writeTextFileSync(tree.join("apache.conf"), config.join("\n"));
    const args = ["-f", tree.join("apache.conf"), "-D", "FOREGROUND"];
    return { command: "apache2", args, scheme: "http" };
  });
}

function startVarnish(upstream: number, lines = "") {
  return startProxy((tree, port) => {
    const backend = `backend default { .host = "127.0.0.1"; .port = "${upstream}"; }`;
    Deno.writeTextFileSync(tree.join("default.vcl"), `vcl 4.1;\n${backend}\n${lines}`);
    Deno.chmodSync(tree.path, 0o755); // it works as another user
    const files = ["-f", tree.join("default.vcl"), "-n", tree.join("work")];
    const args = ["-F", "-a", `127.0.0.1:${port}`, ...files, "-s", "malloc,32m"];
    return { command: "varnishd", args, scheme: "http" };
  });
}

function startSquid(upstream: number) {
  return startProxy((tree, port) => {
    const config = [
      `http_port 127.0.0.1:${port} accel defaultsite=localhost no-vhost`,
      `cache_peer 127.0.0.1 parent ${upstream} 0 no-query originserver`,
      ...["http_access allow all", "cache_mem 16 MB", "memory_cache_shared off", "icp_port 0"],
      ...["access_log none", "cache_log stdio:/dev/null", "pid_filename none"],
      ...["pinger_enable off", "shutdown_lifetime 0 seconds", `coredump_dir ${tree.path}`],
    ];
    Deno.writeTextFileSync(tree.join("squid.conf"), config.join("\n"));
    Deno.chmodSync(tree.path, 0o755); // it works as another user
    const args = ["-N", "-n", `zipferry${port}`, "-f", tree.join("squid.conf")];
    return { command: "squid", args, scheme: "http" };
  });
}

function ask(port: number, lines: readonly string[]) {
  return exchange(port, [`GET ${PATH} HTTP/1.1`, "Host: x", ...lines, "\r\n"].join("\r\n"));
}

/** Every header field that matters to a download, and every byte, as the service sends them */
async function assertKeepsEverything(proxy: Proxy, upstream: number) {
  const etag = (await ask(upstream, [])).headers.get("etag");
  const cases: [number, ...string[]][] = [
    [200, "Accept-Encoding: gzip, deflate, br"],
    [206, PART, "Accept-Encoding: gzip"],
    [206, PART, `If-Range: ${etag}`],
    [200, PART, 'If-Range: "other"'],
    [206, PART, `If-Match: ${etag}`],
    [412, PART, 'If-Match: "other"'],
    [412, PART, "If-Unmodified-Since: Fri, 01 Jan 1999 00:00:00 GMT"],
    [304, `If-None-Match: ${etag}`],
    [416, "Range: bytes=99999999-"],
  ];
  for (const [status, ...lines] of cases) {
    const [direct, proxied] = [await ask(upstream, lines), await ask(proxy.port, lines)];
    assert.deepEqual([direct.status, proxied.status], [status, status], `${lines}`);
    const names = ["content-range", "etag", "accept-ranges", "content-encoding", "last-modified"];
    for (const name of ["content-length", ...names]) {
      assert.equal(proxied.headers.get(name), direct.headers.get(name), `${lines}: ${name}`);
    }
    assert.ok(Buffer.from(proxied.body).equals(direct.body), `${lines}`);
  }
}

async function serve() {
  const tree = await makeTree({
    [`photos${PATH.slice("/archive".length)}a.jpg`]: randomBytes(3e6),
  });
  const program = await start(["--folder", tree.join("photos")]);
  return {
    port: program.port,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

testWith(["apache2"], "proxies.md: Apache keeps everything, and compresses nothing", async () => {
  await using service = await serve();
  const { port } = service;
  const pass = `ProxyPass /archive/ http://127.0.0.1:${port}/archive/`;
  {
    await using plain = await startApache(pass);
    await assertKeepsEverything(plain, port);
  }
  const deflate = "SetOutputFilter DEFLATE";
  {
    await using compressing = await startApache(`${deflate}\n${pass}`);
    const { headers } = await ask(compressing.port, ["Accept-Encoding: gzip"]);
    assert.deepEqual([headers.get("content-encoding"), headers.get("content-length")], [
      "gzip",
      null,
    ]);
  }
  await using cured = await startApache(`${deflate}\n${blockOf("apache", port)}`);
  await assertKeepsEverything(cured, port);
});

testWith(
  ["varnishd"],
  "proxies.md: Varnish keeps everything if it passes archives on",
  async () => {
    await using service = await serve();
    const { port } = service;
    {
      await using plain = await startVarnish(port);
      const { status } = await ask(plain.port, [PART, 'If-Match: "other"']);
      assert.equal(status, 206, "the page warns of this");
    }
    await using cured = await startVarnish(port, blockOf("vcl", port));
    await assertKeepsEverything(cured, port);
  },
);

testWith(["squid"], "proxies.md: Squid keeps everything", async () => {
  await using service = await serve();
  await using proxy = await startSquid(service.port);
  await assertKeepsEverything(proxy, service.port);
});
