import assert from "node:assert/strict";
import { lstatSync, lutimesSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { until } from "../../testing/process.ts";
import { run, testWith } from "../../testing/tools.ts";
import { makeTree, type Tree, type TreeFile } from "../../testing/tree.ts";
import { StorageError } from "../errors.ts";
import { identityOf, type Listing, unpackListing } from "../listing.ts";
import { sliceOf } from "../source.ts";
import { DiskSource } from "./disk.ts";
import { listDirectories } from "./photos_folder.ts";
import { modeOf } from "./stat.ts";
import { type DiskSelection, walkArchive } from "./walk.ts";

const HASH = "0123456789abcdef";
const windows = Deno.build.os === "windows";
const linux = Deno.build.os === "linux"; // others cannot make all names

type Files = Record<string, string | TreeFile>;

/** A photos folder with one folder in it */
function photos(files: Files, others: Files = {}): Promise<Tree> {
  const inside = Object.entries(files).map(([name, file]) => [`${HASH}/${name}`, file]);
  return makeTree({ [HASH]: { directory: true }, ...Object.fromEntries(inside), ...others });
}

/** Lists a folder as soon as it has been left alone for long enough */
async function list(
  root: string,
  selection: DiskSelection = {},
  hash = HASH,
): Promise<Listing | null> {
  const { listing } = await settled(() => walkArchive({ root, hash, selection }));
  return listing && unpackListing(listing);
}

async function walk(root: string) {
  return (await walkArchive({ root, hash: HASH, selection: {} })).listing;
}

async function settled<T>(action: () => Promise<T>): Promise<T> {
  let result: T;
  await until(async () => {
    try {
      result = await action();
      return true;
    } catch (error) {
      if (codeOf(error) === "EAGAIN") return false;
      throw error;
    }
  }, "the folder to settle");
  return result!;
}

async function names(root: string, selection?: DiskSelection): Promise<string[] | undefined> {
  return (await list(root, selection))?.entries.map(({ name }) => name);
}

function codeOf(error: unknown) {
  return error instanceof StorageError ? error.code : undefined;
}

/** Does something without the power of root to read everything */
async function withoutPower<T>(action: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await action();
  process.seteuid?.(65534);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
  }
}

Deno.test("walkArchive() finds no folder where there is none, whatever the reason", async () => {
  await using tree = await photos({ "a.jpg": "1", "inner/b.jpg": "2" }, {
    "file0123456789": "a file",
    ...(windows ? {} : { // it has no pipes, and links need a privilege
      "link0123456789": { symlink: HASH },
      "dangling0123456": { symlink: "nowhere" },
      "pipe0123456789ab": { fifo: true },
    }),
    ".hidden": { directory: true },
  });
  const missing = [
    "missing",
    "file0123456789",
    "link0123456789",
    "dangling0123456",
    "pipe0123456789ab",
    ".hidden",
    "",
    ".",
    "..",
    `${HASH}/inner`,
    `./${HASH}`,
    `${HASH}/`,
    HASH.toUpperCase(),
    tree.join(HASH),
    "NUL",
  ];
  await Promise.all(missing.map(async (hash) => {
    assert.equal(await list(tree.path, {}, hash), null, hash);
  }));
  for (const [root, code] of [["missing", "ENOENT"], ["file0123456789", "ENOTDIR"]]) {
    const gone = { name: "StorageError", code: "ENOROOT", message: `photos folder: ${code}` };
    await assert.rejects(list(tree.join(root)), gone);
  }
  assert.deepEqual(await names(tree.path), ["a.jpg", "inner/b.jpg"]);
});

Deno.test("walkArchive(): two folders that differ in case are two", {
  ignore: !linux, // others take them for one
}, async () => {
  await using tree = await makeTree({ "Abc/upper": "1", "aBC/lower": "2" });
  for (const [hash, name] of [["Abc", "upper"], ["aBC", "lower"]]) {
    const listing = await list(tree.path, {}, hash);
    assert.deepEqual(listing?.entries.map(({ name }) => name), [name]);
  }
  assert.equal(await list(tree.path, {}, "ABC"), null);
});

