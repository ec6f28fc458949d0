import assert from "node:assert/strict";
import { namesOf, samplesOf } from "../testing/prometheus.ts";
import { run } from "../testing/tools.ts";
import { watchEventLoop } from "./event_loop.ts";
import { createMetrics, type Metrics, type MetricsOptions } from "./metrics.ts";
import { OPEN_METRICS, TEXT } from "./metrics_text.ts";
import type { Download } from "./observer.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";

/** What Prometheus 2 and 3 send by default, and what a browser and curl do */
const ACCEPTED: readonly [string | null, string][] = [
  [
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75," +
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    OPEN_METRICS,
  ],
  [
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6," +
    "application/openmetrics-text;version=0.0.1;q=0.5," +
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    OPEN_METRICS,
  ],
  ["application/openmetrics-text", OPEN_METRICS],
  ["text/plain;version=0.0.4", TEXT],
  ["text/html,application/xhtml+xml,*/*;q=0.8", TEXT],
  ["*/*", TEXT],
  ["application/vnd.google.protobuf", TEXT],
  ["no such thing", TEXT],
  ["", TEXT],
  [null, TEXT],
];

function metricsOf(options: Partial<MetricsOptions> = {}): Metrics {
  return createMetrics({
    engine: "store",
    build: { version: "1.2.3", commit: "0123456" },
    memoryLimit: 2 ** 30,
    budget: { limit: 40, used: 41, waiting: 42 },
    source: () => ({
      threads: { queued: 7, busy: 2, idle: 1, heldUp: 3 },
      reads: { running: 5, waiting: 6 },
      listings: { done: 11, failed: 12, abandoned: 13, waiting: 14 },
    }),
    checksums: () => ({
      entries: 20,
      bytes: 21,
      maxBytes: 22,
      hits: 23,
      misses: 24,
      scans: { done: 25, failed: 26, abandoned: 27, running: 28 },
      scannedBytes: 29,
    }),
    ...options,
  });
}

function download(start = 0): Download {
  return { hash: HASH, etag: '"1-a"', size: 1000, start, length: 1000 - start };
}

async function valuesOf(metrics: Metrics): Promise<(name: string) => number | undefined> {
  const samples = samplesOf((await metrics.render(null)).text);
  return (name) => samples.get(name);
}

Deno.test("createMetrics() counts downloads: how they begin, go on and end", async () => {
  using metrics = metricsOf();
  const { observer } = metrics;
  const [whole, resumed, cut, stalled, running] = [0, 400, 0, 0, 0].map(download);
  for (const one of [whole, resumed, cut, stalled, running]) observer.started(one);
  observer.firstByte?.(whole, 0.02);
  observer.firstByte?.(resumed, 0.2);
  observer.progressed(whole, 300);
  observer.progressed(running, 50);
  observer.progressed(whole, 900);
  observer.ended(whole, { kind: "complete", bytes: 1000, seconds: 2 });
  observer.ended(resumed, { kind: "complete", bytes: 600, seconds: 20 });
  observer.ended(cut, { kind: "cancelled", bytes: 10, seconds: 1 });
  observer.ended(stalled, { kind: "failed", bytes: 0, seconds: 0.2 });
  const value = await valuesOf(metrics);
  const expected = {
    'zipferry_downloads_started_total{engine="store"}': 5,
    'zipferry_downloads_resumed_total{engine="store"}': 1,
    'zipferry_downloads_active{engine="store"}': 1,
    'zipferry_downloads_total{engine="store",outcome="complete"}': 2,
    'zipferry_downloads_total{engine="store",outcome="cancelled"}': 1,
    'zipferry_downloads_total{engine="store",outcome="failed"}': 1,
    'zipferry_downloads_total{engine="store",outcome="stalled"}': 0,
    'zipferry_sent_bytes_total{engine="store"}': 1660,
    'zipferry_download_duration_seconds_bucket{le="5",engine="store",outcome="complete"}': 1,
    'zipferry_download_duration_seconds_count{engine="store",outcome="complete"}': 2,
    'zipferry_download_duration_seconds_sum{engine="store",outcome="complete"}': 22,
    'zipferry_first_byte_seconds_bucket{le="0.025",engine="store"}': 1,
    'zipferry_first_byte_seconds_count{engine="store"}': 2,
  };
  for (const [name, count] of Object.entries(expected)) assert.equal(value(name), count, name);
});

