import assert from "node:assert/strict";
import { readConfig } from "../lib/config.ts";
import { quote } from "../lib/quote.ts";
import { runToEnd } from "../testing/process.ts";
import { makeTree } from "../testing/tree.ts";
import { decodeDotenv } from "./environment.ts";

const TEXT = "PORT=81\nPHOTOS_DIR='Фото 2026'\n";

function utf16(text: string, { littleEndian = true, mark = true } = {}) {
  const units = (mark ? "\ufeff" : "") + text;
  const view = new DataView(new ArrayBuffer(units.length * 2));
  for (let i = 0; i < units.length; i++) view.setUint16(2 * i, units.charCodeAt(i), littleEndian);
  return new Uint8Array(view.buffer);
}

Deno.test("decodeDotenv() takes UTF-8 and UTF-16, with a byte order mark or without", () => {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const cases = [
    utf8(TEXT),
    utf8(`\ufeff${TEXT}`),
    utf16(TEXT),
    utf16(TEXT, { littleEndian: false }),
  ];
  for (const bytes of cases) assert.equal(decodeDotenv(bytes), TEXT);
  assert.equal(decodeDotenv(new Uint8Array()), "");
  for (const littleEndian of [true, false]) {
    const bytes = utf16(TEXT, { littleEndian, mark: false });
    assert.throws(() => decodeDotenv(bytes), {
      name: "ConfigError",
      message: ".env: is not UTF-8 text; save it as UTF-8",
    });
  }
});

Deno.test(".env as Windows editors save it sets the options", async () => {
  const utf8 = new TextEncoder().encode(`\ufeff${TEXT}`);
  await using tree = await makeTree({
    "utf8/.env": utf8,
    "utf8/Фото 2026/x": "",
    "utf16/.env": utf16(TEXT),
    "utf16/Фото 2026/x": "",
    "none/.env": utf16(TEXT, { mark: false }),
  });
  for (const folder of ["utf8", "utf16"]) {
    const { code, stdout, stderr } = await runToEnd(["--check-config"], { cwd: tree.join(folder) });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal(JSON.parse(stdout).port, 81);
    assert.match(JSON.parse(stdout).folder, /Фото 2026$/);
  }
  const { code, stderr } = await runToEnd(["--check-config"], { cwd: tree.join("none") });
  assert.deepEqual([code, stderr], [2, "zipferry: .env: is not UTF-8 text; save it as UTF-8\n"]);
});

Deno.test(".env: a value in .env that is not UTF-8 is named, a comment does no harm", () => {
  const read = (dotenv: string) => readConfig({ args: [], env: () => undefined, dotenv });
  assert.throws(() => read("PHOTOS_DIR=\ufffd\ufffd"), {
    name: "ConfigError",
    message: "PHOTOS_DIR in .env: is not UTF-8 text; use UTF-8",
  });
  assert.equal(read("# \ufffd\nPORT=81").action, "serve");
});

Deno.test(".env: a misspelt name in .env is told of, with the right one", () => {
  const warningsOf = (dotenv: string) => {
    const warnings: string[] = [];
    const onWarning = (text: string) => warnings.push(text);
    readConfig({ args: [], env: () => undefined, dotenv, onWarning });
    return warnings;
  };
  const cases: [string, string][] = [
    ["PHOTO_DIR", "use PHOTOS_DIR"],
    ["PHOTOS_FOLDER", "use PHOTOS_DIR"],
    ["PHOTOS", "use PHOTOS_DIR"],
    ["photos_dir", "use PHOTOS_DIR"],
    ["PHOTOSDIR", "use PHOTOS_DIR"],
    ["port", "use PORT"],
    ["HOSTNAME", "use HOST"],
    ["FOLDER", "use PHOTOS_DIR"],
    ["ENABLE_LOG", "use ENABLE_LOGGING"],
    ["ENABLE_LOGING", "use ENABLE_LOGGING"],
    ["RESPONSE_DELEY", "use RESPONSE_DELAY"],
    ["ZIPFERRY_LISTNG", "use ZIPFERRY_LISTING"],
    ["ZIPFERRY_PORT", "use PORT"],
    ["ZIPFERRY_FOLDER", "use PHOTOS_DIR"],
    ["ZIPFERRY_LOG", "use ENABLE_LOGGING"],
    ["ZIPFERRY_SOMETHING_ELSE", "`zipferry help all` lists all variables"],
  ];
  for (const [name, advice] of cases) {
    assert.deepEqual(warningsOf(`${name}=x`), [
      `.env: ${name}: no such variable, it does nothing; ${advice}`,
    ]);
  }
  const others = ["OTHER", "HOSTS", "DB_PORT", "POST", "PATH", "TZ", "COMPOSE_PROJECT_NAME"];
  assert.deepEqual(warningsOf(others.map((name) => `${name}=1`).join("\n")), []);
  assert.deepEqual(
    warningsOf("PORT=1\nZIPFERRY_LISTING=on\nZIPFERRY_COMMIT=1\nZIPFERRY_CONTAINER_MEMORY=1"),
    [],
  );
});