Deno.test({
  name: "walkArchive(): an unreadable folder is null, one inside of it is an error",
  ignore: windows,
  async fn() {
    const modes = ["000", "100", "400"];
    await using tree = await makeTree(Object.fromEntries(modes.flatMap((mode) => [
      [`itself/${mode}/${HASH}/file`, ""],
      [`inside/${mode}/${HASH}/inner/file`, ""],
    ])));
    Deno.chmodSync(tree.path, 0o755);
    for (const mode of modes) {
      Deno.chmodSync(tree.join("itself", mode, HASH), parseInt(mode, 8));
      Deno.chmodSync(tree.join("inside", mode, HASH, "inner"), parseInt(mode, 8));
      const listing = (kind: string) =>
        settled(() => withoutPower(() => walk(tree.join(kind, mode))));
      assert.equal(await listing("itself"), null, mode);
      await assert.rejects(listing("inside"), {
        name: "StorageError",
        code: "EACCES",
        message: "list folder: EACCES: inner/",
      });
    }
  },
});

Deno.test("walkArchive(): what goes into an archive", { ignore: windows }, async () => {
  const outside = { "other0123456789a/o.jpg": "other", "loose.txt": "in the photos folder" };
  const cases: [string, Files, DiskSelection, string[], string[]][] = [
    [
      "files of all levels, by the bytes of their names",
      { "b/z": "", "b.x": "", "b-x": "", "C": "", "a": "", "ё": "", "😀": "", "\uffee": "" },
      {},
      ["C", "a", "b-x", "b.x", "b/z", "ё", "\uffee", "😀"],
      [],
    ],
    [
      "folders only where they are empty",
      { "a/b/c/d": { directory: true }, "e": { directory: true }, "f/g": "" },
      {},
      ["a/b/c/d/", "e/", "f/g"],
      [],
    ],
    [
      "no hidden names, no junk",
      {
        ".a": "",
        ".b/c": "",
        "Thumbs.db": "",
        "desktop.ini": "",
        "__MACOSX/d": "",
        "@eaDir/e": "",
        "f": "",
      },
      {},
      ["f"],
      [],
    ],
    [
      "hidden names where they are wanted, junk never",
      { ".a": "", ".b/c": "", "x/THUMBS.DB": "", "f": "", ".DS_Store": "" },
      { hidden: true },
      [".a", ".b/c", "f", "x/"],
      [],
    ],
    [
      "no symlinks",
      {
        "a": "",
        "file": { symlink: "a" },
        "folder": { symlink: "../other0123456789a" },
        "self": { symlink: "self" },
        "dangling": { symlink: "nowhere" },
        "out": { symlink: "/etc/hostname" },
        "b/up": { symlink: ".." },
        ".hidden": { symlink: "a" },
      },
      {},
      ["a", "b/"],
      ["b/up", "dangling", "file", "folder", "out", "self"],
    ],
    [
      "symlinks that stay inside of the photos folder, where they are wanted",
      {
        "a": "",
        "file": { symlink: "a" },
        "two": { symlink: "file" },
        "folder": { symlink: "../other0123456789a" },
        "loose": { symlink: "../loose.txt" },
        "b/c": { symlink: "../d" },
        "d/e": "",
      },
      { followSymlinks: true },
      ["a", "b/c/e", "d/e", "file", "folder/o.jpg", "loose", "two"],
      [],
    ],
    [
      "never symlinks in a circle, to nowhere or outside",
      {
        "a": "",
        "self": { symlink: "self" },
        "here": { symlink: "." },
        "up": { symlink: ".." },
        "b/up": { symlink: ".." },
        "b/top": { symlink: `../../${HASH}` },
        "c/to d": { symlink: "../d" },
        "d/to c": { symlink: "../c" },
        "dangling": { symlink: "nowhere" },
        "out": { symlink: "/etc/hostname" },
        "out folder": { symlink: "/etc" },
        "out and in": { symlink: "x/y" },
        "x": { symlink: "/etc" },
        "root": { symlink: "/" },
      },
      { followSymlinks: true },
      ["a", "b/", "c/to d/", "d/to c/"],
      [
        "b/top",
        "b/up",
        "c/to d/to c",
        "d/to c/to d",
        "dangling",
        "here",
        "out",
        "out and in",
        "out folder",
        "root",
        "self",
        "up",
        "x",
      ],
    ],
    [
      "no pipes",
      { "a": "", "pipe": { fifo: true }, "b/pipe": { fifo: true }, "link": { symlink: "pipe" } },
      { followSymlinks: true },
      ["a", "b/"],
      ["b/pipe", "link", "pipe"],
    ],
  ];
  await Promise.all(cases.map(async ([name, files, selection, expected, leftOut]) => {
    await using tree = await photos(files, outside);
    const listing = await list(tree.path, selection);
    assert.deepEqual(listing?.entries.map(({ name }) => name), expected, name);
    assert.deepEqual(listing?.leftOut.toSorted(), leftOut, name);
  }));
});

