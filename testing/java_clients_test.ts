import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { start } from "./process.ts";
import { startCaddy, startHaproxy, startNginx } from "./proxy.ts";
import { exchange } from "./raw.ts";
import { run, testWith } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "e81c5a3f9d04b2760f6e1d98c4b7a352";
const LINK = `archive/${HASH}/`;
const SOURCE = fileURLToPath(new URL("./Clients.java", import.meta.url));

async function serve() {
  const tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(300_000) });
  const program = await start(["--folder", tree.join("photos")]);
  const { body } = await exchange(program.port, `GET /${LINK} HTTP/1.1\r\nHost: x\r\n\r\n`);
  return {
    ...program,
    /** What a client says of the whole archive */
    whole: `200 ${body.length} application/zip`,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

/** Runs pairs of a client and a URL; what each of them got */
async function java(...pairs: readonly (readonly [string, string])[]): Promise<string[]> {
  const { stdout, stderr } = await run("java", [SOURCE, ...pairs.flat()]);
  const lines = new TextDecoder().decode(stdout).trimEnd().split(/\r?\n/);
  assert.equal(lines.length, pairs.length, stderr);
  return lines;
}

testWith(["java"], "Java's HttpURLConnection follows the redirect, with its query", async () => {
  await using site = await serve();
  const url = site.url + LINK.slice(0, -1);
  const connection = "HttpURLConnection";
  const [archive, manifest, direct] = await java(
    [connection, url],
    [connection, `${url}?manifest&_=1`],
    [connection, `${site.url}${LINK}?manifest`],
  );
  assert.equal(archive, site.whole);
  assert.match(manifest, /^200 \d+ application\/json$/);
  assert.equal(manifest, direct);
});

testWith(
  ["java"],
  "upstream.md: Java's HttpClient works with HTTP_1_1 without a proxy; else not in each version",
  async () => {
    await using site = await serve();
    const url = site.url + LINK;
    const [asItIs, told] = await java(["HttpClient", url], ["HttpClient HTTP_1_1", url]);
    assert.equal(told, site.whole);
    // 400 from the runtime, which parses no request that offers an upgrade and has a length. Java 17.0.15
    // sends such requests, 17.0.21 sends no length. testing/upstream_test.ts holds the 400 itself.
    assert.ok([`400`, site.whole].includes(asItIs), asItIs);
  },
);

const PROXIES = [
  ["nginx", startNginx],
  ["haproxy", startHaproxy],
  ["caddy", startCaddy],
] as const;

for (const [name, startProxy] of PROXIES) {
  testWith(
    ["java", name],
    `proxies.md: Java's HttpClient gets archives behind ${name}`,
    async () => {
      await using site = await serve();
      await using proxy = await startProxy({ upstreams: [site.port, site.port] });
      const url = proxy.url + LINK;
      assert.deepEqual(await java(["HttpClient", url]), [site.whole]);
      const fields =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n";
      for (const length of ["", "Content-Length: 0\r\n"]) {
        const request = `GET /${LINK} HTTP/1.1\r\nHost: localhost\r\n${fields}${length}\r\n`;
        assert.equal((await exchange(proxy.port, request)).status, 200, length);
      }
    },
  );
}
