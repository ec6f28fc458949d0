import assert from "node:assert/strict";
import { basename, dirname, join } from "node:path";
import { makeTree, type Tree, type TreeFile } from "../../testing/tree.ts";
import { StorageError } from "../errors.ts";
import { unpackListing } from "../listing.ts";
import { type DiskSelection, walkArchive } from "./walk.ts";

const HASH = "Abc0123456789def";
const OLD = new Date("2024-01-01T00:00:00Z");

type System = typeof Deno.build.os;

/** A photos folder that has been left alone for long */
function photos(files: Readonly<Record<string, TreeFile>>): Promise<Tree> {
  const dated = Object.entries(files).map(([path, file]) => [path, { mtime: OLD, ...file }]);
  return makeTree({ ...Object.fromEntries(dated), ".": { directory: true, mtime: OLD } });
}

/** What an archive holds at the first look; null if there is none */
async function list(root: string, hash: string, selection: DiskSelection = {}) {
  return (await walkArchive({ root, hash, selection })).listing;
}

/** Puts another function in the place of the runtime's, until it is disposed of */
function replace<Name extends "lstatSync" | "readDir">(
  name: Name,
  make: (real: typeof Deno[Name]) => typeof Deno[Name],
): Disposable {
  const real = Deno[name];
  Deno[name] = make(real);
  return { [Symbol.dispose]: () => void (Deno[name] = real) };
}

/** Counts the looks at a path, and shows its state changed from a certain one on */
function changeAtLook(path: string, look: number, change: Partial<Deno.FileInfo>) {
  const seen = { looks: 0, [Symbol.dispose]: () => fake[Symbol.dispose]() };
  const fake = replace("lstatSync", (real) => (at) => {
    const stat = real(at);
    if (at !== path || ++seen.looks < look) return stat;
    return { ...stat, ...change };
  });
  return seen;
}

Deno.test("walkArchive(): a folder on the way that is another one in the end, or changed, is not listed", async () => {
  const folders = { [HASH]: { directory: true }, [`${HASH}/a`]: { directory: true } };
  await using tree = await photos({
    ...folders,
    [`${HASH}/a/b`]: { directory: true },
    [`${HASH}/a/b/photo.jpg`]: { content: "1" },
    [`${HASH}/a/photo.jpg`]: { content: "1" },
    [`${HASH}/photo.jpg`]: { content: "1" },
  });
  const changes: Partial<Deno.FileInfo>[] = [
    { ino: 0.5 }, // which no inode is
    { dev: 0.5 },
    { mtime: new Date(OLD.getTime() + 1) },
    { ctime: new Date("2030-01-01T00:00:00Z") }, // which nobody can set back
    { isDirectory: false, isSymlink: true },
  ];
  for (const path of [HASH, `${HASH}/a`].map((path) => tree.join(path))) {
    let last: number;
    {
      using unchanged = changeAtLook(path, Infinity, {});
      assert.ok(await list(tree.path, HASH));
      last = unchanged.looks;
    }
    assert.ok(last > 1, "it is looked at again in the end");
    for (const change of changes) {
      using _ = changeAtLook(path, last, change);
      await assert.rejects(list(tree.path, HASH), (error) => {
        assert.ok(error instanceof StorageError && error.code === "EAGAIN", JSON.stringify(change));
        return true;
      });
    }
  }
});

Deno.test("walkArchive(): an archive's own entry is guarded by its time of change, or by the photos folder", async () => {
  await using tree = await photos({ [HASH]: { directory: true }, [`${HASH}/photo.jpg`]: {} });
  const [own, root] = [tree.join(HASH), tree.path];
  const [young, old] = [new Date(), OLD];
  const other = { ino: 0.5 };
  const busy = { mtime: young };
  // The entry's time of change, what changes in the entry and in the photos folder, and the outcome.
  const cases: [Date | null, object, object, boolean][] = [
    [old, {}, {}, true],
    [old, {}, busy, true], // another archive came: this one is still the same
    [old, other, {}, true], // the photos folder proves that nothing was renamed in it
    [old, other, busy, false],
    [old, { ctime: young }, busy, false],
    [old, { isDirectory: false }, busy, false],
    [young, {}, {}, true],
    [young, {}, busy, false],
    [null, {}, {}, true],
    [null, {}, busy, false],
  ];
  for (const [ctime, inEntry, inRoot, isListed] of cases) {
    const looks = { [own]: 0, [root]: 0 };
    using _ = replace("lstatSync", (real) => (path) => {
      const stat = real(path);
      if (path === own) return { ...stat, ctime, ...++looks[own] > 2 ? inEntry : {} };
      if (path === root) return { ...stat, ...++looks[root] > 1 ? inRoot : {} };
      return stat;
    });
    const listing = list(tree.path, HASH);
    const what = JSON.stringify([ctime, inEntry, inRoot]);
    if (isListed) assert.equal((await listing)?.names, "photo.jpg", what);
    else await assert.rejects(listing, { code: "EAGAIN" }, what);
  }
});

