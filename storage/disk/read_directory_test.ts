import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { makeTree } from "../../testing/tree.ts";
import { readDirectory } from "./read_directory.ts";

const COUNTS = [0, 1, 23, 24, 31, 32, 33, 64, 1000];

Deno.test("readDirectory() takes each name once, whatever is done meanwhile", async (t) => {
  for (const count of COUNTS) {
    await t.step(`${count} names`, async () => {
      const names = Array.from({ length: count }, (_, i) => `${i}.jpg`);
      await using tree = await makeTree(Object.fromEntries(names.map((name) => [name, ""])));
      const taken: string[] = [];
      let done = 0;
      await readDirectory(tree.path, {
        take: (name) => taken.push(name),
        work: () => done < taken.length && ++done > 0,
      });
      assert.deepEqual(taken.sort(), names.sort());
    });
  }
});

Deno.test("readDirectory() has work done before all names are known, and not all at once", async () => {
  const names = Array.from({ length: 2000 }, (_, i) => `${i}.jpg`);
  await using tree = await makeTree(Object.fromEntries(names.map((name) => [name, ""])));
  let taken = 0;
  const seen: number[] = [];
  await readDirectory(tree.path, {
    take: () => taken++,
    work: () => {
      const until = performance.now() + 0.2; // longer than it has
      while (performance.now() < until);
      return seen.push(taken) > 0;
    },
  });
  assert.ok(seen[0] < names.length, `${seen}`);
  assert.equal(new Set(seen).size, seen.length, "one call at each wait");
});

Deno.test("readDirectory() rejects for a directory that is not there, and leaves nothing open", async () => {
  await using tree = await makeTree({ "file": "" });
  for (const [name, expected] of [["gone", "NotFound"], ["file", "NotADirectory"]]) {
    const reading = readDirectory(tree.join(name), { take: assert.fail, work: assert.fail });
    await assert.rejects(reading, { name: expected });
  }
  await sleep(10); // what is left would show now
});
