import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { readConfig } from "../lib/config.ts";
import { DiskSource } from "../storage/disk/disk.ts";
import { StorageError } from "../storage/errors.ts";
import { type ProgramOptions, runToEnd, start, until } from "../testing/process.ts";
import { assertSameTree, extract } from "../testing/readers.ts";
import { taskFlags } from "../testing/task.ts";
import { run, testWith } from "../testing/tools.ts";
import { makeTree, randomBytes, type Tree } from "../testing/tree.ts";
import { publish } from "./new.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const LINK = /^\/archive\/([0-9a-f]{32})\/\n$/;

const windows = Deno.build.os === "windows";
const linux = Deno.build.os === "linux";

const ALBUM = {
  "IMG_0001.jpg": randomBytes(300_000),
  "Невеста и жених.jpg": { content: "1", mtime: new Date("2019-08-07T06:05:04Z") },
  "Байкал/Утро 'на мысе' $HOME.jpg": "2",
  "Байкал/пустая": { directory: true },
};

/** Files of an album in a folder */
function inFolder(folder: string, files: Record<string, unknown> = ALBUM) {
  const entries = Object.entries(files).map(([path, file]) => [`${folder}/${path}`, file]);
  return Object.fromEntries(entries);
}

/** Runs the command with the permissions of its task */
function runNew(tree: Tree, args: readonly string[], options: ProgramOptions = {}) {
  const all = ["new", "--folder", tree.join("photos"), ...args];
  return runToEnd(all, { task: "new", ...options });
}

/** Names in the photos folder, hidden ones too */
function namesIn(tree: Tree): string[] {
  return [...Deno.readDirSync(tree.join("photos"))].map(({ name }) => name).sort();
}

/** The name in the one line that the command printed */
function nameIn({ code, stdout, stderr }: Awaited<ReturnType<typeof runNew>>): string {
  assert.deepEqual([code, stderr], [0, ""]);
  return LINK.exec(stdout)?.[1] ?? assert.fail(stdout);
}

testWith(["unzip", "diff"], "new: a copy, a move and hard links can be downloaded", async (t) => {
  const folder = windows ? "Wedding 2026" : "Свадьба 2026";
  await using tree = await makeTree({
    ...inFolder(folder, windows ? { "IMG_0001.jpg": "1", "a/b.jpg": "2" } : ALBUM),
    [`${folder}/IMG_0001.jpg`]: { content: randomBytes(300_000), mode: 0o600 },
    "photos": { directory: true },
  });
  await using program = await start(["--folder", tree.join("photos")]);
  const album = tree.join(folder);
  const published = async (name: string) => {
    const archive = await (await fetch(`${program.url}archive/${name}/`)).bytes();
    await Deno.writeFile(tree.join(`${name}.zip`), archive);
    await extract(tree.join(`${name}.zip`), tree.join("unzipped", name));
    return tree.join("unzipped", name);
  };

  await t.step("--copy, which is the default, leaves the folder alone", async () => {
    const names = [
      nameIn(await runNew(tree, [album])),
      nameIn(await runNew(tree, ["--copy", album])),
    ];
    assert.deepEqual(namesIn(tree), [...names].sort());
    for (const name of names) {
      await assertSameTree(await published(name), album);
      const copy = Deno.lstatSync(tree.join("photos", name, "IMG_0001.jpg"));
      const original = Deno.lstatSync(tree.join(folder, "IMG_0001.jpg"));
      assert.deepEqual(copy.mtime, original.mtime);
      assert.notEqual(copy.ino, original.ino);
      if (!windows) assert.equal(copy.mode! & 0o644, 0o644, "the service can read it");
    }
  });

  await t.step("--link takes no space", async () => {
    const name = nameIn(await runNew(tree, ["--link", album]));
    await assertSameTree(await published(name), album);
    const [link, original] = [tree.join("photos", name), album].map((path) =>
      Deno.lstatSync(`${path}/IMG_0001.jpg`)
    );
    assert.equal(link.ino, original.ino);
  });

  await t.step("--move gives a folder of the photos folder another name", async () => {
    await Deno.rename(album, tree.join("photos", folder));
    const before = namesIn(tree);
    await Deno.mkdir(tree.join("copy"));
    assert.equal((await run("cp", ["-a", tree.join("photos", folder), tree.join("copy")])).code, 0);
    const name = nameIn(await runNew(tree, ["--move", folder]));
    assert.deepEqual(namesIn(tree), [...before.filter((other) => other !== folder), name].sort());
    await assertSameTree(await published(name), tree.join("copy", folder));
  });
});

