/**
 * The calls of the S3 API that a folder of photos needs: ListObjectsV2, HeadObject and GetObject.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import { PassingFailure } from "./failures.ts";
import { type ListAnswer, parseListAnswer } from "./list_answer.ts";
import { factsOf } from "./object_answer.ts";
import { ObjectBody } from "./object_body.ts";
import { encodeText } from "./object_url.ts";
import { type BucketStats, Requests } from "./requests.ts";

/** A page of at most 1,000 keys of 1,024 bytes is shorter, in bytes. */
const MAX_PAGE = 32 * 1024 * 1024;

/** Which bucket, and how it is reached. */
export interface BucketOptions {
  /** Name of the bucket. */
  readonly bucket: string;
  /** Key prefix of the photos folder: empty, or ending in `/`. */
  readonly prefix: string;
  /** Region that requests are signed for, as in `us-east-1`. */
  readonly region: string;
  /** Endpoints to use in turn, if one fails the next. @default Amazon's own of the region */
  readonly endpoints: readonly URL[];
  /** The bucket stands in the path of the URL instead of its host. */
  readonly pathStyle: boolean;
  /** Called before each request, renews what has ended; null for requests without a signature. */
  readonly credentials: (() => Promise<BucketCredentials>) | null;
  /** How often a request that failed is tried again. @default 4 */
  readonly retries?: number;
  /** Milliseconds until a connection stands. @default 5000 */
  readonly connectTimeout?: number;
  /** Milliseconds from the connection to the head of the answer. @default 10000 */
  readonly firstByteTimeout?: number;
  /** Milliseconds without a byte in the middle of an answer. @default 20000 */
  readonly silenceTimeout?: number;
  /** Requests at a time. @default 64 */
  readonly maxRequests?: number;
}

/** What requests are signed with. */
export interface BucketCredentials {
  /** Public part. */
  readonly accessKeyId: string;
  /** Secret part. */
  readonly secretAccessKey: string;
  /** Comes with credentials that end. */
  readonly sessionToken?: string;
}

/** An object as it is listed. */
export interface BucketObject {
  /** The whole key, with the prefix. */
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Entity tag with its quotes, as it was sent; empty if the store tells none in a listing. */
  readonly etag: string;
  /** `LastModified` in milliseconds since 1970. */
  readonly lastModifiedMs: number;
}

/** One answer of ListObjectsV2. */
export interface ListPage {
  /** `Contents`. */
  readonly objects: readonly BucketObject[];
  /** `CommonPrefixes`, each ending in the delimiter. */
  readonly prefixes: readonly string[];
}

/** What HeadObject tells of an object. */
export interface ObjectFacts extends BucketObject {
  /** `x-amz-meta-mtime` in milliseconds since 1970, null if there is none. */
  readonly mtimeMs: number | null;
  /** Stored CRC-32 of the whole object, null if there is none or only one of its parts. */
  readonly crc32: number | null;
}

/** How a bucket is listed. */
export interface ListObjectsOptions {
  /** Everything after the next `/` is one common prefix. @default none */
  readonly delimiter?: "/";
  /** Ends the request. */
  readonly signal?: AbortSignal;
  /** Stop after this many pages. @default never */
  readonly maxPages?: number;
  /** Only keys after this one. @default all */
  readonly startAfter?: string;
}

/** A version of an object. */
export type ObjectVersion = Pick<BucketObject, "key" | "etag" | "size">;

/** An object whose bytes are read piece by piece, from one body as long as that stands. */
export interface ObjectReader {
  /** Asks for the bytes, so that they are on their way when they are read. A failure shows then. */
  begin(): void;
  /** Fills the buffer wholly with the next bytes. */
  read(into: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Closes the socket at once. */
  close(): void;
}

/** A run of bytes to read, and where they go. */
export interface ReadOptions {
  /** First byte. */
  readonly offset: number;
  /** Filled wholly; its length is that of the run. */
  readonly into: Uint8Array<ArrayBuffer>;
  /** Ends the request. */
  readonly signal?: AbortSignal;
}

/** A run of bytes to read piece by piece. */
export interface OpenOptions {
  /** First byte. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
  /** Ends reading and closes the socket. */
  readonly signal?: AbortSignal;
}

/**
 * A bucket. Methods reject with a `StorageError` whose message names no key: `ENOENT` no such object,
 * `ESTALE` another version of it, `ENODEV` no such bucket, `EACCES` refused, `ETIMEDOUT` too slow,
 * `EIO` failed after all tries, `EILSEQ` a key that no URL has, `EPROTO` an answer that is none of
 * S3's.
 */
export class BucketClient implements Disposable {
  readonly #requests: Requests;

