import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { run } from "../testing/tools.ts";
import { describeError, log, redact } from "./log.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const HOSTILE = 'a\r\n{"level":"INFO"}\r\n\x1b[2J\x1b]0;title\x07\u2028\u202e\0"\\b';

Deno.test("redact() leaves too little of a hash to use it", () => {
  assert.equal(redact("3b70e6a5184fd92c7da1530b9ec84f26"), "3b70…");
  assert.equal(redact("abcde"), "abcd…");
});

Deno.test("describeError() names every cause in one line", () => {
  const cases: [unknown, string][] = [
    [new Error("a"), "a"],
    [new TypeError("a", { cause: new Error("b", { cause: new Error("c") }) }), "a: b: c"],
    [new Error("a", { cause: "text" }), "a: text"],
    [new Error("a", { cause: null }), "a: null"],
    ["text", "text"],
    [undefined, "undefined"],
    [42, "42"],
    [new DOMException("left", "AbortError"), "left"],
  ];
  for (const [error, expected] of cases) assert.equal(describeError(error), expected);
});

Deno.test("log is silent before configureLog()", () => {
  log.error("nobody hears this");
});

Deno.test("configureLog() makes whatever is logged one line of JSON on standard error", async (t) => {
  const script = `
    import { configureLog, log } from ${JSON.stringify(import.meta.resolve("./log.ts"))};
    configureLog({ level: Deno.args.includes("downloads") ? "info" : "warn" });
    const hostile = ${JSON.stringify(HOSTILE)};
    log.info("info {path}", { path: hostile });
    log.warn("warning {path}", { path: hostile, size: null, list: [hostile] });
    log.error("error {path}", { path: hostile });
    log.error(hostile, { [hostile]: hostile });
  `;
  const logged = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(Deno.execPath(), ["run", "-A", "-", ...args], {
      cwd: ROOT,
      stdin: script,
      env: { NO_COLOR: "1" },
    });
    assert.equal(code, 0, stderr);
    assert.equal(stdout.length, 0);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(stderr, /[\x00-\x09\x0b-\x1f\x7f]/);
    return stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  };
  await t.step("warnings and errors", async () => {
    const lines = await logged();
    assert.deepEqual(lines.map(({ level }) => level), ["WARN", "ERROR", "ERROR"]);
    assert.deepEqual(lines[0].properties, { path: HOSTILE, size: null, list: [HOSTILE] });
    for (const { logger, "@timestamp": time } of lines) {
      assert.equal(logger, "zipferry");
      assert.ok(Date.parse(time) > 0);
    }
  });
  await t.step("downloads too", async () => {
    const lines = await logged("downloads");
    assert.deepEqual(lines.map(({ level }) => level), ["INFO", "WARN", "ERROR", "ERROR"]);
    assert.equal(lines[0].properties.path, HOSTILE);
  });
});
