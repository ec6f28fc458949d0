import assert from "node:assert/strict";
import { type Program, said, start } from "./process.ts";
import { run, testWith, tool, UNDER_WINE } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";

async function statusOf({ port }: Program, hash: string) {
  const answer = await fetch(`http://127.0.0.1:${port}/archive/${hash}/`);
  await answer.bytes();
  return answer.status;
}

/** Wine takes 1.6 ms to look at one */
const FILES = UNDER_WINE ? 500 : 5000;

Deno.test("a busy photos folder keeps nobody from an archive that is at rest", async () => {
  const many = Array.from({ length: FILES }, (_, i) => [`photos/${HASH}/${i % 9}/${i}.jpg`, "1"]);
  await using tree = await makeTree(Object.fromEntries(many));
  await using program = await start(["--folder", tree.join("photos")], { settle: null });
  assert.equal(await statusOf(program, HASH), 200); // it has settled by now
  let published = 0;
  const publish = () => Deno.mkdirSync(tree.join("photos", `album-${published++}`));
  const timer = setInterval(publish, 10);
  try {
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      assert.equal(await statusOf(program, HASH), 200);
      const { length } = await (await fetch(
        `http://127.0.0.1:${program.port}/archive/${HASH}/?manifest`,
      )).bytes();
      assert.ok(length > FILES);
      assert.ok(performance.now() - started < 20_000);
    }
  } finally {
    clearInterval(timer);
  }
  assert.ok(published > 10);
  assert.doesNotMatch(program.stderr(), /request failed/);
});

Deno.test("a photos folder that is gone is 503 and an error line, until it is back", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(1000) });
  await using program = await start(["--folder", tree.join("photos")]);
  assert.deepEqual([await statusOf(program, HASH), await statusOf(program, UNKNOWN)], [200, 404]);
  await Deno.rename(tree.join("photos"), tree.join("away"));
  assert.deepEqual([await statusOf(program, HASH), await statusOf(program, UNKNOWN)], [503, 503]);
  await said(program, /"level":"ERROR".*photos folder: ENOENT/);
  await Deno.rename(tree.join("away"), tree.join("photos"));
  assert.deepEqual([await statusOf(program, HASH), await statusOf(program, UNKNOWN)], [200, 404]);
});

if (Deno.build.os === "linux" && Deno.uid() === 0 && tool("mount") !== null) {
  testWith(["mount", "umount"], "a disk that was unmounted is 503, until it is back", async () => {
    await using tree = await makeTree({ "photos": { directory: true } });
    const root = tree.join("photos");
    const mount = async () => {
      const { code, stderr } = await run("mount", ["-o", "bind", tree.join("elsewhere"), root]);
      assert.equal(code, 0, stderr);
    };
    const memory = tree.join("elsewhere");
    await Deno.mkdir(memory);
    assert.equal((await run("mount", ["-t", "tmpfs", "tmpfs", memory])).code, 0);
    try {
      await Deno.mkdir(`${memory}/${HASH}`);
      await Deno.writeTextFile(`${memory}/${HASH}/a.jpg`, "1");
      await mount();
      await using program = await start(["--folder", root]);
      const statuses = async () => [
        await statusOf(program, HASH),
        await statusOf(program, UNKNOWN),
      ];
      assert.deepEqual(await statuses(), [200, 404]);
      assert.equal((await run("umount", [root])).code, 0);
      assert.deepEqual(await statuses(), [503, 503]);
      await said(program, /"level":"ERROR".*photos folder: empty/);
      await mount();
      assert.deepEqual(await statuses(), [200, 404]);
    } finally {
      await run("umount", ["-l", root]);
      await run("umount", ["-l", memory]);
    }
  });
}
