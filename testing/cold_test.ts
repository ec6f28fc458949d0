import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { closeSync, openSync, writeSync } from "node:fs";
import { type Program, runToEnd, start, until } from "./process.ts";
import { exchange } from "./raw.ts";
import { run } from "./tools.ts";
import { DEFAULT_MTIME, makeTree, type Tree } from "./tree.ts";

const HASH = "b93d0e6c51a74f28856e0fc1d7a2943b";
const OTHER = "4d1f7c08e6b2935aa8c35b7e90d2f614";

const GIGABYTE = 1 << 30;
const PHOTO = 40_000_000;
/** Bytes of a file that no test has the time to read to its end */
const ENDLESS = 1000 * GIGABYTE;

/** Processes say what they have read only here */
const LINUX = { ignore: Deno.build.os !== "linux" };

/** A photos folder with archives of such files, whose zeros take no space on the disk */
function makeAlbums(albums: Readonly<Record<string, readonly number[]>>): Promise<Tree> {
  const folder = { directory: true, mtime: DEFAULT_MTIME };
  const files = Object.entries(albums).flatMap(([hash, sizes]) => [
    [`photos/${hash}`, folder] as const,
    ...sizes.map((size, i) => [`photos/${hash}/${i + 1}.jpg`, { size }] as const),
  ]);
  return makeTree(Object.fromEntries(files));
}

function serve(tree: Tree, checksums?: string): Promise<Program> {
  const args = ["--folder", tree.join("photos")];
  if (checksums === undefined) return start(args);
  return start([...args, "--checksums", checksums], { task: "start:checksums" });
}

function linkOf({ url }: Program, hash = HASH): URL {
  return new URL(`/archive/${hash}/`, url);
}

