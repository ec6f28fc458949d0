import assert from "node:assert/strict";
import { freePort } from "./free_port.ts";
import { type Program, type ProgramOptions, runToEnd, start, until } from "./process.ts";
import { beginAndStall, exchange } from "./raw.ts";
import { namesOf, samplesOf } from "./prometheus.ts";
import { testWith, testWithSignals } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";

async function photos() {
  return await makeTree({
    [`photos/${HASH}/1.jpg`]: randomBytes(3_000_000, 1),
    [`photos/${HASH}/2.jpg`]: randomBytes(200_000, 2),
  });
}

/** The address that the program printed for those who watch it */
function metricsUrl(program: Program): string {
  const [, url] = /^Metrics at (\S+)$/m.exec(program.stdout()) ?? [];
  assert.ok(url, program.stdout());
  return url;
}

async function valuesAt(url: string): Promise<(name: string) => number | undefined> {
  const response = await fetch(url);
  assert.equal(response.status, 200);
  const samples = samplesOf(await response.text());
  return (name) => samples.get(name);
}

async function complaint(args: readonly string[], options: ProgramOptions = {}) {
  const { code, stderr } = await runToEnd(["--port", "0", ...args], options);
  return [code, stderr.trim()];
}

Deno.test("/metrics: what was downloaded, left, resumed and refused is counted", async () => {
  await using tree = await photos();
  await using program = await start(["--folder", tree.join("photos")]);
  const url = `http://127.0.0.1:${program.port}`;
  const link = `${url}/archive/${HASH}/`;
  const whole = await (await fetch(link)).bytes();
  const range = `bytes=${whole.length - 1000}-`;
  assert.equal((await (await fetch(link, { headers: { range } })).bytes()).length, 1000);
  const fromStart = { range: "bytes=0-9" };
  assert.equal((await (await fetch(link, { headers: fromStart })).bytes()).length, 10);
  assert.equal((await fetch(link, { method: "HEAD" })).status, 200);
  const unknown = await fetch(`${url}/archive/${UNKNOWN}/`);
  await unknown.body?.cancel();

  const metrics = `${url}/metrics`;
  const leaving = await beginAndStall(program.port, `/archive/${HASH}/`);
  const active = 'zipferry_downloads_active{engine="store"}';
  await until(async () => (await valuesAt(metrics))(active) === 1, "one download is under way");
  leaving.close();
  await until(async () => (await valuesAt(metrics))(active) === 0, "its client has left");

  const value = await valuesAt(metrics);
  const expected = {
    'zipferry_downloads_started_total{engine="store"}': 4,
    'zipferry_downloads_resumed_total{engine="store"}': 1,
    'zipferry_downloads_total{engine="store",outcome="complete"}': 3,
    'zipferry_downloads_total{engine="store",outcome="cancelled"}': 1,
    'zipferry_downloads_total{engine="store",outcome="failed"}': 0,
    'zipferry_download_duration_seconds_count{engine="store",outcome="complete"}': 3,
    'zipferry_first_byte_seconds_count{engine="store"}': 4,
    'zipferry_answers_total{route="archive",status="404"}': 1,
    'zipferry_answers_total{route="archive",status="206"}': 2,
    zipferry_crc_cache_entries: 2,
    zipferry_reader_queue: 0,
    'zipferry_reader_threads{state="held_up"}': 0,
  };
  for (const [name, count] of Object.entries(expected)) assert.equal(value(name), count, name);
  assert.ok(value('zipferry_sent_bytes_total{engine="store"}')! >= whole.length + 1010);
  assert.ok(value('zipferry_listings_total{outcome="done"}')! >= 5);
  assert.ok(value('zipferry_crc_cache_requests_total{result="miss"}')! >= 2);
  assert.ok(value('zipferry_reader_threads{state="idle"}')! >= 2);
  const [rss, limit] = ["process_resident_memory_bytes", "zipferry_memory_limit_bytes"].map(value);
  assert.ok(rss! > 1e7 && rss! < limit!, `${rss} of ${limit}`);
  assert.ok(value("process_cpu_seconds_total")! > 0.01);
  assert.ok(value("zipferry_event_loop_lag_seconds_count")! >= 0);
});

Deno.test("/metrics: a download that breaks off has failed", async () => {
  await using tree = await photos();
  await using program = await start(["--folder", tree.join("photos")]);
  const stalled = await beginAndStall(program.port, `/archive/${HASH}/`);
  await Deno.truncate(tree.join("photos", HASH, "1.jpg"), 5);
  await stalled.readable.pipeTo(new WritableStream()).catch(() => {});
  const failed = 'zipferry_downloads_total{engine="store",outcome="failed"}';
  const at = `http://127.0.0.1:${program.port}/metrics`;
  await until(async () => (await valuesAt(at))(failed) === 1, "it is counted");
});

Deno.test("/metrics: nothing of an archive is in it, and who comes through a proxy finds nothing", async () => {
  await using tree = await photos();
  await using program = await start(["--folder", tree.join("photos"), "--metrics", "[::1]:0"]);
  const url = `http://127.0.0.1:${program.port}`;
  await (await fetch(`${url}/archive/${HASH}/?from=mail`)).bytes();
  await (await fetch(`${url}/archive/${UNKNOWN}/`)).bytes();
  await (await fetch(`${url}/${HASH}`)).bytes();
  const text = await (await fetch(metricsUrl(program))).text();
  for (
    const secret of [HASH.slice(0, 4), UNKNOWN.slice(0, 4), "jpg", tree.path, "127.0.0.1", "::1"]
  ) {
    assert.ok(!text.includes(secret), secret);
  }
  const ask = async (path: string, lines = "Host: 127.0.0.1\r\n") => {
    const { status, body } = await exchange(program.port, `GET ${path} HTTP/1.1\r\n${lines}\r\n`);
    return [status, new TextDecoder().decode(body)];
  };
  const unknown = await ask("/metricsx");
  assert.equal(unknown[0], 404);
  assert.equal((await ask("/metrics"))[0], 200);
  const host = "Host: 127.0.0.1\r\n";
  const proxied = [
    `${host}X-Forwarded-For: 203.0.113.9\r\n`,
    `${host}Forwarded: for=203.0.113.9\r\n`,
    `${host}Via: 1.1 proxy\r\n`,
    `${host}X-Real-IP: 203.0.113.9\r\n`,
    "Host: photos.example.org\r\n",
  ];
  for (const lines of proxied) assert.deepEqual(await ask("/metrics", lines), unknown, lines);
});