Deno.test("new: --base-url stands before the link, which is all that is printed", async () => {
  await using tree = await makeTree({ ...inFolder("album"), "photos": { directory: true } });
  for (
    const base of ["https://photos.example.org", "https://example.org/zips/", "http://[::1]:81"]
  ) {
    const args = ["--base-url", base, tree.join("album")];
    const { code, stdout } = await runNew(tree, args);
    assert.equal(code, 0);
    const [line, end] = stdout.split("\n");
    const [name] = namesIn(tree);
    assert.deepEqual([line, end], [`${base.replace(/\/$/, "")}/archive/${name}/`, ""]);
    await Deno.remove(tree.join("photos", name), { recursive: true });
  }
});

Deno.test("deno task new passes a name with spaces on", async () => {
  await using tree = await makeTree(inFolder("photos/Baikal trip", { "a.jpg": "1" }));
  const args = ["task", "--quiet", "new", "--folder", tree.join("photos"), "--move", "Baikal trip"];
  const { code, stdout, stderr } = await run(Deno.execPath(), args, { cwd: ROOT });
  assert.equal(code, 0, stderr);
  assert.deepEqual(namesIn(tree), [LINK.exec(new TextDecoder().decode(stdout))?.[1]]);
});

Deno.test("new: links and pipes stay out of a copy, and are counted", async () => {
  if (windows) return;
  await using tree = await makeTree({
    "album/a.jpg": "1",
    "album/link.jpg": { symlink: "a.jpg" },
    "album/deep/pipe": { fifo: true },
    "photos": { directory: true },
  });
  const { code, stdout, stderr } = await runNew(tree, [tree.join("album")]);
  assert.deepEqual([code, stderr], [0, "new: symlinks and special files left out: 2\n"]);
  const [, name] = LINK.exec(stdout) ?? [];
  const names = [...Deno.readDirSync(tree.join("photos", name))].map(({ name }) => name).sort();
  assert.deepEqual(names, ["a.jpg", "deep"]);
});

Deno.test("new: what cannot be an album is refused in one line, and nothing is made", async () => {
  await using tree = await makeTree({
    "photos": { directory: true },
    "photos/twice/a.jpg": "1",
    "here/twice/a.jpg": "1",
    "here/file": "1",
    "here/empty/deeper": { directory: true },
    "here/hidden/.a.jpg": "1",
    "here/album/a.jpg": "1",
    ...(windows ? {} : { "here/link": { symlink: "album" } }),
  });
  const cases: [string[], RegExp][] = [
    [["nothing"], /there is no folder ".*here.nothing" or ".*photos.nothing"$/],
    [["./nothing"], /there is no folder ".*here.nothing"$/],
    [["file/deeper"], /there is no folder ".*here.file.deeper"$/],
    [["file"], /"file" is not a folder$/],
    [["twice"], /"twice" may be ".*here.twice" and ".*photos.twice"; give the whole path$/],
    [["empty"], /"empty" has no file in it that an archive would have$/],
    [["hidden"], /"hidden" has no file in it that an archive would have$/],
    [[".."], /"\.\." is the photos folder, or a folder around it$/],
    [["../photos"], /"\.\.\/photos" is the photos folder, or a folder around it$/],
    ...(windows ? [] : [
      [["--move", "link"], /"link" is a symlink; give the folder that it leads to$/],
    ] as [string[], RegExp][]),
  ];
  const before = await contents(tree.path);
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await runNew(tree, args, {
      cwd: tree.join("here"),
      main: `${ROOT}main.ts`,
    });
    assert.deepEqual([code, stdout, stderr.split("\n").length], [2, "", 2], stderr);
    assert.match(stderr.trimEnd(), message);
    assert.match(stderr, /^zipferry: new: /);
  }
  assert.deepEqual(await contents(tree.path), before);
});

testWith(
  Deno.uid() === 0 ? ["setpriv"] : [],
  "new: an album that cannot be read whole is refused by name, and nothing is left",
  async () => {
    if (windows) return; // has no modes
    const drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"];
    const prefix = Deno.uid() === 0 ? drop : [];
    await using tree = await makeTree({
      "photos": { directory: true },
      "file/a.jpg": "1",
      "file/Байкал/б.jpg": { content: "2", mode: 0 },
      "folder/a.jpg": "1",
      "folder/locked/b.jpg": "2",
      "folder/locked": { directory: true, mode: 0 },
      "all/a.jpg": "1",
      "all": { directory: true, mode: 0 },
    });
    const cases: [string, string][] = [
      ["file", 'copy "Байкал/б.jpg"'],
      ["folder", 'read "locked"'],
      ["all", 'read "all"'],
    ];
    for (const [album, what] of cases) {
      const { code, stdout, stderr } = await runNew(tree, [tree.join(album)], { prefix });
      assert.deepEqual([code, stdout], [1, ""]);
      assert.equal(stderr, `zipferry: new: cannot ${what}: permission denied\n`);
      assert.deepEqual(namesIn(tree), []);
    }
  },
);

