/**
 * What can be counted of the service, for Prometheus. No label holds anything of a request: neither
 * hash nor path nor address.
 *
 * @module
 */

import { Counter, Gauge, Histogram, Registry } from "@platformatic/prom-client";
import { watchEventLoop } from "./event_loop.ts";
import {
  type Figure,
  processFigures,
  type ProcessOptions,
  sourceFigures,
  type SourceOptions,
} from "./figures.ts";
import { inPreferredFormat, type MetricsText } from "./metrics_text.ts";
import {
  type Answer,
  type Download,
  type DownloadEnd,
  type Observer,
  REFUSALS,
  ROUTES,
} from "./observer.ts";

/** A client that has taken nothing for this long has stalled, in milliseconds. */
const STALLED_MS = 30_000;

const OUTCOMES = ["complete", "cancelled", "failed", "stalled"] as const;

/**
 * Statuses that are told before there was one: of a figure that begins with 1, Prometheus cannot see
 * that it grew.
 */
const TOLD_FROM_0 = [500, 503];

/** Of what the metrics tell. */
export interface MetricsOptions extends SourceOptions, ProcessOptions {
  /** What makes the archives. */
  readonly engine: string;
  /** Tells the time, in milliseconds since some moment. @default performance.now */
  readonly now?: () => number;
}

/** The metrics of one process. To be disposed of when it ends. */
export interface Metrics extends Disposable {
  /** Counts what it is told. */
  readonly observer: Observer;
  /** All metrics as they are now, in the format that an Accept header prefers. */
  render(accept: string | null): Promise<MetricsText>;
}

/** Begins to count. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const observer = countDownloads(registry, options);
  const figures = [...sourceFigures(options), ...processFigures(options)];
  for (const figure of figures) register(registry, figure);
  const watch = watchLag(registry);
  return {
    observer,
    render: async (accept) => inPreferredFormat(await registry.metrics(), accept),
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}

/** What became of a download so far. */
interface Progress {
  bytes: number;
  /** When something was last taken, in milliseconds. */
  at: number;
}

/** What counts what an observer is told. */
type Instruments = ReturnType<typeof createInstruments>;

function createInstruments(registry: Registry) {
  const registers = [registry];
  const started = new Counter({
    name: "zipferry_downloads_started_total",
    help: "Downloads that began, each range request among them.",
    labelNames: ["engine"],
    registers,
  });
  const resumed = new Counter({
    name: "zipferry_downloads_resumed_total",
    help: "Downloads that began behind the first byte of the archive: resumed ones and segments.",
    labelNames: ["engine"],
    registers,
  });
  const ended = new Counter({
    name: "zipferry_downloads_total",
    help: "Downloads that ended. complete: all bytes were sent; cancelled: the client left; " +
      "failed: the service had to break off; stalled: it gave up on a client that took nothing.",
    labelNames: ["engine", "outcome"],
    registers,
  });
  const sent = new Counter({
    name: "zipferry_sent_bytes_total",
    help: "Bytes of archives handed to connections.",
    labelNames: ["engine"],
    registers,
  });
  const duration = new Histogram({
    name: "zipferry_download_duration_seconds",
    help: "Time from the start of a download to its end.",
    labelNames: ["engine", "outcome"],
    buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400],
    registers,
  });
  const firstByte = new Histogram({
    name: "zipferry_first_byte_seconds",
    help: "Time from a request to the first byte of its archive, all waiting included.",
    labelNames: ["engine"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const refused = new Counter({
    name: "zipferry_refusals_total",
    help: "Requests that got 429 or 503 since there was no room for them, by what was lacking.",
    labelNames: ["reason"],
    registers,
  });
  const answers = new Counter({
    name: "zipferry_answers_total",
    help: "Answers to requests, by what was asked for and the status.",
    labelNames: ["route", "status"],
    registers,
  });
  return { started, resumed, ended, sent, duration, firstByte, refused, answers };
}

/** So that each figure is there from the start. */
function beginWithZero(instruments: Instruments, engine: string) {
  const { started, resumed, ended, sent, duration, firstByte, refused, answers } = instruments;
  const labels = { engine };
  for (const counter of [started, resumed, sent]) counter.inc(labels, 0);
  for (const outcome of OUTCOMES) ended.inc({ ...labels, outcome }, 0);
  for (const reason of REFUSALS) refused.inc({ reason }, 0);
  for (const route of ROUTES) for (const status of TOLD_FROM_0) answers.inc({ route, status }, 0);
  for (const outcome of OUTCOMES) duration.zero({ ...labels, outcome });
  firstByte.zero(labels);
}

/** An observer that counts what it is told. */
function countDownloads(
  registry: Registry,
  { engine, now = () => performance.now() }: MetricsOptions,
): Observer {
  const instruments = createInstruments(registry);
  beginWithZero(instruments, engine);
  const { started, resumed, ended, sent, duration, firstByte, refused, answers } = instruments;
  const active = new Map<Download, Progress>();
  const labels = { engine };
  register(registry, {
    kind: "gauge",
    name: "zipferry_downloads_active",
    help: "Downloads under way.",
    values: () => [[labels, active.size]],
  });
  register(registry, {
    kind: "gauge",
    name: "zipferry_downloads_stalled",
    help: `Downloads under way whose client has taken nothing for ${STALLED_MS / 1000} seconds.`,
    values: () => [[labels, countStalled(active, now() - STALLED_MS)]],
  });
  const progressed = (download: Download, bytes: number) => {
    const progress = active.get(download);
    if (!progress) return;
    sent.inc(labels, Math.max(bytes - progress.bytes, 0));
    active.set(download, { bytes, at: now() });
  };
  return {
    answered({ route, status, refused: reason }: Answer) {
      answers.inc({ route, status });
      if (reason) refused.inc({ reason });
    },
    started(download) {
      active.set(download, { bytes: 0, at: now() });
      started.inc(labels);
      if (download.start > 0) resumed.inc(labels);
    },
    firstByte: (_, seconds) => firstByte.observe(labels, seconds),
    progressed,
    ended(download, { kind, bytes, seconds }: DownloadEnd) {
      progressed(download, bytes);
      active.delete(download);
      ended.inc({ ...labels, outcome: kind });
      duration.observe({ ...labels, outcome: kind }, seconds);
    },
  };
}

function countStalled(active: ReadonlyMap<Download, Progress>, since: number) {
  return active.values().filter(({ at }) => at <= since).toArray().length;
}

function watchLag(registry: Registry): Disposable {
  const lag = new Histogram({
    name: "zipferry_event_loop_lag_seconds",
    help: "By how much a timer was late, five times a second: for so long nobody was served.",
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers: [registry],
  });
  return watchEventLoop((seconds) => lag.observe(seconds));
}

/** Has the library ask for a figure at each scrape. */
function register(registry: Registry, { kind, name, help, values }: Figure) {
  const labelNames = Object.keys(values()[0][0]);
  const common = { name, help, labelNames, registers: [registry] };
  if (kind === "gauge") {
    new Gauge({
      ...common,
      collect() {
        for (const [labels, value] of values()) this.set(labels, value);
      },
    });
  } else {
    new Counter({
      ...common,
      collect() {
        this.reset();
        for (const [labels, value] of values()) this.inc(labels, value);
      },
    });
  }
}
