import assert from "node:assert/strict";
import { accessLog, combinedLine, jsonLine } from "./access_log.ts";
import type { Answer, Download } from "./observer.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const HOSTILE = 'a"b\\c\r\n{"status":200}\x1b[2J\x07\x7f\x9b0m\u2028\u202e\0ф\ud800🙂';
const DOWNLOAD: Download = { hash: HASH, etag: '"1-a"', size: 1000, start: 0, length: 100 };
const ANSWER: Answer = {
  route: "archive",
  method: "GET",
  status: 206,
  hash: HASH,
  came: Date.UTC(2026, 10, 6, 7, 8, 9, 123),
  client: "203.0.113.7",
  userAgent: "curl/8.0",
  range: "0-99/1000",
  length: 100,
  download: DOWNLOAD,
};
const END = { kind: "cancelled", bytes: 60, seconds: 1 } as const;

function linesOf(format: "json" | "combined") {
  const lines: string[] = [];
  return { lines, observer: accessLog(format, (line) => lines.push(line)) };
}

Deno.test("accessLog() writes a line once a request is over, whichever is told first", () => {
  const { lines, observer } = linesOf("json");
  observer.started(DOWNLOAD);
  observer.answered?.(ANSWER);
  observer.progressed(DOWNLOAD, 30);
  assert.deepEqual(lines, []);
  observer.ended(DOWNLOAD, END);
  const failed = { ...DOWNLOAD };
  observer.ended(failed, { kind: "failed", error: new Error("x"), bytes: 0, seconds: 0 });
  observer.answered?.({ ...ANSWER, download: failed });
  observer.answered?.({ route: "other", method: "x\n", status: 404 });
  observer.answered?.({ route: "health", method: "GET", status: 200 });
  observer.answered?.({ route: "metrics", method: "GET", status: 200 });
  const written = lines.map((line) => JSON.parse(line));
  const { seconds, ...first } = written[0];
  assert.ok(seconds > 0);
  assert.deepEqual(first, {
    time: "2026-11-06T07:08:09.123Z",
    client: "203.0.113.7",
    method: "GET",
    route: "archive",
    archive: "5d1c…",
    status: 206,
    range: "0-99/1000",
    bytes: 60,
    outcome: "cancelled",
    agent: "curl/8.0",
  });
  assert.deepEqual(
    written.map(({ method, status, outcome }) => [method, status, outcome]),
    [["GET", 206, "cancelled"], ["GET", 206, "failed"], ["other", 404, "complete"]],
  );
});

Deno.test("accessLog(): what a client calls itself is shortened, and never the hash", () => {
  const { lines, observer } = linesOf("json");
  const userAgent = `${HASH} ${"x".repeat(9000)}`;
  observer.answered?.({ ...ANSWER, download: undefined, userAgent });
  assert.ok(lines[0].length < 600 && lines[0].includes("5d1c… xxx"));
  assert.ok(!lines[0].includes(HASH));
});

Deno.test("combinedLine(): as Apache and nginx write it, and nothing ends a field", () => {
  const { lines, observer } = linesOf("combined");
  observer.answered?.({ ...ANSWER, download: undefined });
  observer.answered?.({ ...ANSWER, download: undefined, userAgent: HOSTILE, client: undefined });
  observer.answered?.({ ...ANSWER, route: "manifest", download: undefined, length: 0 });
  const start = "203.0.113.7 - - [06/Nov/2026:07:08:09 +0000]";
  assert.equal(
    lines[0],
    `${start} "GET /archive/5d1c.../ HTTP/1.1" 206 100 "-" "curl/8.0"\n`,
  );
  assert.equal(
    lines[2],
    `${start} "GET /archive/5d1c.../?manifest HTTP/1.1" 206 - "-" "curl/8.0"\n`,
  );
  assert.match(lines[1], /^[ -~]*\n$/);
  assert.equal(lines[1].match(/"/g)?.length, 6);
  assert.match(lines[1], /^- - - /);
  assert.match(lines[1], /"a\\x22b\\x5Cc\\x0D\\x0A\{.*\\x1B\[2J.*\\xD1\\x84\\xEF\\xBF\\xBD/);
});

Deno.test("jsonLine(): one line, whatever is in it, and it reads as it was", () => {
  const access = {
    time: 0,
    client: null,
    method: "GET",
    route: "list",
    archive: null,
    status: 200,
    range: null,
    bytes: 0,
    seconds: 0,
    outcome: "complete",
    agent: HOSTILE,
  } as const;
  const line = jsonLine(access);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(line.slice(0, -1), /[\x00-\x1f\x7f-\x9f\u2028-\u202e]/);
  assert.equal(JSON.parse(line).agent, HOSTILE);
  assert.match(
    combinedLine(access),
    /^- - - \[01\/Jan\/1970:00:00:00 \+0000\] "GET \/ HTTP\/1\.1"/,
  );
});
