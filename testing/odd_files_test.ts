/**
 * Times and modes that photos have after odd ways: from before 1970, from a camera whose clock was
 * wrong, from a group's share.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { lutimesSync } from "node:fs";
import { createStoreEngine } from "../engines/store.ts";
import { createHandler } from "../handlers/mod.ts";
import { tellAll } from "../observe/observer.ts";
import { Checksums } from "../storage/checksums.ts";
import { DiskSource } from "../storage/disk/disk.ts";
import { type Program, start, until } from "./process.ts";
import { exchange } from "./raw.ts";
import { run, testWith } from "./tools.ts";
import { makeTree, type Tree, type TreeFile } from "./tree.ts";

const HASH = "8b1f6c04e2d93a7750cb16fa4e9d2038";
const OTHER = "2f90d6b8a1c34e57b9026d8e7f13ac54";
const OLD = new Date("2020-02-03T04:05:06Z");

/** Beyond what a Date can hold, in seconds; only some file systems keep it, a tmpfs among them */
const BEYOND_DATE = 9_000_000_000_000;
const MEMORY_DISK = "/dev/shm";

/** A photos folder with an album and another one, each of one time */
async function makeAlbums(files: Readonly<Record<string, string | TreeFile>>): Promise<Tree> {
  const inside = Object.entries(files).map(([name, file]) => [`photos/${HASH}/${name}`, file]);
  const tree = await makeTree({
    ...Object.fromEntries(inside),
    [`photos/${OTHER}/other.jpg`]: { content: "other", mtime: OLD },
  });
  for (const hash of [HASH, OTHER]) lutimesSync(tree.join("photos", hash), OLD, OLD);
  return tree;
}

function ask({ port }: Pick<Program, "port">, path: string, lines: readonly string[] = []) {
  const head = [`GET ${path} HTTP/1.1`, "Host: localhost", ...lines];
  return exchange(port, `${head.join("\r\n")}\r\n\r\n`);
}

/** Whatever is in the first album: all answers come, and none has a date that is none */
async function assertAllAnswer(program: Pick<Program, "port">) {
  const paths = [`/archive/${HASH}/`, `/archive/${HASH}/?manifest`, "/", `/archive/${OTHER}/`];
  for (const path of paths) {
    const answer = await ask(program, path);
    assert.equal(answer.status, 200, path);
    assert.ok(answer.complete, path);
    assert.doesNotMatch(answer.raw, /Invalid|NaN/);
    const text = textOf(answer.body);
    if (path === "/") assert.ok(text.includes(HASH) && text.includes(OTHER), text);
  }
  const { body } = await ask(program, `/archive/${HASH}/?manifest`);
  return JSON.parse(textOf(body)).files as { name: string; mtime: string }[];
}

Deno.test("docs/macos.md: what macOS leaves stays out, and names in NFD come in NFC", async () => {
  const photos = ["Cafe\u0301/Noe\u0308l.jpg", "Ёлка.jpg".normalize("NFD"), "IMG_0001.jpg"];
  const left = ["._IMG_0001.jpg", ".DS_Store", "Cafe\u0301/.DS_Store", "Icon\r"];
  if (Deno.build.os === "windows") left.pop(); // no name there
  const folders = ["__MACOSX/._IMG_0001.jpg", ".Trashes/501/IMG_0002.jpg"];
  await using tree = await makeAlbums(
    Object.fromEntries([...photos, ...left, ...folders].map((name) => [name, { mtime: OLD }])),
  );
  await using program = await start(["--folder", tree.join("photos")]);
  const files = await assertAllAnswer(program);
  const expected = ["Café/Noël.jpg", "IMG_0001.jpg", "Ёлка.jpg"];
  assert.deepEqual(files.map(({ name }) => name), expected.map((name) => name.normalize("NFC")));
});

testWith(["python3", "bsdtar", "7z"], "photos from before 1970 are not from 2091", async () => {
  const time = new Date("1955-11-05T06:15:00Z");
  await using tree = await makeAlbums({ "a.jpg": { content: "a", mtime: time } });
  await using program = await start(["-f", tree.join("photos")]);
  const files = await assertAllAnswer(program);
  assert.deepEqual(files.map(({ mtime }) => mtime), ["1955-11-05T06:15:00Z"]);
  const { body } = await ask(program, `/archive/${HASH}/`);
  const file = tree.join("a.zip");
  Deno.writeFileSync(file, body);
  for (const [command, ...args] of [["bsdtar", "-tvf", file], ["7z", "l", file]]) {
    const { code, stdout } = await run(command, args, { env: { TZ: "UTC" } });
    const text = textOf(stdout);
    assert.equal(code, 0, command);
    assert.match(text, /1980/, command);
    assert.doesNotMatch(text, /209\d/, command);
  }
});

