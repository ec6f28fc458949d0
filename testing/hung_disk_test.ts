import assert from "node:assert/strict";
import { openFiles, start, until } from "./process.ts";
import { testWith } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HUNG = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const OTHER = "e07b6a1d4c92583fb6d07f3a18c5e924";

testWith(["strace"], "architecture.md: a hung disk holds up its own archives only", async () => {
  const photos = randomBytes(3_000_000);
  await using tree = await makeTree({
    [`photos/${HUNG}/1.jpg`]: photos,
    [`photos/${OTHER}/1.jpg`]: photos,
  });
  const log = tree.join("strace.log");
  // Every read of this file takes 12 seconds; no other call is touched
  const file = tree.join("photos", HUNG, "1.jpg");
  const hang = ["-e", "trace=pread64,read", "-e", "inject=pread64,read:delay_enter=12000000"];
  const prefix = ["strace", "-f", "-qq", "-P", file, ...hang, "-o", log];
  await using program = await start(["--folder", tree.join("photos")], { prefix });
  const link = (hash: string) => `http://127.0.0.1:${program.port}/archive/${hash}/`;

  let ended = 0;
  using leaving = new DisposableStack();
  for (let i = 0; i < 6; i++) {
    const client = new AbortController();
    leaving.defer(() => client.abort());
    const download = fetch(link(HUNG), { signal: client.signal }).then((answer) => answer.bytes());
    download.catch(() => {}).finally(() => ended++);
  }
  await until(() => Deno.readTextFileSync(log).includes("pread64("), "a read hangs");
  const healthz = await fetch(`http://127.0.0.1:${program.port}/healthz`);
  assert.equal(await healthz.text(), "ok\n");
  for (let i = 0; i < 3; i++) {
    const answer = await fetch(link(OTHER));
    assert.equal((await answer.bytes()).length, Number(answer.headers.get("content-length")));
  }
  assert.equal(ended, 0, "the disk still hangs");
});

testWith(["strace"], "visitors who leave while a listing hangs are gone", async () => {
  await using tree = await makeTree({
    [`photos/${HUNG}/1.jpg`]: "1",
    [`photos/${OTHER}/1.jpg`]: "2",
  });
  const log = tree.join("strace.log");
  const folder = tree.join("photos", HUNG);
  const hang = ["-e", "trace=getdents64", "-e", "inject=getdents64:delay_enter=12000000"];
  const prefix = ["strace", "-f", "-qq", "-P", folder, ...hang, "-o", log];
  await using program = await start(["--folder", tree.join("photos")], { prefix });
  const before = openFiles(program.pid).length;
  const clients = Array.from({ length: 60 }, () => {
    const client = new AbortController();
    const link = `http://127.0.0.1:${program.port}/archive/${HUNG}/`;
    return { client, request: fetch(link, { signal: client.signal }).catch(() => {}) };
  });
  await until(() => Deno.readTextFileSync(log).includes("getdents64("), "a listing hangs");
  await until(() => openFiles(program.pid).length >= before + 60, "all wait");
  for (const { client } of clients) client.abort();
  await Promise.all(clients.map(({ request }) => request));
  await until(() => openFiles(program.pid).length < before + 20, "nearly all are gone");
  const answer = await fetch(`http://127.0.0.1:${program.port}/archive/${OTHER}/`);
  assert.equal(answer.status, 200);
  await answer.bytes();
  assert.doesNotMatch(program.stderr(), /request failed/);
});
