import assert from "node:assert/strict";
import { makeTree } from "./tree.ts";
import { accept, need, run, testWith, tool } from "./tools.ts";

Deno.test("tool() finds programs and nothing else", async () => {
  const { code, stdout } = await run(tool("deno") ?? Deno.execPath(), ["--version"]);
  assert.equal(code, 0);
  assert.match(new TextDecoder().decode(stdout), /^deno /);
  assert.equal(tool("no-such-program"), null);
  assert.throws(
    () => need(["no-such-program"]),
    /^Error: find tool: no-such-program is not on PATH$/,
  );
});

Deno.test("testWith() skips for want of a tool, and fails where CI=true", async () => {
  const tools = JSON.stringify(import.meta.resolve("./tools.ts"));
  await using tree = await makeTree({
    "x_test.ts": `import { testWith } from ${tools};
      testWith(["no-such-program"], "needs it", () => {});
      testWith([], "needs nothing", () => {});`,
  });
  const test = async (CI: string) => {
    const args = ["test", "--allow-read", "--allow-env", tree.join("x_test.ts")];
    const { code, stdout } = await run(Deno.execPath(), args, { env: { CI, NO_COLOR: "1" } });
    return { code, output: new TextDecoder().decode(stdout) };
  };

  const skipped = await test("");
  assert.equal(skipped.code, 0);
  assert.match(skipped.output, /needs it \(skipped: no no-such-program\) \.\.\. ignored/);
  assert.match(skipped.output, /1 passed \| 0 failed \| 1 ignored/);

  const failed = await test("true");
  assert.equal(failed.code, 1);
  assert.match(failed.output, /find tool: no-such-program is not on PATH/);
  assert.match(failed.output, /1 passed \| 1 failed/);
});

testWith(["cat"], "run() passes bytes through a program", async () => {
  for (
    const stdin of ["Привет", new Uint8Array(1 << 20), ReadableStream.from([new Uint8Array(3)])]
  ) {
    const expected = typeof stdin === "string"
      ? new TextEncoder().encode(stdin)
      : new Uint8Array(stdin instanceof Uint8Array ? stdin.length : 3);
    assert.deepEqual((await run("cat", [], { stdin })).stdout, expected);
  }
  assert.equal((await run("cat", [], { stdin: "x", stdout: "null" })).stdout.length, 0);
});

testWith(["sh"], "run() reports exit codes, errors and environment", async () => {
  const result = await run("sh", ["-c", "echo $LC_ALL $X >&2; exit 3"], { env: { X: "y" } });
  assert.deepEqual(result, { code: 3, stdout: new Uint8Array(), stderr: "C.UTF-8 y\n" });
});

testWith(["true"], "run() lets a program leave its input unread", async () => {
  assert.equal((await run("true", [], { stdin: new Uint8Array(1 << 22) })).code, 0);
});

testWith(["sleep"], "run() kills a program that takes too long", async () => {
  assert.equal((await run("sleep", ["60"], { within: 50 })).code, 137);
});

testWith(
  ["sh"],
  "accept() gives what was printed, and fails where the exit code is not 0",
  async () => {
    assert.equal(await accept("sh", ["-c", "echo x; echo y >&2"]), "x\n");
    await assert.rejects(
      accept("sh", ["-c", "echo x; echo y >&2; exit 3"]),
      /^Error: run sh: exit code 3\nx\ny$/,
    );
    await assert.rejects(accept("sleep", ["60"], { within: 50 }), /exit code 137/);
  },
);
