/**
 * `GET /archive/<hash>/`: a folder as one ZIP.
 *
 * @module
 */

import type { Archive, ArchiveBody, Engine } from "../engines/engine.ts";
import { watchBody } from "../http/body.ts";
import { archiveHeaders, emptyBody } from "../http/headers.ts";
import { RateLimit } from "../http/rate.ts";
import type { Release } from "../http/limits.ts";
import { log, redact } from "../lib/log.ts";
import type { MemoryBudget } from "../lib/memory_budget.ts";
import type { Download, Observer } from "../observe/observer.ts";
import { probeOf, type Probes } from "../observe/probes.ts";
import type { Listing } from "../storage/listing.ts";
import type { FileSource } from "../storage/source.ts";
import { chooseAnswer, hasContent } from "../zip/http/answer.ts";
import type { Validators } from "../zip/http/preconditions.ts";
import { stateResponse } from "../zip/http/state_response.ts";
import { validatorsOf } from "../zip/http/validators.ts";
import { digestOf } from "./digest.ts";

/** Longest chunk while a delay is set, in bytes. */
const DELAYED_CHUNK_BYTES = 256 << 10;

/** While a rate is set, a buffer holds no more than the bytes of this time, in milliseconds. */
const LIMITED_BUFFER_MS = 125;

/** But so much, in bytes, whatever the rate. */
const MIN_LIMITED_BUFFER_BYTES = 32 << 10;

/** A buffer this long need not be limited: engines make none that are longer. */
const MAX_LIMITED_BUFFER_BYTES = 1 << 20;

/** At most this many of the paths that were left out are named in the log. */
const NAMED_LEFT_OUT = 5;

/** What downloads are made with. */
export interface ArchiveOptions {
  /** Makes the archives. */
  readonly engine: Engine;
  /** Keeps digests of whole archives. @default nobody does */
  readonly source?: Pick<FileSource, "digests">;
  /** Told what each download does. */
  readonly observer: Observer;
  /** Tells clients how much went out to their mark. @default nobody does */
  readonly probes?: Probes;
  /** Milliseconds to wait after every chunk. @default 0 */
  readonly delay?: number;
  /** Bytes per second for each download, 0 for no limit. @default 0 */
  readonly limitRate?: number;
  /** The rate that all downloads share. @default no limit */
  readonly totalRate?: RateLimit;
  /** Milliseconds after which a client that takes nothing has stalled, 0 for never. @default 0 */
  readonly stallTimeout?: number;
  /** What downloads and their listings count against. */
  readonly memory: MemoryBudget;
  /** Free what was sent at once: see {@link watchBody}. @default false */
  readonly release?: boolean;
  /** Ends all downloads with an error when it aborts, and answers whoever still waits with 503. */
  readonly signal?: AbortSignal;
}

/** The pace that is set for downloads. */
export interface PaceOptions {
  /** Milliseconds to wait after every chunk. */
  readonly delay: number;
  /** Bytes per second for each download, 0 for no limit. */
  readonly limitRate: number;
  /** Bytes per second for all of them together, 0 for no limit. */
  readonly limitRateTotal: number;
}

/**
 * Longest buffer, in bytes, that an engine need make for such a pace; undefined if it may choose. A
 * longer one would only wait in memory.
 */
export function longestBuffer(options: PaceOptions): number | undefined {
  const { delay, limitRate, limitRateTotal } = options;
  const lengths = [limitRate, limitRateTotal].filter((rate) => rate > 0)
    .map((rate) => Math.max(Math.ceil(rate * LIMITED_BUFFER_MS / 1000), MIN_LIMITED_BUFFER_BYTES));
  if (delay > 0) lengths.push(DELAYED_CHUNK_BYTES);
  const longest = Math.min(...lengths);
  return longest < MAX_LIMITED_BUFFER_BYTES ? longest : undefined;
}

/** Takes the place of a download; it throws if there is none. */
export type TakeDownload = (hash: string, options: { readonly part: boolean }) => Release;

/** An archive that was found, or what was chosen of it. */
export interface FoundArchive {
  /** The archive. */
  readonly hash: string;
  /** What goes in. */
  readonly listing: Listing;
  /** All that the archive holds: the same as `listing` unless only some of it was chosen. */
  readonly whole: Listing;
  /** Name under which a client saves it. */
  readonly name: string;
  /** The same in characters that every client can write. */
  readonly filename: string;
}

