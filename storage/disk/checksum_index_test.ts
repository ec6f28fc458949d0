import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { makeTree } from "../../testing/tree.ts";
import { ChecksumIndex } from "../checksum_index.ts";
import { DiskSource } from "./disk.ts";

const ROW = { file: "/photos/h/a", identity: "1:2:3:4", crc32: 0xffff_ffff };

Deno.test("ChecksumIndex keeps values from one opening to the next, one a file", async () => {
  await using tree = await makeTree();
  const path = tree.join("index");
  {
    using index = new ChecksumIndex(path);
    assert.deepEqual(index.recall([ROW]), [null]);
    index.remember([ROW, { ...ROW, file: "/photos/h/b", crc32: 0 }]);
  }
  using index = new ChecksumIndex(path);
  const other = { ...ROW, file: "/photos/h/b" };
  assert.deepEqual(index.recall([other, ROW]), [0, 0xffff_ffff]);
  assert.deepEqual(index.recall([{ ...ROW, identity: "1:2:3:5" }]), [null], "another state");
  index.remember([{ ...ROW, identity: "1:2:3:5", crc32: 7 }]);
  assert.deepEqual(index.recall([ROW, { ...ROW, identity: "1:2:3:5" }]), [null, 7]);
  index.remember([{ ...ROW, crc32: null }]);
  assert.deepEqual(index.recall([{ ...ROW, identity: "1:2:3:5" }, other]), [null, 0]);
});

Deno.test("ChecksumIndex keeps one digest an archive, and no more than so many", async () => {
  await using tree = await makeTree();
  const path = tree.join("index");
  const digest = (name: string, version = "1-aa") => ({
    archive: `/photos/${name}`,
    version,
    sha256: name.padEnd(64, "0"),
  });
  {
    using index = new ChecksumIndex(path, { maxDigests: 3 });
    assert.equal(index.digests({ find: digest("a") }), null);
    const database = new DatabaseSync(path, { readOnly: true });
    assert.equal(database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.n, 1);
    database.close();
    for (const name of ["a", "b", "c"]) {
      index.digests({ keep: digest(name) });
      await new Promise((resolve) => setTimeout(resolve, 2)); // so that each is the newest
    }
  }
  using index = new ChecksumIndex(path, { maxDigests: 3 });
  const known = (...names: string[]) =>
    names.map((name) => index.digests({ find: digest(name) }) === digest(name).sha256);
  assert.deepEqual(known("a", "b", "c"), [true, true, true]);
  index.digests({ keep: digest("b", "1-bb") });
  assert.deepEqual(known("a", "b", "c"), [true, false, true], "another version");
  assert.equal(index.digests({ find: digest("b", "1-bb") }), digest("b").sha256);
  index.digests({ keep: digest("d") });
  assert.deepEqual(known("a", "c", "d"), [false, true, true], "the oldest went");
  index.digests({ forget: ["/photos/c", "/photos/never"] });
  assert.deepEqual(known("c", "d"), [false, true]);
});

Deno.test("ChecksumIndex: all values of one call are kept, or none", async () => {
  await using tree = await makeTree();
  using index = new ChecksumIndex(tree.join("index"));
  const bad = { ...ROW, file: "/photos/h/b", crc32: "no number" as unknown as number };
  assert.throws(() => index.remember([ROW, bad]));
  assert.deepEqual(index.recall([ROW]), [null]);
  index.remember([ROW]); // it goes on
  assert.deepEqual(index.recall([ROW]), [ROW.crc32]);
});

Deno.test("ChecksumIndex leaves files of others, and of other versions, alone", async () => {
  await using tree = await makeTree({ "text": "no database at all, but a long text".repeat(50) });
  const cases: [string, string, RegExp][] = [
    ["newer", "CREATE TABLE checksums (a); PRAGMA user_version = 2", /file is of version 2, not 1/],
    ["other", "CREATE TABLE accounts (a)", /file is of version 0, not 1/],
    ["old", "PRAGMA user_version = -1", /file is of version -1, not 1/],
    ["text", "", /not a database/],
  ];
  for (const [name, sql, message] of cases) {
    const path = tree.join(name);
    if (sql) {
      const database = new DatabaseSync(path);
      database.exec(sql);
      database.close();
    }
    const before = Deno.readFileSync(path);
    assert.throws(() => new ChecksumIndex(path), message);
    assert.deepEqual(Deno.readFileSync(path), before);
  }
  assert.throws(() => new ChecksumIndex(tree.join("no folder/index")));
});

Deno.test("ChecksumIndex waits for another process that writes, and then goes on", async () => {
  await using tree = await makeTree();
  const path = tree.join("index");
  using index = new ChecksumIndex(path);
  const script = `
    import { DatabaseSync } from "node:sqlite";
    const database = new DatabaseSync(${JSON.stringify(path)});
    database.exec("BEGIN IMMEDIATE");
    console.log("locked");
    setTimeout(() => database.exec("COMMIT"), 300);
  `;
  await Deno.writeTextFile(tree.join("lock.ts"), script);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", tree.join("lock.ts")],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  index.remember([ROW]);
  assert.deepEqual(index.recall([ROW]), [ROW.crc32]);
  await reader.cancel();
  assert.equal((await child.status).code, 0);
});

Deno.test("--checksums: a file that cannot be used is an error that says why", async () => {
  await using tree = await makeTree({ "text": "no database at all, but a long text".repeat(50) });
  using source = new DiskSource({ root: tree.path, index: tree.join("text"), workers: 1 });
  const file = { hash: "h", path: "a", location: "h/a", identity: "1:2:3:4", size: 3 };
  const expected = { name: "StorageError", code: "EINDEX", message: "file is not a database" };
  await assert.rejects(source.recall([file]), expected);
  await assert.rejects(source.remember([{ file, crc32: 1 }]), expected);

  using none = new DiskSource({ root: tree.path, workers: 1 });
  assert.equal(none.keepsChecksums, false);
  assert.deepEqual(await none.recall([file, file]), [null, null]);
  await none.remember([{ file, crc32: 1 }]);
});
