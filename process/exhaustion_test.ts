import assert from "node:assert/strict";
import { type Program, start, until } from "../testing/process.ts";
import { exchange, type RawResponse } from "../testing/raw.ts";
import { testWith, tool } from "../testing/tools.ts";
import { makeTree, randomBytes } from "../testing/tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const OTHER = "e07b6a1d4c92583fb6d07f3a18c5e924";

function download({ port }: Program, hash = HASH, onBody?: (bytes: number) => Promise<void>) {
  const request = `GET /archive/${hash}/ HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  return exchange(port, request, { onBody, within: 60_000 });
}

/** Null if the connection was refused or cut before the head came */
async function tryToDownload(program: Program): Promise<RawResponse | null> {
  try {
    const response = await download(program);
    return response.status === 0 ? null : response;
  } catch (error) {
    const { ConnectionRefused, ConnectionReset } = Deno.errors;
    if (error instanceof ConnectionRefused || error instanceof ConnectionReset) return null;
    throw error;
  }
}

/** Takes connections until no more can be had, and sends nothing on them */
async function takeAll({ port }: Program): Promise<DisposableStack> {
  const connections = new DisposableStack();
  for (let i = 0; i < 200; i++) {
    try {
      connections.use(await Deno.connect({ hostname: "127.0.0.1", port }));
    } catch {
      break; // nobody listens
    }
  }
  return connections;
}

testWith(["prlimit"], "500 clients at once with 256 files: no crash, no cut download", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: randomBytes(3_000_000) });
  const prefix = ["prlimit", "--nofile=256"];
  await using program = await start(["-f", tree.path], { prefix });
  const answers = await Promise.all(
    Array.from({ length: 500 }, () => tryToDownload(program)),
  );
  const served = answers.filter((answer) => answer !== null);
  const whole = served.filter(({ status, complete }) => status === 200 && complete);
  const refused = served.filter(({ status }) => status === 503);
  assert.ok(whole.length > 30, `${whole.length} are whole`);
  assert.equal(whole.length + refused.length, served.length, program.stderr());
  for (const { headers } of refused) assert.equal(headers.get("retry-after"), "5");
  await until(async () => (await tryToDownload(program))?.complete === true, "it serves again");
  assert.doesNotMatch(program.stderr(), /panicked/);
});

testWith(["prlimit"], "the first request comes when all files are taken: no crash", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: randomBytes(1000) });
  const prefix = ["prlimit", "--nofile=128"];
  await using program = await start(["-f", tree.path], { prefix });
  {
    using connections = new DisposableStack();
    let first: Deno.TcpConn | undefined;
    for (let i = 0; i < 200; i++) {
      try {
        const connection = await Deno.connect({ hostname: "127.0.0.1", port: program.port });
        first ??= connections.use(connection);
        if (connection !== first) connections.use(connection);
      } catch {
        break; // nobody listens
      }
    }
    const request = `GET /archive/${HASH}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    await first?.write(new TextEncoder().encode(request)).catch(() => {}); // closed already
    await until(() => program.stderr().includes("accept failed"), "no more files");
  }
  await until(async () => (await tryToDownload(program))?.complete === true, "it serves again");
  assert.doesNotMatch(program.stderr(), /panicked/);
});

testWith(["prlimit"], "a download goes on while others hold all connections", async () => {
  // Each buffer needs the files again
  const files = Array.from({ length: 200 }, (_, i) => [`${HASH}/${i}.jpg`, randomBytes(50_000)]);
  await using tree = await makeTree(Object.fromEntries(files));
  const prefix = ["prlimit", "--nofile=128"];
  const args = ["-f", tree.path, "-d", "0.03", "--shutdown-timeout", "60"];
  await using program = await start(args, { prefix });
  using others = new DisposableStack();
  let taken = false;
  const { complete } = await download(program, HASH, async (bytes) => {
    if (taken || bytes < 500_000) return;
    taken = true;
    others.use(await takeAll(program));
  });
  assert.equal(complete, true, program.stderr());
  assert.match(program.stderr(), /accept failed|out of file descriptors/);
  assert.ok(program.stderr().split("\n").length < 10, "the log is not flooded");
});

testWith(["prlimit"], "SIGTERM after an error of accept lets downloads finish", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: randomBytes(3_000_000) });
  const prefix = ["prlimit", "--nofile=96"];
  await using program = await start(["-f", tree.path, "-d", "0.1"], { prefix });
  let stopped = false;
  const { complete } = await download(program, HASH, async () => {
    if (stopped) return;
    stopped = true;
    {
      using _ = await takeAll(program);
      await until(() => program.stderr().includes("accept failed"), "no more files");
    }
    const { port } = program;
    await until(
      () =>
        Deno.connect({ hostname: "127.0.0.1", port }).then((c) => (c.close(), true), () => false),
      "it listens again",
    );
    program.kill("SIGTERM");
  });
  assert.equal(complete, true, program.stderr());
  assert.equal((await program.status).code, 0);
});

testWith(["prlimit"], "SIGTERM while nobody listens lets downloads finish", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: randomBytes(3_000_000) });
  const prefix = ["prlimit", "--nofile=96"];
  await using program = await start(["-f", tree.path, "-d", "0.1"], { prefix });
  using others = new DisposableStack();
  let stopped = false;
  const { complete } = await download(program, HASH, async () => {
    if (stopped) return;
    stopped = true;
    others.use(await takeAll(program));
    await until(() => program.stderr().includes("accept failed"), "no more files");
    program.kill("SIGTERM");
  });
  assert.equal(complete, true, program.stderr());
  assert.equal((await program.status).code, 0);
});

testWith(
  ["strace"],
  "where the system starts no thread more, the service stays and answers",
  async () => {
    await using tree = await makeTree({
      [`${HASH}/photo.jpg`]: randomBytes(1_000_000),
      [`${OTHER}/photo.jpg`]: randomBytes(1_000_000),
    });
    const log = tree.join("..", `${crypto.randomUUID()}.strace`);
    await using program = await start(["-f", tree.path]);
    // Longer than the runtime keeps a thread without work
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    const inject = ["-e", "trace=clone,clone3", "-e", "inject=clone,clone3:error=EAGAIN"];
    const strace = new Deno.Command(tool("strace")!, {
      args: ["-f", "-qq", "-o", log, ...inject, "-p", `${program.pid}`],
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      await until(() => /^TracerPid:\t[1-9]/m.test(statusFile(program)), "it is traced");
      for (const hash of [HASH, OTHER]) {
        const answers = await Promise.all([1, 2, 3, 4].map(() => download(program, hash)));
        for (const { status, complete } of answers) {
          assert.ok(status === 503 || status === 200 && complete, `${status}`);
        }
      }
      const health = await exchange(program.port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
      assert.equal(health.status, 200);
    } finally {
      strace.kill("SIGTERM");
      await strace.status;
      await Deno.remove(log).catch(() => {});
    }
    program.kill("SIGTERM");
    assert.equal((await program.status).code, 0);
  },
);

function statusFile({ pid }: Program) {
  return Deno.readTextFileSync(`/proc/${pid}/status`);
}