  /** Connects with the first request. */
  constructor(options: BucketOptions) {
    this.#requests = new Requests(options);
  }

  /** All objects under a prefix, a page at a time. Rejects rather than to end early. */
  async *list(prefix: string, options: ListObjectsOptions = {}): AsyncGenerator<ListPage> {
    const { delimiter, signal, maxPages = Infinity, startAfter } = options;
    const fixed = { prefix, delimiter, "start-after": startAfter };
    const tokens = new Set<string>();
    let token: string | undefined;
    for (let pages = 0; pages < maxPages; pages++) {
      const query = { ...fixed, "continuation-token": token };
      const { next, ...page } = await this.#page(query, signal);
      yield page;
      if (next === null) return;
      if (tokens.has(next)) throw useless("it leads back to an earlier page");
      tokens.add(token = next);
    }
  }

  /** What is known of an object. */
  async head(
    key: string,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<ObjectFacts> {
    const headers = { "x-amz-checksum-mode": "ENABLED" };
    const call = { kind: "head", action: "head object", key, headers } as const;
    return await this.#requests.retry(async () => {
      using answer = await this.#requests.send(call, signal);
      return factsOf(key, answer);
    }, { signal });
  }

  /**
   * Reads a run of bytes into a buffer of the same length, and goes on at its byte if the connection
   * breaks. The CRC-32 is the stored one; it comes with a whole object only.
   */
  async read(object: ObjectVersion, run: ReadOptions): Promise<{ crc32: number | null }> {
    const { offset, into, signal } = run;
    signal?.throwIfAborted();
    const body = this.#body(object, { offset, length: into.length, signal });
    try {
      await body.read(into);
      return { crc32: body.crc32 };
    } finally {
      body.close();
    }
  }

  /** A run of bytes that is read piece by piece, from one body as long as that stands. */
  open(object: ObjectVersion, run: OpenOptions): ObjectReader {
    return this.#body(object, run);
  }

  /** What was asked of the bucket so far, and how many requests are under way. */
  stats(): BucketStats {
    return this.#requests.stats;
  }

  /** Ends all requests and closes all connections. */
  [Symbol.dispose](): void {
    this.#requests[Symbol.dispose]();
  }

  async #page(
    query: Readonly<Record<string, string | undefined>>,
    signal?: AbortSignal,
  ): Promise<ListAnswer> {
    const call = { kind: "list", action: "list objects", query: listQuery(query) } as const;
    return await this.#requests.retry(async () => {
      using answer = await this.#requests.send(call, signal);
      const text = await answer.text(MAX_PAGE);
      if (text === null) throw useless("it is too long");
      return readPage(text, query.prefix ?? "");
    }, { signal });
  }

  #body(object: ObjectVersion, { offset, length, signal }: OpenOptions) {
    const end = offset + length;
    if (offset < 0 || length < 0 || end > object.size) {
      throw new RangeError(`read object: bytes ${offset} to ${end} of ${object.size}`);
    }
    return new ObjectBody(this.#requests, object, { start: offset, end, signal });
  }
}

/** Encoded as S3 wants it signed: `%20` for spaces. */
function listQuery(query: Readonly<Record<string, string | undefined>>) {
  const all = { "list-type": "2", "encoding-type": "url", ...query };
  return Object.entries(all)
    .flatMap(([name, value]) => value === undefined ? [] : `${name}=${encodeText(value)}`)
    .join("&");
}

/** A page of a store that knows the prefix. */
function readPage(text: string, prefix: string) {
  const page = parsePage(text);
  const keys = [...page.objects.map(({ key }) => key), ...page.prefixes];
  if (keys.every((key) => key.startsWith(prefix))) return page;
  throw useless("it has keys that were not asked for");
}

/** What is cut on its way, or a page of a proxy, may be a whole list the next time. */
function parsePage(text: string) {
  try {
    return parseListAnswer(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new PassingFailure("list objects: the answer is no whole list", { kind: "busy" });
  }
}

function useless(what: string) {
  return new StorageError("EPROTO", `list objects: the answer is of no use: ${what}`);
}
