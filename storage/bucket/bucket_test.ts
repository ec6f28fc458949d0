import assert from "node:assert/strict";
import { MemoryObjects } from "../../testing/memory_objects.ts";
import { testSource } from "../../testing/source_contract.ts";
import { makeTree } from "../../testing/tree.ts";
import { BucketSource } from "./bucket.ts";

for (
  const [name, prefix] of [["BucketSource in memory", "photos/"], ["BucketSource, no prefix", ""]]
) {
  testSource(name, async (files) => {
    const tree = await makeTree();
    const inside = Object.entries(files).map(([path, content]) => [`${prefix}${path}`, content]);
    const store = new MemoryObjects(Object.fromEntries(inside));
    const index = prefix === "" ? undefined : tree.join("index.sqlite");
    const source = new BucketSource({ store, bucket: "b", prefix, index });
    return {
      source,
      change: (location, content) => store.put(`${prefix}${location}`, content),
      remove: (location) => store.remove(`${prefix}${location}`),
      async [Symbol.asyncDispose]() {
        source[Symbol.dispose]();
        await tree[Symbol.asyncDispose]();
      },
    };
  });
}

Deno.test("BucketSource.readable() asks for one page, however many there are", async () => {
  const store = new MemoryObjects({ "hash/a.jpg": "a" });
  const pages = ["first", "second"];
  store.list = async function* () {
    await Promise.resolve();
    const page = pages.shift();
    if (page !== "first") throw new Error(`asked for ${page}`);
    yield { objects: [], prefixes: ["hash/"] };
  };
  using source = new BucketSource({ store, bucket: "b", prefix: "" });
  await source.readable();
  assert.deepEqual(pages, ["second"]);
  await assert.rejects(source.readable(), /asked for second/);
  await assert.rejects(source.readable({ signal: AbortSignal.abort(new Error("late")) }), /late/);
});
