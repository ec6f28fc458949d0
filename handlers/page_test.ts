import assert from "node:assert/strict";
import { createStoreEngine } from "../engines/store.ts";
import { logDownloads } from "../observe/log.ts";
import { Checksums } from "../storage/checksums.ts";
import { DiskSource } from "../storage/disk/disk.ts";
import { StorageError } from "../storage/errors.ts";
import type { FileSource } from "../storage/source.ts";
import { captureLog } from "../testing/log.ts";
import { countTasks } from "../testing/memory_source.ts";
import { run, testWith } from "../testing/tools.ts";
import { makeTree, type TreeFile } from "../testing/tree.ts";
import { createHandler } from "./mod.ts";

const suffix = "a1b2c3d4e5f60718";

/** The page over these folders, for everyone to see */
async function service(files: Readonly<Record<string, string | TreeFile>>) {
  const tree = await makeTree(files);
  const disk = new DiskSource({ root: tree.path });
  const instead: Partial<FileSource> = {};
  const source = countTasks(disk, instead);
  const engine = createStoreEngine({ source, checksums: new Checksums(source) });
  const handler = createHandler({ source, engine, observer: logDownloads(), listing: "on" });
  const log = captureLog();
  return {
    tree,
    disk,
    instead,
    logged: log.lines,
    async page() {
      const remoteAddr = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;
      const request = new Request("http://localhost/", { headers: { host: "localhost" } });
      const answer = await handler(request, { remoteAddr, completed: Promise.resolve() });
      const text = await answer.text();
      const links = [...text.matchAll(/href="\/archive\/([^"/]*)\/"/g)].map(([, hash]) => hash);
      return { status: answer.status, text, links };
    },
    async [Symbol.asyncDispose]() {
      await engine.close();
      disk[Symbol.dispose]();
      log[Symbol.dispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

/** An album, all of which is of one day */
function album(hash: string, day: string): [string, TreeFile][] {
  const mtime = new Date(`${day}T12:00:00Z`);
  return [[hash, { directory: true, mtime }], [`${hash}/photo.jpg`, { content: hash, mtime }]];
}

Deno.test("/ lists the newest archive first, whatever the names and the order of the disk", async () => {
  const days = ["2021-03-01", "2019-01-01", "2024-02-02", "2020-12-31", "2024-02-01", "2022-07-07"];
  const names = ["m", "z", "b", "a", "y", "c"].map((letter) => `${letter}-${suffix}`);
  const albums = names.flatMap((name, i) => album(name, days[i]));
  await using site = await service(Object.fromEntries(albums));
  const expected = names.toSorted((a, b) =>
    days[names.indexOf(a)] < days[names.indexOf(b)] ? 1 : -1
  );
  assert.deepEqual((await site.page()).links, expected);
});

testWith(["python3"], "/ goes on without an archive that has a bad name in it", async () => {
  await using site = await service(Object.fromEntries([
    ...album(`good-${suffix}`, "2024-01-01"),
    ...album(`bad-${suffix}`, "2023-01-01"),
    ...album(`fine-${suffix}`, "2022-01-01"),
  ]));
  const script = `open(b"bad\\xff.jpg", "w")`;
  const { code } = await run("python3", ["-c", script], { cwd: site.tree.join(`bad-${suffix}`) });
  if (code !== 0) return; // the file system does not take it
  const { status, links } = await site.page();
  assert.equal(status, 200);
  assert.deepEqual(links, [`good-${suffix}`, `fine-${suffix}`]);
  assert.equal(site.logged.length, 1);
  assert.ok(!site.logged[0].includes(`bad-${suffix}`) && site.logged[0].includes("bad-"));
});

Deno.test("/ goes on without archives that cannot be listed, and names only a few of them", async () => {
  const bad = Array.from({ length: 40 }, (_, i) => `n${i}x-${suffix}`);
  const albums = [...bad, `good-${suffix}`].flatMap((hash) => album(hash, "2024-01-01"));
  await using site = await service(Object.fromEntries(albums));
  const list = site.disk.list.bind(site.disk);
  site.instead.list = (hash, options) =>
    hash.startsWith("good")
      ? list(hash, options)
      : Promise.reject(new StorageError("EIO", "list folder: EIO: /"));
  const { status, links } = await site.page();
  assert.equal(status, 200);
  assert.deepEqual(links, [`good-${suffix}`]);
  const lines = site.logged.filter((line) => line.includes("cannot be listed"));
  assert.equal(lines.length, 1);
  const { count, archives } = JSON.parse(lines[0]).properties;
  assert.equal(count, 40);
  assert.ok(archives.length < 10, `${archives.length} are named`);
  for (const hash of bad) assert.ok(!lines[0].includes(hash));
});
