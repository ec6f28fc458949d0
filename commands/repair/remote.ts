/**
 * The archive on the server, read by ranges of one state (RFC 9110 sections 13 and 14).
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { setTimeout as sleep } from "node:timers/promises";
import { END_BYTES } from "../../lib/zip_end.ts";
import type { Range } from "./directory.ts";
import { RepairError } from "./errors.ts";

const MAX_REDIRECTS = 5;

/** A request that failed is made again after these pauses, in milliseconds; anew after each progress. */
const PAUSES_MS = [500, 1000, 2000, 4000, 8000];

/** Longest pause that a server may ask for, in milliseconds. */
const MAX_RETRY_AFTER_MS = 60_000;

/** A connection on which nothing comes is given up after this time, in milliseconds. */
const STALL_MS = 60_000;

/** Statuses that may be others the next time. */
const PASSING = [429, 500, 502, 503, 504];

const STATUSES: Readonly<Record<number, string>> = {
  401: "the server wants a password",
  403: "the server refuses the link",
  404: "no archive there (404): is the link right?",
  410: "the link has ended (410)",
};

/** How often is tried, and how long is waited. */
export interface RemoteOptions {
  /** Pauses before further tries, in milliseconds. @default five, from 0.5 to 8 seconds */
  readonly pauses?: readonly number[];
  /** Milliseconds without a byte after which a connection is given up. @default 60000 */
  readonly stall?: number;
}

/** A range that was asked for, and where its bytes go. */
export interface Reading extends Range {
  /** Told of bytes in their order, each run once. */
  readonly onBytes: (bytes: Uint8Array<ArrayBuffer>, at: number) => void;
}

interface Reply {
  readonly answer: Response;
  readonly watch: Watch;
}

/** One state of an archive. */
export class RemoteArchive {
  /** Its length in bytes. */
  readonly length: number;
  /** Its strong entity tag, with quotes. */
  readonly etag: string;
  /** Its SHA-256 as the server has announced it, 64 hexadecimal digits; null if it has not. */
  readonly sha256: string | null;
  /** The last bytes, {@link END_BYTES} of them. */
  readonly tail: Uint8Array<ArrayBuffer>;
  readonly #url: URL;
  readonly #options: RemoteOptions;
  readonly #counts: { bytes: number; requests: number };

  private constructor(
    { url, answer, tail, counts }: {
      url: URL;
      answer: Response;
      tail: Uint8Array<ArrayBuffer>;
      counts: { bytes: number; requests: number };
    },
    options: RemoteOptions,
  ) {
    this.#url = url;
    this.#options = options;
    this.#counts = counts;
    this.tail = tail;
    this.length = contentRange(answer)?.size ?? 0;
    this.etag = answer.headers.get("etag") ?? "";
    this.sha256 = digestIn(answer.headers.get("repr-digest"));
  }

  /**
   * Asks for the end of an archive.
   *
   * @throws {RepairError} if there is none, or it cannot be read by ranges
   */
  static async open(start: URL, options: RemoteOptions = {}): Promise<RemoteArchive> {
    const counts = { bytes: 0, requests: 0 };
    let url = start;
    for (let redirects = 0;; redirects++) {
      const ask = async () => {
        counts.requests++;
        const { answer, watch } = await request(url, { range: `bytes=-${END_BYTES}` }, options);
        if (answer.status !== 206) {
          await leave({ answer, watch });
          return { answer, tail: new Uint8Array() };
        }
        const tail = await readAll({ answer, watch });
        counts.bytes += tail.length;
        return { answer, tail };
      };
      const { answer, tail } = await persist(ask, options);
      const location = answer.status >= 300 && answer.status < 400 &&
        answer.headers.get("location");
      if (!location) {
        assertUsable(answer, tail);
        return new RemoteArchive({ url, answer, tail, counts }, options);
      }
      const next = URL.canParse(location, url) ? new URL(location, url) : null;
      if (next?.origin !== start.origin || redirects === MAX_REDIRECTS) {
        throw new RepairError(`the server redirects to ${next?.origin ?? "no address"}: use that`);
      }
      url = next;
    }
  }

  /** Bytes of the archive that came, and requests that were made. */
  get counts(): { readonly bytes: number; readonly requests: number } {
    return { ...this.#counts };
  }

  /** A range as one run of bytes. */
  async read({ start, end }: Range): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(end - start);
    await this.fetch({ start, end, onBytes: (part, at) => bytes.set(part, at - start) });
    return bytes;
  }

