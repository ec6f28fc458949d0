import assert from "node:assert/strict";
import { closeSync, openSync, writeSync } from "node:fs";
import { type Program, start, until } from "./process.ts";
import { exchange, type ExchangeOptions, type RawResponse } from "./raw.ts";
import { readers } from "./readers.ts";
import { testWith } from "./tools.ts";
import { DEFAULT_MTIME, makeTree, type Tree, type TreeFile } from "./tree.ts";

const HASH = "0f6a3c92b7d14e58a9c07e21fb35d846";
const PATH = `/archive/${HASH}/`;

/** Bytes of `2.jpg`: more than sockets and the program hold ahead of the client */
const LARGE = 60_000_000;

/** Bytes of `3.jpg`: more than are read at a time, so that it is read for its checksum before */
const NEXT = 5_000_000;

/** So much is received before something changes: `2.jpg` is being sent then, `3.jpg` comes later */
const RECEIVED = 500_000;

/** A folder with a small and two large files; all of it is old */
function makeAlbum(): Promise<Tree> {
  const folder = { directory: true, mtime: DEFAULT_MTIME };
  const older = new Date("2020-01-01T00:00:00Z");
  const files: Record<string, TreeFile> = {
    "1.jpg": { size: 100_000 },
    "2.jpg": { size: LARGE },
    "3.jpg": { size: NEXT },
    "Прошлый год/1.jpg": { size: 1000, mtime: older },
    "Прошлый год/2.jpg": { size: 1000, mtime: older },
    "Прошлый год": folder,
  };
  const placed = Object.entries(files).map(([name, file]) => [`photos/${HASH}/${name}`, file]);
  return makeTree({ [`photos/${HASH}`]: folder, ...Object.fromEntries(placed) });
}

function serve(tree: Tree): Promise<Program> {
  return start(["--folder", tree.join("photos")]);
}

function ask(port: number, lines: readonly string[] = [], options: ExchangeOptions = {}) {
  const head = [`GET ${PATH} HTTP/1.1`, "Host: x", ...lines];
  return exchange(port, `${head.join("\r\n")}\r\n\r\n`, options);
}

/** Receives the beginning of an archive, changes something, and receives the rest */
async function askAndChange(program: Program, change: () => void): Promise<RawResponse> {
  let changed = false;
  const response = await ask(program.port, [], {
    async onBody(received) {
      if (changed || received < RECEIVED) return;
      changed = true;
      await isWaiting(program);
      change();
    },
  });
  assert.equal(response.status, 200);
  assert.ok(changed && response.body.length >= RECEIVED);
  return response;
}

/** Until the program has read ahead what it will, and waits for its client */
async function isWaiting({ pid }: Program): Promise<void> {
  if (Deno.build.os !== "linux") return; // it is likely
  let before = "";
  let unchanged = 0;
  await until(
    () => {
      const now = Deno.readTextFileSync(`/proc/${pid}/io`).split("\n")[0];
      unchanged = now === before ? unchanged + 1 : 0;
      before = now;
      return unchanged === 8;
    },
    "the program waits for its client",
    20_000,
  );
}

/** A whole answer, of which a foreign reader reads every byte */
async function assertReadable({ status, complete, body }: RawResponse, tree: Tree) {
  assert.deepEqual([status, complete], [200, true]);
  const path = tree.join("received.zip");
  Deno.writeFileSync(path, body);
  await readers.find(({ name }) => name === "python")!.read(path);
}

const CHANGES: Record<string, (path: string) => void> = {
  "shrinks": (path) => Deno.truncateSync(path, NEXT / 2),
  "grows": (path) => Deno.writeTextFileSync(path, "more", { append: true }),
  "is deleted": (path) => Deno.removeSync(path),
  "is touched": (path) => Deno.utimeSync(path, new Date(), new Date()),
  "is replaced": (path) => {
    replace(path);
    Deno.utimeSync(path, DEFAULT_MTIME, new Date("2024-05-06T07:08:10Z"));
  },
};

/** Other bytes in place and the old time: no `stat` can tell */
function overwrite(path: string) {
  const { size } = Deno.statSync(path);
  const fd = openSync(path, "r+"); // with "w" it would be empty for a moment
  const bytes = new Uint8Array(100_000).fill(0x78);
  for (let at = 0; at < size; at += bytes.length) writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
  Deno.utimeSync(path, DEFAULT_MTIME, DEFAULT_MTIME);
}

/** Another file of the same size and time in its place */
function replace(path: string) {
  Deno.copyFileSync(path, `${path}.new`);
  overwrite(`${path}.new`);
  Deno.renameSync(`${path}.new`, path);
}