testWith(["touch"], "a time beyond every calendar costs nobody an answer", async (t) => {
  for (
    const [seconds, told] of [
      [BEYOND_DATE, "9999-12-31T23:59:59Z"],
      [-BEYOND_DATE, "9999-12-31T23:59:59Z"], // the runtime does not tell which of both
      [253_402_300_800, "9999-12-31T23:59:59Z"], // the year 10000
      [-62_167_219_201, "1601-01-01T00:00:00Z"], // the year -1
      [4_102_444_800, "2100-01-01T00:00:00Z"],
    ] as const
  ) {
    for (const place of ["a.jpg", "empty", ""]) {
      await t.step(`${seconds} of ${place || "the folder"}`, async () => {
        await using directory = await memoryDirectory();
        if (!directory) return; // another system than Linux
        const album = `${directory.path}/${HASH}`;
        for (const path of [`${album}/empty`, `${directory.path}/${OTHER}`]) {
          Deno.mkdirSync(path, { recursive: true });
        }
        for (const path of [`${album}/a.jpg`, `${directory.path}/${OTHER}/b.jpg`]) {
          Deno.writeTextFileSync(path, "photo");
          lutimesSync(path, OLD, OLD);
        }
        lutimesSync(`${album}/empty`, OLD, OLD);
        lutimesSync(album, OLD, OLD);
        const { code } = await run("touch", ["-d", `@${seconds}`, `${album}/${place}`]);
        assert.equal(code, 0);

        await using program = serve(directory.path);
        const files = await assertAllAnswer(program);
        if (place === "a.jpg") assert.equal(files[0].mtime, told);
        const whole = await ask(program, `/archive/${HASH}/`);
        const isPast = seconds < 0 && seconds !== -BEYOND_DATE;
        const modified = whole.headers.get("last-modified");
        assert.equal(modified ?? null, isPast ? OLD.toUTCString() : null);
        const etag = whole.headers.get("etag") ?? "";
        assert.match(etag, /^"1-/, "it resumes");
        const rest = await ask(program, `/archive/${HASH}/`, [
          "Range: bytes=9-",
          `If-Range: ${etag}`,
        ]);
        assert.equal(rest.status, 206);
        assert.deepEqual(rest.body, whole.body.subarray(9));
        // No date is none of the present either
        const present = new Date(Date.now() + 60_000).toUTCString();
        const again = await ask(program, `/archive/${HASH}/`, [`If-Modified-Since: ${present}`]);
        assert.equal(again.status, isPast ? 304 : 200);
      });
    }
  }
});

testWith(
  ["python3", "unzip"],
  "what comes out of an archive can be opened by its owner",
  async () => {
    if (Deno.build.os === "windows" || Deno.uid() !== 0) return; // others cannot read such files here
    await using tree = await makeAlbums({
      "000.jpg": { content: "0", mode: 0 },
      "040.jpg": { content: "1", mode: 0o040 },
      "444.jpg": { content: "2", mode: 0o444 },
      "644.jpg": { content: "3", mode: 0o644 },
      "folder": { directory: true, mode: 0o050 },
    });
    await using program = await start(["-f", tree.join("photos")]);
    const { body } = await ask(program, `/archive/${HASH}/`);
    Deno.writeFileSync(tree.join("a.zip"), body);
    assert.equal((await run("unzip", ["-q", tree.join("a.zip"), "-d", tree.join("out")])).code, 0);
    const modes = ["000.jpg", "040.jpg", "444.jpg", "644.jpg", "folder"].map((name) => {
      return (Deno.statSync(tree.join("out", name)).mode! & 0o777).toString(8);
    });
    assert.deepEqual(modes, ["600", "640", "644", "644", "750"]);
  },
);

testWith(["unzip", "bsdtar", "7z", "python3"], "twins of 255 bytes can be unpacked", async () => {
  const names = [`${"Я".repeat(125)}.jpg`, `${"я".repeat(125)}.jpg`, `${"a".repeat(251)}.JPG`];
  const twins = [...names, `${"A".repeat(251)}.jpg`, "ß", "ẞ", "SS", "turn\u202egpj.exe"];
  await using tree = await makeAlbums(Object.fromEntries(twins.map((name) => [name, name])));
  await using program = await start(["-f", tree.join("photos")]);
  const { body } = await ask(program, `/archive/${HASH}/`);
  const file = tree.join("a.zip");
  Deno.writeFileSync(file, body);
  const out = (name: string) => tree.join("out", name);
  Deno.mkdirSync(out("bsdtar"), { recursive: true });
  for (
    const [command, ...args] of [
      ["unzip", "-q", file, "-d", out("unzip")],
      ["bsdtar", "-xf", file, "-C", out("bsdtar")],
      ["7z", "x", `-o${out("7z")}`, file],
      ["python3", "-m", "zipfile", "-e", file, out("python3")],
    ]
  ) {
    const { code, stderr } = await run(command, args);
    assert.equal(code, 0, `${command}: ${stderr}`);
    const found = [...Deno.readDirSync(out(command))].map(({ name }) => name);
    assert.equal(found.length, twins.length, command);
    assert.ok(found.includes("turn_gpj.exe"));
    for (const name of found) {
      assert.ok(Buffer.byteLength(name) <= 255);
      const whole = Deno.readTextFileSync(`${out(command)}/${name}`);
      assert.ok(twins.includes(whole));
    }
  }
});

testWith(
  ["setpriv"],
  "what a disk leaves in a folder does no harm, though it cannot be read",
  async () => {
    if (Deno.build.os !== "linux") return;
    await using tree = await makeAlbums({
      "a.jpg": "a",
      "lost+found/#1234": "found",
      "lost+found": { directory: true, mode: 0 },
      "#recycle": { directory: true, mode: 0 },
      "a.jpg.filepart": { content: "cut", mode: 0 },
    });
    // Root is bound by permissions only without these capabilities
    const power = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"];
    const prefix = Deno.uid() === 0 ? power : [];
    await using program = await start(["-f", tree.join("photos")], { prefix });
    const files = await assertAllAnswer(program);
    assert.deepEqual(files.map(({ name }) => name), ["a.jpg"]);
    assert.equal(program.stderr(), "");

    await using all = await start(["-f", tree.join("photos"), "--include-junk"], { prefix });
    const refused = await ask(all, `/archive/${HASH}/`);
    assert.equal(refused.status, 500);
    assert.match(textOf(refused.body), /Trying again will not help/);
    const named = /"level":"ERROR[^\n]*"archive":"8b1f…"[^\n]*EACCES: (#recycle|lost\+found)\//;
    await until(() => named.test(all.stderr()), "the log names it");
    assert.ok(!all.stderr().includes(HASH));
    assert.equal((await ask(all, `/archive/${OTHER}/`)).status, 200);
  },
);

Deno.test("docs/names.md: --include-junk lets in what systems leave, and no cut photo", async () => {
  await using tree = await makeAlbums({
    "a.jpg": "a",
    "a.jpg.part": "cut",
    "b.jpg.download/b.jpg": "cut",
    "Thumbs.db": "t",
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg": "t",
    "._a.jpg": "m",
    ".a.jpg": "h",
    ".c.jpg.aB3dE9": "cut",
    "photos/RECYCLER/S-1-5-21/b.jpg": "deleted",
  });
  const cases: [string[], Record<string, string>, string[]][] = [
    [[], {}, ["a.jpg", "photos/"]],
    [["--hidden"], {}, [".a.jpg", "a.jpg", "photos/"]],
    [["--include-junk"], {}, [
      "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
      "Thumbs.db",
      "a.jpg",
      "photos/RECYCLER/S-1-5-21/b.jpg",
    ]],
    [["--hidden"], { ZIPFERRY_INCLUDE_JUNK: "yes" }, [
      "._a.jpg",
      ".a.jpg",
      "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
      "Thumbs.db",
      "a.jpg",
      "photos/RECYCLER/S-1-5-21/b.jpg",
    ]],
  ];
  for (const [args, env, expected] of cases) {
    await using program = await start(["-f", tree.join("photos"), ...args], { env });
    const { body } = await ask(program, `/archive/${HASH}/?manifest`);
    const names = JSON.parse(textOf(body)).files.map(({ name }: { name: string }) => name);
    assert.deepEqual(names, expected.filter((name) => !name.endsWith("/")));
  }
});

Deno.test("a folder of junk in the photos folder is no album, and gets no warning", async () => {
  await using tree = await makeAlbums({ "a.jpg": "a" });
  for (const name of ["RECYCLER", "lost+found", "@eaDir", "#recycle", ".Trash-1000"]) {
    Deno.mkdirSync(tree.join("photos", name));
    Deno.writeTextFileSync(tree.join("photos", name, "deleted.jpg"), "deleted");
  }
  for (const args of [[], ["--include-junk"]]) {
    await using program = await start(["-f", tree.join("photos"), ...args]);
    assert.equal((await ask(program, "/archive/RECYCLER/")).status, 404);
    assert.ok(!textOf((await ask(program, "/")).body).includes("RECYCLER"));
    assert.doesNotMatch(program.stderr(), /lost|recycle|eaDir|RECYCLER/);
  }
});

/** A server in this process: the program itself may not read below /dev */
function serve(root: string) {
  const source = new DiskSource({ root, workers: 1 });
  const engine = createStoreEngine({ source, checksums: new Checksums(source) });
  const handler = createHandler({ source, engine, observer: tellAll([]), listing: "on" });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  return {
    port: server.addr.port,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await engine.close();
      source[Symbol.dispose]();
    },
  };
}

function textOf(bytes: Uint8Array) {
  return new TextDecoder().decode(bytes);
}

/** A new folder on a disk that takes every time; null where there is none */
async function memoryDirectory() {
  try {
    const path = await Deno.makeTempDir({ dir: MEMORY_DISK });
    return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
  } catch {
    return null;
  }
}