Deno.test("walkArchive(): where neither the entry nor the photos folder has rested, there is nothing to compare", async () => {
  await using tree = await photos({ [HASH]: { directory: true }, [`${HASH}/photo.jpg`]: {} });
  const [own, root] = [tree.join(HASH), tree.path];
  const young = new Date();
  using _ = replace("lstatSync", (real) => (path) => {
    const stat = real(path);
    if (path === own) return { ...stat, ctime: young };
    return path === root ? { ...stat, mtime: new Date() } : stat;
  });
  await assert.rejects(list(tree.path, HASH), { code: "EAGAIN" });
});

Deno.test("walkArchive(): folders on the way to what a link leads to must stay what they are", async () => {
  if (Deno.build.os === "windows") return; // links need a privilege
  const way = ["other", "other/way", "other/way/dir"];
  await using tree = await photos({
    ...Object.fromEntries([HASH, ...way].map((path) => [path, { directory: true }])),
    "other/way/dir/photo.jpg": { content: "1" },
    [`${HASH}/link`]: { symlink: "../other/way/dir" },
  });
  const options = { followSymlinks: true };
  for (const path of ["other", "other/way"].map((path) => tree.join(path))) {
    let last: number;
    {
      using unchanged = changeAtLook(path, Infinity, {});
      const packed = await list(tree.path, HASH, options);
      assert.equal(packed?.names, "link/photo.jpg");
      last = unchanged.looks;
    }
    for (const change of [{ ino: 0.5 }, { isDirectory: false, isSymlink: true }]) {
      for (const look of new Set([1, last])) {
        using _ = changeAtLook(path, look, change);
        if (look === 1 && "ino" in change) continue; // it is so from the start
        await assert.rejects(list(tree.path, HASH, options), { code: "EAGAIN" });
      }
    }
  }
});

Deno.test("walkArchive(): links to what is around the photos folder are left out, odd names in it are not", async () => {
  if (Deno.build.os === "windows") return;
  await using tree = await photos({
    [HASH]: { directory: true },
    [`${HASH}/photo.jpg`]: { content: "1" },
    [`${HASH}/root`]: { symlink: ".." },
    [`${HASH}/above`]: { symlink: "../.." },
    [`${HASH}/beside`]: { symlink: "../../." },
    [`${HASH}/odd`]: { symlink: "../..odd" },
    [`${HASH}/deep`]: { symlink: "../..odd/..deep" },
    "..odd": { directory: true },
    "..odd/..deep": { directory: true },
    "..odd/..deep/1": { content: "1" },
  });
  const packed = await list(tree.path, HASH, { followSymlinks: true, hidden: true });
  assert.deepEqual(packed?.names.split("\0"), ["deep/1", "odd/..deep/1", "photo.jpg"]);
  assert.deepEqual(packed.leftOut.toSorted(), ["above", "beside", "root"]);
});

Deno.test("walkArchive(): a link that the disk cannot follow is left out, one that it fails at is an error", async () => {
  if (Deno.build.os === "windows") return;
  await using tree = await photos({
    [HASH]: { directory: true },
    [`${HASH}/photo.jpg`]: { content: "1" },
    [`${HASH}/link`]: { symlink: "photo.jpg" },
  });
  const { realPathSync } = Deno;
  try {
    for (const [code, isLeftOut] of [["ENOENT", true], ["ELOOP", true], ["EIO", false]] as const) {
      Deno.realPathSync = () => {
        throw withCode(code);
      };
      const listing = list(tree.path, HASH, { followSymlinks: true });
      if (isLeftOut) assert.deepEqual((await listing)?.leftOut, ["link"]);
      else await assert.rejects(listing, { code, message: `list folder: ${code}: link` });
    }
  } finally {
    Deno.realPathSync = realPathSync;
  }
});

Deno.test("walkArchive(): a folder without folders may have changed just now", async () => {
  await using tree = await photos({
    [HASH]: { directory: true },
    [`${HASH}/in`]: { directory: true },
    [`${HASH}/in/photo.jpg`]: { content: "1" },
  });
  using _ = replace("lstatSync", (real) => (path) => {
    const stat = real(path);
    return path === tree.join(HASH, "in") ? { ...stat, mtime: new Date() } : stat;
  });
  assert.equal((await list(tree.path, HASH))?.names, "in/photo.jpg");
});

