import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { run, testWith } from "../testing/tools.ts";
import { describeError } from "./log.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";

/** What is logged on standard error by a few lines of code */
async function logged(code: string, options = "") {
  const script = `
    import { configureLog, describeError, log } from ${
    JSON.stringify(import.meta.resolve("./log.ts"))
  };
    configureLog({ level: "info", ${options} });
    ${code}
  `;
  const { stderr, ...result } = await run(Deno.execPath(), ["run", "-A", "-"], {
    cwd: ROOT,
    stdin: script,
    env: { NO_COLOR: "1" },
  });
  assert.equal(result.code, 0, stderr);
  return stderr;
}

Deno.test("describeError() shortens a hash that it is told of", () => {
  const error = new Error(`a ${HASH}`, { cause: new Error(`b/${HASH}/c`) });
  assert.equal(describeError(error, HASH), "a 5d1c…: b/5d1c…/c");
});

Deno.test("configureLog({ folder }): no text of an error shows the name of an archive", async () => {
  const text = await logged(
    `
    const hash = ${JSON.stringify(HASH)};
    const errors = [];
    try { Deno.readDirSync("/nowhere/photos/" + hash); } catch (error) { errors.push(error); }
    try { new Deno.Command("true", { cwd: "/nowhere/photos/" + hash }).spawn(); } catch (error) { errors.push(error); }
    try { Deno.openSync("/nowhere/photos/" + hash + "/a.jpg"); } catch (error) { errors.push(error); }
    errors.push(new Error("/nowhere/photos//" + hash + "/b.jpg"));
    errors.push(new Error('"/nowhere/photos/' + hash + '": c.jpg'));
    for (const error of errors) {
      log.error("it failed: {why}", { why: describeError(error) });
      log.error(String(error), { error, list: [error.message], deep: { text: error.message } });
    }
    log.error("link {link}", { link: "http://localhost/archive/" + hash + "/?x" });
    log.warn("elsewhere {path}", { path: "/other/" + hash });
    `,
    'folder: "/nowhere/photos"',
  );
  const lines = text.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 12, text);
  const elsewhere = lines.pop();
  assert.equal(elsewhere.properties.path, `/other/${HASH}`);
  assert.ok(!JSON.stringify(lines).includes(HASH), text);
  assert.ok(JSON.stringify(lines).includes("/photos/5d1c…/a.jpg"));
});

Deno.test("configureLog({ folder }): a folder of Windows, in a quoted text too", async () => {
  const folder = "D:\\site\\photos";
  const path = `${folder}\\${HASH}\\a.jpg`;
  const text = await logged(
    `log.error("{a} {b}", ${JSON.stringify({ a: path, b: JSON.stringify(path) })})`,
    `folder: ${JSON.stringify(folder)}`,
  );
  assert.ok(!text.includes(HASH), text);
  assert.equal(JSON.parse(text).properties.a, `${folder}\\5d1c…\\a.jpg`);
});

Deno.test("configureLog(): JSON where nobody looks, lines for people on demand", async () => {
  const code = 'log.info("download started", { archive: "5d1c…", size: 5_000_000 })';
  assert.equal(JSON.parse(await logged(code)).message, "download started");
  const line = await logged(code, "forPeople: true");
  assert.match(line, /^\d\d:\d\d:\d\d INFO {4}5d1c… download started \(size 5\.0 MB\)\n$/);
});

testWith(["script"], "configureLog(): on a terminal a line is for people", async () => {
  const command = [
    Deno.execPath(),
    "eval",
    `'import { configureLog, log } from "./lib/log.ts"; configureLog(); log.warn("hello {x}", { x: 1 });'`,
  ].join(" ");
  const { stdout } = await run("script", ["-qec", command, "/dev/null"], {
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  });
  assert.match(new TextDecoder().decode(stdout), /^\d\d:\d\d:\d\d WARNING {7}hello 1\r\n$/m);
});