Deno.test("walkArchive(): a folder in which nothing goes into an archive is none", async () => {
  const folders: Files[] = [
    {},
    { ".hidden": "x", ".folder/photo": "x" },
    { "Thumbs.db": "x", "@eaDir/photo": "x" },
    ...(windows ? [] : [{ "link": { symlink: "/" }, "pipe": { fifo: true } }]),
  ];
  for (const files of folders) {
    await using tree = await photos(files);
    assert.equal(await list(tree.path), null, Object.keys(files).join());
  }
});

Deno.test({
  name: "walkArchive(): a socket is left out and named",
  ignore: windows,
  async fn() {
    await using tree = await photos({ "a": "" });
    using _listener = Deno.listen({ transport: "unix", path: tree.join(HASH, "socket") });
    const listing = await list(tree.path);
    assert.deepEqual(listing?.entries.map(({ name }) => name), ["a"]);
    assert.deepEqual(listing?.leftOut, ["socket"]);
  },
});

Deno.test(
  "walkArchive(): entries with changed names keep their path on the disk",
  { ignore: !linux },
  async () => {
    const cases: [string, string[], [string, string][]][] = [ // names, then [name, path] of each entry
      ["NFC and NFD", ["é.jpg", "e\u0301.jpg"], [
        ["é (2).jpg", "e\u0301.jpg"],
        ["é.jpg", "é.jpg"],
      ]],
      ["refused characters", ["a:b", "a?b", "a_b"], [
        ["a_b", "a_b"],
        ["a_b (2)", "a:b"],
        ["a_b (3)", "a?b"],
      ]],
      ["case", ["A.jpg", "a.jpg"], [["A.jpg", "A.jpg"], ["a (2).jpg", "a.jpg"]]],
      ["a folder and a file", ["a:b/in", "a_b"], [["a_b (2)", "a_b"], ["a_b/in", "a:b/in"]]],
      ["two folders", ["a:/x", "a?/x"], [["a_ (2)/x", "a?/x"], ["a_/x", "a:/x"]]],
      ["backslashes", ["..\\..\\evil", "C:\\x"], [
        [".._.._evil", "..\\..\\evil"],
        ["C__x", "C:\\x"],
      ]],
      ["control characters", ["a\nb", "c\x1b[31m", "d\x7f"], [
        ["a_b", "a\nb"],
        ["c_[31m", "c\x1b[31m"],
        ["d_", "d\x7f"],
      ]],
      ["dots and spaces at the end", ["a.", "b ", "c./d"], [
        ["a_", "a."],
        ["b_", "b "],
        ["c_/d", "c./d"],
      ]],
      ["devices", ["con/aux.txt", "NUL"], [["_NUL", "NUL"], ["_con/_aux.txt", "con/aux.txt"]]],
    ];
    await Promise.all(cases.map(async ([name, paths, expected]) => {
      await using tree = await photos(Object.fromEntries(paths.map((path) => [path, ""])));
      const listing = await list(tree.path, { hidden: true }); // as "..\evil" is
      assert.deepEqual(listing?.entries.map(({ name, path }) => [name, path]), expected, name);
      for (const { path, location } of listing!.entries) assert.equal(location, `${HASH}/${path}`);
    }));
  },
);

Deno.test("walkArchive(): 300 levels of folders", { ignore: windows }, async () => {
  const path = `${"d/".repeat(300)}photo.jpg`;
  await using tree = await photos({ [path]: "deep" });
  assert.deepEqual(await names(tree.path), [path]);
});

testWith(["python3"], "walkArchive(): a path too long for the system is an error", async () => {
  await using tree = await photos({});
  const script = `import os
for _ in range(25): os.mkdir("d" * 200); os.chdir("d" * 200)`;
  await run("python3", ["-c", script], { cwd: tree.join(HASH) });
  await assert.rejects(list(tree.path), { name: "StorageError", code: "ENAMETOOLONG" });
});

