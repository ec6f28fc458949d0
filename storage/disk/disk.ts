/**
 * The source that is a folder on a disk. The serving thread never waits for it: threads of a pool do
 * the blocking calls.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { StorageError } from "../errors.ts";
import type { Listing } from "../listing.ts";
import { PendingListings, SharedListings } from "../shared_listings.ts";
import type {
  FileSlice,
  FileSource,
  FilledBuffer,
  KeptChecksum,
  ListedFile,
  ListOptions,
  PlacedSlice,
  TaskOptions,
} from "../source.ts";
import type { IndexKey } from "./checksum_index.ts";
import { Pool, type PoolOptions } from "./pool.ts";
import { type DiskSelection, fileOf } from "./walk.ts";

/** A folder in which something was renamed a moment ago is listed again after this time. */
const RETRY_MS = 30;
const RETRIES = 40;

/** Which folder it is, and how it is read. */
export interface DiskOptions extends DiskSelection, PoolOptions {
  /** Absolute path of the photos folder, without symlinks in it. */
  readonly root: string;
  /** Absolute path of an SQLite file that keeps CRC-32 values. @default none */
  readonly index?: string;
}

/**
 * A photos folder on a disk. Errors are {@link StorageError}s with the code of the system, and
 * `EINDEX` for an index that cannot be used.
 */
export class DiskSource implements FileSource, Disposable {
  readonly #root: string;
  readonly #index: string | undefined;
  readonly #selection: DiskSelection;
  readonly #pool: Pool;
  readonly #listings = new SharedListings();
  readonly #pending = new PendingListings();
  /** Apart, so that no download waits for a listing that lets downloads go first. */
  readonly #pendingBehind = new PendingListings();

  /** Touches nothing yet. */
  constructor(options: DiskOptions) {
    const { hidden = false, followSymlinks = false } = options;
    this.#root = options.root;
    this.#index = options.index;
    this.#selection = { hidden, followSymlinks };
    this.#pool = new Pool(options);
  }

  /** Starts the threads, which otherwise come with the first tasks: see {@link Pool.start}. */
  start(): Promise<void> {
    return this.#pool.start();
  }

  /** Names of the directories in the photos folder. */
  archives({ background, signal }: ListOptions = {}): Promise<string[]> {
    return this.#pool.run("directories", { root: this.#root }, { background, signal });
  }

  /**
   * What a hash's folder holds; null if there is no such folder.
   *
   * @throws {StorageError} `EAGAIN` if something is renamed in it again and again
   */
  async list(hash: string, options: ListOptions = {}): Promise<Listing | null> {
    const pending = options.background ? this.#pendingBehind : this.#pending;
    for (let attempt = 1;; attempt++) {
      try {
        return await pending.get(hash, () => this.#listOnce(hash, options));
      } catch (error) {
        const again = error instanceof StorageError && error.code === "EAGAIN";
        if (!again || attempt === RETRIES) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  /** Others may share the listing: so it does not end when the first of them leaves. */
  async #listOnce(hash: string, { background }: ListOptions) {
    const request = { root: this.#root, hash, selection: this.#selection };
    const packed = await this.#pool.run("list", request, { hash, background });
    return packed && this.#listings.unpack(hash, packed);
  }

  /**
   * A new buffer of `length` bytes with these slices of files in it.
   *
   * @throws {StorageError} `ESTALE` if a file is not what it was when it was listed
   */
  fill(
    length: number,
    slices: readonly PlacedSlice[],
    { signal }: TaskOptions = {},
  ): Promise<FilledBuffer> {
    const request = { root: this.#root, length, slices };
    return this.#pool.run("fill", request, { hash: slices[0]?.hash, signal });
  }

  /**
   * The CRC-32 that goes on from the slice's own with the slice's bytes.
   *
   * @throws {StorageError} `ESTALE` if the file is not what it was when it was listed
   */
  checksum(slice: FileSlice, { signal }: TaskOptions = {}): Promise<number> {
    const request = { root: this.#root, slice };
    return this.#pool.run("checksum", request, { hash: slice.hash, signal });
  }

  /** True if there is an index. */
  get keepsChecksums(): boolean {
    return this.#index !== undefined;
  }

  /**
   * The CRC-32 values that the index keeps, null for each that it does not.
   *
   * @throws {StorageError} `EINDEX` if the index cannot be used
   */
  recall(files: readonly ListedFile[]): Promise<(number | null)[]> {
    if (this.#index === undefined) return Promise.resolve(files.map(() => null));
    const keys = files.map((file) => this.#keyOf(file));
    return this.#pool.run("recall", { index: this.#index, keys });
  }

  /**
   * Puts CRC-32 values into the index, which is made if there is none.
   *
   * @throws {StorageError} `EINDEX` if the index cannot be used
   */
  async remember(values: readonly KeptChecksum[]): Promise<void> {
    if (this.#index === undefined) return;
    const rows = values.map(({ file, crc32 }) => ({ ...this.#keyOf(file), crc32 }));
    await this.#pool.run("remember", { index: this.#index, rows });
  }

  /** Ends the threads; what they were at is lost. */
  [Symbol.dispose]() {
    this.#pool[Symbol.dispose]();
  }

  #keyOf({ location, identity }: ListedFile): IndexKey {
    return { file: fileOf(this.#root, location), identity };
  }
}
