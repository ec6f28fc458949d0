import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { mountDisk, testOnDisk } from "./odd_disk.ts";
import { memoryOf, openFiles, type Program, start, until } from "./process.ts";
import { beginAndStall, exchange } from "./raw.ts";
import { testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const OTHER = "e07b6a1d4c92583fb6d07f3a18c5e924";

/** No photo may stay open for longer while nothing is read from it, in milliseconds */
const LET_GO_MS = 10_000;

/** And then for this long none is opened again */
const QUIET_MS = 500;

/** A client that has read a little, and reads the rest when it is told to */
async function stall({ port }: Program, hash: string) {
  const goOn = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const answer = exchange(port, `GET /archive/${hash}/ HTTP/1.1\r\nHost: x\r\n\r\n`, {
    within: 60_000,
    onBody: () => (begun.resolve(), goOn.promise),
  });
  await Promise.race([begun.promise, answer]);
  return { answer, goOn: goOn.resolve };
}

/** Resolves when no file of the tree is open any longer */
async function untilLetGo(program: Program, tree: Tree) {
  let since = performance.now();
  await until(
    () => {
      const files = openFiles(program.pid, { files: true });
      if (files.some((path) => path.startsWith(tree.path))) since = performance.now();
      return performance.now() - since > QUIET_MS;
    },
    "no photo is open",
    LET_GO_MS,
  );
}

Deno.test("a client that stalls keeps no photo open, and can go on", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using tree = await makeTree({
    [`${HASH}/1.jpg`]: randomBytes(40 << 20, 1),
    [`${HASH}/2.jpg`]: randomBytes(20 << 20, 2),
  });
  await using program = await start(["--folder", tree.path]);
  const whole = await (await fetch(`http://127.0.0.1:${program.port}/archive/${HASH}/`)).bytes();
  const clients = [await stall(program, HASH), await stall(program, HASH)];
  await untilLetGo(program, tree);
  for (const { answer, goOn } of clients) {
    goOn();
    const { complete, body } = await answer;
    assert.ok(complete, program.stderr());
    assert.deepEqual(body, whole);
  }
  await untilLetGo(program, tree);
});

testOnDisk("a disk can be unmounted while a client stalls in a download from it", async () => {
  await using tree = await makeTree({
    "disk/1.jpg": randomBytes(40 << 20, 1),
    [`photos/${HASH}`]: { directory: true },
    [`photos/${OTHER}/1.jpg`]: randomBytes(9 << 20, 2),
  });
  await using program = await start(["--folder", tree.join("photos")]);
  await using disk = await mountDisk("hung", tree.join("disk"), tree.join("photos", HASH));
  const client = await stall(program, HASH);
  await until(() => disk.unmount(), "it is unmounted", LET_GO_MS);
  client.goOn();
  assert.equal((await client.answer).complete, false, "its photo is gone");
  const other = await fetch(`http://127.0.0.1:${program.port}/archive/${OTHER}/`);
  assert.ok((await other.bytes()).length > 9 << 20);
});

Deno.test("clients that never read cost the process less than a buffer of 1 MiB each", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: "" });
  await Deno.truncate(tree.join(HASH, "1.jpg"), 64 << 20);
  await using program = await start(["--folder", tree.path]);
  await (await fetch(`http://127.0.0.1:${program.port}/archive/${HASH}/`)).bytes();
  const before = memoryOf(program);
  using stalled = new DisposableStack();
  for (let i = 0; i < 100; i++) {
    stalled.use(await beginAndStall(program.port, `/archive/${HASH}/`));
  }
  await sleep(2000); // by then nothing goes into the buffers of the system any more
  const growth = memoryOf(program) - before;
  assert.ok(growth < 100 << 20, `${growth} bytes for 100 clients`);
});

testWith(["prlimit"], "clients that stall take no files from those who read", async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(12 << 20) });
  const prefix = ["prlimit", "--nofile=256"]; // enough for the clients, but not for a file each
  const flags = ["--folder", tree.path, "--max-downloads", "151"];
  await using program = await start(flags, { prefix });
  const path = `/archive/${HASH}/`;
  using stalled = new DisposableStack();
  const readers = Array.from({ length: 20 }, () => stall(program, HASH));
  const others = Array.from({ length: 130 }, () => beginAndStall(program.port, path));
  for (const connection of await Promise.all(others)) stalled.use(connection);
  for (const reader of await Promise.all(readers)) reader.goOn();
  const answers = await Promise.all((await Promise.all(readers)).map(({ answer }) => answer));
  for (const { status, complete } of answers) {
    assert.equal(status, 200);
    assert.ok(complete, program.stderr());
  }
  assert.equal(program.stderr().split("\n", 1)[0], "");
});
