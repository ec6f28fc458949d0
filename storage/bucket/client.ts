/**
 * The calls of the S3 API that a folder of photos needs: ListObjectsV2, HeadObject and GetObject.
 *
 * @module
 */

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
  /** Entity tag with its quotes, as it was sent. */
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
  /** Fills the buffer wholly with the next bytes. */
  read(into: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Closes the socket at once. */
  close(): void;
}

/** A bucket. Methods reject with a `StorageError` whose message names no key. */
export class BucketClient implements Disposable {
  /** Connects with the first request. */
  constructor(_options: BucketOptions) {}

  /** All objects under a prefix, a page at a time. Rejects rather than to end early. */
  // deno-lint-ignore require-yield
  async *list(_prefix: string, _options: ListObjectsOptions = {}): AsyncGenerator<ListPage> {
    await Promise.reject(new Error("list objects: not there yet"));
  }

  /** What is known of an object. */
  head(_key: string, _options: { readonly signal?: AbortSignal } = {}): Promise<ObjectFacts> {
    return Promise.reject(new Error("head object: not there yet"));
  }

  /**
   * Reads a run of bytes into a buffer of the same length. A CRC-32 comes with a whole object only.
   */
  read(
    _object: ObjectVersion,
    _run: {
      readonly offset: number;
      readonly into: Uint8Array<ArrayBuffer>;
      readonly signal?: AbortSignal;
    },
  ): Promise<{ crc32: number | null }> {
    return Promise.reject(new Error("read object: not there yet"));
  }

  /** A run of bytes that is read piece by piece. */
  open(
    _object: ObjectVersion,
    _run: { readonly offset: number; readonly length: number; readonly signal?: AbortSignal },
  ): ObjectReader {
    throw new Error("read object: not there yet");
  }

  /** What was asked of the bucket so far, and how many requests are under way. */
  stats(): {
    readonly requests: Readonly<Record<"list" | "head" | "get", number>>;
    readonly retries: number;
    readonly bytes: number;
    readonly active: number;
  } {
    return { requests: { list: 0, head: 0, get: 0 }, retries: 0, bytes: 0, active: 0 };
  }

  /** Closes all connections. */
  [Symbol.dispose](): void {}
}
