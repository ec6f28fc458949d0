import assert from "node:assert/strict";
import { type Program, start, until } from "./process.ts";
import { beginAndStall, exchange, type ExchangeOptions } from "./raw.ts";
import { run, testWith, testWithSignals } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const OTHER = "e07b6a1d4c92583fb6d07f3a18c5e924";

/** How much may come at once of one second's bytes: pieces are a tenth, and the machine is busy */
const BURST = 0.6;

/** What came of a body, and when, in milliseconds since the request */
interface Arrival {
  readonly time: number;
  readonly received: number;
}

/** A download, with the times at which its bytes came */
async function timed({ port }: Program, hash: string, headers = "", options: ExchangeOptions = {}) {
  const request = `GET /archive/${hash}/ HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
  const started = performance.now();
  const arrivals: Arrival[] = [];
  const onBody = (received: number) =>
    void arrivals.push({ time: performance.now() - started, received });
  const response = await exchange(port, request, { within: 60_000, onBody, ...options });
  return { ...response, arrivals, seconds: (performance.now() - started) / 1000 };
}

/** The most that came within this many milliseconds, and the longest time without a byte */
function evenness(arrivals: readonly Arrival[], milliseconds: number) {
  let most = 0, gap = 0, from = 0;
  for (const [i, { time, received }] of arrivals.entries()) {
    while (arrivals[from].time < time - milliseconds) from++;
    most = Math.max(most, received - (arrivals[from - 1]?.received ?? 0));
    gap = Math.max(gap, time - (arrivals[i - 1]?.time ?? time));
  }
  return { most, gap };
}

Deno.test("--limit-rate: a download and a range of it come evenly, at the rate and whole", async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(1_500_000) });
  await using free = await start(["--folder", tree.path]);
  const whole = (await timed(free, HASH)).body;
  await using program = await start(["--folder", tree.path, "--limit-rate", "500K"]);
  const answers = await Promise.all([
    timed(program, HASH),
    timed(program, HASH, "Range: bytes=100000-1099999\r\n"),
  ]);
  const expected = [whole, whole.subarray(100_000, 1_100_000)];
  answers.forEach(({ body, complete, seconds, arrivals }, i) => {
    assert.ok(complete, program.stderr());
    assert.deepEqual(body, expected[i]);
    const rate = body.length / seconds;
    assert.ok(rate > 250_000 && rate < 600_000, `${rate} bytes per second`);
    const { most, gap } = evenness(arrivals, 200);
    assert.ok(most < BURST * 500_000, `${most} bytes within 0.2 s`);
    assert.ok(gap < 1000, `nothing for ${gap} ms`);
  });
});

Deno.test("--limit-rate: the lowest rate still moves", async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(100_000) });
  await using program = await start(["--folder", tree.path, "--limit-rate", "1K"]);
  const { arrivals, seconds } = await timed(program, HASH, "", { stopAfter: 2500 });
  assert.ok(seconds > 1.5 && seconds < 20, `${seconds} s`);
  assert.ok(arrivals.length >= 6, `${arrivals.length} pieces`);
});

Deno.test("--limit-rate-total: downloads share the rate equally", async () => {
  await using tree = await makeTree({
    [`${HASH}/1.jpg`]: randomBytes(400_000, 1),
    [`${OTHER}/1.jpg`]: randomBytes(400_000, 2),
  });
  await using program = await start(["--folder", tree.path, "--limit-rate-total", "800K"]);
  const hashes = Array.from({ length: 6 }, (_, i) => i % 2 ? HASH : OTHER);
  const started = performance.now();
  const answers = await Promise.all(hashes.map((hash) => timed(program, hash)));
  const seconds = (performance.now() - started) / 1000;
  assert.ok(answers.every(({ complete }) => complete), program.stderr());
  const rate = 6 * 400_000 / seconds;
  assert.ok(rate > 400_000 && rate < 960_000, `${rate} bytes per second`);
  const first = Math.min(...answers.map(({ seconds }) => seconds));
  assert.ok(first > 0.7 * seconds, `one has all after ${first} of ${seconds} s`);
});

testWith(["zip"], "--limit-rate holds for the zip engine, and goes with --delay", async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(300_000) });
  const args = ["--folder", tree.path, "--engine", "zip", "--limit-rate", "200K"];
  await using program = await start([...args, "--delay", "0.1"]);
  const { complete, body, seconds, arrivals } = await timed(program, HASH);
  assert.ok(complete, program.stderr());
  assert.ok(body.length > 300_000);
  assert.ok(seconds > 1.2 && seconds < 15, `${seconds} s`);
  assert.ok(evenness(arrivals, 200).most < BURST * 200_000);
});

testWith(["curl"], "--limit-rate: curl sees the rate, and resumes at the same one", async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(600_000) });
  await using program = await start(["--folder", tree.path, "--limit-rate", "300K"]);
  const part = tree.join("part.zip");
  const fetchPart = async (...args: string[]) => {
    const url = `${program.url}archive/${HASH}/`;
    const format = "%{size_download} %{time_total}";
    const { stdout } = await run("curl", ["-sS", "-o", part, "-w", format, ...args, url]);
    const [bytes, seconds] = new TextDecoder().decode(stdout).split(" ").map(Number);
    return { bytes, rate: bytes / seconds };
  };
  await fetchPart("--max-time", "1");
  const rest = await fetchPart("-C", "-");
  assert.ok(rest.bytes > 100_000 && rest.bytes < 600_000, `${rest.bytes} bytes`);
  assert.ok(rest.rate > 150_000 && rest.rate < 400_000, `${rest.rate} bytes per second`);
  const whole = await (await fetch(`${program.url}archive/${HASH}/`)).bytes();
  assert.deepEqual(await Deno.readFile(part), whole);
});

testWithSignals(
  "--limit-rate: SIGTERM lets a download finish within the time that it has, and cuts others",
  async () => {
    await using tree = await makeTree({
      [`${HASH}/1.jpg`]: randomBytes(150_000),
      [`${OTHER}/1.jpg`]: randomBytes(50_000_000),
    });
    const args = ["--folder", tree.path, "--limit-rate", "100K", "--shutdown-timeout", "5"];
    await using program = await start(args);
    const begun = Promise.withResolvers<void>();
    const onBody = () => begun.resolve();
    const short = timed(program, HASH);
    const long = timed(program, OTHER, "", { onBody });
    await begun.promise;
    program.kill("SIGTERM");
    assert.equal((await short).complete, true);
    assert.equal((await long).complete, false);
    assert.equal((await program.status).code, 0);
  },
);

Deno.test("--limit-rate: a client that leaves while it waits is gone at once", async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(5_000_000) });
  const args = ["--folder", tree.path, "--limit-rate-total", "1000", "--log", "true"];
  await using program = await start(args);
  const clients = await Promise.all(
    Array.from({ length: 20 }, () => beginAndStall(program.port, `/archive/${HASH}/`)),
  );
  for (const client of clients) client.close();
  const cancelled = () => program.stderr().split("cancelled by the client").length - 1;
  await until(() => cancelled() === 20, "all are logged as gone");
  assert.equal((await timed(program, HASH, "", { stopAfter: 1 })).status, 200);
});