testWith(
  ["python3"],
  "walkArchive(): a name that is not valid UTF-8 is an error, also beside its twin",
  async () => {
    for (const others of [[], ["bad\ufffd.jpg"]]) {
      await using tree = await photos(
        Object.fromEntries(["a", ...others].map((name) => [name, ""])),
      );
      const script = `open(b"bad\\xff.jpg", "w")`;
      const { code } = await run("python3", ["-c", script], { cwd: tree.join(HASH) });
      if (code !== 0) continue; // the file system does not take it
      await assert.rejects(list(tree.path), {
        name: "StorageError",
        code: "EILSEQ",
        message: 'list folder: name is not valid UTF-8: "bad\ufffd.jpg"',
      });
    }
    await using tree = await photos({ "good\ufffd.jpg": "" });
    assert.deepEqual(await names(tree.path), ["good\ufffd.jpg"]);
  },
);

testWith(
  ["python3"],
  "walkArchive(): the error counts all names that are not valid UTF-8",
  async () => {
    if (!linux) return; // others refuse such names
    const cases: [string, string][] = [ // what Python makes of names, and what the error says
      ["b'1\\xd4', b'2\\xee'", '2 names are not valid UTF-8: "1\ufffd", "2\ufffd"'],
      [
        "b'1\\xd4', b'1\\xd5', b'1\\xd6'", // they look the same
        '3 names are not valid UTF-8: "1\ufffd", "1\ufffd", "1\ufffd"',
      ],
      [
        "b'1\\xd4', b'1\\xd5', '1\\ufffd'.encode()",
        '2 names are not valid UTF-8: "1\ufffd", "1\ufffd"',
      ],
      [
        "b'1\\xd4', b'2\\xd5', b'3\\xd6', b'4\\xd7'",
        '4 names are not valid UTF-8: "1\ufffd", "2\ufffd", "3\ufffd", …',
      ],
      ["b'in/\\xd4', b'out\\xd4/x'", '2 names are not valid UTF-8: "in/\ufffd", "out\ufffd"'],
      ["b'.hidden\\xd4', b'a\\xd4.part', b'._a\\xd4'", ""], // which go into no archive
    ];
    for (const [made, expected] of cases) {
      await using tree = await photos({ "a": "", "in": { directory: true } });
      const script = `import os
for name in (${made}):
  if os.path.dirname(name): os.makedirs(os.path.dirname(name), exist_ok=True)
  open(name, "w")`;
      assert.equal((await run("python3", ["-c", script], { cwd: tree.join(HASH) })).code, 0);
      const error = await list(tree.path).then(() => null, (error) => error);
      if (expected === "") assert.equal(error, null);
      else {
        assert.equal(error.code, "EILSEQ");
        const [, count, paths] = /^list folder: (.+?: )(.+)$/.exec(error.message) ?? [];
        const [, expectedCount, expectedPaths] = /^(.+?: )(.+)$/.exec(expected) ?? [];
        assert.equal(count, expectedCount);
        if (!expected.endsWith("…")) { // the disk has an order of its own
          assert.deepEqual(paths.split(", ").sort(), expectedPaths.split(", ").sort());
        }
      }
    }
  },
);

testWith(
  ["python3"],
  "walkArchive(): a symlink to a name that is not valid UTF-8 is an error",
  async () => {
    if (!linux) return;
    await using tree = await photos({ "a": "" });
    const script = `import os
os.mkdir(b"../other\\xd4")
open(b"../other\\xd4/x", "w")
os.symlink(b"../other\\xd4/x", "link")
os.symlink(b"../other\\xd4", "folder")`;
    assert.equal((await run("python3", ["-c", script], { cwd: tree.join(HASH) })).code, 0);
    assert.deepEqual(await names(tree.path), ["a"], "where links are left out");
    await assert.rejects(list(tree.path, { followSymlinks: true }), {
      code: "EILSEQ",
      message: /^list folder: 2 names are not valid UTF-8: "(link", "folder|folder", "link)"$/,
    });
  },
);