for (const [when, name] of [["is sent", "2.jpg"], ["waits for its turn", "3.jpg"]]) {
  testWith(["python3"], `resume.md: a change while a file ${when} cuts off`, async (t) => {
    for (const [what, change] of Object.entries(CHANGES)) {
      await t.step(`it ${what}`, async () => {
        await using tree = await makeAlbum();
        await using program = await serve(tree);
        const path = tree.join("photos", HASH, name);
        const response = await askAndChange(program, () => change(path));
        assert.equal(response.complete, false);

        await until(() => program.stderr().endsWith("\n"), "the failure is logged");
        const lines = program.stderr().trim().split("\n");
        assert.equal(lines.length, 1);
        assert.match(lines[0], /"level":"ERROR".*"download failed: /);
        assert.ok(lines[0].includes(name) && !lines[0].includes(HASH), lines[0]);

        const etag = response.headers.get("etag");
        const range = `Range: bytes=${response.body.length}-`;
        const resumed = await ask(program.port, [range, `If-Range: ${etag}`]);
        assert.notEqual(resumed.headers.get("etag"), etag);
        await assertReadable(resumed, tree);
      });
    }
  });
}

for (const [what, change] of [["overwritten", overwrite], ["replaced", replace]] as const) {
  testWith(["python3"], `CRC-32: a file ${what} under its old time spoils no more`, async (t) => {
    for (const name of ["2.jpg", "3.jpg"]) {
      await t.step(name, async () => {
        await using tree = await makeAlbum();
        await using program = await serve(tree);
        const path = tree.join("photos", HASH, name);
        const response = await askAndChange(program, () => change(path));
        if (response.complete) await assertReadable(response, tree);

        // In parts, none of which has all of a file: nothing but the checksums tells them apart
        const ranges = [`0-${LARGE / 2}`, `${LARGE / 2 + 1}-${LARGE + NEXT / 2}`];
        const parts: Uint8Array<ArrayBuffer>[] = [];
        for (const range of [...ranges, `${LARGE + NEXT / 2 + 1}-`]) {
          const { status, complete, body } = await ask(program.port, [`Range: bytes=${range}`]);
          assert.deepEqual([status, complete], [206, true]);
          parts.push(body);
        }
        const body = new Uint8Array(await new Blob(parts).arrayBuffer());
        await assertReadable({ ...response, complete: true, body }, tree);
        await assertReadable(await ask(program.port), tree);
      });
    }
  });
}

testWith(["python3"], "CRC-32: a file overwritten between downloads costs one", async () => {
  await using tree = await makeAlbum();
  await using program = await serve(tree);
  await assertReadable(await ask(program.port), tree);
  overwrite(tree.join("photos", HASH, "2.jpg"));
  assert.equal((await ask(program.port)).complete, false); // its checksum was remembered
  await assertReadable(await ask(program.port), tree);
});

testWith(["python3"], "resume.md: what happens around files still to be sent", async (t) => {
  const album = (tree: Tree, ...names: string[]) => tree.join("photos", HASH, ...names);
  const cases: [string, (tree: Tree) => void, boolean][] = [
    ["a file is added", (tree) => Deno.writeTextFileSync(album(tree, "0.jpg"), "new"), true],
    ["a folder is added", (tree) => Deno.mkdirSync(album(tree, "new")), true],
    ["a file that was sent is deleted", (tree) => Deno.removeSync(album(tree, "1.jpg")), true],
    [
      "a file that was sent is touched",
      (tree) => CHANGES["is touched"](album(tree, "1.jpg")),
      true,
    ],
    [
      "a folder is renamed",
      (tree) => Deno.renameSync(album(tree, "Прошлый год"), album(tree, "x")),
      false,
    ],
    [
      "an old file is deleted",
      (tree) => Deno.removeSync(album(tree, "Прошлый год", "1.jpg")),
      false,
    ],
  ];
  for (const [what, change, complete] of cases) {
    await t.step(what, async () => {
      await using tree = await makeAlbum();
      await using program = await serve(tree);
      const response = await askAndChange(program, () => change(tree));
      assert.equal(response.complete, complete);
      if (complete) await assertReadable(response, tree);
      const again = await ask(program.port, [`If-None-Match: ${response.headers.get("etag")}`]);
      await assertReadable(again, tree);
    });
  }

  await t.step("the whole folder is renamed", async () => {
    await using tree = await makeAlbum();
    await using program = await serve(tree);
    const [here, there] = [album(tree), tree.join("photos", `${HASH}x`)];
    const response = await askAndChange(program, () => Deno.renameSync(here, there));
    assert.equal(response.complete, false);
    const range = `Range: bytes=${response.body.length}-`;
    assert.equal((await ask(program.port, [range])).status, 404);

    // Back again it is the same as before, to the byte
    Deno.renameSync(there, here);
    const etag = response.headers.get("etag");
    const { status, complete, body } = await ask(program.port, [range, `If-Range: ${etag}`]);
    assert.deepEqual([status, complete], [206, true]);
    const whole = new Uint8Array(await new Blob([response.body, body]).arrayBuffer());
    await assertReadable({ ...response, complete: true, body: whole }, tree);
  });
});

Deno.test("Last-Modified shows that an older file is gone, renamed or replaced", async (t) => {
  const folder = (tree: Tree) => tree.join("photos", HASH, "Прошлый год");
  const changes: Record<string, (tree: Tree) => void> = {
    "gone": (tree) => Deno.removeSync(`${folder(tree)}/1.jpg`),
    "renamed": (tree) => Deno.renameSync(`${folder(tree)}/1.jpg`, `${folder(tree)}/3.jpg`),
    "replaced": (tree) => Deno.renameSync(`${folder(tree)}/1.jpg`, `${folder(tree)}/2.jpg`),
  };
  for (const [what, change] of Object.entries(changes)) {
    await t.step(what, async () => {
      await using tree = await makeAlbum();
      await using program = await serve(tree);
      const { headers } = await ask(program.port, ["Range: bytes=0-999"]);
      const modified = headers.get("last-modified");
      assert.equal(modified, DEFAULT_MTIME.toUTCString());
      const resume = () => ask(program.port, ["Range: bytes=1000-1999", `If-Range: ${modified}`]);
      assert.equal((await resume()).status, 206);

      change(tree);
      const changed = await resume();
      assert.equal(changed.status, 200);
      assert.ok(changed.complete);
      assert.notEqual(changed.headers.get("etag"), headers.get("etag"));
    });
  }
});
