import assert from "node:assert/strict";
import { DiskSource } from "../storage/disk/disk.ts";
import { StorageError } from "../storage/errors.ts";
import type { FileSource } from "../storage/source.ts";
import { captureLog } from "../testing/log.ts";
import { countTasks } from "../testing/memory_source.ts";
import { makeTree, type TreeFile } from "../testing/tree.ts";
import { warnOfLocale } from "./zip_command.ts";

const windows = Deno.build.os === "windows";

/** A program that writes the beginning of a local file header with these flags, and waits */
const marking = (flags: string) => `printf 'PK\\003\\004\\024\\000\\000${flags}'; exec sleep 30`;

const MARKS = marking("\\010");
const MARKS_NOT = marking("\\000");

interface SetupOptions {
  readonly files: Readonly<Record<string, string | TreeFile>>;
  /** Shell script in the place of zip */
  readonly script: string;
  readonly instead?: Partial<FileSource>;
  readonly system?: typeof Deno.build.os;
}

/** What is logged at the start, and how many folders were listed for it */
async function warned({ files, script, instead, system }: SetupOptions) {
  const inside = Object.entries(files).map(([path, file]) => [`photos/${path}`, file]);
  await using tree = await makeTree({
    ...Object.fromEntries(inside),
    "photos": { directory: true },
    "program": { content: `#!/bin/sh\n${script}\n`, mode: 0o755 },
  });
  const root = tree.join("photos");
  using disk = new DiskSource({ root, workers: 1 });
  const source = countTasks(disk, instead);
  using log = captureLog();
  const program = tree.join("program");
  await warnOfLocale({ program, level: 6, followSymlinks: false, root, source, system });
  return { lines: [...log.lines], listed: source.counts.list };
}

Deno.test(
  "warnOfLocale() warns of a zip that does not mark names as UTF-8",
  { ignore: windows },
  async () => {
    const files = { "ascii/a.jpg": "1", "other/Фото.jpg": "2" };
    const { lines } = await warned({ files, script: MARKS_NOT });
    assert.equal(lines.length, 1);
    assert.match(lines[0], /"level":"WARN".*zip does not mark names as UTF-8.*en_US\.UTF-8/);
    assert.deepEqual((await warned({ files, script: MARKS })).lines, []);
  },
);

Deno.test(
  "warnOfLocale() says nothing if there is no name to try",
  { ignore: windows },
  async () => {
    for (const names of [[], ["ascii/a.jpg"]]) {
      const files = Object.fromEntries(names.map((name) => [name, "1"]));
      assert.deepEqual((await warned({ files, script: MARKS_NOT })).lines, []);
    }
  },
);

Deno.test("warnOfLocale(): on Windows, of names that the program does not take", async () => {
  const system = "windows";
  const { lines } = await warned({ files: { "other/Фото.jpg": "2" }, script: MARKS, system });
  assert.equal(lines.length, 1);
  assert.match(
    lines[0],
    /"level":"WARN".*zip takes only names of ASCII on Windows.*use the engine store/,
  );
  const ascii = await warned({ files: { "ascii/a.jpg": "1" }, script: MARKS_NOT, system });
  assert.deepEqual(ascii.lines, []);
});

Deno.test("warnOfLocale() tells of a zip that does not work", { ignore: windows }, async () => {
  const { lines } = await warned({ files: { "other/Фото.jpg": "2" }, script: "exit 1" });
  assert.equal(lines.length, 1);
  assert.match(lines[0], /"level":"ERROR".*zip does not work: /);
});

Deno.test(
  "warnOfLocale() passes over folders that cannot be listed",
  { ignore: windows },
  async () => {
    const files = { "a/Фото.jpg": "1", "b/Фото.jpg": "2" };
    let asked = 0;
    const instead: Partial<FileSource> = {
      list: () => {
        asked++;
        return Promise.reject(new StorageError("EIO", "list folder: EIO: /"));
      },
    };
    assert.deepEqual((await warned({ files, script: MARKS_NOT, instead })).lines, []);
    assert.equal(asked, 2);
  },
);

Deno.test("warnOfLocale() looks into 50 folders at most", { ignore: windows }, async () => {
  const many = Array.from({ length: 70 }, (_, i) => [`folder${i}/a.jpg`, "1"]);
  const { lines, listed } = await warned({ files: Object.fromEntries(many), script: MARKS_NOT });
  assert.deepEqual([lines, listed], [[], 50]);
});