testWith(
  Deno.uid() === 0 ? ["setpriv"] : [],
  "new: a photos folder that cannot be written is told of",
  async () => {
    if (windows) return;
    const drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"];
    await using tree = await makeTree({
      "album/a.jpg": "1",
      "photos": { directory: true, mode: 0o555 },
    });
    for (const method of ["--copy", "--link", "--move"]) {
      const prefix = Deno.uid() === 0 ? drop : [];
      const { code, stderr } = await runNew(tree, [method, tree.join("album")], { prefix });
      assert.equal(code, 1);
      assert.match(stderr, /^zipferry: new: cannot (write to|move) .*: permission denied\n$/);
    }
    assert.ok(Deno.lstatSync(tree.join("album", "a.jpg")).isFile);
  },
);

Deno.test("new: from another disk a folder can only be copied", async () => {
  if (!linux) return;
  await using tree = await makeTree({ "photos": { directory: true } });
  const shm = await Deno.makeTempDir({ dir: "/dev/shm", prefix: "zipferry-" });
  try {
    if (Deno.statSync(shm).dev === Deno.statSync(tree.path).dev) return;
    await Deno.writeTextFile(`${shm}/a.jpg`, "1");
    const flags = ["--no-prompt", "--allow-all"]; // Deno wants them for anything below /dev
    for (const method of ["--move", "--link"]) {
      const { code, stderr } = await runNew(tree, [method, shm], { flags });
      assert.equal(code, 1);
      assert.match(stderr, /: it is on another disk than the photos folder; use --copy\n$/);
      assert.deepEqual(namesIn(tree), []);
      assert.equal(await Deno.readTextFile(`${shm}/a.jpg`), "1");
    }
    const name = nameIn(await runNew(tree, [shm], { flags }));
    assert.deepEqual(namesIn(tree), [name]);
  } finally {
    await Deno.remove(shm, { recursive: true });
  }
});

Deno.test("new: without leave to write it says which command has it", async () => {
  await using tree = await makeTree({ "photos": { directory: true }, "album/a.jpg": "1" });
  const { code, stderr } = await runNew(tree, [tree.join("album")], { task: "start" });
  assert.equal(code, 2);
  assert.match(
    stderr,
    /^zipferry: new: not permitted to write to .*; run `deno task new <folder>` instead\n$/,
  );
});

Deno.test("publish() never overwrites anything", async () => {
  const name = "a".repeat(32);
  for (const method of ["copy", "move", "link"] as const) {
    for (const there of [{ directory: true }, "a file", null]) {
      await using tree = await makeTree({
        "album/a.jpg": "new",
        "photos": { directory: true },
        ...(there === null ? { [`photos/${name}/a.jpg`]: "old" } : { [`photos/${name}`]: there }),
      });
      const before = await contents(tree.path);
      const options = { photos: tree.join("photos"), album: tree.join("album"), method, name };
      await assert.rejects(publish(options), isStorageError("EEXIST"));
      assert.deepEqual(await contents(tree.path), before);
    }
  }
});

Deno.test("publish() does not overwrite what came while it copied", async () => {
  const files = Array.from({ length: 300 }, (_, i) => [`album/${i}.jpg`, `${i}`]);
  await using tree = await makeTree({
    ...Object.fromEntries(files),
    "photos": { directory: true },
  });
  const name = "a".repeat(32);
  const options = { photos: tree.join("photos"), album: tree.join("album"), name } as const;
  const publishing = publish({ ...options, method: "copy" });
  publishing.catch(() => {});
  await until(() => namesIn(tree).includes(`.${name}`), "it copies");
  await Deno.mkdir(tree.join("photos", name));
  await assert.rejects(publishing, isStorageError("EEXIST"));
  assert.deepEqual(namesIn(tree), [name], "nothing of the copy is left");
});

Deno.test("publish() refuses a file that changes while it is copied", async () => {
  await using tree = await makeTree({
    "album/a.jpg": randomBytes(64_000_000),
    "photos": { directory: true },
  });
  const options = { photos: tree.join("photos"), album: tree.join("album") };
  let done = false;
  const publishing = publish({ ...options, method: "copy" }).finally(() => done = true);
  publishing.catch(() => {});
  while (!done) await Deno.writeTextFile(tree.join("album/a.jpg"), "more", { append: true });
  await assert.rejects(publishing, isStorageError("EAGAIN"));
  assert.deepEqual(namesIn(tree), []);
});

Deno.test("publish() keeps folders in folders, with their times", async () => {
  const mtime = new Date("2020-02-02T02:02:02Z");
  await using tree = await makeTree({
    "album/only/below/a.jpg": "1",
    "album/only/below": { directory: true, mtime },
    "album/only": { directory: true, mtime },
    "photos": { directory: true },
  });
  for (const method of ["copy", "link"] as const) {
    const options = { photos: tree.join("photos"), album: tree.join("album"), method };
    const { name } = await publish(options);
    for (const folder of ["only", "only/below"]) {
      assert.deepEqual(Deno.lstatSync(tree.join("photos", name, folder)).mtime, mtime, method);
    }
  }
});

