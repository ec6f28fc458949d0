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