/** A disk that finds files whatever the case of their names, as those of Windows and macOS do */
function ignoringCase(root: string): Disposable {
  const resolved = (path: string): string => {
    if (path === root) return path;
    const folder = resolved(dirname(path));
    const wanted = basename(path).toLowerCase();
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
    return join(folder, names.find((name) => name.toLowerCase() === wanted) ?? basename(path));
  };
  const stats = replace("lstatSync", (real) => (path) => real(resolved(String(path))));
  const folders = replace("readDir", (real) => (path) => real(resolved(String(path))));
  return {
    [Symbol.dispose]() {
      stats[Symbol.dispose]();
      folders[Symbol.dispose]();
    },
  };
}

Deno.test("walkArchive(): on a disk that ignores case, a link names its folder by the very spelling", async () => {
  await using tree = await photos({ [`${HASH}/photo.jpg`]: { content: "1" } });
  using _ = ignoringCase(tree.path);
  assert.ok(Deno.lstatSync(tree.join(HASH.toUpperCase())).isDirectory, "the disk knows it so, too");
  const packed = await list(tree.path, HASH);
  assert.deepEqual(packed && unpackListing(packed).entries.map(({ name }) => name), ["photo.jpg"]);
  const others = [HASH.toUpperCase(), HASH.toLowerCase(), `a${HASH.slice(1)}`, "aBC0123456789DEF"];
  for (const other of others) {
    assert.equal(await list(tree.path, other), null, other);
  }
  await Deno.rename(tree.join(HASH), tree.join("0123456789"));
  Deno.utimeSync(tree.path, OLD, OLD);
  assert.ok(await list(tree.path, "0123456789"), "digits have one case");
});

Deno.test("walkArchive(): a listing that is asked for by another spelling is none, though the disk has both", async () => {
  if (Deno.build.os !== "linux") return;
  await using tree = await photos({ [`${HASH}/1`]: {}, [`${HASH.toUpperCase()}/2`]: {} });
  for (const [hash, name] of [[HASH, "1"], [HASH.toUpperCase(), "2"]]) {
    const packed = await list(tree.path, hash);
    assert.equal(packed?.names, name);
  }
  assert.equal(await list(tree.path, HASH.toLowerCase()), null);
});

/** The disk fails for a path in this way, as the runtime tells it */
function failing(name: "lstatSync" | "readDir", path: string, error: Error): Disposable {
  return replace(name, (real: (at: string | URL) => unknown) =>
    ((at: string | URL) => {
      if (at === path) throw error;
      return real(at);
      // deno-lint-ignore no-explicit-any -- two functions of different types
    }) as any);
}

const withCode = (code: string) => Object.assign(new Error(`${code}: /srv/photos`), { code });

Deno.test("walkArchive(): an archive's own folder that cannot be had is none, whatever the reason", async () => {
  await using tree = await photos({ [HASH]: { directory: true }, [`${HASH}/photo.jpg`]: {} });
  const path = tree.join(HASH);
  const reasons = ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "ENAMETOOLONG"];
  for (const code of reasons) {
    for (const call of ["lstatSync", "readDir"] as const) {
      using _ = failing(call, path, withCode(code));
      assert.equal(await list(tree.path, HASH), null, `${call} ${code}`);
    }
  }
  for (const code of ["EIO", "ENOTCONN", "ESTALE", "EMFILE"]) {
    using _ = failing("readDir", path, withCode(code));
    await assert.rejects(list(tree.path, HASH), {
      ...{ name: "StorageError", code, message: `list folder: ${code}: /` },
    });
  }
});

Deno.test("walkArchive(): what cannot be looked at inside of an archive is an error that names it", async () => {
  const folders = [HASH, `${HASH}/in`].map((path) => [path, { directory: true }]);
  await using tree = await photos({ ...Object.fromEntries(folders), [`${HASH}/in/photo.jpg`]: {} });
  const calls = [["readDir", "in", "in/"], ["lstatSync", "in/photo.jpg", "in/photo.jpg"]] as const;
  for (const code of ["EIO", "EACCES", "ENOTCONN"]) {
    for (const [call, path, named] of calls) {
      const expected = { name: "StorageError", code, message: `list folder: ${code}: ${named}` };
      using _ = failing(call, tree.join(HASH, path), withCode(code));
      await assert.rejects(list(tree.path, HASH), expected);
    }
  }
});

