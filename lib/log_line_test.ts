import assert from "node:assert/strict";
import { formatLine } from "./log_line.ts";

const NOON = new Date(2026, 10, 26, 12, 34, 56).getTime();

/** A record as LogTape makes it of a message and its properties */
function line(template: string, properties: Record<string, unknown> = {}): string {
  const parts = template.split(/\{(\w+)\}/);
  const message = parts.map((part, i) => i % 2 === 1 ? properties[part] : part);
  return formatLine({ timestamp: NOON, level: "warning", message, properties });
}

Deno.test("formatLine(): time, level, archive, what, how much", () => {
  assert.equal(
    line("download complete", { archive: "5d1c…", size: 3_000_126, start: 0, seconds: 28.104 }),
    "12:34:56 WARNING 5d1c… download complete (size 3.0 MB, start 0 B, seconds 28.1 s)\n",
  );
  assert.equal(line("stopping"), "12:34:56 WARNING       stopping\n");
  assert.equal(
    line("failed with {status}: {why}", { status: 500, why: "no memory", archive: "5d1c…" }),
    "12:34:56 WARNING 5d1c… failed with 500: no memory\n",
  );
  assert.match(
    line("folders", { count: 2, names: ["a b", "Фото"] }),
    /\(count 2, names a b, Фото\)/,
  );
  assert.match(
    line("download", { size: null, length: undefined, bytes: 5 }),
    / download \(bytes 5 B\)/,
  );
});

Deno.test("formatLine(): bytes in units of 1000", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [99_949, "99.9 kB"],
    [99_951, "100 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [4_294_967_296, "4.3 GB"],
    [5e15, "5000 TB"],
  ];
  for (const [size, expected] of cases) {
    assert.match(line("x", { size }), new RegExp(` \\(size ${expected}\\)`));
  }
});

Deno.test("formatLine(): nothing can forge a line, move the cursor or turn the direction", () => {
  const hostile = "a\r\n12:34:56 ERROR\x1b[2J\x9b0m\u2028\u202e\u2066\0\x7f\ufeff\ud800";
  for (
    const text of [
      line(hostile),
      line("{x}", { x: hostile }),
      line("x", { x: [hostile] }),
      line("x", { [hostile]: hostile, archive: hostile }),
      line("x", { x: { y: hostile } }),
    ]
  ) {
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(text.slice(0, -1), /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]/);
    assert.ok(text.endsWith("\n") && text.isWellFormed());
    assert.match(text, /^12:34:56 WARNING /);
  }
});
