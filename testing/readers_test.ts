import assert from "node:assert/strict";
import { assertSameTree, extract, listWithPython, readers, readWithAll } from "./readers.ts";
import { run, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const PYTHON = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", allowZip64=True) as archive:
    for name in sys.argv[2:]: archive.write(name)
`;
const FILES = {
  "photos/0001.jpg": randomBytes(100_000, 1),
  "photos/каталог/0002 ё.jpg": randomBytes(50_000, 2),
  "photos/empty.txt": "",
};

/** FILES and, beside them, an archive of them: stored by Python's zipfile, or deflated by zip */
async function archived(by: "python" | "zip"): Promise<Tree> {
  const tree = await makeTree(FILES);
  const { code, stderr } = by === "python"
    ? await run("python3", ["-c", PYTHON, "a.zip", ...Object.keys(FILES)], { cwd: tree.path })
    : await run("zip", ["-qr", "a.zip", "photos"], { cwd: tree.path });
  assert.equal(code, 0, stderr);
  return tree;
}

for (const by of ["python", "zip"] as const) {
  testWith([by === "zip" ? "zip" : "python3"], `readers take what ${by} wrote`, async () => {
    await using tree = await archived(by);
    await readWithAll(tree.join("a.zip"));
  });
}

for (const reader of readers) {
  testWith(["python3", ...reader.tools], `readers: ${reader.name} refuses damage`, async () => {
    await using tree = await archived("python");
    const bytes = await Deno.readFile(tree.join("a.zip"));
    const path = tree.join("damaged.zip");

    await Deno.writeFile(path, bytes.subarray(0, bytes.length / 2));
    await assert.rejects(reader.read(path), "cut in the middle");

    bytes[1000] ^= 1;
    await Deno.writeFile(path, bytes);
    await assert.rejects(reader.read(path), "a bit of data flipped");
  });
}

testWith(["python3", "unzip"], "readWithAll() names everyone who complains", async () => {
  await using tree = await makeTree({ "a.zip": "no archive" });
  await assert.rejects(
    readWithAll(tree.join("a.zip"), { except: ["yauzl"] }),
    (error: Error) =>
      /^read archive: .*a\.zip\n/.test(error.message) && /^unzip: /m.test(error.message) &&
      /^python: /m.test(error.message) && !/^yauzl: /m.test(error.message),
  );
});

testWith(["python3", "zip"], "listWithPython() tells what the central directory says", async () => {
  await using tree = await archived("python");
  const entries = await listWithPython(tree.join("a.zip"));
  assert.deepEqual(entries.map(({ name }) => name), Object.keys(FILES));
  const [first, second] = entries;
  assert.equal(first.size, 100_000);
  assert.equal(first.compressedSize, 100_000);
  assert.equal(first.headerOffset, 0);
  assert.equal(first.extra.length, 0);
  assert.match(first.date, /^2024-05-0\dT\d\d:\d\d:08$/); // local time, in steps of two seconds
  assert.equal(second.flags, 0x800);

  await using other = await archived("zip");
  const [folder] = await listWithPython(other.join("a.zip"));
  assert.equal(folder.name, "photos/");
  assert.deepEqual(folder.extra.subarray(0, 2), new Uint8Array([0x55, 0x54])); // timestamps
});

for (const tool of ["unzip", "7z", "bsdtar", "python"] as const) {
  const needed = tool === "python" ? "python3" : tool;
  testWith(["python3", "diff", needed], `extract() with ${tool} restores the tree`, async () => {
    await using tree = await archived("python");
    await extract(tree.join("a.zip"), tree.join("out"), { with: tool });
    await assertSameTree(tree.join("photos"), tree.join("out/photos"));

    await Deno.writeTextFile(tree.join("out/photos/empty.txt"), "not empty");
    await assert.rejects(
      assertSameTree(tree.join("photos"), tree.join("out/photos")),
      /empty\.txt/,
    );
  });
}
