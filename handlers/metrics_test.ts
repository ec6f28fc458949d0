import assert from "node:assert/strict";
import { createStoreEngine } from "../engines/store.ts";
import { createMetrics } from "../observe/metrics.ts";
import { OPEN_METRICS, TEXT } from "../observe/metrics_text.ts";
import { Checksums } from "../storage/checksums.ts";
import { MemorySource } from "../testing/memory_source.ts";
import { samplesOf } from "../testing/prometheus.ts";
import { health } from "./health.ts";
import { createWatchHandler, metrics as metricsRoute } from "./metrics.ts";
import { createHandler, type HandlerOptions } from "./mod.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";

interface AskOptions extends RequestInit {
  /** Address of the client; null for a Unix socket */
  readonly peer?: string | null;
  readonly headers?: Record<string, string>;
}

function serve(options: Partial<HandlerOptions> = {}) {
  const source = new MemorySource({ [`${HASH}/a.jpg`]: "a" });
  const checksums = new Checksums(source);
  const engine = createStoreEngine({ source, checksums });
  const metrics = createMetrics({
    engine: "store",
    build: { version: "1", commit: "2" },
    memoryLimit: null,
    budget: { limit: 1, used: 0, waiting: 0 },
    source: () => ({
      threads: { queued: 0, busy: 0, idle: 0, heldUp: 0 },
      reads: { running: 0, waiting: 0 },
      listings: { done: 0, failed: 0, abandoned: 0, waiting: 0 },
    }),
    checksums: () => checksums.stats(),
  });
  const { observer } = metrics;
  const handler = createHandler({ source, engine, observer, metrics, listing: "auto", ...options });
  const watch = createWatchHandler({
    "/metrics": (request) => metricsRoute(request, metrics),
    "/healthz": health,
  });
  return {
    metrics,
    watch: (path: string, init?: RequestInit) => watch(new Request(`http://w${path}`, init)),
    ask(path: string, { peer = "127.0.0.1", ...init }: AskOptions = {}) {
      const request = new Request(`http://localhost${path}`, {
        ...init,
        headers: { host: "localhost:8080", ...init.headers },
      });
      const remoteAddr = peer === null
        ? { transport: "unix" as const, path: "/run/zipferry.sock" }
        : { transport: "tcp" as const, hostname: peer, port: 50_000 };
      const info = { remoteAddr, completed: Promise.resolve() };
      return handler(request, info as Deno.ServeHandlerInfo);
    },
    async [Symbol.asyncDispose]() {
      metrics[Symbol.dispose]();
      await engine.close();
    },
  };
}

/** Everything of an answer that a client can see */
async function seen(response: Response) {
  return [response.status, [...response.headers], await response.text()];
}

Deno.test("GET /metrics: figures for who asks on this machine", async () => {
  await using server = serve();
  await (await server.ask(`/archive/${HASH}/`)).bytes();
  for (const peer of ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"]) {
    const response = await server.ask("/metrics", { peer });
    assert.equal(response.status, 200, peer);
    assert.equal(response.headers.get("content-type"), TEXT);
    assert.equal(response.headers.get("vary"), "accept");
    const samples = samplesOf(await response.text());
    assert.equal(samples.get('zipferry_downloads_total{engine="store",outcome="complete"}'), 1);
  }
  const accept = "application/openmetrics-text;version=1.0.0";
  const { headers } = await server.ask("/metrics", { headers: { accept } });
  assert.equal(headers.get("content-type"), OPEN_METRICS);
  const head = await server.ask("/metrics", { method: "HEAD" });
  assert.deepEqual([head.status, head.body], [200, null]);
  assert.ok(Number(head.headers.get("content-length")) > 1000);
});

Deno.test("GET /metrics: for all others there is nothing, as at any unknown path", async () => {
  await using server = serve();
  const unknown = await seen(await server.ask("/metricsx"));
  assert.equal(unknown[0], 404);
  const outsiders: AskOptions[] = [
    { peer: "192.168.1.7" },
    { peer: "203.0.113.9" },
    { peer: "2001:db8::1" },
    { peer: null },
    { headers: { host: "photos.example.org" } },
    ...["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"].map((name) => ({
      headers: { [name]: "for=192.0.2.1" },
    })),
    { headers: { "x-real-ip": "127.0.0.1" } },
    { headers: { via: "1.1 proxy" } },
    { headers: { forwarded: "" } },
  ];
  for (const options of outsiders) {
    assert.deepEqual(
      await seen(await server.ask("/metrics", options)),
      unknown,
      JSON.stringify(options),
    );
  }
  for (const path of ["/metrics/", "/Metrics", "/%6detrics"]) {
    assert.deepEqual(await seen(await server.ask(path)), unknown, path);
  }
  await using closed = serve({ metrics: undefined });
  assert.deepEqual(await seen(await closed.ask("/metrics")), unknown);
});

Deno.test("createHandler(): refusals are told with what was lacking", async () => {
  await using server = serve({ admit: () => false });
  assert.equal((await server.ask("/")).status, 503);
  const { text } = await server.metrics.render(null);
  assert.equal(samplesOf(text).get('zipferry_refusals_total{reason="descriptors"}'), 1);
  assert.equal(samplesOf(text).get('zipferry_answers_total{route="list",status="503"}'), 1);
});

Deno.test("createWatchHandler() knows a few paths, GET and HEAD", async () => {
  await using server = serve();
  const response = await server.watch("/metrics?x");
  assert.equal(response.status, 200);
  assert.match(await response.text(), /^# HELP /);
  assert.equal(await (await server.watch("/healthz")).text(), "ok\n");
  const head = await server.watch("/metrics", { method: "HEAD" });
  assert.deepEqual([head.status, head.body], [200, null]);
  for (const path of ["/", `/archive/${HASH}/`, "/toString", "/__proto__", "/metrics/"]) {
    assert.equal((await server.watch(path)).status, 404, path);
  }
  const post = await server.watch("/metrics", { method: "POST" });
  assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
  const strange = await server.watch("/metrics", { headers: { host: "a/b" } });
  assert.equal(strange.status, 400);
});