Deno.test("modeOf() tells on Windows what copies on Linux have", () => {
  const cases: [number | null, boolean, number, number][] = [ // mode, folder; on Windows, on Linux
    [0o100666, false, 0o644, 0o666], // Deno.lstat() on Windows
    [0o100444, false, 0o644, 0o444], // of a file that is read-only
    [0o040666, true, 0o755, 0o666],
    [0o040444, true, 0o755, 0o444],
    [null, false, 0o644, 0o644],
    [null, true, 0o755, 0o755],
    [0o104755, false, 0o644, 0o755],
  ];
  for (const [mode, isDirectory, onWindows, onLinux] of cases) {
    assert.equal(modeOf({ mode, isDirectory }, "windows"), onWindows, `${mode?.toString(8)}`);
    assert.equal(modeOf({ mode, isDirectory }, "linux"), onLinux, `${mode?.toString(8)}`);
  }
});

testWith(["touch"], "walkArchive(): sizes, times and modes", async () => {
  await using tree = await photos({
    "a": { content: "12345", mode: 0o640 },
    "b": { mode: 0o4755 },
    "c": {},
    "d": { directory: true, mode: 0o700 },
    "e": { size: 5 * 2 ** 30 },
  });
  const times = [
    "2024-05-06T07:08:09.250Z",
    "1969-12-31T23:59:58.500Z",
    "1950-01-06T00:00:00Z",
    "2000-01-01T00:00:00.999Z",
    "2100-01-01T00:00:00Z",
  ];
  for (const [i, time] of times.entries()) {
    await run("touch", ["-d", time, tree.join(HASH, "abcde"[i])]);
  }
  const listing = await list(tree.path);
  const facts = listing?.entries.map(({ name, size, mtime, mode }) => [name, size, mtime, mode]);
  const plain = Deno.statSync(tree.join(HASH, "c")).mode! & 0o777;
  const seconds = times.map((time) => Math.floor(Date.parse(time) / 1000));
  assert.deepEqual(facts, [
    ["a", 5, seconds[0], 0o640],
    ["b", 0, seconds[1], 0o755],
    ["c", 0, seconds[2], plain],
    ["d/", 0, seconds[3], 0o700],
    ["e", 5 * 2 ** 30, seconds[4], plain],
  ]);
  assert.deepEqual( // finer than this, the runtime does not tell
    listing?.entries.map(({ identity }) => Number(identity.split(":")[3])),
    times.map((time) => Date.parse(time)),
  );
  assert.equal(listing?.hash, HASH);
});

Deno.test(
  "walkArchive(): identity and fingerprint change with the file",
  { ignore: windows },
  async () => {
    const mtime = new Date("2024-05-06T07:08:09Z");
    const cases: [string, (file: string) => void, { identity: boolean; fingerprint: boolean }][] = [
      ["nothing", () => {}, { identity: false, fingerprint: false }],
      ["same content written again", (file) => {
        Deno.writeTextFileSync(file, "12345");
      }, { identity: true, fingerprint: true }],
      ["another size", (file) => {
        Deno.truncateSync(file, 4);
        lutimesSync(file, mtime, mtime);
      }, { identity: true, fingerprint: true }],
      ["another time", (file) => {
        lutimesSync(file, mtime, mtime.getTime() / 1000 + 0.001);
      }, { identity: true, fingerprint: true }],
      ["another mode", (file) => {
        Deno.chmodSync(file, 0o600);
      }, { identity: false, fingerprint: true }],
      ["a copy in its place", (file) => {
        Deno.copyFileSync(file, `${file}2`);
        Deno.renameSync(`${file}2`, file);
        lutimesSync(file, mtime, mtime);
      }, { identity: true, fingerprint: false }],
    ];
    await Promise.all(cases.map(async ([name, change, expected]) => {
      await using tree = await photos({ "a": { content: "12345", mtime, mode: 0o644 } });
      const before = await list(tree.path);
      change(tree.join(HASH, "a"));
      const after = await list(tree.path);
      const changed = {
        identity: before?.entries[0].identity !== after?.entries[0].identity,
        fingerprint: before?.fingerprint !== after?.fingerprint,
      };
      assert.deepEqual(changed, expected, name);
    }));
  },
);

Deno.test("walkArchive(): a fingerprint holds where one entry ends", async () => {
  const fingerprints = new Set<string | undefined>();
  const mtime = new Date(0);
  for (const files of [{ "a": "1", "b": "" }, { "a": "", "b": "1" }, { "ab": "1" }, {}]) {
    const entries = Object.entries(files).map(([name, content]) => [name, { content, mtime }]);
    await using tree = await photos(Object.fromEntries(entries));
    fingerprints.add((await list(tree.path))?.fingerprint);
  }
  assert.equal(fingerprints.size, 4);
});

