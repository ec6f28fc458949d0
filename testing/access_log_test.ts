import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { start, until } from "./process.ts";
import { exchange } from "./raw.ts";
import { taskFlags } from "./task.ts";
import { accept, testWith } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";

/** Far more than a pipe and the program's own queue hold */
const MANY_LINES = 4_000;
const LONG_AGENT = "x".repeat(250);

function request(target: string, fields = "", method = "GET") {
  return `${method} ${target} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`;
}

async function servePhotos(...args: string[]) {
  const tree = await makeTree({ [`${HASH}/photo.jpg`]: randomBytes(100_000) });
  const program = await start(["-f", tree.path, ...args]);
  return {
    program,
    ask: (target: string, fields = "", method = "GET") =>
      exchange(program.port, request(target, fields, method)),
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

Deno.test("--log-format json: a line on standard output per request, and no secret", async () => {
  await using server = await servePhotos("--log-format", "json");
  const { ask, program } = server;
  const path = `/archive/${HASH}/`;
  const { body } = await ask(path, 'User-Agent: a \xff\x80 "\\ b\r\n');
  await ask(path, "Range: bytes=0-99\r\n");
  await ask(path, "", "HEAD");
  await ask(`/archive/${UNKNOWN}/?s3cret`, `Referer: http://x${path}\r\n`);
  await ask("/s3cret");
  await ask("/healthz");
  const lines = () =>
    program.stdout().split("\n").filter((line) => line.startsWith("{")).map((line) =>
      JSON.parse(line)
    );
  await until(() => lines().length >= 5, "all is logged");
  assert.deepEqual(
    lines().map(({ route, archive, status, range, bytes, outcome, client }) => [
      route,
      archive,
      status,
      range,
      bytes > 0,
      outcome,
      client,
    ]),
    [
      ["archive", "5d1c…", 200, null, true, "complete", "127.0.0.1"],
      ["archive", "5d1c…", 206, `0-99/${body.length}`, true, "complete", "127.0.0.1"],
      ["archive", "5d1c…", 200, null, false, "complete", "127.0.0.1"],
      ["archive", "e07b…", 404, null, true, "complete", "127.0.0.1"],
      ["other", null, 404, null, true, "complete", "127.0.0.1"],
    ],
  );
  assert.equal(lines()[0].bytes, body.length);
  for (const secret of [HASH, UNKNOWN, "s3cret"]) {
    assert.ok(!(program.stdout() + program.stderr()).includes(secret), secret);
  }
  assert.equal(program.stderr(), "");
});

testWith(["awk"], "--log-format combined: awk finds the fields where Apache has them", async () => {
  await using server = await servePhotos("--log-format", "combined");
  const { body } = await server.ask(`/archive/${HASH}/`, 'User-Agent: a" b\r\n');
  await until(() => server.program.stdout().includes("GET"), "it is logged");
  const log = server.program.stdout().split("\n").filter((line) => line.includes("GET")).join("\n");
  const stdout = await accept("awk", ["{ print $1, $6, $7, $8, $9, $10 }"], { stdin: log });
  assert.equal(
    stdout,
    `127.0.0.1 "GET /archive/5d1c.../ HTTP/1.1" 200 ${body.length}\n`,
  );
});

Deno.test("--log-level error: no warnings; a level alone turns no access log on", async () => {
  await using tree = await makeTree({ [`${HASH}/a.jpg`]: "a", "a b/x": "" });
  await using quiet = await start(["-f", tree.path, "--log-level", "error"]);
  await using loud = await start(["-f", tree.path, "--log-level", "info"]);
  for (const { port } of [quiet, loud]) await exchange(port, request(`/archive/${HASH}/`));
  await until(() => loud.stderr().includes("no link can reach"), "a warning");
  assert.equal(quiet.stderr(), "");
  assert.ok(!loud.stderr().includes("download"));
});

Deno.test({
  name: "SIGUSR1 and SIGUSR2 end no service",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using server = await servePhotos();
    server.program.kill("SIGUSR2");
    assert.equal((await server.ask("/healthz")).status, 200);
    server.program.kill("SIGUSR1");
    assert.equal((await server.ask("/healthz")).status, 200);
  },
});

for (const stream of ["stdout", "stderr"] as const) {
  const format = stream === "stdout" ? "json" : "text";
  for (const reader of ["left", "reads nothing"]) {
    Deno.test({
      name: `docs/operate.md, Access log: downloads go on when the reader of ${stream} ${reader}`,
      ignore: Deno.build.os === "windows",
      fn: () => withDeafReader(stream, format, reader === "left"),
    });
  }
}

/** A service whose log goes to a pipe that nobody reads from, or that is closed at the other end */
async function withDeafReader(stream: "stdout" | "stderr", format: string, closes: boolean) {
  await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: "a" });
  const socket = tree.join("socket");
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...taskFlags("start:checksums"),
      join(ROOT, "main.ts"),
      ...["--folder", tree.join("photos"), "--unix", socket, "--settle", "0"],
      ...["--log", "--log-format", format],
    ],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: stream === "stdout" ? "piped" : "null",
    stderr: stream === "stderr" ? "piped" : "null",
  }).spawn();
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  const ask = async (path: string) => {
    const headers = { "user-agent": LONG_AGENT };
    const response = await fetch(`http://localhost${path}`, { client, headers });
    await response.bytes();
    return response.status;
  };
  try {
    // The socket is there a moment before it takes connections.
    const listens = () => ask("/healthz").then((status) => status === 200, () => false);
    await until(listens, "it listens", 30_000);
    if (closes) await child[stream].cancel();
    for (let i = 0; i < MANY_LINES / 100; i++) {
      const path = `/archive/${UNKNOWN}/`;
      const statuses = await Promise.all(
        Array.from({ length: closes ? 10 : 100 }, () => ask(path)),
      );
      assert.ok(statuses.every((status) => status === 404));
    }
    assert.equal(await ask(`/archive/${HASH}/`), 200);
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
  } finally {
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended */ }
    await child.status;
    if (!closes) await child[stream].cancel();
  }
}
