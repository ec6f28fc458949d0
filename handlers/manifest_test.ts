import assert from "node:assert/strict";
import { createStoreEngine } from "../engines/store.ts";
import { createZipCommandEngine } from "../engines/zip_command.ts";
import { Checksums } from "../storage/checksums.ts";
import type { Listing } from "../storage/listing.ts";
import { MemorySource } from "../testing/memory_source.ts";
import { createHandler } from "./mod.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const LINK = `/archive/${HASH}/`;

/** The handler over a folder in memory, whose listing a test may change on its way */
function service(engineName: "store" | "zip" = "store") {
  const source = new MemorySource({ [`${HASH}/Море.jpg`]: "sea", [`${HASH}/a/b.txt`]: "text" });
  const list = source.list.bind(source);
  let change = (listing: Listing) => listing;
  source.list = async (...args) => {
    const listing = await list(...args);
    return listing && change(listing);
  };
  const zip = {
    ...{ program: "/nowhere/zip", level: 6, followSymlinks: false, root: "/", source },
    system: "linux", // whose program takes every name
  } as const;
  const engine = engineName === "zip"
    ? createZipCommandEngine(zip)
    : createStoreEngine({ source, checksums: new Checksums(source) });
  const observer = { started() {}, progressed() {}, ended() {} };
  const handler = createHandler({ source, engine, observer, listing: "off" });
  return {
    source,
    changeListings(how: (listing: Listing) => Listing) {
      change = how;
    },
    ask(target: string, fields: Readonly<Record<string, string>> = {}, method = "GET") {
      const headers = { host: "localhost", ...fields };
      const request = new Request(`http://localhost${target}`, { method, headers });
      const remoteAddr = { transport: "tcp", hostname: "192.0.2.1", port: 50_000 } as const;
      return handler(request, { remoteAddr, completed: Promise.resolve() });
    },
  };
}

async function tagOf(answer: Promise<Response>) {
  const { headers, body } = await answer;
  await body?.cancel();
  return headers.get("etag") ?? "";
}

Deno.test("?manifest is a parameter like any other: with a value, before and after others", async () => {
  const { ask } = service();
  const expected = await (await ask(`${LINK}?manifest`)).text();
  assert.match(expected, /^\{\n {2}"files": \[/);
  const queries = [
    ...["manifest=", "manifest=1", "manifest=0", "manifest&_=1", "_=1&manifest=", "%6Danifest"],
    ...["utm_source=x&manifest", "manifest&manifest", "&manifest&"],
  ];
  for (const query of queries) {
    const answer = await ask(`${LINK}?${query}`);
    assert.equal(answer.headers.get("content-type"), "application/json", query);
    assert.equal(await answer.text(), expected, query);
  }
  for (const query of ["", "manifesto", "Manifest", "a=manifest", "?manifest", "manifest[]="]) {
    const answer = await ask(`${LINK}?${query}`);
    assert.equal(answer.headers.get("content-type"), "application/zip", query);
    await answer.body?.cancel();
  }
});

Deno.test("manifest(): a link without its last slash leads to the manifest that was asked for", async () => {
  const { ask } = service();
  const redirect = await ask(`/archive/${HASH}?manifest&_=1`);
  assert.equal(redirect.status, 301);
  const answer = await ask(redirect.headers.get("location") ?? "");
  assert.deepEqual(await answer.json(), await (await ask(`${LINK}?manifest`)).json());
});

for (const engine of ["store", "zip"] as const) {
  Deno.test(`the manifest has a strong ETag of its own (${engine})`, async () => {
    const { ask } = service(engine);
    const manifest = await ask(`${LINK}?manifest`);
    const tag = manifest.headers.get("etag") ?? "";
    assert.match(tag, /^"[0-9a-f]{32}"$/);
    assert.notEqual(tag, (await ask(LINK, {}, "HEAD")).headers.get("etag"));
    assert.equal(manifest.headers.get("last-modified"), null);
    const cacheControl = manifest.headers.get("cache-control");

    const cases: [Record<string, string>, number][] = [
      [{ "if-none-match": tag }, 304],
      [{ "if-none-match": `"x", W/${tag}` }, 304],
      [{ "if-none-match": "*" }, 304],
      [{ "if-none-match": '"x"' }, 200],
      [{ "if-match": tag }, 200],
      [{ "if-match": '"x"' }, 412],
      [{ "if-match": tag, "if-none-match": tag }, 304],
      [{ "if-modified-since": new Date().toUTCString() }, 200],
      [{ "if-unmodified-since": new Date(0).toUTCString() }, 200],
      [{ "range": "bytes=0-1" }, 200],
      [{ "range": "bytes=0-1", "if-range": tag }, 200],
    ];
    for (const [fields, status] of cases) {
      for (const method of ["GET", "HEAD"]) {
        const answer = await ask(`${LINK}?manifest`, fields, method);
        const what = `${method} ${JSON.stringify(fields)}`;
        assert.equal(answer.status, status, what);
        assert.equal(answer.headers.get("etag"), tag, what);
        assert.equal(answer.headers.get("cache-control"), cacheControl, what);
        if (status !== 200) assert.equal(answer.headers.get("content-type"), null);
        const length = method === "GET" && status === 200 ? (await answer.bytes()).length : 0;
        assert.equal(length > 0, method === "GET" && status === 200, what);
      }
    }
  });

  Deno.test(`the manifest's ETag changes whenever the manifest does (${engine})`, async () => {
    const site = service(engine);
    const { source } = site;
    const ask = () => tagOf(site.ask(`${LINK}?manifest`));
    const later = new Date("2024-05-07T00:00:00Z");
    const changes: [string, () => void][] = [
      ["nothing", () => {}],
      ["another size", () => source.put(`${HASH}/a/b.txt`, "more text")],
      ["another time", () => source.put(`${HASH}/a/b.txt`, { content: "more text", mtime: later })],
      ["a new file", () => source.put(`${HASH}/c`, "")],
      ["another name", () => {
        source.remove(`${HASH}/c`);
        source.put(`${HASH}/d`, "");
      }],
    ];
    if (engine === "store") { // its tag stands in the manifest
      changes.push(
        ["not settled", () => site.changeListings((listing) => ({ ...listing, settled: false }))],
        ["another state", () => {
          site.changeListings((listing) => ({ ...listing, fingerprint: "0" }));
        }],
      );
    }
    const seen = new Set<string>();
    for (const [what, change] of changes) {
      change();
      const tag = await ask();
      assert.equal(seen.has(tag), false, what);
      seen.add(tag);
      assert.equal(await ask(), tag, `${what}: the same state again`);
    }
  });
}