Deno.test("walkArchive(): a name by which Windows opens another file, or none, is an error there", async () => {
  const long = `${"d".repeat(200)}/${"p".repeat(200)}.jpg`;
  if (Deno.build.os === "windows") return; // it makes no such files
  const files = ["CON.d", "CONCERT.jpg", "photo.jpg", long].map((name) => [`${HASH}/${name}`, {}]);
  const folder = { directory: true };
  await using tree = await photos({ [HASH]: folder, ...Object.fromEntries(files) });
  const walk = async (system: System) => {
    const { listing } = await walkArchive({ root: tree.path, hash: HASH, selection: {}, system });
    return listing && unpackListing(listing).entries.map(({ name }) => name);
  };
  const refused = (message: string) => ({ name: "StorageError", code: "EBADNAME", message });
  // Whether such files can be opened depends on the version of Windows.
  const all = ["CONCERT.jpg", "_CON.d", long, "photo.jpg"];
  assert.deepEqual(await walk("windows"), all);
  const start = "list folder: name cannot be opened on Windows: ";
  {
    using _ = failing("lstatSync", tree.join(HASH, "CON.d"), withCode("EBADF"));
    await assert.rejects(walk("windows"), refused(`${start}"CON.d"`));
    await assert.rejects(walk("linux"), { message: "list folder: EBADF: CON.d" });
  }
  const { openSync } = Deno;
  Deno.openSync = () => {
    throw withCode("UNKNOWN");
  };
  try {
    await assert.rejects(
      walk("windows"),
      refused(`list folder: 2 names cannot be opened on Windows: "CON.d", "${long}"`),
    );
    assert.deepEqual(await walk("linux"), all, "nothing is opened");
  } finally {
    Deno.openSync = openSync;
  }
  await Deno.writeTextFile(tree.join(HASH, "photo.jpg "), "another one");
  await Deno.mkdir(tree.join(HASH, "album."));
  for (const path of [HASH, ""]) await Deno.utime(tree.join(path), OLD, OLD);
  await assert.rejects(walk("windows"), (error: Error) => {
    const [, names] = /^list folder: 2 names cannot be opened on Windows: (.*)$/.exec(
      error.message,
    ) ?? [];
    assert.deepEqual(names?.split(", ").sort(), ['"album."', '"photo.jpg "']);
    return true;
  });
  assert.deepEqual((await walk("linux"))?.slice(-2), ["photo.jpg", "photo.jpg_"]);
});

Deno.test("walkArchive(): a file that goes while its folder is read was never there", async () => {
  await using tree = await photos({ [`${HASH}/a`]: {}, [`${HASH}/b`]: {} });
  using _ = failing("lstatSync", tree.join(HASH, "a"), new Deno.errors.NotFound("a"));
  const packed = await list(tree.path, HASH);
  assert.deepEqual([packed?.names, packed?.leftOut], ["b", []]);
});

Deno.test("walkArchive(): a folder that is no folder any more when it is read is changing", async () => {
  const folders = [HASH, `${HASH}/in`].map((path) => [path, { directory: true }]);
  await using tree = await photos({ ...Object.fromEntries(folders), [`${HASH}/in/photo.jpg`]: {} });
  using _ = changeAtLook(tree.join(HASH, "in"), 2, { isDirectory: false, isSymlink: true });
  await assert.rejects(list(tree.path, HASH), { code: "EAGAIN" });
});

Deno.test("walkArchive(): where the disk tells neither time nor mode, 1970 and plain modes take their place", async () => {
  await using tree = await photos({
    [`${HASH}/a`]: { mode: 0o600 },
    [`${HASH}/b/c`]: { directory: true },
  });
  const blank = { mode: null, mtime: null };
  using _ = replace("lstatSync", (real) => (path) => ({ ...real(path), ...blank }));
  const packed = await list(tree.path, HASH);
  const facts = packed &&
    unpackListing(packed).entries.map(({ name, mode, mtime }) => [name, mode, mtime]);
  assert.deepEqual(facts, [["a", 0o644, 0], ["b/c/", 0o755, 0]]);
  assert.equal(packed?.lastModified, 0);
});

/** Shows states of some paths otherwise, until it is disposed of */
function showAs(states: Readonly<Record<string, () => Partial<Deno.FileInfo>>>): Disposable {
  return replace("lstatSync", (real) => (path) => ({ ...real(path), ...states[String(path)]?.() }));
}

