import assert from "node:assert/strict";
import { captureLog } from "../testing/log.ts";
import { logAnswers, logDownloads } from "./log.ts";
import { type Answer, type Download, type Observer, tellAll } from "./observer.ts";

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

Deno.test("tellAll() tells of an answer and a first byte those who want to know", () => {
  const told: unknown[][] = [];
  const quiet = { started() {}, progressed() {}, ended() {} };
  const all = tellAll([quiet, {
    ...quiet,
    answered: (...args) => told.push(args),
    firstByte: (...args) => told.push(args),
  }]);
  const answer = { route: "archive", method: "GET", status: 503, refused: "memory" } as const;
  all.answered?.(answer);
  all.firstByte?.(DOWNLOAD, 0.5);
  assert.deepEqual(told, [[answer], [DOWNLOAD, 0.5]]);
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
  observer.ended(DOWNLOAD, { ...end, kind: "stalled", error: new Error("took nothing") });
  const about = { archive: "5d1c…", size: 100, start: 20, length: 80 };
  const result = { ...about, bytes: 80, seconds: 1.235 };
  const lines = log.lines.map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ level, message, properties }) => [level, message, properties]), [
    ["INFO", "download started", about],
    ["INFO", "download goes on", { ...about, bytes: 40 }],
    ["INFO", "download complete", result],
    ["INFO", "download cancelled by the client", result],
    ["ERROR", 'download failed: "disk is gone"', { ...result, why: "disk is gone" }],
    ["WARN", 'download stalled: "took nothing"', { ...result, why: "took nothing" }],
  ]);
  assert.ok(!log.lines.join("").includes(DOWNLOAD.hash));
});

Deno.test("tellAll() tells of answers whoever wants to know", () => {
  const told: Answer[] = [];
  const quiet = { started() {}, progressed() {}, ended() {} };
  const all = tellAll([quiet, { ...quiet, answered: (answer) => told.push(answer) }]);
  const answer = { route: "archive", method: "GET", status: 404, hash: DOWNLOAD.hash } as const;
  all.answered?.(answer);
  assert.deepEqual(told, [answer]);
});

Deno.test("logAnswers() logs what is no download, without hash, path or strange methods", () => {
  using log = captureLog();
  const { answered } = logAnswers();
  const { hash } = DOWNLOAD;
  const answers: Answer[] = [
    { route: "archive", method: "GET", status: 200, hash }, // a download has its own lines
    { route: "archive", method: "GET", status: 206, hash },
    { route: "health", method: "GET", status: 200 },
    { route: "metrics", method: "GET", status: 200 },
    { route: "archive", method: "HEAD", status: 200, hash },
    { route: "archive", method: "GET", status: 404, hash },
    { route: "manifest", method: "GET", status: 200, hash },
    { route: "list", method: "GET", status: 200 },
    { route: "health", method: "GET", status: 503 },
    { route: "other", method: "a\r\nb", status: 405 },
  ];
  for (const answer of answers) answered?.(answer);
  const lines = log.lines.map((line) => JSON.parse(line));
  const archive = "5d1c…";
  assert.deepEqual(lines.map(({ level, message, properties }) => [level, message, properties]), [
    ["INFO", "answered 200", { status: 200, archive, route: "archive", method: "HEAD" }],
    ["INFO", "answered 404", { status: 404, archive, route: "archive", method: "GET" }],
    ["INFO", "answered 200", { status: 200, archive, route: "manifest", method: "GET" }],
    ["INFO", "answered 200", { status: 200, route: "list", method: "GET" }],
    ["INFO", "answered 503", { status: 503, route: "health", method: "GET" }],
    ["INFO", "answered 405", { status: 405, route: "other", method: "other" }],
  ]);
  assert.ok(!log.lines.join("").includes(hash));
});