Deno.test("--metrics: an address of its own, for programs that watch the service", async () => {
  await using tree = await photos();
  for (
    const [address, origin] of [["127.0.0.1:0", "http://127.0.0.1:"], ["[::1]:0", "http://[::1]:"]]
  ) {
    const env = { ZIPFERRY_METRICS: address };
    await using program = await start(["--folder", tree.join("photos")], { env });
    const url = metricsUrl(program);
    assert.ok(url.startsWith(origin) && url.endsWith("/metrics"), url);
    // Whoever may connect there may see it, through a proxy or not.
    const headers = { "x-forwarded-for": "203.0.113.9", accept: "application/openmetrics-text" };
    const response = await fetch(url, { headers });
    const text = await response.text();
    assert.match(response.headers.get("content-type") ?? "", /^application\/openmetrics-text; /);
    assert.match(text, /\n# EOF\n$/);
    assert.ok(namesOf(text).has("zipferry_downloads_active"));
    const other = (path: string) => new URL(path, url);
    assert.equal(await (await fetch(other("/healthz"))).text(), "ok\n");
    for (const path of ["/", `/archive/${HASH}/`]) {
      const { status, body } = await fetch(other(path));
      await body?.cancel();
      assert.equal(status, 404, path);
    }
    program.kill("SIGTERM");
    const { code } = await program.status;
    if (Deno.build.os !== "windows") assert.equal(code, 0, program.stderr()); // there it was killed
  }
});

testWithSignals("--metrics is answered to the last, while downloads finish", async () => {
  await using tree = await photos();
  const args = ["--folder", tree.join("photos"), "--metrics", "127.0.0.1:0", "--delay", "0.03"];
  await using program = await start(args);
  const download = await fetch(`http://127.0.0.1:${program.port}/archive/${HASH}/`);
  program.kill("SIGTERM");
  const active = 'zipferry_downloads_active{engine="store"}';
  assert.equal((await valuesAt(metricsUrl(program)))(active), 1);
  await download.bytes();
  assert.equal((await program.status).code, 0, program.stderr());
});

Deno.test("--metrics: an address that cannot be had, or is not permitted, is named at once", async () => {
  await using tree = await photos();
  const folder = ["--folder", tree.join("photos")];
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  assert.deepEqual(await complaint([...folder, "--metrics", `127.0.0.1:${port}`]), [
    1,
    `zipferry: listen: 127.0.0.1:${port}: address already in use; choose another port by --metrics`,
  ]);
  assert.deepEqual(await complaint([...folder, "--metrics", "9464"]), [
    2,
    'zipferry: --metrics: "9464" is not allowed; use HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464',
  ]);
  const own = freePort();
  const flags = [
    "--quiet",
    "--no-prompt",
    "--allow-read",
    "--allow-env",
    "--allow-net=127.0.0.1:0",
  ];
  assert.deepEqual(await complaint([...folder, "--metrics", `[::1]:${own}`], { flags }), [
    2,
    `zipferry: net: not permitted, start deno with --allow-net=[::1]:${own}`,
  ]);
});

testWith(["curl"], "--unix: its clients find no /metrics, --metrics has them", async () => {
  await using tree = await photos();
  const socket = tree.join("zipferry.sock");
  const args = ["--folder", tree.join("photos"), "--unix", socket, "--metrics", "127.0.0.1:0"];
  await using program = await start(args, { task: "start:checksums", anyPort: false });
  const curl = async (path: string) => {
    const args = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", socket];
    const command = new Deno.Command("curl", { args: [...args, `http://localhost${path}`] });
    return new TextDecoder().decode((await command.output()).stdout);
  };
  assert.equal(await curl("/healthz"), "200");
  assert.equal(await curl("/metrics"), "404");
  const value = await valuesAt(metricsUrl(program));
  assert.equal(value('zipferry_answers_total{route="health",status="200"}'), 1);
});

testWith(["zip"], "/metrics: figures of the engine zip, which has no CRC-32 values", async () => {
  await using tree = await photos();
  await using program = await start(["--folder", tree.join("photos"), "--engine", "zip"]);
  const url = `http://127.0.0.1:${program.port}`;
  await (await fetch(`${url}/archive/${HASH}/`)).bytes();
  const complete = 'zipferry_downloads_total{engine="zip",outcome="complete"}';
  await until(async () => (await valuesAt(`${url}/metrics`))(complete) === 1, "it is counted");
  assert.doesNotMatch(await (await fetch(`${url}/metrics`)).text(), /crc|scan|engine="store"/);
});

Deno.test("--log: a look at /metrics leaves no line, like one at /healthz", async () => {
  await using tree = await photos();
  await using program = await start(["--folder", tree.join("photos"), "--log"]);
  for (const path of ["metrics", "healthz", "nothing"]) {
    await (await fetch(`http://127.0.0.1:${program.port}/${path}`)).bytes();
  }
  await until(() => program.stderr().includes("answered 404"), "the last one is logged");
  assert.doesNotMatch(program.stderr(), /answered 200/);
});