Deno.test(".env: a misspelt variable of ours in the environment is told of", async () => {
  const env = {
    ZIPFERRY_LISTNG: "on",
    ZIPFERRY_SHUTDOWN_TIMEUOT: "1",
    ZIPFERRY_FOLDER: "x",
    ZIPFERRY_LISTING: "off",
  };
  const { code, stderr } = await runToEnd(["--check-config"], { env });
  assert.equal(code, 0);
  const warnings = stderr.trim().split("\n").map((line) => JSON.parse(line).properties.text);
  assert.deepEqual(warnings.sort(), [
    "ZIPFERRY_FOLDER: no such variable, it does nothing; use PHOTOS_DIR",
    "ZIPFERRY_LISTNG: no such variable, it does nothing; use ZIPFERRY_LISTING",
    "ZIPFERRY_SHUTDOWN_TIMEUOT: no such variable, it does nothing; use ZIPFERRY_SHUTDOWN_TIMEOUT",
  ]);
});

Deno.test("--host is --hostname; what other programs call a flag is suggested", () => {
  const read = (...args: string[]) => readConfig({ args, env: () => undefined });
  for (const args of [["--host", "::1"], ["--host=::1"]]) {
    const invocation = read(...args);
    assert.ok(invocation.action === "serve");
    assert.equal(invocation.config.hostname, "::1");
  }
  assert.throws(() => read("--host", "::1", "-H", "::1"), /--hostname: given 2 times/);
  assert.throws(() => read("--host", "a b"), /^ConfigError: --hostname: "a b" is not allowed/);
  const suggested: [string, RegExp][] = [
    ["--dir", /--folder/],
    ["--photos-dir", /--folder/],
    ["--bind", /--hostname/],
    ["--verbose", /--log/],
  ];
  for (const [flag, expected] of suggested) assert.throws(() => read(flag, "x"), expected);
});

Deno.test("--folder that is not there is named by its absolute path", async () => {
  await using tree = await makeTree({});
  const { code, stderr } = await runToEnd(["-f", "photos/2026"], { cwd: tree.path });
  assert.equal(code, 2);
  const path = quote(tree.join("photos", "2026"));
  const there = "there is none; create it, or name another one by --folder or PHOTOS_DIR";
  assert.equal(stderr, `zipferry: --folder: ${path} cannot be read as a folder: ${there}\n`);
});

Deno.test("readVariable() names the permission that is missing, those of a bucket only for one", async () => {
  const ask = async (...args: string[]) => {
    const flags = [
      "--quiet",
      "--no-prompt",
      "--allow-net",
      "--allow-read",
      "--allow-env=PHOTOS_DIR",
    ];
    const { code, stderr } = await runToEnd(args, { flags });
    assert.equal(code, 2);
    return stderr;
  };
  const rest = "HOST,PORT,ENABLE_RESPONSE_DELAY,RESPONSE_DELAY,ENABLE_LOGGING\n";
  const start = "may not be read, start deno with --allow-env=PATH,";
  assert.equal(await ask(), `zipferry: HOST: ${start}PHOTOS_DIR,ZIPFERRY_*,${rest}`);
  assert.equal(
    await ask("-f", "s3://photos"),
    `zipferry: AWS_REGION: ${start}HOME,USERPROFILE,PHOTOS_DIR,AWS_*,ZIPFERRY_*,${rest}`,
  );
});
