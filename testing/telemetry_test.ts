import assert from "node:assert/strict";
import { startCollector } from "./collector.ts";
import { type Program, runToEnd, start, until } from "./process.ts";
import { beginAndStall, exchange } from "./raw.ts";
import { testWithSignals } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";
const SIZE = 8 << 20;

/** Everything that can come of a request, each with the hash somewhere in it */
async function askForEverything({ port }: Program, tree: Tree) {
  const ask = async (
    target: string,
    fields = "",
    method = "GET",
  ) => (await exchange(port, `${method} ${target} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`));
  const path = `/archive/${HASH}/`;
  const { status, headers } = await ask(path);
  assert.equal(status, 200);
  const statuses = [
    await ask(path, "Range: bytes=0-99\r\n"),
    await ask(path, "Range: bytes=99999999-\r\n"),
    await ask(path, `If-None-Match: ${headers.get("etag")}\r\n`),
    await ask(path, "", "HEAD"),
    await ask(`${path}?manifest`),
    await ask(`/archive/${HASH}?${HASH}`),
    await ask(`/archive/${UNKNOWN}/`),
    await ask(`/archive/%35${HASH.slice(1)}/`),
    await ask(`/elsewhere/${HASH}?${HASH}#${HASH}`),
    await ask(`http://x/archive/${HASH}/`, "", "HEAD"),
    await ask(path, `User-Agent: ${HASH}\r\nReferer: http://x/archive/${HASH}/\r\n`, "HEAD"),
    await ask(path, "", "POST"),
    await ask("/", `Accept-Language: ${HASH}\r\n`),
  ].map(({ status }) => status);
  assert.deepEqual(
    statuses,
    [206, 416, 304, 200, 200, 301, 404, 404, 404, 200, 200, 405, 200],
  );
  {
    using _ = await beginAndStall(port, path); // leaves
  }
  const onBody = () => Deno.remove(tree.join("photos", HASH, "z.jpg")).catch(() => {});
  const failing = await exchange(port, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`, { onBody });
  assert.equal(failing.complete, false);
}

async function makePhotos() {
  return await makeTree({
    [`photos/${HASH}/a.jpg`]: randomBytes(SIZE),
    [`photos/${HASH}/z.jpg`]: randomBytes(SIZE),
  });
}

for (const protocol of ["http/json", "http/protobuf"] as const) {
  testWithSignals(
    `docs/operate.md, Traces: no byte that is exported by ${protocol} has a hash in it`,
    async () => {
      await using tree = await makePhotos();
      await using collector = startCollector(protocol);
      const args = ["-f", tree.join("photos"), "--log", "--listing", "on"];
      await using program = await start(args, { env: collector.env });
      await askForEverything(program, tree);
      await until(() => collector.text().includes("download failed"), "the last download ended");
      program.kill("SIGTERM");
      await program.status;
      assert.deepEqual(collector.paths(), ["/v1/logs", "/v1/metrics", "/v1/traces"]);
      const text = collector.text();
      assert.ok(text.includes("zipferry.archive") && text.includes("5d1c"), "spans came");
      assert.ok(text.includes("http.server.request.duration"), "metrics came");
      assert.ok(text.includes("download complete"), "logs came");
      for (const secret of [HASH, UNKNOWN, HASH.slice(0, 8), HASH.slice(1), "/elsewhere"]) {
        assert.ok(!text.includes(secret), secret);
        assert.ok(!program.stderr().includes(secret), secret);
      }
    },
  );
}

testWithSignals("docs/operate.md, Traces: the console exporter prints no hash either", async () => {
  await using tree = await makePhotos();
  const env = { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_PROTOCOL: "console" };
  const args = ["-f", tree.join("photos"), "--log-format", "json", "--listing", "on"];
  await using program = await start(args, { env });
  await askForEverything(program, tree);
  program.kill("SIGTERM");
  await program.status;
  const printed = program.stdout() + program.stderr();
  assert.match(printed, /SPAN/);
  assert.match(printed, /GET \/archive\/\{hash\}\//);
  for (const secret of [HASH, UNKNOWN, HASH.slice(1)]) assert.ok(!printed.includes(secret), secret);
});

Deno.test("docs/operate.md, Traces: a download has a span that ends with its last byte", async () => {
  await using tree = await makePhotos();
  await using collector = startCollector();
  await using program = await start(["-f", tree.join("photos")], { env: collector.env });
  const request = (fields = "") =>
    `GET /archive/${HASH}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}\r\n`;
  const named = (name: string) => collector.spans().filter((span) => span.name === name);

  let resume = () => {};
  let held: Promise<void> | null = new Promise((resolve) => resume = resolve);
  const onBody = async () => {
    await held;
    held = null;
  };
  const downloading = exchange(program.port, request(), { onBody });
  await until(() => named("GET /archive/{hash}/").length === 1, "the span of the request is over");
  assert.equal(named("download").length, 0, "its download goes on");
  const before = BigInt(Date.now()) * 1_000_000n;
  resume();
  const { complete, body } = await downloading;
  assert.ok(complete);
  await until(() => named("download").length === 1, "the span of the download is over");
  const [whole] = named("download");
  const [parent] = named("GET /archive/{hash}/");
  assert.equal(whole.parentSpanId, parent.spanId);
  assert.ok(whole.end >= before && whole.end > parent.end);
  assert.deepEqual(whole.attributes, {
    "zipferry.archive": "5d1c…",
    "http.response.status_code": 200,
    "zipferry.size": body.length,
    "zipferry.engine": "store",
    "zipferry.outcome": "complete",
    "http.response.body.size": body.length,
  });

  await exchange(program.port, request("Range: bytes=10-19\r\n"));
  await until(() => named("download").length === 2, "a part");
  const part = named("download")[1].attributes;
  assert.deepEqual(
    [part["http.response.status_code"], part["zipferry.range"], part["http.response.body.size"]],
    [206, `10-19/${body.length}`, 10],
  );

  (await beginAndStall(program.port, `/archive/${HASH}/`)).close();
  await until(() => named("download").length === 3, "a client that leaves");
  assert.equal(named("download")[2].attributes["zipferry.outcome"], "cancelled");

  {
    const removeRest = async () => {
      await Deno.remove(tree.join("photos", HASH, "z.jpg")).catch(() => {});
    };
    const { complete } = await exchange(program.port, request(), { onBody: removeRest });
    assert.equal(complete, false);
  }
  await until(() => named("download").length === 4, "a failure");
  const { attributes, status } = named("download")[3];
  assert.equal(attributes["zipferry.outcome"], "failed");
  assert.equal(status.code, 2);
  assert.ok(status.message !== "" && !status.message.includes(HASH), status.message);
});

Deno.test("docs/operate.md, Traces: links that commands print are not exported", async () => {
  await using tree = await makeTree({ "album/a.jpg": "a", "photos/x/b.jpg": "b" });
  await using collector = startCollector();
  const args = ["new", "--folder", tree.join("photos"), tree.join("album")];
  const { code, stdout, stderr } = await runToEnd(args, { env: collector.env, task: "new" });
  assert.equal(code, 0, stderr);
  const [, hash] = /^\/archive\/([0-9a-f]{32})\/\n$/.exec(stdout)!;
  assert.ok(!collector.text().includes(hash));
});
