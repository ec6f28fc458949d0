/**
 * What `docs/resume.md` says of clients on the command line.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Program, said, start } from "./process.ts";
import { exchange } from "./raw.ts";
import { run, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "81c3f09d5e274ab6b9d02c6e7f415a38";
const NAME = `photos-${HASH.slice(0, 8)}.zip`;
const SIZE = 1_000_000;

/** A service, the link of its archive, and an empty folder to download into */
async function prepare() {
  const path = `photos/${HASH}/a.jpg`;
  const tree = await makeTree({ [path]: randomBytes(SIZE), "saved": { directory: true } });
  const program = await start(["--folder", tree.join("photos"), "--log"]);
  return {
    link: `${program.url}archive/${HASH}/`,
    whole: await download(program),
    tree,
    program,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

function ask({ port }: Program) {
  return exchange(port, `GET /archive/${HASH}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
}

async function download(program: Program) {
  return (await ask(program)).body;
}

function client(tree: Tree, [command, ...args]: readonly string[]) {
  return run(command, args, { cwd: tree.join("saved"), within: 20_000 });
}

function savedIn(tree: Tree) {
  return [...Deno.readDirSync(tree.join("saved"))].map(({ name }) => name);
}

/** Other photos of the same size, so that the length tells nothing */
async function changeFolder({ tree, program }: { tree: Tree; program: Program }) {
  const path = tree.join("photos", HASH, "a.jpg");
  await Deno.writeFile(path, randomBytes(SIZE, 2));
  await Deno.utime(path, 1_600_000_000, 1_600_000_000);
  return await download(program);
}

testWith(["wget", "curl"], "resume.md: the name that the service sends is asked for", async () => {
  const commands: [string, ...string[]][] = [
    ["index.html", "wget", "-q"],
    [NAME, "wget", "-q", "--content-disposition"],
    [NAME, "curl", "-sSOJ"],
  ];
  for (const [name, ...command] of commands) {
    await using stage = await prepare();
    const { code, stderr } = await client(stage.tree, [...command, stage.link]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(savedIn(stage.tree), [name], `${command}`);
    assert.deepEqual(await Deno.readFile(stage.tree.join("saved", name)), stage.whole);
  }
});

testWith(["wget"], "resume.md: wget -c --content-disposition resumes", async () => {
  await using stage = await prepare();
  const { tree, whole, link, program } = stage;
  const path = tree.join("saved", NAME);
  await Deno.writeFile(path, whole.subarray(0, 400_000));
  const { code } = await client(tree, ["wget", "-q", "-c", "--content-disposition", link]);
  assert.deepEqual([code, savedIn(tree)], [0, [NAME]]);
  assert.deepEqual(await Deno.readFile(path), whole);
  await said(program, /"start":400000\b/);
});

testWith(["curl"], "resume.md: curl -C - with If-Range joins no two archives", async () => {
  await using stage = await prepare();
  const { tree, whole, link, program } = stage;
  const path = tree.join("saved", "a.zip");
  const tag = (await ask(program)).headers.get("etag");
  const resume = ["curl", "-sS", "-C", "-", "-o", "a.zip", "-H", `If-Range: ${tag}`, link];

  await Deno.writeFile(path, whole.subarray(0, 400_000));
  assert.equal((await client(tree, resume)).code, 0);
  assert.deepEqual(await Deno.readFile(path), whole);

  const part = whole.subarray(0, 400_000);
  await Deno.writeFile(path, part);
  await changeFolder(stage);
  const { code, stderr } = await client(tree, resume);
  assert.equal(code, 33, stderr);
  assert.deepEqual(await Deno.readFile(path), part, "nothing was appended");
});

testWith(["curl", "wget"], "resume.md: curl -C - and wget -c compare nothing", async () => {
  for (const command of [["curl", "-sS", "-C", "-", "-o"], ["wget", "-q", "-c", "-O"]]) {
    await using stage = await prepare();
    const { tree, whole, link } = stage;
    const path = tree.join("saved", "a.zip");
    const part = whole.subarray(0, 400_000);
    await Deno.writeFile(path, part);
    const changed = await changeFolder(stage);
    assert.equal((await client(tree, [...command, "a.zip", link])).code, 0);
    const joined = new Uint8Array([...part, ...changed.subarray(part.length)]);
    assert.deepEqual(await Deno.readFile(path), joined, `${command}`);
  }
});