Deno.test("createMetrics(): a client that takes nothing for 30 seconds has stalled, until it takes something", async () => {
  let now = 0;
  using metrics = metricsOf({ now: () => now });
  const { observer } = metrics;
  const [slow, still] = [download(), download()];
  observer.started(slow);
  observer.started(still);
  const stalled = async () =>
    (await valuesOf(metrics))('zipferry_downloads_stalled{engine="store"}');
  now = 29_999;
  assert.equal(await stalled(), 0);
  observer.progressed(slow, 1);
  now = 30_000;
  assert.equal(await stalled(), 1);
  now = 60_000;
  assert.equal(await stalled(), 2);
  observer.progressed(still, 1);
  observer.ended(slow, { kind: "cancelled", bytes: 1, seconds: 60 });
  assert.equal(await stalled(), 0);
});

Deno.test("createMetrics() tells of an object store only where the source is one", async () => {
  using without = metricsOf();
  const { text: none } = await without.render(null);
  assert.equal(none.includes("zipferry_bucket"), false);
  using metrics = metricsOf({
    source: () => ({
      threads: { queued: 0, busy: 0, idle: 0, heldUp: 0 },
      reads: { running: 1, waiting: 2 },
      listings: { done: 3, failed: 4, abandoned: 5, waiting: 6 },
      bucket: { requests: { list: 7, head: 8, get: 9 }, retries: 10, bytes: 11, active: 12 },
    }),
  });
  const value = await valuesOf(metrics);
  const expected = {
    'zipferry_bucket_requests_total{kind="list"}': 7,
    'zipferry_bucket_requests_total{kind="head"}': 8,
    'zipferry_bucket_requests_total{kind="get"}': 9,
    zipferry_bucket_retries_total: 10,
    zipferry_bucket_received_bytes_total: 11,
    zipferry_bucket_requests_active: 12,
    'zipferry_local_reads{state="waiting"}': 2,
  };
  for (const [name, count] of Object.entries(expected)) assert.equal(value(name), count, name);
});

Deno.test("createMetrics() counts answers and refusals, and asks others for their figures", async () => {
  using metrics = metricsOf();
  const { observer } = metrics;
  observer.answered?.({ route: "archive", method: "GET", status: 404, hash: HASH });
  observer.answered?.({ route: "archive", method: "HEAD", status: 404, hash: HASH });
  observer.answered?.({ route: "other", method: "GET", status: 429, refused: "connection" });
  const value = await valuesOf(metrics);
  const expected = {
    'zipferry_answers_total{route="archive",status="404"}': 2,
    'zipferry_refusals_total{reason="connection"}': 1,
    'zipferry_refusals_total{reason="downloads"}': 0,
    'zipferry_reader_threads{state="busy"}': 2,
    'zipferry_reader_threads{state="idle"}': 1,
    'zipferry_reader_threads{state="held_up"}': 3,
    zipferry_reader_queue: 7,
    'zipferry_local_reads{state="running"}': 5,
    'zipferry_local_reads{state="waiting"}': 6,
    'zipferry_listings_total{outcome="done"}': 11,
    'zipferry_listings_total{outcome="failed"}': 12,
    'zipferry_listings_total{outcome="abandoned"}': 13,
    zipferry_listings_waiting: 14,
    zipferry_crc_cache_entries: 20,
    zipferry_crc_cache_bytes: 21,
    zipferry_crc_cache_limit_bytes: 22,
    'zipferry_crc_cache_requests_total{result="hit"}': 23,
    'zipferry_crc_cache_requests_total{result="miss"}': 24,
    'zipferry_scans_total{outcome="done"}': 25,
    'zipferry_scans_total{outcome="failed"}': 26,
    'zipferry_scans_total{outcome="abandoned"}': 27,
    zipferry_scans_running: 28,
    zipferry_scanned_bytes_total: 29,
    zipferry_memory_limit_bytes: 2 ** 30,
    zipferry_memory_budget_bytes: 40,
    zipferry_memory_reserved_bytes: 41,
    zipferry_memory_waiting: 42,
    [`zipferry_build_info{version="1.2.3",commit="0123456",deno="${Deno.version.deno}"}`]: 1,
  };
  for (const [name, count] of Object.entries(expected)) assert.equal(value(name), count, name);
  assert.ok(value("process_resident_memory_bytes")! > 1e6);
  assert.ok(value("process_cpu_seconds_total")! > 0);
  const started = value("process_start_time_seconds")!;
  assert.ok(started <= Date.now() / 1000 && started > Date.now() / 1000 - 3600);
});