Deno.test("walkArchive(): the newest time of files and folders, and whether all of them are old", async () => {
  const old = new Date("2020-01-01T00:00:00Z");
  const files = { "a": { mtime: old }, "b/c": { mtime: new Date("2021-01-01T00:00:00Z") } };
  await using tree = await photos({ ...files, "b": { directory: true, mtime: old } });
  lutimesSync(tree.join(HASH), old, old);
  const before = await list(tree.path);
  assert.equal(before?.lastModified, Date.parse("2021-01-01T00:00:00Z") / 1000);
  assert.equal(before?.settled, true);

  const removed = new Date("2022-02-02T02:02:02.999Z");
  lutimesSync(tree.join(HASH, "b"), removed, removed);
  assert.equal((await list(tree.path))?.lastModified, Date.parse("2022-02-02T02:02:02Z") / 1000);

  for (const offset of [-1000, 1000]) { // just now, and by a clock that is ahead
    const time = new Date(Date.now() + offset);
    lutimesSync(tree.join(HASH, "a"), time, time);
    assert.equal((await list(tree.path))?.settled, false);
  }
});

Deno.test("listDirectories() names the directories, hidden ones too", async () => {
  await using tree = await makeTree({
    "a/x": "",
    ".b": { directory: true },
    "file": "",
    ...(windows ? {} : { "link": { symlink: "a" } }),
  });
  assert.deepEqual((await listDirectories(tree.path)).sort(), [".b", "a"]);
  await assert.rejects(listDirectories(tree.join("missing")));
});

/** Listing right after a change says that it has to wait; a slow machine may miss the moment */
async function refusedAfter(change: () => void, root: string) {
  let refused = 0;
  for (let attempt = 0; attempt < 6; attempt++) {
    change();
    try {
      await walk(root);
    } catch (error) {
      assert.equal(codeOf(error), "EAGAIN");
      refused++;
    }
  }
  assert.ok(refused >= 3, `refused ${refused} of 6 times`);
}

Deno.test("walkArchive(): a folder that is just being changed is not listed", async (t) => {
  await using tree = await photos({ "inner/a": "", "aside": "" });
  const rename = (path: string) => () => {
    Deno.renameSync(tree.join(path), tree.join(`${path}2`));
    Deno.renameSync(tree.join(`${path}2`), tree.join(path));
  };
  await t.step("itself", () => refusedAfter(rename(`${HASH}/aside`), tree.path));
  await t.step("the photos folder", () => refusedAfter(rename(HASH), tree.path));
  await t.step("the source tries again", async () => {
    using source = new DiskSource({ root: tree.path, workers: 1 });
    Deno.writeTextFileSync(tree.join(HASH, "new"), "");
    const listing = await source.list(HASH);
    assert.deepEqual(listing?.entries.map(({ name }) => name), ["aside", "inner/a", "new"]);
  });
});

Deno.test({
  name:
    "strict: a folder swapped and put back within a second shows, though its times were set back",
  ignore: windows,
  async fn() {
    await using tree = await photos({ "inner/a": "" });
    const old = new Date("2024-01-01T00:00:00Z");
    const paths: [string, string][] = [[HASH, ""], [`${HASH}/inner`, HASH]]; // and what it is in
    for (const [path, parent] of paths) {
      const swap = () => {
        Deno.renameSync(tree.join(path), tree.join(`${path}2`));
        Deno.renameSync(tree.join(`${path}2`), tree.join(path));
        lutimesSync(tree.join(parent), old, old);
      };
      await until(() => Date.now() % 1000 < 300, "the beginning of a second");
      swap();
      const walk = { root: tree.path, hash: HASH, selection: {} };
      if (parent !== "") assert.ok((await walkArchive(walk)).listing, "its times tell nothing");
      await assert.rejects(walkArchive({ ...walk, strict: true }), { code: "EAGAIN" });
      await new Promise((resolve) => setTimeout(resolve, 1100));
      assert.ok((await walkArchive({ ...walk, strict: true })).listing);
    }
  },
});