/** What one request for an archive is answered with. */
export interface DownloadOptions extends ArchiveOptions {
  /** Takes the place of the download. */
  readonly takeDownload: TakeDownload;
  /** When it was asked for, as `performance.now()` tells it. */
  readonly asked: number;
  /** Aborts when the client has left before it is answered. */
  readonly left: AbortSignal;
}

/** The archive that was found, or what was chosen of it. */
export async function archive(
  request: Request,
  { hash, listing, whole, name, filename }: FoundArchive,
  options: DownloadOptions,
): Promise<Response> {
  const { memory, left, asked } = options;
  using taken = new DisposableStack();
  taken.use(memory.countShared(listing, listing.memory));
  const prepared = options.engine.prepare(listing);
  const validators = stateOf(listing, prepared);
  const sha256 = await digestOf({ listing, prepared, source: options.source });
  const headers = archiveHeaders({ filename, name, sha256, ...validators });
  if (!listing.steady) headers.set("accept-ranges", "none");
  for (const field of Object.entries(options.probes?.fieldsFor(request, hash) ?? {})) {
    headers.set(...field);
  }

  const answer = chooseAnswer(request, {
    size: prepared.size,
    validators,
    hasRanges: listing.steady && prepared.version !== null,
  });
  for (const field of Object.entries(answer.fields)) headers.set(...field);
  if (!hasContent(answer)) return stateResponse(answer.status, headers);
  const { status, range, length } = answer;
  if (request.method === "HEAD") {
    return new Response(length === null ? emptyBody() : null, { headers });
  }

  options.signal?.throwIfAborted();
  left.throwIfAborted();
  taken.defer(options.takeDownload(hash, { part: range !== null }));
  warnOfLeftOut(hash, listing);
  taken.use(await memory.reserve(prepared.memory, left));
  const stream = await prepared.open(range ?? undefined);
  const { etag } = validators;
  const { start = 0 } = range ?? {};
  const probe = probeOf(request);
  const download = {
    ...{ hash, etag, size: prepared.size, start, length },
    ...listing !== whole && { chosen: true },
    ...probe && { probe },
  };
  const body = observedBody(stream, download, { ...options, asked, taken: taken.move() });
  const response = new Response(body, { status, headers });
  downloads.set(response, download);
  return response;
}

const downloads = new WeakMap<Response, Download>();

/** The download that a response is; undefined if it is none. */
export function downloadOf(response: Response): Download | undefined {
  return downloads.get(response);
}

/** The bytes as they are sent, with the observer told of it. */
function observedBody(
  stream: ArchiveBody,
  download: Download,
  options: ArchiveOptions & { readonly asked: number; readonly taken: Disposable },
) {
  const { observer, delay, limitRate, totalRate, stallTimeout } = options;
  const { release, signal, asked, taken } = options;
  const limits = limitRate ? [new RateLimit(limitRate)] : [];
  if (totalRate) limits.push(totalRate);
  observer.started(download);
  return watchBody(stream, {
    length: download.length,
    delay,
    chunkSize: delay ? DELAYED_CHUNK_BYTES : undefined,
    limits,
    stallTimeout,
    release,
    signal,
    onFirstByte: () => observer.firstByte?.(download, (performance.now() - asked) / 1000),
    onProgress: (bytes) => observer.progressed(download, bytes),
    onEnd: ({ elapsed, ...end }) => {
      taken[Symbol.dispose]();
      observer.ended(download, { ...end, seconds: elapsed / 1000 });
    },
  });
}

/** What the state of the archive is called: in a tag, and by a date. */
function stateOf(
  { settled, lastModified, revision }: Listing,
  { version }: Archive,
): Validators {
  // The dates of objects tell of none that was removed, nor always of one that was replaced.
  const date = revision === undefined ? lastModified : null;
  return validatorsOf({ version, settled, lastModified: date }, Date.now() / 1000);
}

function warnOfLeftOut(hash: string, { leftOut }: Listing) {
  if (leftOut.length === 0) return;
  log.warn("left out of the archive: symlinks or special files", {
    archive: redact(hash),
    count: leftOut.length,
    paths: leftOut.slice(0, NAMED_LEFT_OUT),
  });
}
