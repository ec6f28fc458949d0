/**
 * `zipferry` without a command: serves downloads until it is told to stop.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "../engines/engine.ts";
import { health } from "../handlers/health.ts";
import { createWatchHandler, metrics as metricsRoute } from "../handlers/metrics.ts";
import { createHandler } from "../handlers/mod.ts";
import type { Config } from "../lib/config.ts";
import { describeError, flushLog, log, printLine, redact } from "../lib/log.ts";
import type { MemoryBudget } from "../lib/memory_budget.ts";
import type { ReceiptStore } from "../lib/receipts.ts";
import { isTracing } from "../lib/telemetry.ts";
import { accessLog } from "../observe/access_log.ts";
import { logAnswers, logDownloads, logFailures } from "../observe/log.ts";
import { MemoryReceipts } from "../observe/memory_receipts.ts";
import type { Metrics } from "../observe/metrics.ts";
import { type Observer, tellAll } from "../observe/observer.ts";
import { Receipts } from "../observe/receipts.ts";
import { trace } from "../observe/traces.ts";
import { type LostEvents, Webhook } from "../observe/webhook.ts";
import { type Certificate, certificateWarnings, readCertificate } from "../process/certificate.ts";
import type { DescriptorReserve } from "../process/descriptors.ts";
import { catchStrayErrors } from "../process/last_net.ts";
import { readLogo } from "../process/logo.ts";
import { listen, type Listening } from "../process/listen.ts";
import { watchCertificate } from "../process/renewal.ts";
import { ignoreLogSignals, onStopSignal } from "../process/signals.ts";
import { isUnreachable } from "../storage/archive_pages.ts";
import { isGuessable, isHash } from "../storage/names.ts";
import type { FileSource } from "../storage/source.ts";
import { warnOfBrokenArchives } from "./broken_archives.ts";
import { DESCRIPTORS, wantedDownloads } from "./capacity.ts";

/** At most this many folders are named in a warning. */
const NAMED_FOLDERS = 3;

/** After so many milliseconds a long list is shown with what is known of it. */
const LIST_FILL_MS = 200;

/** How long events that wait may go out when the service stops, in milliseconds. */
const WEBHOOK_GRACE_MS = 5000;

/** What is served, and how. */
export interface ServeOptions {
  /** All settings. */
  readonly config: Config;
  /** The photos folder. */
  readonly source: FileSource;
  /** Makes the archives. */
  readonly engine: Engine;
  /** Counts what is served. @default nothing is counted */
  readonly metrics?: Metrics;
  /** What clients may not take. @default nothing */
  readonly descriptors?: DescriptorReserve;
  /** What requests count against. @default unlimited */
  readonly memory?: MemoryBudget;
  /** Keeps receipts. @default memory */
  readonly receipts?: ReceiptStore;
}

/** Serves until a signal says to stop. The exit code is 1 if a second one said to stop at once. */
export async function serveCommand(options: ServeOptions): Promise<number> {
  const { config, source, engine, metrics, descriptors, memory } = options;
  catchStrayErrors();
  ignoreLogSignals();
  const stopping = new AbortController();
  const search = new AbortController();
  const draining = new AbortController();
  const cut = () => stopping.abort(new Error("the service is stopping"));
  const { receipts, webhook, closeBoth } = keepReceipts(options);
  const maxDownloads = downloadsWithin(config, descriptors);
  const figures = metrics ? [metrics.observer] : [];
  const handler = createHandler({
    ...config,
    maxDownloads,
    signing: signingOf(config),
    logo: config.logo === undefined ? undefined : await readLogo(config.logo),
    fillMs: LIST_FILL_MS,
    draining: draining.signal,
    receipts,
    source,
    engine,
    memory,
    metrics,
    observer: tellAll([...listeners(config), ...figures, receipts, ...webhook]),
    release: true,
    signal: stopping.signal,
    admit: (ended) => descriptors?.admit(ended) ?? true,
  });
  warnOfSharedAddress(config);
  await warnOfNames(options);
  const tls = await readTls(config);
  const watched = metrics && await listenForWatchers(config, metrics);
  const listening = await listen(
    { ...config, certificate: tls?.certificate, descriptors },
    handler,
  );
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  const closeEngine = () =>
    engine.close().catch((error) => {
      log.error("cannot close the engine: {why}", { why: describeError(error) });
    });
  onStopSignal({
    first: async () => {
      log.info("stopping");
      search.abort();
      draining.abort();
      await sleep(config.drainDelay * 1000);
      await listening.stop({ grace: config.shutdownTimeout * 1000, cut });
      await closeEngine();
      await watched?.stop({ grace: 0, cut: () => {} });
      await closeBoth();
      end(0);
    },
    further: () => {
      cut();
      closeEngine();
      end(1);
    },
    hangUp: () => log.warn("SIGHUP does nothing: to change settings, restart the service"),
  });
  await flushLog(); // what was wrong at the start is told before
  console.log(`Listening on ${listening.url}`); // last: whoever waits for it may send signals too
  // In a bucket no name is damaged, and a look at every object of every archive costs a request each.
  if (!config.bucket) warnOfBrokenArchives({ source, signal: search.signal });
  if (tls) watchRenewal(tls, { listening, signal: search.signal });
  return await ended;
}

