import { makeTree } from "../../testing/tree.ts";
import { testSource } from "../../testing/source_contract.ts";
import { DiskSource } from "./disk.ts";

// Windows has no names with a colon, and no modes.
if (Deno.build.os !== "windows") {
  testSource("DiskSource", async (files) => {
    const inside = Object.entries(files).map(([path, content]) => [
      `photos/${path}`,
      { content, mode: 0o644 },
    ]);
    const tree = await makeTree(Object.fromEntries(inside));
    const root = tree.join("photos");
    const source = new DiskSource({ root, index: tree.join("index.sqlite"), workers: 2 });
    return {
      source,
      change: (location, content) => Deno.writeTextFileSync(tree.join("photos", location), content),
      remove: (location) => Deno.removeSync(tree.join("photos", location)),
      async [Symbol.asyncDispose]() {
        source[Symbol.dispose]();
        await tree[Symbol.asyncDispose]();
      },
    };
  });
}
