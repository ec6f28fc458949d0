/**
 * The listeners that log downloads and all other answers.
 *
 * @module
 */

import { describeError, log, redact } from "../lib/log.ts";
import type { Answer, Download, DownloadEnd, Observer } from "./observer.ts";

/**
 * Logs how each download goes: failures as errors, clients that stalled as warnings, since the
 * service cut them off; the rest for those who ask for it.
 */
export function logDownloads(): Observer {
  return {
    started: (download) => log.info("download started", about(download)),
    progressed: (download, bytes) => log.info("download goes on", { ...about(download), bytes }),
    ended: logEnd,
  };
}

/** Logs downloads that fail, and nothing else. */
export function logFailures(): Observer {
  const ended: Observer["ended"] = (download, end) => {
    if (end.error !== undefined) logEnd(download, end);
  };
  return { started: () => {}, progressed: () => {}, ended };
}

/** Logs the answers that are no downloads: 404s and other statuses, manifests, the list. */
export function logAnswers(): Observer {
  return { answered: logAnswer, started: () => {}, progressed: () => {}, ended: () => {} };
}

/** Downloads have lines of their own, and a line for each look of a program says nothing. */
function logAnswer({ route, method, status, hash }: Answer) {
  const isDownload = route === "archive" && method === "GET" && (status === 200 || status === 206);
  if (isDownload || isLook(route) && status === 200) return;
  const archive = hash === undefined ? {} : { archive: redact(hash) };
  log.info("answered {status}", { status, ...archive, route, method: knownMethod(method) });
}

/** What a program asks for again and again. */
function isLook(route: Answer["route"]) {
  return route === "health" || route === "metrics";
}

/** A method as it can be written down: anybody may send any word. */
export function knownMethod(method: string): string {
  return /^[A-Z]{1,10}$/.test(method) ? method : "other";
}

function logEnd(download: Download, { kind, error, bytes, seconds }: DownloadEnd) {
  const result = { ...about(download), bytes, seconds: Math.round(seconds * 1000) / 1000 };
  if (kind === "complete") log.info("download complete", result);
  else if (kind === "cancelled") log.info("download cancelled by the client", result);
  else {
    const why = describeError(error, download.hash);
    if (kind === "stalled") log.warn("download stalled: {why}", { ...result, why });
    else log.error("download failed: {why}", { ...result, why });
  }
}

function about({ hash, size, start, length }: Download) {
  return { archive: redact(hash), size, start, length };
}