/** What a process has read: from files, next to nothing from elsewhere */
function bytesReadBy({ pid }: Program): number {
  return Number(/^rchar: (\d+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/io`))![1]);
}

/** How many threads it reads with */
function readersOf({ pid }: Program): number {
  const names = [...Deno.readDirSync(`/proc/${pid}/task`)]
    .map(({ name }) => Deno.readTextFileSync(`/proc/${pid}/task/${name}/comm`));
  return names.filter((name) => name.startsWith("worker-")).length;
}

/** Bytes that a process reads meanwhile */
async function bytesReadDuring(program: Program, work: () => Promise<unknown>): Promise<number> {
  const before = bytesReadBy(program);
  await work();
  return bytesReadBy(program) - before;
}

/** SHA-256 of a download, or of its end, which is not held in memory */
async function download(
  url: URL,
  options: { range?: string; skip?: number; signal?: AbortSignal } = {},
) {
  const { range, skip = 0, signal } = options;
  const response = await fetch(url, { headers: range ? { range } : {}, signal });
  assert.equal(response.status, range ? 206 : 200);
  const hash = createHash("sha256");
  let received = 0;
  for await (const chunk of response.body!) {
    hash.update(chunk.subarray(Math.max(skip - received, 0)));
    received += chunk.length;
  }
  return { sha256: hash.digest("hex"), received };
}

async function lengthOf(url: URL): Promise<number> {
  const response = await fetch(url, { method: "HEAD" });
  return Number(response.headers.get("content-length"));
}

/** Other bytes at the start of a file, and the old time: no `stat` can tell */
function overwrite(path: string, length: number) {
  const fd = openSync(path, "r+");
  writeSync(fd, new Uint8Array(length).fill(0x78));
  closeSync(fd);
  Deno.utimeSync(path, DEFAULT_MTIME, DEFAULT_MTIME);
}

Deno.test({
  ...LINUX,
  name: "resume.md: a cold resume near the end sends before it has scanned",
  async fn() {
    await using tree = await makeAlbums({ [HASH]: [ENDLESS, GIGABYTE] });
    await using program = await serve(tree);
    const range = `Range: bytes=${ENDLESS + 900_000_000}-`;
    const request = `GET /archive/${HASH}/ HTTP/1.1\r\nHost: x\r\n${range}\r\n\r\n`;
    const { status, body } = await exchange(program.port, request, { stopAfter: 1_000_000 });
    assert.equal(status, 206);
    assert.ok(body.every((byte) => byte === 0), "photos are zeros");
  },
});

Deno.test({
  ...LINUX,
  name: "resume.md: a cold resume near the end is the end of the whole",
  async fn() {
    const size = 300_000_000;
    const skip = 2.7 * size;
    await using tree = await makeAlbums({ [HASH]: [size, size, size] });
    for (const name of ["1.jpg", "3.jpg"]) overwrite(tree.join("photos", HASH, name), PHOTO);
    const part = await (async () => {
      await using program = await serve(tree);
      return await download(linkOf(program), { range: `bytes=${skip}-` });
    })();
    await using program = await serve(tree);
    const whole = await download(linkOf(program), { skip });
    assert.equal(part.sha256, whole.sha256);
    assert.equal(part.received, whole.received - skip);
  },
});

Deno.test({
  ...LINUX,
  name: "resume.md: eight parts of one cold archive cost one scan and one reading",
  async fn() {
    const sizes = Array<number>(10).fill(PHOTO);
    await using tree = await makeAlbums({ [HASH]: sizes });
    await using program = await serve(tree);
    const url = linkOf(program);
    const step = Math.ceil(await lengthOf(url) / 8);
    const parts = [...Array(8).keys()].map((i) => `bytes=${i * step}-${(i + 1) * step - 1}`);
    let received = 0;
    const read = await bytesReadDuring(program, async () => {
      const answers = await Promise.all(parts.map((range) => download(url, { range })));
      received = answers.reduce((sum, answer) => sum + answer.received, 0);
    });
    const content = sizes.length * PHOTO;
    assert.ok(received > content);
    assert.ok(read > content, "reading is seen");
    assert.ok(read < 2.2 * content, `${read / content} times the content`);
  },
});

Deno.test({
  ...LINUX,
  name: "resume.md: a cold resume leaves room for other downloads",
  async fn() {
    const endless = Array<number>(4).fill(ENDLESS); // as many as are scanned at once
    await using tree = await makeAlbums({ [HASH]: endless, [OTHER]: [3_000_000] });
    await using program = await serve(tree);
    await download(linkOf(program, OTHER));
    const before = bytesReadBy(program);
    const resumed = download(linkOf(program), { range: "bytes=-1000" });
    let ended = false;
    resumed.catch(() => {}).finally(() => ended = true);
    await until(() => bytesReadBy(program) - before > 100_000_000, "the files are scanned");
    for (let i = 0; i < 10; i++) {
      await download(linkOf(program, OTHER), { signal: AbortSignal.timeout(60_000) });
    }
    assert.equal(ended, false, "the files are still scanned");
    const most = Math.min(Math.max(navigator.hardwareConcurrency, 2), 4);
    assert.ok(readersOf(program) <= most, "no scan was so long that a spare thread came");
  },
});

Deno.test({
  ...LINUX,
  name: "--checksums: with an index each file is read once",
  async fn(t) {
    const sizes = Array<number>(8).fill(PHOTO);
    const content = sizes.length * PHOTO;
    await using tree = await makeAlbums({ [HASH]: sizes });
    const { sha256 } = await (async () => {
      await using program = await serve(tree);
      return await download(linkOf(program));
    })();

    /** How many times a new process reads the content for one download */
    async function readings(index: string): Promise<number> {
      await using program = await serve(tree, tree.join(index));
      const read = await bytesReadDuring(program, async () => {
        assert.equal((await download(linkOf(program))).sha256, sha256);
      });
      assert.equal(program.stderr(), "");
      program.kill("SIGTERM"); // keeps what it has worked out
      assert.equal((await program.status).code, 0);
      return read / content;
    }

    await t.step("which was filled by `warm`", async () => {
      assert.deepEqual(await maintain(tree, "warm.db", "warm"), {
        code: 0,
        stdout: "",
        stderr: "",
      });
      const times = await readings("warm.db");
      assert.ok(0.9 < times && times < 1.1, `${times}`);
    });

    await t.step("which was filled by downloads", async () => {
      const first = await readings("served.db");
      assert.ok(1.9 < first && first < 2.1, `${first}`);
      const second = await readings("served.db");
      assert.ok(0.9 < second && second < 1.1, `${second}`);
    });
  },
});

/** Runs `warm` or `verify` */
function maintain(tree: Tree, index: string, action: string, ...hashes: string[]) {
  const options = ["--folder", tree.join("photos"), "--checksums", tree.join(index)];
  return runToEnd([action, ...hashes, ...options], { task: "start:checksums" });
}

Deno.test({
  ...LINUX,
  name: "--checksums: an index that cannot be used is left alone, and nothing starts with it",
  fn: async (t) => {
    await using tree = await makeAlbums({ [HASH]: [PHOTO, 1000] });
    const foreign = tree.join("foreign.db");
    {
      using database = new DatabaseSync(foreign);
      database.exec("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('keep this')");
    }
    const newer = tree.join("newer.db");
    assert.equal((await maintain(tree, "newer.db", "warm")).code, 0);
    const damaged = tree.join("damaged.db");
    Deno.copyFileSync(newer, damaged);
    overwrite(damaged, 4000);
    const cut = tree.join("cut.db");
    Deno.copyFileSync(newer, cut);
    Deno.truncateSync(cut, 4096); // one page of two
    {
      using database = new DatabaseSync(newer);
      database.exec("PRAGMA user_version = 99");
    }
    const text = tree.join("text.db");
    Deno.writeTextFileSync(text, "a letter, and no database\n".repeat(1000));
    const directory = tree.join("directory.db");
    Deno.mkdirSync(directory);
    const missing = tree.join("no such folder", "index.db");

    for (const path of [foreign, newer, damaged, cut, text, directory, missing]) {
      await t.step(basename(path), async () => {
        const before = contentOf(path);
        for (const more of [[], ["--check-config"], ["verify"]]) {
          const { code, stdout, stderr } = await runToEnd(
            [...more, "--port", "0", "--folder", tree.join("photos"), "--checksums", path],
            { task: "start:checksums" },
          );
          assert.deepEqual([code, stdout], [2, ""], stderr);
          assert.match(stderr, /^zipferry: --checksums: .*; (?:name|delete|a newer) .*\n$/);
          assert.ok(stderr.includes(basename(path)), stderr);
        }
        assert.deepEqual(contentOf(path), before);
      });
    }
  },
});

Deno.test({
  ...LINUX,
  name: "--checksums: all goes on with an index that became unusable meanwhile",
  async fn() {
    await using tree = await makeAlbums({ [HASH]: [PHOTO, 1000] });
    const { sha256 } = await (async () => {
      await using program = await serve(tree);
      return await download(linkOf(program));
    })();
    const path = tree.join("index.db");
    await using program = await serve(tree, path);
    Deno.writeTextFileSync(path, "a letter, and no database\n".repeat(1000));
    const before = contentOf(path);
    for (let i = 0; i < 3; i++) {
      assert.equal((await download(linkOf(program))).sha256, sha256);
    }
    program.kill("SIGTERM");
    assert.equal((await program.status).code, 0);
    const lines = program.stderr().trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ level }) => level), ["WARN"], program.stderr());
    assert.match(lines[0].message, /^going on without the file of --checksums: /);
    assert.deepEqual(contentOf(path), before);
  },
});

Deno.test({
  ...LINUX,
  name: "--check-config tries the file of --checksums and leaves none behind",
  async fn() {
    await using tree = await makeAlbums({ [HASH]: [1000] });
    const path = tree.join("index.db");
    const args = ["--check-config", "--folder", tree.join("photos"), "--checksums", path];
    const { code, stderr } = await runToEnd(args, { task: "start:checksums" });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual([...Deno.readDirSync(tree.path)].map(({ name }) => name), ["photos"]);
  },
});

function contentOf(path: string): Uint8Array | null {
  try {
    return Deno.readFileSync(path);
  } catch {
    return null; // a folder, or nothing
  }
}

Deno.test({
  ...LINUX,
  name: "--checksums: two processes share one index",
  async fn() {
    const hashes = Array.from({ length: 6 }, (_, i) => `${HASH}${i}`);
    const sizes = Array<number>(3).fill(PHOTO);
    await using tree = await makeAlbums(Object.fromEntries(hashes.map((hash) => [hash, sizes])));
    const index = "shared.db";
    await using one = await serve(tree, tree.join(index));
    await using two = await serve(tree, tree.join(index));
    const halves = [[one, hashes.slice(0, 3)], [two, hashes.slice(3)]] as const;
    await Promise.all(
      halves.flatMap(([program, some]) => some.map((hash) => download(linkOf(program, hash)))),
    );
    // What the one has worked out the other knows, as soon as it is written
    const isWritten = () => {
      using database = new DatabaseSync(tree.join(index), { readOnly: true });
      return database.prepare("SELECT count(*) AS n FROM checksums").get()?.n === 18;
    };
    await until(isWritten, "all is written", 30_000);
    const { stdout } = await maintain(tree, index, "verify");
    assert.equal(stdout, "18 good, 0 changed, 0 failed, 0 unknown\n");
    const content = sizes.length * PHOTO;
    for (const [program, hash] of [[one, hashes[5]], [two, hashes[0]]] as const) {
      const read = await bytesReadDuring(program, () => download(linkOf(program, hash)));
      assert.ok(0.9 * content < read && read < 1.1 * content, `${read / content}`);
    }
    for (const program of [one, two]) {
      program.kill("SIGTERM");
      assert.equal((await program.status).code, 0);
      assert.equal(program.stderr(), "");
    }
  },
});

Deno.test("`verify` finds a file that was overwritten under its old size and time", async () => {
  await using tree = await makeAlbums({ [HASH]: [PHOTO, 2000], [OTHER]: [0, PHOTO] });
  const verify = (...hashes: string[]) => maintain(tree, "index.db", "verify", ...hashes);
  const says = (line: string) => ({ code: 0, stdout: `${line}\n`, stderr: "" });

  assert.deepEqual(await verify(), says("0 good, 0 changed, 0 failed, 3 unknown"));
  assert.equal((await maintain(tree, "index.db", "warm", OTHER)).code, 0);
  assert.deepEqual(await verify(), says("1 good, 0 changed, 0 failed, 2 unknown"));
  assert.equal((await maintain(tree, "index.db", "warm")).code, 0);
  assert.deepEqual(await verify(), says("3 good, 0 changed, 0 failed, 0 unknown"));

  overwrite(tree.join("photos", HASH, "1.jpg"), 1000);
  const line = `changed under an unchanged size and time: "${HASH}/1.jpg"`;
  const counts = "2 good, 1 changed, 0 failed, 0 unknown";
  assert.deepEqual(await verify(), { ...says(`${line}\n${counts}`), code: 1 });
  assert.deepEqual(await verify(OTHER), says("1 good, 0 changed, 0 failed, 0 unknown"));

  // Under a new time it is another file, of which nothing is known
  Deno.utimeSync(tree.join("photos", HASH, "1.jpg"), new Date(), new Date());
  assert.deepEqual(await verify(), says("2 good, 0 changed, 0 failed, 1 unknown"));
});

Deno.test({
  ...LINUX,
  name: "`warm` and `verify` name an archive that cannot be listed, and do the others",
  fn: async () => {
    await using tree = await makeAlbums({ [HASH]: [PHOTO], [OTHER]: [PHOTO] });
    const script = `printf x > "$1/bad-$(printf '\\377').jpg"`;
    assert.equal((await run("sh", ["-c", script, "sh", tree.join("photos", OTHER)])).code, 0);

    const named = `cannot be read: "${OTHER}/"\n`;
    assert.deepEqual(await maintain(tree, "index.db", "warm"), {
      code: 1,
      stdout: named,
      stderr: "",
    });
    assert.deepEqual(await maintain(tree, "index.db", "verify"), {
      code: 1,
      stdout: `${named}1 good, 0 changed, 1 failed, 0 unknown\n`,
      stderr: "",
    });
  },
});
