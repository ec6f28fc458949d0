/**
 * The samples in the configuration of a site that has settings of its own, and what they speak of.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { start } from "./process.ts";
import { startComposeNginx, startNginx } from "./proxy.ts";
import { exchange } from "./raw.ts";
import { testWith } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "e3907bd5168f4ca2b07de5914c63af28";
const PATH = `/archive/${HASH}/`;
const SIZE = 3_000_000;

/** What a site may have set for all of its locations, and would break downloads */
const SITE_WIDE: Readonly<Record<string, string>> = {
  "proxy_cache": `
    proxy_cache_path cache keys_zone=site:1m;
    proxy_cache site;
    proxy_cache_key $uri;
    proxy_cache_valid 200 404 1h;
    proxy_cache_use_stale error timeout;
    proxy_ignore_headers Cache-Control Expires Vary;`,
  "proxy_store": `
    root .;
    proxy_store $document_root/stored;
    proxy_ignore_headers X-Accel-Buffering;`,
  "gzip": "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; gunzip on;",
  "proxy_intercept_errors": "proxy_intercept_errors on; error_page 404 412 416 =200 /sorry.html;",
};

const SAMPLES = { "nginx.conf": startNginx, "compose/nginx.conf": startComposeNginx };

function ask(port: number, lines: readonly string[] = [], target = PATH) {
  return exchange(port, [`GET ${target} HTTP/1.1`, "Host: x", ...lines, "\r\n"].join("\r\n"));
}

for (const [name, startProxy] of Object.entries(SAMPLES)) {
  for (const [setting, http] of Object.entries(SITE_WIDE)) {
    testWith(["nginx"], `deploy/${name}: unharmed by ${setting} of the whole site`, async () => {
      await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(SIZE) });
      await using program = await start(["--folder", tree.join("photos")]);
      await using proxy = await startProxy({ upstreams: [program.port], http });
      const etag = (await ask(program.port)).headers.get("etag");
      const cases: [number, ...string[]][] = [
        [200, "Accept-Encoding: gzip"],
        [206, "Range: bytes=1000-2000000"],
        [206, "Range: bytes=1000-", `If-Range: ${etag}`, "Accept-Encoding: gzip"],
        [200, "Range: bytes=1000-", 'If-Range: "other"'],
        [304, `If-None-Match: ${etag}`],
        [412, 'If-Match: "other"'],
        [416, "Range: bytes=99999999-"],
        [200],
      ];
      for (const [status, ...lines] of cases) {
        const [direct, proxied] = [await ask(program.port, lines), await ask(proxy.port, lines)];
        assert.deepEqual([direct.status, proxied.status], [status, status], `${lines}`);
        const names = ["content-length", "content-range", "etag", "accept-ranges", "last-modified"];
        for (const name of [...names, "content-encoding", "cache-control", "content-type"]) {
          assert.equal(proxied.headers.get(name), direct.headers.get(name), `${lines}: ${name}`);
        }
        assert.ok(Buffer.from(proxied.body).equals(direct.body), `${lines}`);
      }
      assert.equal((await ask(proxy.port, [], "/archive/unknown-0123456789/")).status, 404);
      await Deno.remove(tree.join("photos", HASH), { recursive: true });
      assert.equal((await ask(proxy.port)).status, 404, "withdrawn at once");
      assert.ok(sizeOf(proxy.join()) < SIZE, "no archive is on the disk");
    });
  }
}

Deno.test("deploy/: the samples speak of no path that the service does not have", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: "photo" });
  await using program = await start(["--folder", tree.join("photos"), "--listing", "on"]);
  for (const sample of [...Object.keys(SAMPLES), "haproxy.cfg", "Caddyfile"]) {
    const text = await Deno.readTextFile(new URL(`../deploy/${sample}`, import.meta.url));
    const paths = new Set(endpointsIn(text));
    assert.ok(paths.has("/archive/") && paths.has("/healthz"), `${sample}: ${[...paths]}`);
    for (const path of paths) {
      const target = path === "/archive/" ? PATH : path;
      assert.notEqual((await ask(program.port, [], target)).status, 404, `${sample}: ${path}`);
    }
  }
});

Deno.test("endpointsIn() finds paths of the service, in directives and in prose", () => {
  const text = 'location = /metrics { root /etc/nginx; } # not /status, /healthz. "/archive/"';
  assert.deepEqual(endpointsIn(text), ["/metrics", "/status", "/healthz", "/archive/"]);
});

/** Words like paths, but for those of files, of addresses, and of the samples' own pages */
function endpointsIn(text: string): string[] {
  const paths = [...text.matchAll(/(?<![\w./:}*~@-])\/[a-z][\w-]*\/?/g)].map(([path]) => path);
  const others = /^\/(etc|var|usr|run|tmp|dev|zipferry-errors|\d)(\/|$)/;
  return paths.filter((path) => !others.test(path) && path !== "/archive");
}

/** Bytes of all files below a folder */
function sizeOf(folder: string): number {
  return [...Deno.readDirSync(folder)].map(({ name, isDirectory }) =>
    isDirectory ? sizeOf(`${folder}/${name}`) : Deno.statSync(`${folder}/${name}`).size
  ).reduce((sum, size) => sum + size, 0);
}