Deno.test("walkArchive(): a change just before a long listing counts as well", async (t) => {
  // A second change within the same tick of the clock would leave no trace in the folder's time.
  for (const where of ["inner/", ""]) {
    await t.step(`of many files in ${where || "the folder itself"}`, async () => {
      const many = Array.from({ length: 10_000 }, (_, i) => [`${where}${i}`, ""]);
      await using tree = await photos({ ...Object.fromEntries(many), "aside/x": "" });
      await refusedAfter(() => {
        Deno.renameSync(tree.join(HASH, "aside"), tree.join(HASH, "aside2"));
        Deno.renameSync(tree.join(HASH, "aside2"), tree.join(HASH, "aside"));
      }, tree.path);
    });
  }
});

/** Swaps one of the pairs of paths and swaps it back, without end: at full speed or with pauses */
const SWAP = `
import ctypes, os, random, sys, time
RENAME_EXCHANGE, AT_FDCWD = 2, -100
rename = ctypes.CDLL(None).renameat2
pairs = list(zip(*[map(os.fsencode, sys.argv[1:])] * 2))
while True:
    a, b = random.choice(pairs)
    pause = random.choice([0, 0, 0.0002, 0.002, 0.05])
    for _ in range(2):
        if rename(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) != 0: sys.exit("cannot swap")
        if pause: time.sleep(random.uniform(0, pause))
`;

/** Lists and reads for a while in many threads, while a process swaps; nothing of outside is seen */
async function readWhileSwapped(
  tree: Tree,
  selection: DiskSelection,
  pairs: string[],
  time: number,
) {
  const counts = { listings: 0, refusals: 0 };
  const outside = { listed: 0, read: 0 };
  const secrets = new Set(identitiesIn(tree.join("secret")));
  using source = new DiskSource({ root: tree.join("photos"), ...selection, workers: 4 });
  const child = new Deno.Command("python3", { args: ["-c", SWAP, ...pairs] }).spawn();
  const deadline = performance.now() + time;
  const work = async () => {
    while (performance.now() < deadline) {
      try {
        const listing = await source.list(HASH);
        counts.listings++;
        for (const entry of listing?.entries ?? []) {
          if (secrets.has(entry.identity)) outside.listed++;
          const whole = { offset: 0, length: entry.size, crc32: 0, position: 0 };
          const { buffer } = await source.fill(entry.size, [sliceOf(entry, whole)]);
          if (new TextDecoder().decode(buffer).includes("canary")) outside.read++;
        }
      } catch (error) {
        assert.ok(error instanceof StorageError, String(error));
        counts.refusals++;
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: 4 }, work));
  } finally {
    child.kill("SIGKILL");
    assert.equal((await child.status).signal, "SIGKILL", "the swaps went on to the end");
  }
  assert.deepEqual(outside, { listed: 0, read: 0 }, JSON.stringify(counts));
  assert.ok(counts.listings + counts.refusals > 0);
}

/** Identities of all files in a folder */
function* identitiesIn(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* identitiesIn(join(folder, name));
    else yield identityOf(lstatSync(join(folder, name)));
  }
}

if (linux) {
  testWith(
    ["python3"],
    "walkArchive(): files and folders swapped for symlinks show nothing outside",
    async () => {
      const paths = ["file.txt", "dir/file.txt", "dir/sub", "dir", ""];
      await using tree = await makeTree({
        [`photos/${HASH}/file.txt`]: "inside",
        [`photos/${HASH}/dir/file.txt`]: "inside",
        [`photos/${HASH}/dir/sub/file.txt`]: "inside",
        "secret/file.txt": "canary",
        "secret/dir/file.txt": "canary",
        "secret/dir/sub/file.txt": "canary",
        "aside": { directory: true },
      });
      const pairs = paths.flatMap((path, i) => {
        Deno.symlinkSync(tree.join("secret", path), tree.join(`aside/${i}`));
        return [tree.join("photos", HASH, path), tree.join(`aside/${i}`)];
      });
      await readWhileSwapped(tree, {}, pairs, 5000);
    },
  );

  testWith(
    ["python3"],
    "walkArchive(): nor do folders on the way to what a symlink leads to",
    async () => {
      await using tree = await makeTree({
        "photos/other/way/dir/file.txt": "inside",
        [`photos/${HASH}/link`]: { symlink: "../other/way/dir" },
        "secret/dir/file.txt": "canary",
      });
      Deno.symlinkSync(tree.join("secret"), tree.join("aside"));
      const pairs = [tree.join("photos/other/way"), tree.join("aside")];
      await readWhileSwapped(tree, { followSymlinks: true }, pairs, 3000);
    },
  );
}