/** Which links are good: undefined for all of them. */
function signingOf({ links = "open", secret }: Config) {
  return links === "open" || !secret ? undefined : { mode: links, secrets: secret.split(",") };
}

/** The address of its own at which programs watch the service, if there is to be one. */
async function listenForWatchers(
  config: Config,
  metrics: Metrics,
): Promise<Listening | undefined> {
  if (!config.metrics) return undefined;
  const routes = {
    "/metrics": (request: Request) => metricsRoute(request, metrics),
    "/healthz": health,
  };
  const address = { ...config.metrics, option: "--metrics" };
  const listening = await listen(address, createWatchHandler(routes));
  console.log(`Metrics at ${listening.url}metrics`);
  return listening;
}

/** The certificate to serve with, null for plain HTTP. */
async function readTls({ tlsCert, tlsKey }: Config) {
  if (tlsCert === undefined || tlsKey === undefined) return null;
  const files = { cert: tlsCert, key: tlsKey };
  const certificate = await readCertificate(files);
  for (const text of await certificateWarnings(files, certificate)) log.warn("{text}", { text });
  return { files, certificate };
}

/** Takes a renewed certificate into use, without a word to the downloads that run. */
function watchRenewal(
  { files, certificate }: NonNullable<Awaited<ReturnType<typeof readTls>>>,
  { listening, signal }: { readonly listening: Listening; readonly signal: AbortSignal },
) {
  const onRenewed = (certificate: Certificate) => {
    listening.renew(certificate);
    log.info("took up the renewed certificate", { until: certificate.validTo.toISOString() });
  };
  watchCertificate({ files, current: certificate, onRenewed, signal });
}

/** Who writes down what is served: in the form that was asked for, and to OpenTelemetry if it is on. */
function listeners(config: Config): Observer[] {
  const logs = logsOf(config);
  return isTracing() ? [...logs, trace(config)] : logs;
}

function logsOf({ log: isOn, logFormat }: Config) {
  if (!isOn) return [logFailures()];
  if (logFormat === "text") return [logDownloads(), logAnswers()];
  return [logFailures(), accessLog(logFormat, printLine)];
}

/** Whoever listens for this machine only is behind a proxy, with whose address all clients come. */
function warnOfSharedAddress({ maxPerClient, trustProxy, unix, hostname }: Config) {
  if (maxPerClient === 0 || trustProxy.length > 0) return;
  if (unix) log.warn("--max-per-client does nothing on a Unix socket without --trust-proxy unix");
  else if (/^(?:127\.|localhost$|::1$)/.test(hostname)) {
    log.warn("all clients of a proxy are one for --max-per-client: see --trust-proxy loopback");
  }
}

/** Downloads at a time: no more than there are file descriptors for. */
function downloadsWithin(config: Config, descriptors?: DescriptorReserve) {
  const wanted = wantedDownloads(config);
  const most = descriptors?.downloads(wanted, DESCRIPTORS[config.engine]) ?? wanted;
  if (most < wanted) {
    log.warn(
      "at most {most} downloads at a time instead of {wanted}: there are no file descriptors for " +
        "more, see ulimit -n",
      { most, wanted },
    );
  }
  return most;
}

/** The listeners that know of deliveries, and what ends them. */
function keepReceipts({ config, receipts: store }: ServeOptions) {
  const webhook = createWebhook(config);
  const receipts = new Receipts({
    store: store ?? new MemoryReceipts(),
    onDelivered: (delivery) => {
      const { hash, size, deliveries } = delivery;
      log.info("archive delivered", { archive: redact(hash), size, deliveries });
      webhook?.delivered(delivery);
    },
    onFailure: (error) =>
      log.warn("receipts are only in memory for now, since the file of --state fails: {why}", {
        why: describeError(error),
      }),
    onDrop: () => log.warn("receipts are lost: the file of --state takes too long"),
  });
  const closeBoth = async () => {
    await receipts.close();
    await webhook?.close(WEBHOOK_GRACE_MS);
  };
  return { receipts, webhook: webhook ? [webhook] : [], closeBoth };
}

/** Its address is in no message: it may hold a secret of the receiver's. */
function createWebhook({ webhook: url, webhookSecret: secret }: Config) {
  if (url === undefined || secret === undefined) return undefined;
  const onLost = ({ count, why }: LostEvents) =>
    log.warn("events for --webhook are lost: {why}", { why, count });
  return new Webhook({ url, secret, onLost });
}

/**
 * A folder that no link reaches by mistake is told of; a hidden one is meant to be so. A name that
 * can be guessed is no secret.
 */
async function warnOfNames({ config, source }: ServeOptions) {
  const folders = await source.archives();
  const unreachable = folders.filter(isUnreachable);
  if (unreachable.length > 0) {
    const advice = config.bucket ? "rename them" : "give them one with the command new";
    log.warn(`folders that no link can reach: ${advice}`, {
      count: unreachable.length,
      names: unreachable.slice(0, NAMED_FOLDERS),
    });
  }
  const guessable = folders.filter((name) => isHash(name) && isGuessable(name));
  if (guessable.length > 0) {
    log.warn("folders with names short enough to guess: use 16 characters or more, at random", {
      count: guessable.length,
      names: guessable.slice(0, NAMED_FOLDERS).map(redact),
    });
  }
}
