import assert from "node:assert/strict";
import { CREDENTIAL_VARIABLES } from "../lib/bucket.ts";
import { variables } from "../lib/options.ts";
import { runToEnd, start } from "./process.ts";
import { mayRead, taskFlags } from "./task.ts";
import { makeTree } from "./tree.ts";

Deno.test("taskFlags() are the words between run and the script", () => {
  const [first, ...rest] = taskFlags("start");
  assert.equal(first, "--quiet");
  assert.ok(rest.includes("-P=serve") && !rest.includes("main.ts"));
  assert.deepEqual(taskFlags("start:checksums"), [first, ...rest, "--allow-write"]);
});

Deno.test("permissions.serve has the variables of every option, and no others", () => {
  const others = ["PATH", "HOME", "USERPROFILE", "ZIPFERRY_COMMIT", ...CREDENTIAL_VARIABLES];
  for (const name of [...variables, ...others]) assert.ok(mayRead(name), name);
  for (const name of ["PATHEXT", "HOMEPATH", "HOSTNAME", "ZIPFERRY", "AWS"]) {
    assert.ok(!mayRead(name), name);
  }
});

Deno.test("deno task start says nothing of a zip that is not on the PATH", async () => {
  await using tree = await makeTree();
  const env = { PATH: tree.path };
  const { code, stderr } = await runToEnd(["--version"], { env });
  assert.deepEqual([code, stderr], [0, ""]);
  await using program = await start([], { env });
  assert.equal(await (await fetch(`${program.url}healthz`)).text(), "ok\n");
  assert.equal(program.stderr(), "");
});

Deno.test("deno task start shows the errors of the program although it is quiet", async () => {
  await using tree = await makeTree({
    "main.ts": `console.warn("a warning"); Promise.reject(new Error("told"));`,
  });
  const { code, stderr } = await runToEnd([], { main: tree.join("main.ts") });
  assert.equal(code, 1);
  assert.match(stderr, /^a warning\nerror: Uncaught \(in promise\) Error: told\n/);
});
