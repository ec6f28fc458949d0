/**
 * `GET /archive/<hash>/`: a folder as one ZIP.
 *
 * @module
 */

import type { Engine } from "../engines/engine.ts";
import { type Outcome, watchBody } from "../http/body.ts";
import { archiveHeaders } from "../http/headers.ts";
import { describeError, log, redact } from "../lib/log.ts";
import type { Listing } from "../storage/folder.ts";
import type { Reader } from "../storage/reader.ts";

/** Longest chunk while a delay is set, in bytes. */
const DELAYED_CHUNK_BYTES = 256 << 10;

/** So many of the paths that were left out are named in the log. */
const NAMED_LEFT_OUT = 5;

/** What downloads are made with. */
export interface ArchiveOptions {
  /** Lists the folders. */
  readonly reader: Reader;
  /** Makes the archives. */
  readonly engine: Engine;
  /** Milliseconds to wait after every chunk. @default 0 */
  readonly delay?: number;
  /** Ends all downloads with an error when it aborts. */
  readonly signal?: AbortSignal;
}

/** The archive of a hash; null if there is none, whatever the reason. */
export async function archive(
  request: Request,
  hash: string,
  options: ArchiveOptions,
): Promise<Response | null> {
  const listing = await options.reader.list(hash);
  if (!listing || listing.entries.length === 0) return null;
  const archive = options.engine.prepare(listing);
  const headers = archiveHeaders({
    filename: `photos-${hash.slice(0, 8)}.zip`,
    size: archive.size,
    lastModified: lastModified(listing),
  });
  if (request.method === "HEAD") return new Response(null, { headers });

  warnOfLeftOut(hash, listing);
  const stream = await archive.open();
  const body = watchBody(stream, {
    delay: options.delay,
    chunkSize: options.delay ? DELAYED_CHUNK_BYTES : undefined,
    signal: options.signal,
    ...reportTo(hash, archive.size),
  });
  return new Response(body, { headers });
}

/** Newest time of a file in milliseconds, but never in the future (RFC 9110 section 8.8.2.1). */
function lastModified({ entries }: Listing) {
  const newest = entries.reduce((newest, { mtime }) => Math.max(newest, mtime), -Infinity);
  return Math.min(newest * 1000, Date.now());
}

/** Logs how a download goes. */
function reportTo(hash: string, size: number | null) {
  const download = { archive: redact(hash), size };
  log.info("download started", download);
  return {
    onProgress: (bytes: number) => log.info("download goes on", { ...download, bytes }),
    onEnd: ({ kind, error, bytes, elapsed }: Outcome) => {
      const result = { ...download, bytes, seconds: Math.round(elapsed) / 1000 };
      if (kind === "complete") log.info("download complete", result);
      else if (kind === "cancelled") log.info("download cancelled by the client", result);
      else log.error("download failed: {why}", { ...result, why: describeError(error) });
    },
  };
}

function warnOfLeftOut(hash: string, { leftOut }: Listing) {
  if (leftOut.length === 0) return;
  log.warn("left out of the archive: symlinks or special files", {
    archive: redact(hash),
    count: leftOut.length,
    paths: leftOut.slice(0, NAMED_LEFT_OUT),
  });
}
