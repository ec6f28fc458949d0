import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TASK } from "../tools/compile.ts";
import project from "../deno.json" with { type: "json" };
import { emptyProgram } from "./native.ts";
import { standIn, taskFlags } from "./task.ts";
import { run, testWith, tool } from "./tools.ts";
import { makeTree, type Tree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const SMOKE = join(ROOT, ".ci/smoke");
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

const NAMES: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": `zipferry-${project.version}-linux-x64`,
  "aarch64-unknown-linux-gnu": `zipferry-${project.version}-linux-arm64`,
  "x86_64-pc-windows-msvc": `zipferry-${project.version}-windows-x64.exe`,
  "aarch64-pc-windows-msvc": `zipferry-${project.version}-windows-arm64.exe`,
  "x86_64-apple-darwin": `zipferry-${project.version}-macos-x64`,
  "aarch64-apple-darwin": `zipferry-${project.version}-macos-arm64`,
};
const LINUX = "x86_64-unknown-linux-gnu";

/** What `.ci/smoke` needs */
const SMOKE_TOOLS = ["bash", "curl", "diff", "unzip"];

const windows = Deno.build.os === "windows"; // starts no scripts
const smokable = !windows && SMOKE_TOOLS.every((name) => tool(name) !== null);

/** Runs the task's script; the runtime is an empty program unless the environment names one */
function compile(tree: Tree, args: readonly string[], env: Record<string, string> = {}) {
  const script = join(ROOT, "tools/compile.ts");
  return run(Deno.execPath(), ["run", "--allow-all", script, "--output", tree.path, ...args], {
    env: { NO_COLOR: "1", ZIPFERRY_COMMIT: COMMIT, DENORT_BIN: tree.join("denort"), ...env },
  });
}

/** A tree with an empty program for the target, as the runtime */
async function treeFor(target: string) {
  return await makeTree({ denort: emptyProgram(target) });
}

/** The JSON object that begins with these letters */
function jsonAt(text: string, start: string): Record<string, unknown> {
  const from = text.indexOf(start);
  assert.ok(from >= 0, `${start} is inside`);
  let depth = 0, quoted = false, at = from;
  do {
    const letter = text[at];
    if (quoted && letter === "\\") at++;
    else if (letter === '"') quoted = !quoted;
    else if (!quoted && letter === "{") depth++;
    else if (!quoted && letter === "}") depth--;
    at++;
  } while (depth > 0);
  return JSON.parse(text.slice(from, at));
}

async function withChecksums(tree: Tree, names: readonly string[]) {
  return await Promise.all(names.map(async (name) => {
    const hash = createHash("sha256").update(await Deno.readFile(tree.join(name)));
    return `${hash.digest("hex")}  ${name}\n`;
  }));
}

Deno.test("deno task compile: one for each target, with its permissions", async (t) => {
  await using tree = await makeTree();
  for (const [target, name] of Object.entries(NAMES)) {
    await t.step(target, async () => {
      await Deno.writeFile(tree.join("denort"), emptyProgram(target));
      const { code, stderr } = await compile(tree, ["--target", target]);
      assert.equal(code, 0, stderr);
      const text = new TextDecoder("latin1").decode(await Deno.readFile(tree.join(name)));

      const { permissions, ...metadata } = jsonAt(text, '{"argv":');
      assert.deepEqual(metadata.argv, []);
      assert.equal(metadata.entrypoint_key, "main.ts");
      assert.equal(metadata.code_cache_key, null);
      assert.equal(metadata.log_level, "ERROR", "no line about a zip that is not there");
      assert.deepEqual(metadata.env_vars_from_env_file, { ZIPFERRY_COMMIT: COMMIT });
      for (const flag of ["--max-semi-space-size=4", "--heap-growing-percent=60", "--expose-gc"]) {
        assert.ok((metadata.v8_flags as string[]).includes(flag), flag);
      }
      if (target.includes("windows")) assertAll(permissions as Record<string, unknown>);
      else assertNarrow(permissions as Record<string, unknown>);

      for (const file of [...project.compile.include, "templates/home.html", "deno.json"]) {
        const content = await Deno.readFile(join(ROOT, file));
        assert.ok(text.includes(new TextDecoder("latin1").decode(content)), file);
      }
      for (const unused of ["_test.ts", "playwright-core/1", "fast-check/4", "test_photos/"]) {
        assert.ok(!text.includes(unused), unused);
      }
    });
  }
  const expected = await withChecksums(tree, Object.values(NAMES).sort());
  assert.equal(await Deno.readTextFile(tree.join("SHA256SUMS")), expected.join(""));
  if (tool("sha256sum")) {
    const args = ["--check", "--strict", "--quiet", "SHA256SUMS"];
    assert.equal((await run("sha256sum", args, { cwd: tree.path })).code, 0);
  }
});

