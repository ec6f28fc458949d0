import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { start, until } from "../testing/process.ts";
import { beginAndStall, exchange } from "../testing/raw.ts";
import { testWith } from "../testing/tools.ts";
import { makeTree, randomBytes } from "../testing/tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";

Deno.test("--log tells 404s, other statuses and manifests too, and no secret", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: "photo" });
  await using program = await start(["-f", tree.path, "--log"]);
  const ask = (target: string, fields = "", method = "GET") =>
    exchange(program.port, `${method} ${target} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`);
  await ask(`/archive/${HASH}/`);
  await ask(`/archive/${HASH}/?manifest`);
  await ask(`/archive/${UNKNOWN}/?s3cret`);
  await ask(`/archive/${HASH}/`, "Range: bytes=999999999-\r\n");
  await ask("/s3cret", "User-Agent: s3cret\r\n");
  await ask("/", "", "S3CRET");
  await ask("/healthz");
  const lines = () => program.stderr().split("\n").filter(Boolean).map((line) => JSON.parse(line));
  await until(() => lines().length >= 7, "all is logged");
  assert.deepEqual(
    lines().map(({ message, properties: { archive, route } }) => [message, archive, route]),
    [
      ["download started", "5d1c…", undefined],
      ["download complete", "5d1c…", undefined],
      ["answered 200", "5d1c…", "manifest"],
      ["answered 404", "e07b…", "archive"],
      ["answered 416", "5d1c…", "archive"],
      ["answered 404", undefined, "other"],
      ["answered 405", undefined, "list"],
    ],
  );
  for (const secret of [HASH, UNKNOWN, "s3cret", tree.path]) {
    assert.ok(!program.stderr().includes(secret), secret);
  }
});

Deno.test("without --log only warnings and errors are logged", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: "photo" });
  await using program = await start(["-f", tree.path]);
  const get = (target: string) =>
    exchange(program.port, `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await get(`/archive/${HASH}/?manifest`);
  await get(`/archive/${UNKNOWN}/`);
  assert.equal(program.stderr(), "");
});

Deno.test({
  name: "files that go away while a client stalls end its download, and not the service",
  ignore: Deno.build.os === "windows",
  async fn() {
    const large = { size: 64 << 20 };
    await using tree = await makeTree({
      [`photos/${HASH}/a.jpg`]: large,
      [`photos/${HASH}/b.jpg`]: large,
      [`photos/${HASH}/c.jpg`]: randomBytes(3 << 20),
      "away/x": "",
    });
    await using program = await start(["-f", tree.join("photos"), "--log"]);
    {
      // A range that reaches the end has the files before it scanned.
      const fields = `Host: x\r\nRange: bytes=${100 << 20}-`;
      using range = await Deno.connect({ hostname: "127.0.0.1", port: program.port });
      const head = `GET /archive/${HASH}/ HTTP/1.1\r\n${fields}\r\n\r\n`;
      await range.write(new TextEncoder().encode(head));
      using _ = await beginAndStall(program.port, `/archive/${HASH}/`);
      for (const name of ["a", "b", "c"]) {
        await Deno.rename(tree.join("photos", HASH, `${name}.jpg`), tree.join("away", name));
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
      const health = await exchange(program.port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
      assert.equal(health.status, 200, program.stderr());
    }
    assert.doesNotMatch(program.stderr(), /nobody/);
    assert.ok(!program.stderr().includes(HASH));
  },
});

testWith(["script"], "on a terminal the log is lines for people", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: "photo", "a b/x": "" });
  const command = `${Deno.execPath()} task --quiet start -P 0 -f ${tree.path} --log --settle 0`;
  const child = new Deno.Command("script", {
    args: ["-qefc", command, "/dev/null"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let output = "";
  const collected = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) output += text;
  })();
  const listening = /Listening on http:\/\/127\.0\.0\.1:(\d+)\//;
  const writer = child.stdin.getWriter();
  try {
    await until(() => listening.test(output), "it listens", 30_000);
    const port = Number(listening.exec(output)?.[1]);
    await exchange(port, `GET /archive/${HASH}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until(() => output.includes("download complete"), "it is logged");
  } finally {
    await writer.write(new TextEncoder().encode("\x03")); // Ctrl+C
    await child.status;
    await writer.close().catch(() => {});
    await collected;
  }
  assert.match(output, /^\d\d:\d\d:\d\d WARNING {7}folders that no link can reach: .*\(count 1, /m);
  assert.match(output, /^\d\d:\d\d:\d\d INFO {4}5d1c… download started \(size \d+ B, /m);
  assert.match(
    output,
    /^\d\d:\d\d:\d\d INFO {4}5d1c… download complete \(.*bytes \d+ B, seconds /m,
  );
  assert.ok(!output.includes("@timestamp"));
});

Deno.test({
  name: "an engine that cannot be closed does not keep the service from ending",
  ignore: Deno.build.os === "windows",
  async fn() {
    const module = (path: string) => JSON.stringify(import.meta.resolve(path));
    const script = `
      import { serveCommand } from ${module("./serve.ts")};
      import { configureLog } from ${module("../lib/log.ts")};
      import { readConfig } from ${module("../lib/config.ts")};
      import { DiskSource } from ${module("../storage/disk/disk.ts")};
      configureLog();
      const { config } = readConfig({ args: ["--port", "0"], env: () => undefined });
      const source = new DiskSource({ root: import.meta.dirname, workers: 1 });
      const engine = {
        prepare: () => { throw new Error("not asked for"); },
        close: () => Promise.reject(new Error("the disk is gone")),
      };
      setTimeout(() => Promise.reject(new Error("stray")), 100);
      Deno.exit(await serveCommand({ config, source, engine }));
    `;
    await using tree = await makeTree({ "program.ts": script, [`${HASH}/a.jpg`]: "a" });
    await using program = await start([], { main: tree.join("program.ts"), flags: ["-A"] });
    await until(() => program.stderr().includes("stray"), "the service outlives an error");
    const health = await exchange(program.port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.equal(health.status, 200);
    program.kill("SIGTERM");
    assert.equal((await program.status).code, 0);
    assert.match(program.stderr(), /cannot close the engine: .*the disk is gone/);
  },
});
