/**
 * An object store that is only in memory, and counts what is asked of it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type {
  BucketObject,
  ListObjectsOptions,
  ListPage,
  ObjectFacts,
  ObjectReader,
  ObjectVersion,
} from "../storage/bucket/client.ts";
import type { ObjectStore } from "../storage/bucket/store.ts";
import { StorageError } from "../storage/errors.ts";
import { DEFAULT_MTIME } from "./tree.ts";

/** Long ago, so that nothing looks as if it were still changing */
const UPLOADED = Date.UTC(2024, 8, 1);

/** An object, and what is told of it */
export interface MemoryObject {
  readonly content?: string | Uint8Array<ArrayBuffer>;
  /** `x-amz-meta-mtime`; null for none. @default DEFAULT_MTIME */
  readonly mtime?: Date | null;
  readonly lastModified?: Date;
  /** Stored CRC-32, right or not. @default none */
  readonly crc32?: number;
  /** @default that of S3 for an object of one part, the MD5 */
  readonly etag?: string;
}

/** How often each call was made, and how many are under way */
export interface CallCounts {
  list: number;
  head: number;
  read: number;
  open: number;
  /** Calls under way, bodies that are open not among them */
  running: number;
  /** Most calls that were under way at a time */
  most: number;
  /** Bodies that are open */
  bodies: number;
}

interface Stored extends ObjectFacts {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A whole bucket, with its keys in the order of their UTF-8 bytes */
export class MemoryObjects implements ObjectStore {
  readonly counts: CallCounts = {
    list: 0,
    head: 0,
    read: 0,
    open: 0,
    running: 0,
    most: 0,
    bodies: 0,
  };
  readonly pageSize: number;
  /** Called before each answer, so that a test can hold it back or fail it */
  before: (call: "list" | "head" | "read" | "body", key: string) => void | Promise<void> = () => {};
  readonly #objects = new Map<string, Stored>();

  constructor(
    objects: Readonly<Record<string, string | Uint8Array<ArrayBuffer> | MemoryObject>> = {},
    { pageSize = 1000 }: { readonly pageSize?: number } = {},
  ) {
    this.pageSize = pageSize;
    for (const [key, object] of Object.entries(objects)) this.put(key, object);
  }

  put(key: string, object: string | Uint8Array<ArrayBuffer> | MemoryObject) {
    const plain = typeof object === "string" || object instanceof Uint8Array;
    const { content = "", mtime = DEFAULT_MTIME, lastModified, crc32, etag }: MemoryObject = plain
      ? { content: object }
      : object;
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const md5 = createHash("md5").update(bytes).digest("hex");
    this.#objects.set(key, {
      key,
      bytes,
      size: bytes.length,
      etag: etag ?? `"${md5}"`,
      lastModifiedMs: lastModified?.getTime() ?? UPLOADED,
      mtimeMs: mtime?.getTime() ?? null,
      crc32: crc32 ?? null,
    });
  }

  remove(key: string) {
    this.#objects.delete(key);
  }

  async *list(prefix: string, options: ListObjectsOptions = {}): AsyncGenerator<ListPage> {
    const { delimiter, signal, maxPages = Infinity } = options;
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const rows = new Map<string, BucketObject | null>();
    for (const key of keys) {
      const end = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
      if (end >= 0) rows.set(key.slice(0, end + 1), null);
      else rows.set(key, listed(this.#objects.get(key)!));
    }
    const all = [...rows];
    for (let page = 0; page < maxPages; page++) {
      const some = all.slice(page * this.pageSize, (page + 1) * this.pageSize);
      await this.#call("list", prefix, signal);
      yield {
        objects: some.flatMap(([, object]) => object ?? []),
        prefixes: some.flatMap(([key, object]) => object ? [] : key),
      };
      if ((page + 1) * this.pageSize >= all.length) return;
    }
  }

  async head(key: string, { signal }: { signal?: AbortSignal } = {}): Promise<ObjectFacts> {
    await this.#call("head", key, signal);
    const { bytes: _, ...facts } = this.#get(key);
    return { ...facts, lastModifiedMs: Math.floor(facts.lastModifiedMs / 1000) * 1000 };
  }

  async read(
    object: ObjectVersion,
    { offset, into, signal }: {
      readonly offset: number;
      readonly into: Uint8Array<ArrayBuffer>;
      readonly signal?: AbortSignal;
    },
  ): Promise<{ crc32: number | null }> {
    await this.#call("read", object.key, signal);
    const stored = this.#same(object);
    into.set(stored.bytes.subarray(offset, offset + into.length));
    return { crc32: into.length === stored.size ? stored.crc32 : null };
  }

  open(
    object: ObjectVersion,
    { offset, length, signal }: {
      readonly offset: number;
      readonly length: number;
      readonly signal?: AbortSignal;
    },
  ): ObjectReader {
    const { counts } = this;
    const end = offset + length;
    let isOpen = true;
    counts.open++;
    counts.bodies++;
    return {
      begin: () => {},
      read: async (into) => {
        if (!isOpen) throw new StorageError("EIO", "read object: closed");
        await this.#call("body", object.key, signal);
        const { bytes } = this.#same(object);
        if (offset + into.length > end) throw new RangeError("read object: behind its end");
        into.set(bytes.subarray(offset, offset += into.length));
      },
      close: () => {
        if (isOpen) counts.bodies--;
        isOpen = false;
      },
    };
  }

  stats(): ReturnType<ObjectStore["stats"]> {
    const { list, head, read, open, running } = this.counts;
    return { requests: { list, head, get: read + open }, retries: 0, bytes: 0, active: running };
  }

  #get(key: string): Stored {
    const stored = this.#objects.get(key);
    if (!stored) throw new StorageError("ENOENT", "read object: NoSuchKey");
    return stored;
  }

  #same({ key, etag, size }: ObjectVersion): Stored {
    const stored = this.#get(key);
    if (stored.etag === etag && stored.size === size) return stored;
    throw new StorageError("ESTALE", "read object: changed since it was listed");
  }

  async #call(call: "list" | "head" | "read" | "body", key: string, signal?: AbortSignal) {
    signal?.throwIfAborted();
    const { counts } = this;
    if (call !== "body") counts[call]++;
    counts.most = Math.max(counts.most, ++counts.running);
    try {
      const held = Promise.resolve(this.before(call, key));
      const left = Promise.withResolvers<never>();
      const leave = () => left.reject(signal?.reason);
      signal?.addEventListener("abort", leave, { once: true });
      await Promise.race([held.then(() => new Promise((done) => setTimeout(done))), left.promise])
        .finally(() => signal?.removeEventListener("abort", leave));
    } finally {
      counts.running--;
    }
  }
}

function listed({ key, size, etag, lastModifiedMs }: Stored): BucketObject {
  return { key, size, etag, lastModifiedMs };
}
