import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { freePort } from "./free_port.ts";
import { mountDisk, testOnDisk } from "./odd_disk.ts";
import { type Program, start, until } from "./process.ts";
import { beginAndStall, exchange } from "./raw.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const LINK = `/archive/${HASH}/`;

/** Clients of the replicas that are restarted one after the other */
const CLIENTS = 50;

const ignore = Deno.build.os === "windows"; // it has none of these signals

async function readiness({ port }: Program) {
  const { status, body } = await exchange(port, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
  return `${status} ${new TextDecoder().decode(body).trim()}`;
}

function download(port: number, fields = "") {
  return exchange(port, `GET ${LINK} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`, { within: 30_000 });
}

Deno.test("/readyz: the photos folder can be read, or not", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/1.jpg`]: "1" });
  await using program = await start(["-f", tree.join("photos")]);
  assert.equal(await readiness(program), "200 ready");
  Deno.renameSync(tree.join("photos"), tree.join("away"));
  assert.equal(await readiness(program), "503 unreadable");
  assert.equal(await (await fetch(`${program.url}healthz`)).text(), "ok\n");
  Deno.renameSync(tree.join("away"), tree.join("photos"));
  assert.equal(await readiness(program), "200 ready");
});

testOnDisk(
  "/readyz: a disk that hangs is told within seconds, holds one thread, and comes back",
  async () => {
    await using tree = await makeTree({
      [`disk/photos/${HASH}/1.jpg`]: "1",
      "mount": { directory: true },
    });
    await using disk = await mountDisk("hung", tree.join("disk"), tree.join("mount"));
    await using program = await start(["-f", tree.join("mount", "photos")]);
    assert.equal(await readiness(program), "200 ready");
    await disk.hang("getattr");
    await until(async () => await readiness(program) === "503 unreadable", "it is told", 15_000);
    const answers = await Promise.all(Array.from({ length: 40 }, () => readiness(program)));
    assert.deepEqual([...new Set(answers)], ["503 unreadable"]);
    assert.ok(await disk.hanging() <= 2, `${await disk.hanging()} calls hang`);
    assert.equal(await (await fetch(`${program.url}healthz`)).text(), "ok\n");
    await disk.hang(null);
    await until(async () => await readiness(program) === "200 ready", "it is ready again", 15_000);
  },
);

Deno.test(
  { name: "--drain-delay: not ready at once, served for so long, then the end", ignore },
  async () => {
    await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(3_000_000) });
    await using program = await start(["-f", tree.path, "--drain-delay", "2"]);
    const started = performance.now();
    program.kill("SIGTERM");
    await until(async () => await readiness(program) === "503 draining", "it says so");
    const { status, complete } = await download(program.port);
    assert.deepEqual([status, complete], [200, true]);
    assert.equal((await program.status).code, 0);
    assert.ok(performance.now() - started >= 2000);
  },
);

Deno.test({ name: "--drain-delay: another signal ends it at once", ignore }, async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: "1" });
  await using program = await start(["-f", tree.path, "--drain-delay", "600"]);
  program.kill("SIGTERM");
  await until(async () => await readiness(program) === "503 draining", "it drains");
  program.kill("SIGINT");
  assert.equal((await program.status).code, 1);
});

Deno.test({ name: "SIGHUP changes nothing, and ends no download", ignore }, async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(12 << 20) });
  await using program = await start(["-f", tree.path]);
  using connection = await beginAndStall(program.port, LINK);
  program.kill("SIGHUP");
  await until(() => program.stderr().includes("SIGHUP does nothing"), "it is logged");
  const rest = await readAll(connection);
  assert.ok(rest > 12 << 20);
  assert.equal(await readiness(program), "200 ready");
});

/** Reads as much as the archive has at least */
async function readAll(connection: Deno.Conn) {
  const buffer = new Uint8Array(1 << 20);
  let bytes = 1000; // which the start of the download has read
  while (bytes <= 12 << 20) bytes += await connection.read(buffer) ?? Infinity;
  return bytes;
}

Deno.test({
  name: "a rolling restart of two replicas costs no resuming client its archive",
  ignore,
}, async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(3_000_000) });
  const ports = [freePort(), freePort()];
  const options = ["--delay", "0.05", "--drain-delay", "0.2", "--shutdown-timeout", "0.3"];
  const replica = (port: number) =>
    start(["-f", tree.path, ...options, "-P", String(port)], { anyPort: false });
  await using replicas = new AsyncDisposableStack();
  const programs = [replicas.use(await replica(ports[0])), replicas.use(await replica(ports[1]))];
  const expected = hash("sha256", (await download(ports[0])).body);
  const clients = Array.from({ length: CLIENTS }, (_, i) => downloadAndResume(ports, i));
  for (const [i, port] of ports.entries()) {
    programs[i].kill("SIGTERM");
    assert.equal((await programs[i].status).code, 0);
    replicas.use(await replica(port));
  }
  const results = await Promise.all(clients);
  assert.deepEqual([...new Set(results.map(({ sha256 }) => sha256))], [expected]);
  const resumed = results.filter(({ resumes }) => resumes > 0).length;
  assert.ok(resumed >= CLIENTS / 4, `${resumed} clients were cut off and went on`);
});

/** Downloads from whichever replica is there, and goes on where it was cut off */
async function downloadAndResume(ports: readonly number[], first: number) {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let received = 0;
  let etag = "";
  let resumes = 0;
  for (let attempt = first; attempt < first + 300; attempt++) {
    const fields = received > 0 ? `Range: bytes=${received}-\r\nIf-Range: ${etag}\r\n` : "";
    const answer = await download(ports[attempt % ports.length], fields).catch(() => null);
    if (answer?.status === 200 || answer?.status === 206) {
      assert.equal(answer.status, received > 0 ? 206 : 200);
      if (received > 0) resumes++;
      etag = answer.headers.get("etag") ?? "";
      parts.push(answer.body);
      received += answer.body.length;
      if (answer.complete) {
        return { sha256: hash("sha256", await new Blob(parts).bytes()), resumes };
      }
    } else await new Promise((resolve) => setTimeout(resolve, 50)); // as a client waits that is refused
  }
  throw new Error("no replica sends the rest");
}
