import assert from "node:assert/strict";
import { isJunk, isUnfinished, JUNK, type NameRule, UNFINISHED } from "./junk.ts";

const PHOTOS = [
  "IMG_0001.JPG",
  "part",
  "a.part1.rar",
  "a.parts",
  "party.jpg",
  "tmp",
  "a.tmp.jpg",
  "download",
  "download.jpg",
  "a.downloads",
  "partial.png",
  "aria2.jpg",
  "~a.jpg",
  "$a.jpg",
  "thumbs.jpg",
  "a.db",
  "Thumbs.db.jpg",
  "MACOSX",
  "eaDir",
  "recycle",
  "lost",
  "found",
  "lost+found.jpg",
  "Icon",
  "icon.png",
  "Icon\r.png",
  "Recycler photos",
  "Picasa.jpg",
  "SYNO.jpg",
  ".in",
  ".photo.jpg",
  ".name.folder",
  ".photo.jpg.5",
  ".photo.jpg.abc-ef",
  "photo.jpg.aB3dE9",
  ".",
  "..",
  "",
];

/** A name that the rule means, with something for each `*` and `?` */
function example(name: string) {
  return name.replaceAll("*", "x").replaceAll("?", "q");
}

function examples(rules: readonly NameRule[]) {
  return rules.flatMap(({ names }) => names.map(example));
}

Deno.test("isUnfinished() and isJunk() know every name of their table, in any case", () => {
  for (const name of examples(UNFINISHED)) {
    for (const cased of [name, name.toUpperCase(), name.toLowerCase()]) {
      assert.ok(isUnfinished(cased), cased);
    }
  }
  for (const name of examples(JUNK)) {
    for (const cased of [name, name.toUpperCase(), name.toLowerCase()]) {
      assert.ok(isJunk(cased), cased);
    }
  }
});

Deno.test("isUnfinished() knows the names that uploads really have", () => {
  const names = [
    "IMG_0001.JPG.filepart",
    "IMG_0001.JPG.part",
    "Море 1.jpg.PART",
    "Без подтверждения 12345.crdownload",
    "IMG_0001.JPG.download",
    "IMG_0001.JPG.aria2",
    "IMG_0001.JPG.kW3rQmXz.partial",
    "IMG_0001.JPG.tmp",
    "~WRD0001.tmp",
    ".IMG_0001.JPG.k8Xz3Q",
    ".in.IMG_0001.JPG.",
    ".in.IMG_0001.JPG",
    ".pureftpd-upload.4eefcd05.15.543d.f8a021e",
    ".syncthing.IMG_0001.JPG.tmp",
    "~syncthing~IMG_0001.JPG.tmp",
    "~$list.docx",
    ".~lock.list.odt#",
    "line\nbreak.part",
  ];
  for (const name of names) assert.ok(isUnfinished(name), name);
});

Deno.test("isJunk() knows the names that systems really leave", () => {
  const names = [
    "._IMG_0001.JPG",
    "Icon\r",
    "ICON\r",
    ".Trash-1000",
    ".nfs000000000001a2b300000001",
    ".fuse_hidden0000001400000001",
    "SYNOPHOTO_THUMB_XL.jpg",
    "SYNOFILE_THUMB_M.jpg",
    "IMG_0001.JPG@SynoEAStream",
    "$Recycle.Bin",
    "@eadir",
  ];
  for (const name of names) assert.ok(isJunk(name), name);
});

Deno.test("isUnfinished() and isJunk() leave photos alone", () => {
  for (const name of PHOTOS) {
    assert.equal(isUnfinished(name), false, name);
    assert.equal(isJunk(name), false, name);
  }
});

Deno.test("junk: no name is in both tables, or twice", () => {
  const names = [...UNFINISHED, ...JUNK].flatMap(({ names }) => names.map((n) => n.toLowerCase()));
  assert.deepEqual(names.filter((name, i) => names.indexOf(name) !== i), []);
  for (const { from, source } of [...UNFINISHED, ...JUNK]) {
    assert.notEqual(from, "");
    assert.ok(URL.canParse(source), source);
  }
});
