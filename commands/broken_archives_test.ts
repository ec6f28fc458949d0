import assert from "node:assert/strict";
import { StorageError } from "../storage/errors.ts";
import { captureLog } from "../testing/log.ts";
import { countTasks, MemorySource } from "../testing/memory_source.ts";
import { warnOfBrokenArchives } from "./broken_archives.ts";

const GOOD = "good-3f9a2c7b1d5e8046";
const NEVER = new AbortController().signal;

function archives(names: readonly string[]) {
  return new MemorySource(Object.fromEntries(names.map((name) => [`${name}/a.jpg`, "1"])));
}

Deno.test("warnOfBrokenArchives() names archives whose owner must act, and no others", async () => {
  const errors: Record<string, Error> = {
    "name-3f9a2c7b1d5e8046": new StorageError("EILSEQ", "3 names are not valid UTF-8"),
    "rights-3f9a2c7b1d5e80": new StorageError("EACCES", "list folder: EACCES: inner/"),
    "passing-3f9a2c7b1d5e8": new StorageError("EAGAIN", "changing"),
    "unknown-3f9a2c7b1d5e8": new Error("no storage"),
  };
  const source = countTasks(archives([GOOD, ...Object.keys(errors), ".staging"]), {
    list: (hash) => hash in errors ? Promise.reject(errors[hash]) : Promise.resolve(null),
  });
  using log = captureLog();
  await warnOfBrokenArchives({ source, signal: NEVER });
  assert.equal(source.counts.list, 5);
  assert.equal(log.lines.length, 2);
  assert.match(log.lines[0], /"level":"WARN.*"archive":"name…".*3 names are not valid UTF-8/);
  assert.match(log.lines[1], /"archive":"righ….*EACCES: inner\//);
  for (const line of log.lines) assert.doesNotMatch(line, /3f9a/);
});

Deno.test("warnOfBrokenArchives() does not flood the log, and counts them all", async () => {
  const names = Array.from({ length: 25 }, (_, i) => `archive-${i}-3f9a2c7b1d5e8046`);
  const source = countTasks(archives(names), {
    list: () => Promise.reject(new StorageError("EILSEQ", "name is not valid UTF-8")),
  });
  using log = captureLog();
  await warnOfBrokenArchives({ source, signal: NEVER });
  assert.equal(source.counts.list, 25);
  assert.equal(log.lines.length, 11);
  assert.match(log.lines[10], /25 archives/);
});

Deno.test("warnOfBrokenArchives() ends at a disk that hangs, when it is told to, and without a list", async () => {
  const names = [GOOD, "other-3f9a2c7b1d5e8046"];
  const hanging = countTasks(archives(names), { list: () => new Promise(() => {}) });
  using log = captureLog();
  await warnOfBrokenArchives({ source: hanging, signal: NEVER, patience: 10 });
  assert.equal(hanging.counts.list, 1);

  const stop = new AbortController();
  const stopped = warnOfBrokenArchives({ source: hanging, signal: stop.signal });
  setTimeout(() => stop.abort());
  await stopped;

  const unlisted = countTasks(archives(names), {
    archives: () => Promise.reject(new StorageError("EIO", "disk")),
  });
  await warnOfBrokenArchives({ source: unlisted, signal: NEVER });
  assert.equal(unlisted.counts.list, 0);
  assert.deepEqual(log.lines, []);
});