Deno.test("publish() shows an album only when it is complete", async () => {
  const files = Array.from({ length: 300 }, (_, i) => [`album/${i}.jpg`, `${i}`]);
  await using tree = await makeTree({
    ...Object.fromEntries(files),
    "photos": { directory: true },
  });
  using source = new DiskSource({ root: tree.join("photos") });
  for (const method of ["copy", "link", "move"] as const) {
    const name = method.padEnd(32, "0");
    let done = false;
    const options = { photos: tree.join("photos"), album: tree.join("album"), method, name };
    const publishing = publish(options).finally(() => done = true);
    const seen = new Set<number>();
    while (!done) {
      const listing = await source.list(name).catch((error) => {
        if (isStorageError("EAGAIN")(error)) return undefined; // it comes just now
        throw error;
      });
      if (listing !== undefined) seen.add(listing?.entries.length ?? 0);
    }
    await publishing;
    assert.equal((await source.list(name))?.entries.length, 300);
    assert.ok([...seen].every((length) => length === 0 || length === 300), [...seen].join());
  }
});

Deno.test("new: Ctrl+C leaves nothing behind", async () => {
  if (windows) return; // no process there gets a signal from a test
  const files = Array.from({ length: 5000 }, (_, i) => [`album/${i}.jpg`, ""]);
  await using tree = await makeTree({
    ...Object.fromEntries(files),
    "photos": { directory: true },
  });
  const flags = taskFlags("new");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, `${ROOT}main.ts`, "new", "-f", tree.join("photos"), tree.join("album")],
    cwd: ROOT,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  await until(() => namesIn(tree).length > 0, "it begins", 30_000);
  assert.match(namesIn(tree)[0], /^\.[0-9a-f]{32}$/);
  child.kill("SIGINT");
  child.kill("SIGINT");
  const { code, stdout, stderr } = await output;
  assert.deepEqual([code, stdout.length], [1, 0]);
  assert.match(
    new TextDecoder().decode(stderr),
    /^zipferry: new: stopped, nothing was published\n$/,
  );
  assert.deepEqual(namesIn(tree), []);
});

Deno.test("readConfig() of the command new", () => {
  const read = (...args: string[]) => readConfig({ args, env: () => undefined });
  const of = (...args: string[]) => {
    const { config: _, ...rest } = read("new", ...args) as Exclude<
      ReturnType<typeof read>,
      { action: "print" | "doctor" | "repair" }
    >;
    return rest;
  };
  const plain = { action: "new", album: "Baikal trip", method: "copy", baseUrl: undefined };
  assert.deepEqual(of("Baikal trip"), plain);
  assert.deepEqual(of("--copy", "Baikal trip"), plain);
  assert.deepEqual(of("Baikal trip", "--move"), { ...plain, method: "move" });
  assert.deepEqual(of("--link", "--", "-x"), { ...plain, album: "-x", method: "link" });
  const based = { ...plain, album: "a", baseUrl: "https://b.example" };
  assert.deepEqual(of("a", "--base-url=https://b.example//"), based);
  const refused: [string[], RegExp][] = [
    [["new"], /^new: needs one folder, none is given/],
    [
      ["new", "Baikal", "trip"],
      /^new: needs one folder, 2 are given; put a name with spaces in quotes$/,
    ],
    [["new", ""], /^new: "" is no folder; name one by its path, /],
    [["new", "a", "--copy", "--move"], /^new: only one of --copy, --move is allowed$/],
    [["new", "a", "--move", "--link"], /^new: only one of --move, --link is allowed$/],
    [["--move"], /^--move: only for the command new$/],
    [
      ["warm", "--checksums", "x", "--base-url", "https://x"],
      /^--base-url: only for the commands new and sign$/,
    ],
    ...[
      "",
      "x",
      "ftp://x",
      "https://",
      "https://a b",
      "https://x?y",
      "https://x#y",
      "https://u:p@x",
      "//x",
    ]
      .map((
        url,
      ): [string[], RegExp] => [
        ["new", "a", "--base-url", url],
        /^--base-url: ".*" is not allowed; use /,
      ]),
  ];
  for (const [args, message] of refused) {
    assert.throws(() => read(...args), { name: "ConfigError", message }, args.join(" "));
  }
});

function isStorageError(code: string) {
  return (error: unknown) => error instanceof StorageError && error.code === code;
}

/** Every path below a folder, with the text of each file */
async function contents(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    found.push(isFile ? `${path}: ${await Deno.readTextFile(path)}` : path);
    if (isDirectory) found.push(...await contents(path));
  }
  return found.sort();
}
