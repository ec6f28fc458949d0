import assert from "node:assert/strict";
import { type Habit, mountDisk, testOnDisk } from "./odd_disk.ts";
import { type Program, said, start } from "./process.ts";
import { readWithAll } from "./readers.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
/** A service whose photos are on a disk with that habit */
async function serve(habit: Habit, args: readonly string[] = []) {
  const tree = await makeTree({
    [`photos/${HASH}/1.jpg`]: randomBytes(3_000_000, 1),
    [`photos/${HASH}/2/2.jpg`]: randomBytes(9_000_000, 2),
    [`photos/${HASH}/2/3.jpg`]: randomBytes(300, 3),
    "mount": { directory: true },
  });
  const mount = tree.join("mount");
  const disk = await mountDisk(habit, tree.join("photos"), mount);
  const program = await start(["--folder", mount, ...args], { settle: 0.5 });
  return {
    tree,
    program,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await disk[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

function ask({ port }: Program, init: RequestInit = {}) {
  return fetch(`http://127.0.0.1:${port}/archive/${HASH}/`, init);
}

for (const engine of ["store", "zip"]) {
  testOnDisk(`a disk that gives files other inodes is read as ever (${engine})`, async () => {
    await using site = await serve("inodes", ["--engine", engine, "--delay", "0.05"]);
    const answer = await ask(site.program);
    assert.equal(answer.status, 200);
    const path = site.tree.join("a.zip");
    await Deno.writeFile(path, await answer.bytes());
    if (engine === "store") {
      assert.match(answer.headers.get("etag")!, /^"/);
      await readWithAll(path);
    }
  });
}

testOnDisk(
  "a disk whose times are the present is read, without ranges, with a warning",
  async () => {
    await using site = await serve("now");
    for (let i = 0; i < 2; i++) {
      const answer = await ask(site.program, { headers: { range: "bytes=100-" } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("accept-ranges"), "none");
      assert.match(answer.headers.get("etag")!, /^W\//);
      const path = site.tree.join("a.zip");
      await Deno.writeFile(path, await answer.bytes());
      await readWithAll(path);
    }
    const warnings = site.program.stderr().split("\n").filter((line) =>
      /cannot be resumed/.test(line)
    );
    assert.equal(warnings.length, 1, site.program.stderr());
    assert.match(warnings[0], /"archive":"5d1c…"/);
  },
);

testOnDisk("a disk that sets times on opening is read once that is known", async () => {
  await using site = await serve("opened");
  const statuses: string[] = [];
  for (let i = 0; i < 4; i++) {
    const answer = await ask(site.program);
    const whole = await answer.bytes().then((bytes) => bytes.length, () => 0);
    statuses.push(`${answer.status} ${whole > 12_000_000} ${answer.headers.get("accept-ranges")}`);
  }
  assert.equal(statuses.at(-1), "200 true none", statuses.join());
  await said(site.program, /cannot be resumed/);
});