/** An empty list means all, null means none */
function assertNarrow({ prompt, ...permissions }: Record<string, unknown>) {
  const given = Object.entries(permissions).filter(([name, value]) =>
    name.startsWith("allow_") && value !== null
  );
  const { allow_env, allow_import: _, ...rest } = Object.fromEntries(given);
  const expected = { allow_net: [], allow_read: [], allow_run: ["zip"], allow_write: [] };
  assert.deepEqual(rest, { ...expected, allow_sys: ["statfs", "systemMemoryInfo"] });
  assert.equal(prompt, false);
  assert.deepEqual(permissions.deny_import, []);
  assert.deepEqual(allow_env, project.permissions.serve.env);
}

/** Shares of Windows take no less. An empty list means all. */
function assertAll({ prompt, ...permissions }: Record<string, unknown>) {
  assert.equal(prompt, false);
  for (const [name, value] of Object.entries(permissions)) {
    assert.deepEqual(value, name.startsWith("allow_") ? [] : null, name);
  }
  assert.equal(Object.keys(permissions).filter((name) => name.startsWith("allow_")).length, 8);
}

Deno.test("SHA256SUMS has the checksums of what is there, and of nothing else", async () => {
  await using tree = await treeFor(LINUX);
  await Deno.writeTextFile(tree.join("SHA256SUMS"), "of another day\n");
  await Deno.writeTextFile(tree.join("notes.txt"), "not an executable");
  await Deno.writeTextFile(tree.join("zipferry-0.0.1-linux-x64"), "of another version");
  const { code, stderr } = await compile(tree, ["--target", LINUX]);
  assert.equal(code, 0, stderr);
  const expected = await withChecksums(tree, [NAMES[LINUX]]);
  assert.equal(await Deno.readTextFile(tree.join("SHA256SUMS")), expected.join(""));
});

Deno.test("deno task compile makes the same executable of the same source", async () => {
  await using first = await treeFor(LINUX);
  await using second = await treeFor(LINUX);
  await Promise.all([first, second].map((tree) => compile(tree, ["--target", LINUX])));
  const sums = [first, second].map((tree) => Deno.readTextFileSync(tree.join("SHA256SUMS")));
  assert.equal(sums[0], sums[1]);
});

Deno.test("ZIPFERRY_COMMIT is the commit that is checked out unless given", async () => {
  await using tree = await treeFor(LINUX);
  const { code, stderr } = await compile(tree, ["--target", LINUX], { ZIPFERRY_COMMIT: "" });
  assert.equal(code, 0, stderr);
  const text = new TextDecoder("latin1").decode(await Deno.readFile(tree.join(NAMES[LINUX])));
  const { env_vars_from_env_file } = jsonAt(text, '{"argv":');
  const { ZIPFERRY_COMMIT: commit } = env_vars_from_env_file as Record<string, string>;
  const git = tool("git") && await run("git", ["rev-parse", "HEAD"], { cwd: ROOT });
  const head = git && git.code === 0 ? new TextDecoder().decode(git.stdout).trim() : "unknown";
  assert.equal(commit.replace(/-dirty$/, ""), head);
});

