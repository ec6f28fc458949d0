import assert from "node:assert/strict";
import { childrenOf, openFiles, runToEnd, start, until } from "./process.ts";
import { testWith } from "./tools.ts";
import { makeTree } from "./tree.ts";

const PROGRAM = `
  const port = Number(Deno.args[Deno.args.indexOf("--port") + 1]);
  if (Deno.args.includes("--bad")) {
    console.error("no such option");
    Deno.exit(2);
  }
  if (Deno.args.includes("--help")) {
    console.log(Deno.env.get("PHOTOS_DIR"), Deno.env.get("PATH"));
    Deno.exit();
  }
  if (Deno.args.includes("--silent")) setInterval(() => {}, 1000);
  else {
    Deno.openSync(new URL(import.meta.url));
    Deno.addSignalListener("SIGTERM", () => {
      console.log("stopping");
      Deno.exit(0);
    });
    Deno.serve({
      hostname: "127.0.0.1",
      port,
      onListen: ({ port }) => console.log("Listening on http://127.0.0.1:" + port + "/"),
    }, () => new Response("hello"));
  }
`;

async function program() {
  const tree = await makeTree({ "program.ts": PROGRAM });
  return Object.assign(tree, { main: tree.join("program.ts") });
}

/** The exit code of what was killed: by SIGKILL, or by Windows, which has no signals */
const KILLED = Deno.build.os === "windows" ? 1 : 137;

Deno.test("start() gives a program that serves, and disposal ends it", async () => {
  await using script = await program();
  let status: Promise<Deno.CommandStatus>;
  {
    await using running = await start([], script);
    assert.equal(running.url, `http://127.0.0.1:${running.port}/`);
    assert.equal(await (await fetch(running.url)).text(), "hello");
    assert.equal(running.stderr(), "");
    status = running.status;
  }
  assert.equal((await status).code, KILLED);
});

Deno.test({
  name: "start() tells of a program that ended by itself, with its last words",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using script = await program();
    await using running = await start([], script);
    running.kill("SIGTERM");
    assert.equal((await running.status).code, 0);
    assert.match(running.stdout(), /stopping\n$/);
    assert.throws(() => running.kill("SIGTERM"), Deno.errors.NotFound);
  },
});

Deno.test("start() fails when the program ends or does not listen", async () => {
  await using script = await program();
  await assert.rejects(
    start(["--bad"], script),
    /^Error: start program: exit code 2\nno such option/,
  );
  const late = { ...script, within: 100 };
  await assert.rejects(
    start(["--silent"], late),
    new RegExp(`^Error: start program: exit code ${KILLED}\\b`),
  );
});

Deno.test("runToEnd() runs with just the environment it should", async () => {
  await using script = await program();
  assert.deepEqual(await runToEnd(["--bad"], script), {
    code: 2,
    stdout: "",
    stderr: "no such option\n",
  });
  Deno.env.set("PHOTOS_DIR", "of whoever runs the tests");
  try {
    const { stdout } = await runToEnd(["--help"], script);
    assert.match(stdout, /^undefined /);
    assert.ok(stdout.includes(Deno.env.get("PATH")!));

    const cleared = { ...script, clearEnv: true, env: { PHOTOS_DIR: "ours" } };
    const help = (await runToEnd(["--help"], cleared)).stdout;
    assert.match(help, /^ours /);
    assert.ok(!help.includes(Deno.env.get("PATH")!)); // deno itself may add a folder of its own
  } finally {
    Deno.env.delete("PHOTOS_DIR");
  }
});

testWith(["strace"], "start() finds the program behind a prefix", async () => {
  await using script = await program();
  const log = script.join("strace.log");
  const prefix = ["strace", "-f", "-e", "trace=bind", "-o", log];
  await using running = await start([], { ...script, prefix });
  assert.deepEqual(childrenOf(running.child.pid), [running.pid]);
  assert.equal(await (await fetch(running.url)).text(), "hello");
  assert.match(await Deno.readTextFile(log), /bind\(.*127\.0\.0\.1/);
  running.kill("SIGTERM");
  assert.equal((await running.status).code, 0);
});

Deno.test({
  name: "openFiles() and childrenOf() see what a process holds",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using script = await program();
    await using running = await start([], script);
    assert.ok(openFiles(running.pid, { files: true }).includes(script.main));
    assert.ok(openFiles(running.pid).some((name) => name.startsWith("socket:")));
    assert.ok(openFiles(running.pid, { files: true }).every((name) => name.startsWith("/")));
    assert.ok(childrenOf(Deno.pid).includes(running.pid));
    assert.deepEqual(childrenOf(running.pid), []);
  },
});

Deno.test("until() waits for a condition, not for ever", async () => {
  let calls = 0;
  await until(() => ++calls === 3, "three calls");
  assert.equal(calls, 3);
  await assert.rejects(until(() => false, "never", 20), /^Error: wait 20 ms: never$/);
});