Deno.test("createMetrics(): no label holds anything of a request", async () => {
  using metrics = metricsOf();
  const { observer } = metrics;
  const one = download();
  observer.started(one);
  observer.ended(one, { kind: "failed", error: new Error(HASH), bytes: 0, seconds: 1 });
  observer.answered?.({ route: "archive", method: `${HASH}\n`, status: 404, hash: HASH });
  const { text } = await metrics.render(null);
  assert.ok(!text.includes(HASH.slice(0, 4)));
  const labels = new Set([...text.matchAll(/([a-z]+)="/g)].map(([, name]) => name));
  const known = ["le", "engine", "outcome", "reason", "route", "status", "state", "result", "kind"];
  const ofBuild = ["version", "commit", "deno"];
  assert.deepEqual([...labels].sort(), [...known, ...ofBuild].sort());
});

Deno.test("createMetrics(): names follow the conventions, and each has a help text", async () => {
  using metrics = metricsOf();
  const { text } = await metrics.render(null);
  const described = [...text.matchAll(/^# HELP (\S+) (\S.+)\n# TYPE (\S+) (\S+)$/gm)];
  assert.ok(described.length > 25);
  for (const [, name, help, again, type] of described) {
    assert.equal(name, again);
    assert.match(name, /^(?:zipferry|process)_[a-z_]+$/);
    assert.match(help, /[a-z0-9]\.$/, name);
    assert.ok(!/["\\]/.test(help), `${name}: OpenMetrics would have it escaped`);
    assert.equal(type === "counter", name.endsWith("_total"), name);
  }
  for (const sample of samplesOf(text).keys()) {
    assert.ok(namesOf(text).has(sample.replace(/\{.*/, "")), sample);
  }
});

Deno.test("render() writes the format that is preferred, the same values in each", async () => {
  using metrics = metricsOf();
  metrics.observer.started(download());
  for (const [accept, expected] of ACCEPTED) {
    const { contentType, text } = await metrics.render(accept);
    assert.equal(contentType, expected, accept ?? "none");
    assert.equal(text.endsWith("\n# EOF\n"), expected === OPEN_METRICS);
    assert.equal(samplesOf(text).get('zipferry_downloads_started_total{engine="store"}'), 1);
    const name = expected === TEXT
      ? "zipferry_downloads_started_total"
      : "zipferry_downloads_started";
    assert.match(text, new RegExp(`^# HELP ${name} Downloads .*\\n# TYPE ${name} counter$`, "m"));
    if (expected === OPEN_METRICS) assert.doesNotMatch(text, /\n\n/);
  }
});

Deno.test("render(): several at a time do not mix their formats", async () => {
  using metrics = metricsOf();
  const accepts = ["application/openmetrics-text", "text/plain"];
  const texts = await Promise.all(
    Array.from({ length: 10 }, (_, i) => metrics.render(accepts[i % 2])),
  );
  texts.forEach(({ text }, i) => assert.equal(text.includes("# EOF"), i % 2 === 0));
});

Deno.test("createMetrics(): an engine without checksums has no figures of them", async () => {
  using metrics = metricsOf({ engine: "zip", checksums: undefined, memoryLimit: null });
  const { text } = await metrics.render(null);
  assert.doesNotMatch(text, /crc|scan/);
  const value = await valuesOf(metrics);
  assert.equal(value("zipferry_memory_limit_bytes"), 0);
  assert.equal(value('zipferry_downloads_active{engine="zip"}'), 0);
});

Deno.test("watchEventLoop() keeps no process alive", async () => {
  const module = new URL("./event_loop.ts", import.meta.url).href;
  const code = `import { watchEventLoop } from "${module}"; watchEventLoop(() => {});`;
  const { code: exitCode } = await run(Deno.execPath(), ["eval", code], { within: 20_000 });
  assert.equal(exitCode, 0);
});

Deno.test("watchEventLoop() tells by how much it was late", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  using _watch = watchEventLoop((seconds) => seconds > 0.1 && resolve(seconds));
  const alive = setInterval(() => {}, 1000); // the watch keeps no process alive
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  assert.ok(await promise < 5);
  clearInterval(alive);
});
