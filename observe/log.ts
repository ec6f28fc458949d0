/**
 * The listener that logs downloads.
 *
 * @module
 */

import { describeError, log, redact } from "../lib/log.ts";
import type { Download, DownloadEnd, Observer } from "./observer.ts";

/** Logs how each download goes: failures as errors, the rest for those who ask for it. */
export function logDownloads(): Observer {
  return {
    started: (download) => log.info("download started", about(download)),
    progressed: (download, bytes) => log.info("download goes on", { ...about(download), bytes }),
    ended: logEnd,
  };
}

function logEnd(download: Download, { kind, error, bytes, seconds }: DownloadEnd) {
  const result = { ...about(download), bytes, seconds: Math.round(seconds * 1000) / 1000 };
  if (kind === "complete") log.info("download complete", result);
  else if (kind === "cancelled") log.info("download cancelled by the client", result);
  else log.error("download failed: {why}", { ...result, why: describeError(error) });
}

function about({ hash, size, start, length }: Download) {
  return { archive: redact(hash), size, start, length };
}
