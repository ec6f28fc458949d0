import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { childrenOf, openFiles, type Program, said, start, until } from "./process.ts";
import { beginAndStall, exchange } from "./raw.ts";
import { testOnLinux, testWithSignals } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const PATH = `/archive/${HASH}/`;

/** More than the system takes from a client that reads nothing */
const PHOTO_BYTES = 40 << 20;

/** A client that takes the rest of what was sent to it, to the end of the connection */
async function drain(connection: Deno.Conn): Promise<number> {
  const buffer = new Uint8Array(65536);
  let bytes = 0;
  try {
    for (let count; (count = await connection.read(buffer)) !== null;) bytes += count;
  } catch {
    return bytes; // reset
  }
  return bytes;
}

/** How many downloads were given up */
function stalled(program: Program) {
  return program.stderr().split("\n").filter((line) => line.includes("download stalled")).length;
}

Deno.test("--stall-timeout: downloads that nobody takes are given up, with their files", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(PHOTO_BYTES) });
  await using program = await start(["--folder", tree.path, "--stall-timeout", "1"]);
  using clients = new DisposableStack();
  const connections: Deno.Conn[] = [];
  for (let i = 0; i < 10; i++) {
    connections.push(clients.use(await beginAndStall(program.port, PATH)));
  }
  await until(() => stalled(program) === 10, "all are given up", 20_000);
  await said(program, /the client took nothing for 1 s/);
  assert.ok(!program.stderr().includes(HASH), "the link is a secret");
  await until(
    () => !openFiles(program.pid, { files: true }).some((path) => path.startsWith(tree.path)),
    "no photo is open",
  );
  const { complete } = await exchange(program.port, `GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`);
  assert.ok(complete, "others are served");
  const sent = await Promise.all(connections.map(drain));
  assert.ok(sent.every((bytes) => bytes < PHOTO_BYTES), "what was begun is cut off, not ended");
});

testOnLinux(
  ["zip"],
  "--stall-timeout: the program zip of a stalled download is ended",
  async () => {
    await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(PHOTO_BYTES) });
    const args = ["--folder", tree.path, "--engine", "zip", "--level", "0"];
    await using program = await start([...args, "--stall-timeout", "1"]);
    using _client = await beginAndStall(program.port, PATH);
    assert.equal(childrenOf(program.pid).length, 1);
    await until(() => childrenOf(program.pid).length === 0, "zip is gone", 20_000);
    await until(() => stalled(program) === 1, "the log tells why");
  },
);

Deno.test("--stall-timeout: a slow client gets all, however long it takes", async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(16 << 20) });
  await using program = await start(["--folder", tree.path, "--stall-timeout", "2"]);
  let paused = 0;
  const { complete, body } = await exchange(
    program.port,
    `GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`,
    {
      within: 60_000,
      async onBody(received) {
        if (received < paused + (256 << 10)) return;
        paused = received;
        await sleep(60); // at most 4 MB a second; the system takes up to 1.8 MB at a time
      },
    },
  );
  assert.ok(complete, program.stderr());
  assert.ok(body.length > 16 << 20);
  assert.equal(stalled(program), 0);
});

Deno.test("--stall-timeout: a client that pauses for less than that goes on", async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(PHOTO_BYTES) });
  await using program = await start(["--folder", tree.path, "--stall-timeout", "20"]);
  let paused = false;
  const { complete } = await exchange(program.port, `GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`, {
    async onBody() {
      if (!paused) await sleep(2000);
      paused = true;
    },
  });
  assert.ok(complete, program.stderr());
});

Deno.test("--stall-timeout: a low --limit-rate is no stall", async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(30_000) });
  const args = ["--folder", tree.path, "--stall-timeout", "0.2", "--limit-rate", "10K"];
  await using program = await start([...args, "--delay", "0.5"]);
  const { complete } = await exchange(program.port, `GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`);
  assert.ok(complete, program.stderr());
});

testWithSignals("--stall-timeout: SIGTERM ends a service with clients that stall", async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(PHOTO_BYTES) });
  const args = ["--folder", tree.path, "--stall-timeout", "3600", "--shutdown-timeout", "0.5"];
  await using program = await start(args);
  using _client = await beginAndStall(program.port, PATH);
  program.kill("SIGTERM");
  assert.equal((await program.status).code, 0);
});
