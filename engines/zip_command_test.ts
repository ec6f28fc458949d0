import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { until } from "../testing/process.ts";
import { assertSameTree, extract, listWithPython, readWithAll } from "../testing/readers.ts";
import { FULL_ZIP, testWith, tool } from "../testing/tools.ts";
import { makeTree, randomBytes, type Tree, type TreeFile } from "../testing/tree.ts";
import { EMPTY_ZIP_BYTES, emptyZip } from "../testing/zip_script.ts";
import { DiskSource } from "../storage/disk/disk.ts";
import { EntryColumns, type Listing, unpackListing } from "../storage/listing.ts";
import { type Archive, type Engine, EngineUnavailableError } from "./engine.ts";
import {
  createZipCommandEngine,
  findProgram,
  marksUtf8,
  type ZipCommandOptions,
} from "./zip_command.ts";

const HASH = "0123456789abcdef";
const windows = Deno.build.os === "windows";

type Files = Record<string, string | Uint8Array | TreeFile>;

interface Setup extends AsyncDisposable {
  readonly tree: Tree;
  readonly listing: Listing;
  readonly engine: Engine;
  readonly archive: Archive;
  readonly options: ZipCommandOptions;
  /** What the engine was told that the program said */
  readonly warnings: string[];
}

/** A folder as an archive, made by the `zip` of the system or by a shell script in its place */
async function setUp(files: Files, script?: string): Promise<Setup> {
  const inside = Object.entries(files).map(([name, file]) => [`photos/${HASH}/${name}`, file]);
  const tree = await makeTree({
    ...Object.fromEntries(inside),
    "program": { content: `#!/bin/sh\n${script}\n`, mode: 0o755 },
  });
  const root = tree.join("photos");
  const source = new DiskSource({ root, workers: 1 });
  const listing = await source.list(HASH);
  assert.ok(listing);
  const warnings: string[] = [];
  const program = script === undefined ? tool("zip") : tree.join("program");
  const options: ZipCommandOptions = {
    program: program ?? "/no zip",
    level: 6,
    followSymlinks: false,
    root,
    source,
    onWarning: (text) => warnings.push(text),
  };
  const engine = createZipCommandEngine(options);
  return {
    tree,
    listing,
    engine,
    archive: engine.prepare(listing),
    options,
    warnings,
    async [Symbol.asyncDispose]() {
      await engine.close();
      source[Symbol.dispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

async function bytesOf(archive: Archive): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(await archive.open()).bytes();
}

/** True if the process that a script has told the id of in this file has ended, and someone has noticed */
function hasEnded(file: string): boolean {
  try {
    process.kill(Number(Deno.readTextFileSync(file)), 0);
    return false;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return true;
    throw error;
  }
}

/** Waits until the process has ended */
async function ended(file: string) {
  await until(
    () => hasEnded(file),
    "the program ends",
    1000,
  );
}

const TREES: Record<string, Files> = {
  "plain": {
    "a.jpg": randomBytes(5000, 1),
    "b.txt": "text ".repeat(100_000),
    "c/d/e.txt": { content: "text", mode: 0o600 },
    "empty": "",
    "f/g": { directory: true },
  },
  "hostile names": {
    "-rf": "1",
    "-TT touch pwned": "2",
    "--help": "3",
    "@x": "4",
    "@": "5",
    "[a]": "6",
    "*": "7",
    "?": "8",
    " lead": "9",
    "trail ": "10",
    "\"double\" 'single' `back`": "11",
    "$(touch pwned)": "12",
    "tab\there": "13",
    "a": "14",
    "-/-x": "15",
    "folder /file": "16",
  },
  ...(windows ? {} : {
    "line breaks": {
      "a": "1",
      "b": "2",
      "a\nb": "3",
      "Ikone\r": "4",
      "\n": "5",
      "d\r\n/-x": "6",
      "d\r\n/e/\n\n": "7",
      "[a]\n*": "8",
      "@\n": "9",
      "Ёлка\n🎄.txt": "10",
      "--\n": "11",
      "empty\n": { directory: true },
    },
    "line breaks only": { "a\nb": "1", "\r": "2" },
  }),
  "Cyrillic and emoji": { "Ёлка 🎄.txt": "с новым годом", "Фото/Байкал.jpg": randomBytes(900, 3) },
};

for (const [name, files] of Object.entries(TREES)) {
  testWith(["zip", "bsdtar", "diff"], `zip makes an archive of a folder: ${name}`, async () => {
    await using setup = await setUp(files);
    const { tree, archive } = setup;
    assert.equal(archive.size, null);
    assert.equal(archive.version, null);
    const path = tree.join("a.zip");
    await Deno.writeFile(path, await bytesOf(archive));
    await readWithAll(path, { except: ["ZipInputStream"] }); // stored entries have descriptors
    await extract(path, tree.join("out"), { with: "bsdtar" });
    await assertSameTree(tree.join("photos", HASH), tree.join("out"));
    assert.deepEqual(setup.warnings, []);
  });
}

testWith(
  ["zip", "python3"],
  "createZipCommandEngine(): backslashes stay what they are",
  async () => {
    await using setup = await setUp({ "a\\b": "1", "..\\c": "2" });
    const path = setup.tree.join("a.zip");
    await Deno.writeFile(path, await bytesOf(setup.archive));
    assert.deepEqual((await listWithPython(path)).map(({ name }) => name), ["a\\b"]);
  },
);

testWith(
  ["zip"],
  "createZipCommandEngine(): entries of zip have no extra fields: owners and times of access stay here",
  async () => {
    await using setup = await setUp({ "a.jpg": "1" });
    const bytes = await bytesOf(setup.archive);
    const view = new DataView(bytes.buffer);
    assert.equal(view.getUint32(0, true), 0x04034b50);
    assert.equal(view.getUint16(28, true), 0, "of the local file header");
    const central = bytes.findLastIndex((_, i) =>
      i + 4 <= bytes.length && view.getUint32(i, true) === 0x02014b50
    );
    assert.equal(view.getUint16(central + 30, true), 0, "of the central directory header");
  },
);

testWith([FULL_ZIP], "zip follows no link that took the place of a file", async () => {
  for (const target of ["../../secret", "../../other", `../${HASH}/b`]) {
    await using setup = await setUp({ "a": "1", "b": "canary", "c": "2" });
    const { tree, options } = setup;
    await Deno.writeTextFile(tree.join("secret"), "canary");
    await Deno.mkdir(tree.join("other"));
    await Deno.writeTextFile(tree.join("other", "file"), "canary");
    const engine = createZipCommandEngine({ ...options, level: 0 });
    const listing = { ...setup.listing };
    listing.entries = listing.entries.filter(({ name }) => name !== "b");
    const archive = engine.prepare(listing);
    await Deno.remove(tree.join("photos", HASH, "c"));
    await Deno.symlink(target, tree.join("photos", HASH, "c"));
    let received = "";
    await assert.rejects(async () => {
      for await (const chunk of await archive.open()) received += new TextDecoder().decode(chunk);
    });
    assert.ok(!received.includes("canary"), target);
  }
});

testWith(["zip"], "createZipCommandEngine(): the level of compression", async () => {
  await using setup = await setUp({ "a": "text ".repeat(100_000) });
  const sizes = await Promise.all([0, 1, 9].map(async (level) => {
    const engine = createZipCommandEngine({ ...setup.options, level });
    return (await bytesOf(engine.prepare(setup.listing))).length;
  }));
  assert.ok(sizes[0] > 500_000 && sizes[1] < 50_000 && sizes[2] < sizes[1], String(sizes));
});

testWith(
  ["zip", "python3"],
  "createZipCommandEngine(): nothing in the environment changes the archive",
  async () => {
    await using setup = await setUp({ "a": "1", "b": "2" });
    const names = ["ZIPOPT", "ZIP"];
    const before = names.map((name) => Deno.env.get(name));
    try {
      for (const name of names) Deno.env.set(name, "-x a -j");
      const path = setup.tree.join("a.zip");
      await Deno.writeFile(path, await bytesOf(setup.archive));
      assert.deepEqual((await listWithPython(path)).map(({ name }) => name), ["a", "b"]);
    } finally {
      for (const [i, name] of names.entries()) {
        if (before[i] === undefined) Deno.env.delete(name);
        else Deno.env.set(name, before[i]);
      }
    }
  },
);

testWith(["zip", "python3"], "createZipCommandEngine(): only what was listed goes in", async () => {
  await using setup = await setUp({
    "*": "1",
    "[a-z]*": "2",
    ".hidden": "3",
    "Thumbs.db": "4",
    "link": { symlink: "*" },
  });
  await Deno.writeTextFile(setup.tree.join("photos", HASH, "later"), "5");
  const path = setup.tree.join("a.zip");
  await Deno.writeFile(path, await bytesOf(setup.archive));
  const names = (await listWithPython(path)).map(({ name }) => name);
  assert.deepEqual(names.sort(), ["*", "[a-z]*"]);
});

/** An entry that is at another path than its name tells */
function entryWithPath(path: string) {
  const columns = new EntryColumns();
  const state = { size: 1, mtimeMs: 0, mode: 0o644, dev: 1, ino: 1 };
  columns.push("name", state, { path, location: `nowhere/${path}` });
  const times = { lastModified: 0, settled: true, changed: 0, steady: true };
  const about = { fingerprint: "", ...times, leftOut: [] };
  return unpackListing({ ...columns.pack(), ...about, hash: "nowhere" }).entries[0];
}

Deno.test(
  "createZipCommandEngine(): names with line breaks are refused where a system could refuse them",
  {
    ignore: windows,
  },
  async () => {
    await using setup = await setUp({ "x": "1" }, "exit 1");
    const prepare = (names: string[]) => {
      const entries = [...setup.listing.entries, ...names.map(entryWithPath)];
      return setup.engine.prepare({ ...setup.listing, entries });
    };
    const long = "ё".repeat(2000); // 4000 bytes
    const fitting = Array.from({ length: 16 }, (_, i) => `${long}\n${i}`);
    prepare(fitting);
    prepare(Array.from({ length: 1000 }, (_, i) => `${long}${i}`));
    for (const name of ["a\nb", "a\rb"]) {
      const names = [...fitting, `${long}${name}`];
      assert.throws(() => prepare(names), {
        name: "RangeError",
        message: `run zip: cannot carry so many names with line breaks: ${
          JSON.stringify(names.at(-1))
        }`,
      });
    }
  },
);

testWith(
  ["zip"],
  "createZipCommandEngine(): a file that changes meanwhile fails the download",
  async (t) => {
    type Change = [string, (file: string) => Promise<void>];
    const cases: Change[] = [
      ["grown", (file) => Deno.writeTextFile(file, "more", { append: true })],
      ["touched", (file) => Deno.utime(file, 1, 1)],
      ["gone", (file) => Deno.remove(file)],
    ];
    const elsewhere: Change[] = [ // Windows lets nobody move a folder that a program works in
      ["a symlink", async (file) => {
        await Deno.remove(file);
        await Deno.symlink("../../../secret", file);
      }],
      [
        "the whole folder gone",
        (file) => Deno.rename(join(file, "../.."), join(file, "../../../gone")),
      ],
    ];
    if (!windows) cases.push(...elsewhere);
    for (const [name, change] of cases) {
      await t.step({
        name,
        async fn() {
          await using setup = await setUp({ "b/photo.jpg": "content", "c": "1" });
          await Deno.writeTextFile(setup.tree.join("secret"), "canary");
          const chunks: string[] = [];
          const download = async () => {
            const stream = await setup.archive.open();
            await change(setup.tree.join("photos", HASH, "b", "photo.jpg"));
            for await (const chunk of stream) chunks.push(new TextDecoder().decode(chunk));
          };
          await assert.rejects(download, (error: Error) => !error.message.includes(HASH));
          assert.ok(!chunks.join("").includes("canary"));
        },
      });
    }
  },
);

Deno.test("createZipCommandEngine(): a program that does not end well fails the download", {
  ignore: windows,
}, async (t) => {
  const out = (bytes: number) => `head -c ${bytes} /dev/zero`;
  const cases: [string, string, number, RegExp][] = [ // script, bytes that come, message
    ["says no at once", "echo no >&2; exit 12", 0, /^run zip: exit code 12: no$/],
    ["says nothing", "exit 3", 0, /^run zip: exit code 3: no message$/],
    ["is killed at once", "kill -9 $$", 0, /^run zip: killed by SIGKILL: no message$/],
    ["ends without an archive", "exit 0", 0, /^run zip: /],
    ["ends after a byte", `${out(1)}; exit 12`, 1, /^run zip: exit code 12/],
    ["is killed after a byte", `${out(1)}; kill -9 $$`, 1, /^run zip: killed by SIGKILL/],
    ["ends in the middle", `${out(300_000)}; exit 18`, 300_000, /^run zip: exit code 18/],
    ["is killed in the middle", `${out(300_000)}; kill -9 $$`, 300_000, /^run zip: killed by/],
    [
      "says very much",
      `head -c 5000000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1`,
      0,
      /^run zip: exit code 1: x{2000,2047}end$/,
    ],
  ];
  for (const [name, script, bytes, expected] of cases) {
    await t.step(name, async () => {
      await using setup = await setUp({ "a": "1" }, script);
      let received = 0;
      const download = async () => {
        for await (const chunk of await setup.archive.open()) received += chunk.length;
      };
      await assert.rejects(download, { name: "Error", message: expected });
      assert.equal(received, bytes);
    });
  }
});

testWith(
  ["sh", "zip"],
  "createZipCommandEngine(): a program that leaves out a file, and ends well, fails the download",
  async () => {
    const files = { "a.jpg": "1", "b/c.jpg": "2", "d": { directory: true } };
    const scripts: [string, RegExp][] = [ // in the place of zip
      ['sed 1d | zip "$@"', /^run zip: made an archive with 2 of 3 files and folders$/],
      ['(cat; echo ../../program) | zip "$@"', /^run zip: made an archive with 4 of 3 /],
      ["echo", /^run zip: made no archive of 3 files and folders$/],
    ];
    for (const [script, message] of scripts) {
      await using setup = await setUp(files, script);
      await assert.rejects(bytesOf(setup.archive), { message });
    }
    await using setup = await setUp(files, 'cat | zip "$@"');
    assert.ok((await bytesOf(setup.archive)).length > 100);
  },
);

Deno.test("createZipCommandEngine(): the program of Windows gets no option of symlinks", {
  ignore: windows,
}, async () => {
  const script = `echo "$@" >&2; ${emptyZip(1)}`;
  await using setup = await setUp({ "a": "1" }, script);
  for (const [system, given] of [["windows", false], ["linux", true]] as const) {
    const archive = createZipCommandEngine({ ...setup.options, system }).prepare(setup.listing);
    await bytesOf(archive);
    const args = setup.warnings.pop()!.split(" ");
    assert.deepEqual([args.includes("-y"), args.includes("-@")], [given, true]);
  }
});

Deno.test("createZipCommandEngine(): names that the program of Windows would leave out are refused", async () => {
  await using setup = await setUp({ "a.jpg": "1" });
  const onWindows = createZipCommandEngine({ ...setup.options, system: "windows" });
  const entries = [...setup.listing.entries, entryWithPath("Ёлка.txt")];
  assert.throws(() => onWindows.prepare({ ...setup.listing, entries }), {
    name: "RangeError",
    message:
      'run zip: on Windows it takes only names of ASCII, not "Ёлка.txt"; use the engine store',
  });
  assert.equal(onWindows.prepare(setup.listing).size, null);
});

Deno.test(
  "createZipCommandEngine(): a program without a byte to show fails while a status can be chosen",
  {
    ignore: windows,
  },
  async () => {
    await using setup = await setUp({ "a": "1" }, "exit 12");
    await assert.rejects(setup.archive.open(), /exit code 12/);
  },
);

Deno.test("createZipCommandEngine(): what a program says is told, the end of it", {
  ignore: windows,
}, async () => {
  const noise = "head -c 5000000 /dev/zero | tr '\\0' x >&2";
  const script = `${noise}; ${emptyZip(1)}; echo warning: end >&2`;
  await using setup = await setUp({ "a": "1" }, script);
  assert.equal((await bytesOf(setup.archive)).length, EMPTY_ZIP_BYTES);
  const [warning, ...others] = setup.warnings;
  assert.match(warning, /^x+warning: end$/);
  assert.ok(warning.length <= 2048);
  assert.deepEqual(others, []);
});

Deno.test(
  "createZipCommandEngine(): a program may leave its input unread",
  { ignore: windows },
  async () => {
    await using setup = await setUp({ "a": "1" }, `exec <&-; ${emptyZip(20_000)}`);
    const many = Array(20_000).fill(setup.listing.entries[0]);
    const archive = setup.engine.prepare({ ...setup.listing, entries: many });
    assert.equal((await bytesOf(archive)).length, EMPTY_ZIP_BYTES);
  },
);

Deno.test(
  "createZipCommandEngine(): who leaves ends the program",
  { ignore: windows },
  async (t) => {
    const remember = 'echo $$ > "${0%/*}/pid"';
    const cases: [string, string, number][] = [ // script, bytes that come before
      ["that is silent", `${remember}; exec sleep 30`, 0],
      ["that has begun", `${remember}; echo; exec sleep 30`, 1],
      ["that never ends", `${remember}; exec cat /dev/zero`, 100_000],
    ];
    for (const [name, script, bytes] of cases) {
      await t.step(name, async () => {
        await using setup = await setUp({ "a": "1" }, script);
        const reader = (await setup.archive.open()).getReader();
        for (let got = 0; got < bytes;) got += (await reader.read()).value!.length;
        const waiting = bytes < 2 ? reader.read() : null;
        await reader.cancel();
        assert.equal((await waiting)?.done ?? true, true);
        await ended(setup.tree.join("pid"));
      });
    }
    await t.step("and so does closing the engine", async () => {
      await using setup = await setUp({ "a": "1" }, cases[1][1]);
      const reader = (await setup.archive.open()).getReader();
      await reader.read();
      await setup.engine.close();
      assert.ok(hasEnded(setup.tree.join("pid")), "close() has waited for it");
      await assert.rejects(async () => {
        while (!(await reader.read()).done);
      }, /killed by SIGKILL/);
      await ended(setup.tree.join("pid"));
    });
  },
);

Deno.test("createZipCommandEngine(): a program that cannot be started makes the engine unavailable", async () => {
  for (const program of ["missing", "", "photos"]) {
    await using setup = await setUp({ "a": "1" }, "exit 0");
    const options = { ...setup.options, program: setup.tree.join(program) };
    const archive = createZipCommandEngine(options).prepare(setup.listing);
    await assert.rejects(archive.open(), (error) => error instanceof EngineUnavailableError);
    const entries = [entryWithPath("ё")];
    await assert.rejects(marksUtf8({ ...setup.listing, entries }, options), EngineUnavailableError);
  }
});

Deno.test(
  "findProgram(): on Windows, a program is what ends in .exe",
  { ignore: !windows },
  async () => {
    await using tree = await makeTree({
      "1/zip": "",
      "1/zip.bat": "",
      "2/zip.exe": { directory: true },
      "3/zip.exe": "",
    });
    const path = ["1", "2", "3"].map((name) => tree.join(name)).join(";");
    assert.equal(await findProgram("zip", path), tree.join("3", "zip.exe"));
  },
);

Deno.test("findProgram() takes the first program on the path", { ignore: windows }, async () => {
  const program = { content: "", mode: 0o755 };
  await using tree = await makeTree({
    "1/zip": { directory: true },
    "2/zip": { content: "", mode: 0o644 },
    "3/zip": program,
    "4/zip": program,
    "5/zip": { symlink: "../4/zip" },
    "6/zip": { symlink: "nowhere" },
  });
  const find = (...folders: string[]) =>
    findProgram("zip", folders.map((name) => name && tree.join(name)).join(":"));
  assert.equal(await find("4", "3"), tree.join("4/zip"));
  assert.equal(await find("missing", "", "1", "2", "6", "3", "4"), tree.join("3/zip"));
  assert.equal(await find("5"), tree.join("5/zip"));
  assert.equal(await find("1", "6"), null);
  assert.equal(await find(), null);

  const before = Deno.cwd();
  try {
    Deno.chdir(tree.path);
    for (const path of ["3", "./3", ":", "3:./4:"]) {
      assert.equal(await findProgram("zip", path), null, `relative: ${path}`);
    }
  } finally {
    Deno.chdir(before);
  }
});

Deno.test("marksUtf8() sees how names are marked", { ignore: windows }, async () => {
  const header = (flags: string) =>
    `echo $$ > "\${0%/*}/pid"; printf 'PK\\003\\004\\024\\000${flags}'; exec sleep 30`;
  const cases: [string, boolean | null][] = [
    [header("\\000\\010"), true],
    [header("\\010\\010"), true],
    [header("\\000\\000"), false],
    [header("\\377\\007"), false],
  ];
  for (const [script, expected] of cases) {
    await using setup = await setUp({ "a": "1", "Фото/b.jpg": "2" }, script);
    assert.equal(await marksUtf8(setup.listing, setup.options), expected);
    await ended(setup.tree.join("pid"));
  }
  await using nothing = await setUp({ "ё": "1" }, "exit 12");
  await assert.rejects(marksUtf8(nothing.listing, nothing.options), EngineUnavailableError);
  await using ascii = await setUp({ "a~": "1" }, "exit 12");
  assert.equal(await marksUtf8(ascii.listing, ascii.options), null, "nothing to try it with");
});

testWith(["zip", "python3"], "marksUtf8() is right about the program of this system", async () => {
  await using setup = await setUp({ "a.jpg": "1", "Фото.jpg": "2" });
  const path = setup.tree.join("a.zip");
  await Deno.writeFile(path, await bytesOf(setup.archive));
  const { flags } = (await listWithPython(path))[1];
  assert.equal(await marksUtf8(setup.listing, setup.options), (flags & 0x800) !== 0);
});