Deno.test("walkArchive(): a disk that tells the present as every time is listed when that is asked for", async () => {
  const folders = [HASH, `${HASH}/in`].map((path) => [path, { directory: true }]);
  await using tree = await photos({ ...Object.fromEntries(folders), [`${HASH}/in/photo.jpg`]: {} });
  const request = { root: tree.path, hash: HASH, selection: {} };
  const [root, own, inner] = [tree.path, tree.join(HASH), tree.join(HASH, "in")];
  const present = () => ({ mtime: new Date(), ctime: new Date() });
  const now = { [root]: present, [own]: present, [inner]: present };
  {
    using _ = showAs(now);
    await assert.rejects(walkArchive(request), { code: "EAGAIN" });
    const { listing } = await walkArchive({ ...request, timeless: true });
    assert.deepEqual([listing?.names, listing?.steady, listing?.settled], [
      "in/photo.jpg",
      false,
      false,
    ]);
  }
  const steady = (await walkArchive({ ...request, timeless: true })).listing;
  assert.equal(steady?.steady, true, "times that stand still are gone by");

  const stopped = new Date(); // changed a moment ago, on a disk that tells times
  const ahead = () => ({ mtime: new Date(Date.now() + 3), ctime: new Date() });
  for (const state of [() => ({ mtime: stopped, ctime: stopped }), ahead]) {
    using _ = showAs({ [root]: state, [own]: state, [inner]: state });
    await assert.rejects(walkArchive({ ...request, timeless: true }), { code: "EAGAIN" });
  }

  let last = Infinity;
  for (const change of [{}, { ino: 0.5 }, { dev: 0.5 }, { isDirectory: false }]) {
    let looks = 0;
    const state = () => ({ ...present(), ...++looks >= last ? change : {} });
    using _ = showAs({ ...now, [own]: state });
    const other = walkArchive({ ...request, timeless: true });
    if (last < Infinity) await assert.rejects(other, { code: "EAGAIN" }, JSON.stringify(change));
    else assert.ok((await other).listing);
    last = looks;
  }
});

Deno.test("walkArchive(): a photos folder that is gone, or no folder, is an error that tells no path", async () => {
  await using tree = await makeTree({ "file": "" });
  const inFile = Deno.build.os === "windows" ? "ENOENT" : "ENOTDIR";
  for (const [name, why] of [["missing", "ENOENT"], ["file", "ENOTDIR"], ["file/x", inFile]]) {
    await assert.rejects(list(tree.join(name), HASH), {
      ...{ name: "StorageError", code: "ENOROOT", message: `photos folder: ${why}` },
    });
  }
});

Deno.test("walkArchive(): an empty photos folder on another disk than before is one that is gone", async () => {
  await using tree = await makeTree();
  const request = { root: tree.path, hash: HASH, selection: {} };
  const { dev } = Deno.lstatSync(tree.path);
  const nothing = { listing: null, device: dev };
  assert.deepEqual(await walkArchive(request), nothing, "it has always been empty");
  assert.deepEqual(await walkArchive({ ...request, device: dev }), nothing, "it is by now");
  const gone = {
    code: "ENOROOT",
    message: "photos folder: empty, and on another disk than before",
  };
  await assert.rejects(walkArchive({ ...request, device: dev + 1 }), gone);
  await Deno.mkdir(tree.join("another"));
  assert.deepEqual(await walkArchive({ ...request, device: dev + 1 }), nothing, "another disk");
});

Deno.test("strict: a folder must have kept its time of change until its second is over", async () => {
  const folders = [HASH, `${HASH}/in`].map((path) => [path, { directory: true }]);
  await using tree = await photos({ ...Object.fromEntries(folders), [`${HASH}/in/photo.jpg`]: {} });
  const request = { root: tree.path, hash: HASH, selection: {} };
  const second = (ahead: number) => new Date(Math.floor(Date.now() / 1000 + ahead) * 1000);
  const cases: [Date | null, boolean][] = [
    [OLD, true],
    [second(0), false],
    [second(3600), true], // it tells nothing
    [null, true],
  ];
  for (const [ctime, isListed] of cases) {
    using _ = showAs({
      [tree.path]: () => ({ ctime: OLD }),
      [tree.join(HASH)]: () => ({ ctime }),
      [tree.join(HASH, "in")]: () => ({ ctime: OLD }),
    });
    assert.ok((await walkArchive(request)).listing);
    const strict = walkArchive({ ...request, strict: true });
    if (isListed) assert.ok((await strict).listing, String(ctime));
    else await assert.rejects(strict, { code: "EAGAIN" });
  }
});