Deno.test("deno task compile tells in one line what cannot be compiled", async () => {
  await using tree = await makeTree({ denort: "no program at all" });
  const cases: [string[], RegExp][] = [
    [["--target", "sparc"], /^compile: --target: "sparc" is none of x86_64-unknown-linux-gnu, .*/],
    [["--target", "toString"], /^compile: --target: "toString" is none of /],
    [
      ["--targets", "all"],
      /^compile: Unknown option '--targets'.*; --target and --output are known/,
    ],
    [["--output", ""], /^compile: --output: give a folder/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await compile(tree, args);
    assert.equal(code, 1);
    assert.match(stderr, message);
    assert.equal(stderr.split("\n").length, 2, stderr);
  }
});

Deno.test("deno task compile fails as a whole, and leaves no SHA256SUMS", async () => {
  await using tree = await treeFor(LINUX);
  await Deno.writeTextFile(tree.join("SHA256SUMS"), "of another day\n");
  // The runtime is one for Linux, so that the third target is the first one to fail.
  const { code, stderr } = await compile(tree, []);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /\ncompile: x86_64-pc-windows-msvc: deno compile failed with exit code 1\n$/,
  );
  const made = [...Deno.readDirSync(tree.path)].map(({ name }) => name).sort();
  assert.deepEqual(made, ["denort", NAMES["aarch64-unknown-linux-gnu"], NAMES[LINUX]]);
});

/** A program on the disk that runs main.ts with these flags, by default those of an executable */
async function standInOf(tree: Tree, flags: readonly string[] = taskFlags(TASK), deno?: string) {
  const path = tree.join("zipferry");
  await Deno.writeTextFile(path, standIn(flags, deno), { mode: 0o755 });
  return path;
}

if (!windows) {
  testWith(SMOKE_TOOLS, ".ci/smoke passes what works and nothing else", async () => {
    await using tree = await makeTree();
    const works = await run(SMOKE, [await standInOf(tree)]);
    assert.equal(works.code, 0, works.stderr);
    assert.match(new TextDecoder().decode(works.stdout), /\n14 good, 0 changed.*\nworks\n$/);

    const flags = taskFlags(TASK);
    const broken: [string[], string][] = [
      [[...flags, "--deny-net"], "ended before it listened"],
      [flags.filter((flag) => flag !== "--allow-write"), "warm failed"],
    ];
    for (const [flags, reason] of broken) {
      const { code, stderr } = await run(SMOKE, [await standInOf(tree, flags)]);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`^smoke: ${reason}$`, "m"));
    }
  });
}

/** Deno 2.7, for the sake of runtimes that are as old */
const oldDeno = Deno.env.get("DENO_2_7") || tool("deno-2.7");

Deno.test({
  name: `Deno 2.7 runs the program too${oldDeno ? "" : " (skipped: no deno-2.7)"}`,
  ignore: !oldDeno || !smokable,
  async fn() {
    await using tree = await makeTree();
    const { code, stdout, stderr } = await run(SMOKE, [
      await standInOf(tree, ["--unstable-raw-imports", ...taskFlags(TASK)], oldDeno!),
    ]);
    assert.equal(code, 0, stderr);
    assert.match(new TextDecoder().decode(stdout), /Deno 2\.7\..*\n.*14 good.*\nworks\n$/);
  },
});

const runtime = Deno.env.get("DENORT_BIN");

Deno.test({
  name: `deno task compile makes an executable that runs on this machine${
    runtime ? "" : " (skipped: no DENORT_BIN)"
  }`,
  ignore: !runtime || !smokable,
  async fn() {
    await using tree = await makeTree();
    const { target } = Deno.build;
    const made = await compile(tree, ["--target", target], { DENORT_BIN: runtime! });
    assert.equal(made.code, 0, made.stderr);
    const { code, stderr } = await run(SMOKE, [tree.join(NAMES[target])]);
    assert.equal(code, 0, stderr);
  },
});
