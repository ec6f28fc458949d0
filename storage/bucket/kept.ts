/**
 * CRC-32 values of objects: those that were worked out here, those in the file of `--checksums`, and
 * those that the store keeps.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import type { DigestCall, IndexKey } from "../checksum_index.ts";
import { ChecksumThread } from "../checksum_thread.ts";
import { StorageError } from "../errors.ts";
import type { KeptChecksum, ListedFile } from "../source.ts";

/** What a value costs besides the characters of its key and its identity, in bytes. */
const ENTRY_BYTES = 300;

/** Where values are kept. */
export interface KeptChecksumsOptions {
  /** Address of the photos folder in the store, ending in `/`: what the rows of the file begin with. */
  readonly address: string;
  /** Memory for values, in bytes. */
  readonly maxBytes: number;
  /** Absolute path of an SQLite file. @default none */
  readonly index?: string;
  /** Told once that the file cannot be used; it is left alone from then on. */
  readonly onIndexFailure?: (error: unknown) => void;
  /** The value that the store keeps, null if it keeps none. */
  readonly stored: (file: ListedFile) => number | null;
}

interface Kept {
  readonly identity: string;
  /** Null if it turned out to be wrong. */
  readonly crc32: number | null;
}

/** What was worked out counts more than what the store says: that may be wrong. */
export class KeptChecksums implements Disposable {
  readonly #address: string;
  readonly #stored: KeptChecksumsOptions["stored"];
  readonly #onIndexFailure: KeptChecksumsOptions["onIndexFailure"];
  readonly #kept: LRUCache<string, Kept>;
  #index: ChecksumThread | undefined;

  /** Opens nothing yet. */
  constructor(options: KeptChecksumsOptions) {
    this.#address = options.address;
    this.#stored = options.stored;
    this.#onIndexFailure = options.onIndexFailure;
    this.#index = options.index === undefined ? undefined : new ChecksumThread(options.index);
    this.#kept = new LRUCache({
      maxSize: Math.max(1, Math.min(Math.floor(options.maxBytes), Number.MAX_SAFE_INTEGER)),
      sizeCalculation: ({ identity }, key) => ENTRY_BYTES + key.length + identity.length,
    });
  }

  /**
   * The CRC-32 of each file, null where nobody knows it. Of no files at all, it tries the file of
   * `--checksums`.
   *
   * @throws {StorageError} `EINDEX` if that is tried and cannot be used
   */
  async recall(files: readonly ListedFile[]): Promise<(number | null)[]> {
    if (files.length === 0) {
      await this.#index?.recall([]);
      return [];
    }
    const known = files.map((file) => this.#keptOf(file));
    const asked = files.filter((_, i) => typeof known[i]?.crc32 !== "number");
    const indexed = new Map<ListedFile, number>();
    const values = await this.#tryIndex((index) => index.recall(asked.map(this.#keyOf)));
    values?.forEach((crc32, i) => crc32 !== null && indexed.set(asked[i], crc32));
    return files.map((file, i) => {
      const crc32 = known[i]?.crc32 ?? indexed.get(file);
      if (crc32 !== undefined) return crc32;
      return known[i] ? null : this.#stored(file);
    });
  }

  /** Keeps values, and those that are to be forgotten are not believed again. */
  async remember(values: readonly KeptChecksum[]): Promise<void> {
    if (values.length === 0) return await this.#index?.remember([]);
    for (const { file, crc32 } of values) {
      this.#kept.set(file.location, { identity: file.identity, crc32 });
    }
    const rows = values.map(({ file, crc32 }) => ({ ...this.#keyOf(file), crc32 }));
    await this.#tryIndex((index) => index.remember(rows));
  }

  /**
   * Keeps, forgets and finds digests of whole archives in the file of `--checksums`.
   *
   * @throws {StorageError} `EINDEX` if that cannot be used
   */
  async digests(call: DigestCall): Promise<string | null> {
    const index = this.#index;
    if (!index) throw new StorageError("EINDEX", "the file of --checksums cannot be used");
    return await index.digests(call);
  }

  /** Closes the file. */
  [Symbol.dispose]() {
    this.#index?.[Symbol.dispose]();
  }

  #keptOf({ location, identity }: ListedFile): Kept | undefined {
    const kept = this.#kept.get(location);
    return kept?.identity === identity ? kept : undefined;
  }

  readonly #keyOf = ({ location, identity }: ListedFile): IndexKey => {
    return { file: this.#address + location, identity };
  };

  /** Without the file all goes on: what the store keeps is still worth asking for. */
  async #tryIndex<T>(work: (index: ChecksumThread) => Promise<T>): Promise<T | undefined> {
    const index = this.#index;
    if (!index) return undefined;
    try {
      return await work(index);
    } catch (error) {
      if (this.#index === index) {
        this.#index = undefined;
        index[Symbol.dispose]();
        this.#onIndexFailure?.(error);
      }
      return undefined;
    }
  }
}
