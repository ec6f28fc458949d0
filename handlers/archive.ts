/**
 * `GET /archive/<hash>/`: a folder as one ZIP.
 *
 * @module
 */

import { type Archive, type Engine, entityTag } from "../engines/engine.ts";
import { type Outcome, watchBody } from "../http/body.ts";
import { archiveHeaders } from "../http/headers.ts";
import { evaluatePreconditions, isRangeWanted, type Validators } from "../http/preconditions.ts";
import { parseRange } from "../http/range.ts";
import { describeError, log, redact } from "../lib/log.ts";
import type { Listing } from "../storage/listing.ts";
import type { Reader } from "../storage/reader.ts";

/** Longest chunk while a delay is set, in bytes: an engine need not make longer buffers then. */
export const DELAYED_CHUNK_BYTES = 256 << 10;

/** Within a date's second, and the one that a clock may be off, there may be two states. */
const STRONG_DATE_SECONDS = 1;

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
  /** Free what was sent at once: see {@link watchBody}. @default false */
  readonly release?: boolean;
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
  if (!listing) return null;
  const archive = options.engine.prepare(listing);
  const validators = validatorsOf(listing, archive);
  const filename = `photos-${hash.slice(0, 8)}.zip`;
  const headers = archiveHeaders({ filename, ...validators });

  const early = evaluatePreconditions(request.headers, validators);
  if (early !== null) return withoutContent(early, headers);
  const range = rangeOf(request, archive, validators);
  if (range === "unsatisfiable") {
    headers.set("content-range", `bytes */${archive.size}`);
    return withoutContent(416, headers);
  }
  if (range) headers.set("content-range", `bytes ${range.start}-${range.end - 1}/${archive.size}`);
  const length = range ? range.end - range.start : archive.size;
  if (length !== null) headers.set("content-length", String(length));
  if (request.method === "HEAD") return new Response(null, { headers });

  warnOfLeftOut(hash, listing);
  const stream = await archive.open(range ?? undefined);
  const body = watchBody(stream, {
    length,
    delay: options.delay,
    chunkSize: options.delay ? DELAYED_CHUNK_BYTES : undefined,
    release: options.release,
    signal: options.signal,
    ...reportTo({ archive: redact(hash), size: archive.size, start: range?.start ?? 0, length }),
  });
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** An answer that only says which state there is. */
function withoutContent(status: number, headers: Headers) {
  headers.delete("content-type");
  headers.delete("content-disposition");
  return new Response(null, { status, headers });
}

/** What the state of the archive is called: in a tag, and by a date. */
function validatorsOf(listing: Listing, archive: Archive): Validators {
  const now = Math.floor(Date.now() / 1000);
  return {
    etag: entityTag(listing, archive),
    // Never in the future (RFC 9110 section 8.8.2.1).
    lastModified: Math.min(listing.lastModified, now),
    dateIsStrong: listing.settled && listing.lastModified + STRONG_DATE_SECONDS < now,
  };
}

/** Only GET has ranges (RFC 9110 section 14.2), and only of bytes that are the same each time. */
function rangeOf({ method, headers }: Request, archive: Archive, validators: Validators) {
  if (method !== "GET" || archive.size === null || archive.version === null) return null;
  return isRangeWanted(headers, validators) ? parseRange(headers.get("range"), archive.size) : null;
}

/** Logs how a download goes. */
function reportTo(download: Readonly<Record<string, unknown>>) {
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