  /**
   * Fetches a range; goes on where a connection breaks.
   *
   * @throws {RepairError} if the archive is another one by now, or the server cannot be reached
   */
  async fetch({ start, end, onBytes }: Reading): Promise<void> {
    let at = start;
    const go = async (progress: () => void) => {
      if (at === end) return;
      this.#counts.requests++;
      const fields = {
        "range": `bytes=${at}-${end - 1}`,
        "if-match": this.etag,
        "if-range": this.etag,
      };
      const reply = await request(this.#url, fields, this.#options);
      await this.#assertSame(reply, { start: at, end });
      for await (const bytes of reply.watch.chunks(reply.answer)) {
        if (at + bytes.length > end) {
          throw new RepairError("the server sends more than it announced");
        }
        onBytes(bytes, at);
        at += bytes.length;
        this.#counts.bytes += bytes.length;
        progress();
      }
      if (at < end) throw new Error("the connection ended too early");
    };
    await persist(go, this.#options);
  }

  async #assertSame(reply: Reply, { start, end }: Range) {
    const { status, headers } = reply.answer;
    const range = contentRange(reply.answer);
    const isSame = status === 206 && headers.get("etag") === this.etag &&
      range?.start === start && range.end === end && range.size === this.length;
    if (isSame) return;
    await leave(reply);
    if (PASSING.includes(status)) throw new PassingError(reply.answer);
    if (status === 412 || status === 200 || status === 206) {
      throw new RepairError(
        "the archive on the server changed meanwhile: run repair again, or download it anew",
        "other version",
      );
    }
    throw new RepairError(STATUSES[status] ?? `the server answers with status ${status}`);
  }
}

/** Thrown for an answer that may be another one the next time. */
class PassingError extends Error {
  /** Milliseconds that the server wants to be left alone. */
  readonly pause: number;

  constructor({ status, headers }: Response) {
    super(`the server answers with status ${status}`);
    const seconds = Number(headers.get("retry-after") ?? 0);
    this.pause = Math.min(Number.isFinite(seconds) ? seconds * 1000 : 0, MAX_RETRY_AFTER_MS);
  }
}

/** Tries until it goes well, or nothing comes of it for all pauses. */
async function persist<T>(
  work: (progress: () => void) => Promise<T>,
  { pauses = PAUSES_MS }: RemoteOptions,
): Promise<T> {
  for (let failures = 0;; failures++) {
    try {
      return await work(() => failures = 0);
    } catch (error) {
      if (error instanceof RepairError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      if (failures >= pauses.length) {
        throw new RepairError(`the server cannot be reached: ${why}`, "unreachable");
      }
      await sleep(Math.max(pauses[failures], error instanceof PassingError ? error.pause : 0));
    }
  }
}

async function request(
  url: URL,
  fields: Readonly<Record<string, string>>,
  { stall = STALL_MS }: RemoteOptions,
): Promise<Reply> {
  const watch = new Watch(stall);
  try {
    const answer = await fetch(url, {
      redirect: "manual",
      signal: watch.signal,
      headers: { ...fields, "accept-encoding": "identity", "user-agent": "zipferry-repair" },
    });
    return { answer, watch };
  } catch (error) {
    watch.end();
    throw error;
  }
}

/** Gives a connection up on which nothing comes. */
class Watch {
  readonly #stalled = new AbortController();
  readonly #stall: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(stall: number) {
    this.#stall = stall;
    this.#again();
  }

  get signal(): AbortSignal {
    return this.#stalled.signal;
  }

  end() {
    clearTimeout(this.#timer);
  }

  async *chunks({ body }: Response): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    try {
      for await (const bytes of body ?? []) {
        this.#again();
        yield bytes;
      }
    } finally {
      this.end();
    }
  }

  #again() {
    clearTimeout(this.#timer);
    const error = new Error("nothing came for a long time");
    this.#timer = setTimeout(() => this.#stalled.abort(error), this.#stall);
  }
}

async function readAll({ answer, watch }: Reply): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of watch.chunks(answer)) {
    parts.push(bytes);
    if ((length += bytes.length) > END_BYTES) throw new RepairError("the server sends no ranges");
  }
  return new Uint8Array(Buffer.concat(parts));
}

async function leave({ answer, watch }: Reply) {
  watch.end();
  await answer.body?.cancel().catch(() => {});
}

function assertUsable(answer: Response, tail: Uint8Array) {
  const { status, headers } = answer;
  if (PASSING.includes(status)) {
    throw new RepairError(`the server answers with status ${status}: try later`, "unreachable");
  }
  if (status !== 200 && status !== 206) {
    throw new RepairError(STATUSES[status] ?? `the server answers with status ${status}`);
  }
  if (!/^"[^"]*"$/.test(headers.get("etag") ?? "")) {
    throw new RepairError("the server names no state of the archive (a strong ETag): try later");
  }
  if (status === 200) throw new RepairError("the server sends no parts of this archive (ranges)");
  const range = contentRange(answer);
  const isEnd = range !== null && range.end === range.size &&
    tail.length === Math.min(END_BYTES, range.size) && tail.length === range.end - range.start;
  if (!isEnd || headers.has("content-encoding")) {
    throw new RepairError(
      "the server, or a proxy before it, sends another part than the one asked",
    );
  }
}

function contentRange({ headers }: Response): Range & { readonly size: number } | null {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers.get("content-range") ?? "");
  if (!match) return null;
  const [start, last, size] = match.slice(1).map(Number);
  return { start, end: last + 1, size };
}

/** The SHA-256 in a Repr-Digest field (RFC 9530 section 3). */
function digestIn(field: string | null): string | null {
  const [, base64] = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(field ?? "") ?? [];
  return base64 === undefined ? null : Buffer.from(base64, "base64").toString("hex");
}
