import assert from "node:assert/strict";
import { captureLog } from "../testing/log.ts";
import { logDownloads } from "./log.ts";
import { type Download, type Observer, tellAll } from "./observer.ts";

const DOWNLOAD: Download = {
  hash: "5d1c0f7a9b3e48268f04c2ab71e9d360",
  etag: '"1-a"',
  size: 100,
  start: 20,
  length: 80,
};

Deno.test("tellAll() tells each listener everything, in turn", () => {
  const told: unknown[][] = [];
  const listener = (name: string): Observer => ({
    started: (...args) => told.push([name, "started", ...args]),
    progressed: (...args) => told.push([name, "progressed", ...args]),
    ended: (...args) => told.push([name, "ended", ...args]),
  });
  const end = { kind: "complete", bytes: 80, seconds: 1 } as const;
  const all = tellAll([listener("a"), listener("b")]);
  all.started(DOWNLOAD);
  all.progressed(DOWNLOAD, 40);
  all.ended(DOWNLOAD, end);
  assert.deepEqual(told, [
    ["a", "started", DOWNLOAD],
    ["b", "started", DOWNLOAD],
    ["a", "progressed", DOWNLOAD, 40],
    ["b", "progressed", DOWNLOAD, 40],
    ["a", "ended", DOWNLOAD, end],
    ["b", "ended", DOWNLOAD, end],
  ]);
});

Deno.test("logDownloads() logs each step, and failures as errors, without the hash", () => {
  using log = captureLog();
  const observer = logDownloads();
  observer.started(DOWNLOAD);
  observer.progressed(DOWNLOAD, 40);
  const end = { bytes: 80, seconds: 1.23456 };
  observer.ended(DOWNLOAD, { ...end, kind: "complete" });
  observer.ended(DOWNLOAD, { ...end, kind: "cancelled" });
  observer.ended(DOWNLOAD, { ...end, kind: "failed", error: new Error("disk is gone") });
  const about = { archive: "5d1c…", size: 100, start: 20, length: 80 };
  const result = { ...about, bytes: 80, seconds: 1.235 };
  const lines = log.lines.map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ level, message, properties }) => [level, message, properties]), [
    ["INFO", "download started", about],
    ["INFO", "download goes on", { ...about, bytes: 40 }],
    ["INFO", "download complete", result],
    ["INFO", "download cancelled by the client", result],
    ["ERROR", 'download failed: "disk is gone"', { ...result, why: "disk is gone" }],
  ]);
  assert.ok(!log.lines.join("").includes(DOWNLOAD.hash));
});
