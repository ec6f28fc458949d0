/**
 * The source that is a folder on a disk. The serving thread never waits for it: threads of a pool do
 * the blocking calls.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import { unlessAborted } from "../../lib/abort.ts";
import { type MemoryBudget, unlimitedMemory } from "../../lib/memory_budget.ts";
import type { SourceStats } from "../../lib/stats.ts";
import type { IndexKey } from "../checksum_index.ts";
import { CountedListings } from "../counted_listings.ts";
import { StorageError } from "../errors.ts";
import { archivesToForget, KeptDigests } from "../kept_digests.ts";
import type { Listing } from "../listing.ts";
import { ListingRoom } from "../listing_room.ts";
import { PendingListings, SharedListings } from "../shared_listings.ts";
import type {
  FileSlice,
  FileSource,
  FilledBuffer,
  FillOptions,
  KeptChecksum,
  ListedFile,
  ListOptions,
  PlacedSlice,
  SourceFolder,
  TaskOptions,
} from "../source.ts";
import { unpackFolders } from "./folders.ts";
import { type FillRequest, LocalFiles } from "./local_files.ts";
import { packSlices } from "./packed_slices.ts";
import { HELD_UP_MS, Pool, type PoolOptions } from "./pool.ts";
import { TIME_SET_ON_OPEN } from "./same_file.ts";
import { fileOf } from "./stat.ts";
import type { DiskSelection } from "./walk.ts";

/** A folder in which something is changing is listed again after these pauses, for this long. */
const RETRY_MS = 30;
const MAX_RETRY_MS = 250;
const RETRY_FOR_MS = 1200;

/** At most this many archives are known to be on a disk whose times tell nothing. */
const MAX_TIMELESS = 1000;

/** At most this many archives are known to be on a disk of this machine. */
const MAX_LOCAL = 10_000;

/** Which folder it is, and how it is read. */
export interface DiskOptions extends DiskSelection, PoolOptions {
  /** Absolute path of the photos folder, without symlinks in it. */
  readonly root: string;
  /** Absolute path of an SQLite file that keeps CRC-32 values. @default none */
  readonly index?: string;
  /**
   * Whether a folder must have rested so long that nothing could be swapped in it unseen, which takes
   * up to a second after each change in it.
   *
   * @default false
   */
  readonly strict?: boolean;
  /** What listings that are under way count against. @default unlimited */
  readonly memory?: MemoryBudget;
  /** Called once for each archive on a disk whose times tell nothing. */
  readonly onUnsteady?: (hash: string) => void;
}

/**
 * A photos folder on a disk. Errors are {@link StorageError}s with the code of the system, and
 * `EINDEX` for an index that cannot be used.
 */
export class DiskSource implements FileSource, Disposable {
  readonly #root: string;
  /** Of whole archives, in the index; undefined if there is none. */
  readonly digests: KeptDigests | undefined;
  readonly #index: string | undefined;
  readonly #selection: DiskSelection;
  readonly #strict: boolean;
  readonly #onUnsteady: DiskOptions["onUnsteady"];
  readonly #room: ListingRoom;
  readonly #heldUpAfter: number;
  readonly #pool: Pool;
  /** Archives whose files look changed whenever they are opened. */
  readonly #timeless = new LRUCache<string, true>({ max: MAX_TIMELESS });
  readonly #warned = new LRUCache<string, true>({ max: MAX_TIMELESS });
  readonly #files: LocalFiles;
  /** Those whose end is waited for. */
  readonly #readers = new WeakSet<object>();
  /** Devices of archives that are on disks of this machine. */
  readonly #localDevices = new LRUCache<string, number>({ max: MAX_LOCAL });
  /** Of the photos folder, when something was found in it. */
  #device: number | undefined;
  readonly #counted = new CountedListings();
  readonly #listings = new SharedListings();
  readonly #pending = new PendingListings<Listing | null>();
  /** Apart, so that no download waits for a listing that lets downloads go first. */
  readonly #pendingBehind = new PendingListings<Listing | null>();
  /**
   * Of the photos folder itself, by whether they let downloads go first. They go on without those who
   * left: on a disk that hangs, each new one would take another thread.
   */
  readonly #pendingNames = new PendingListings<readonly string[]>();
  readonly #pendingFolders = new PendingListings<readonly SourceFolder[]>();
  readonly #pendingLabels = new PendingListings<string | null>();

  /** Touches nothing yet. */
  constructor(options: DiskOptions) {
    const { hidden = false, includeJunk = false, followSymlinks = false } = options;
    this.#root = options.root;
    this.#index = options.index;
    this.#selection = { hidden, includeJunk, followSymlinks };
    this.#strict = options.strict ?? false;
    this.#onUnsteady = options.onUnsteady;
    this.#room = new ListingRoom(options.memory ?? unlimitedMemory());
    this.#heldUpAfter = options.heldUpAfter ?? HELD_UP_MS;
    this.#pool = new Pool(options);
    this.digests = options.index === undefined ? undefined : this.#digestsIn(options.index);
    this.#files = new LocalFiles(options.root, { openFiles: options.descriptors?.openFiles });
  }

  /** Starts the threads, which otherwise come with the first tasks: see {@link Pool.start}. */
  start(): Promise<void> {
    return this.#pool.start();
  }

  /** What the source has done, and is at now. */
  stats(): SourceStats {
    return {
      threads: this.#pool.stats(),
      reads: this.#files.stats(),
      listings: this.#counted.stats(),
    };
  }

  /** Names of the directories in the photos folder. */
  async archives({ background = false, signal }: ListOptions = {}): Promise<readonly string[]> {
    signal?.throwIfAborted();
    const request = { root: this.#root };
    const list = () => this.#pool.run("directories", request, { background });
    return await unlessAborted(this.#pendingNames.get(String(background), list), signal);
  }

  /** The same, with the times at which they changed, newest first. */
  async folders(
    { background = false, signal }: ListOptions = {},
  ): Promise<readonly SourceFolder[]> {
    signal?.throwIfAborted();
    const request = { root: this.#root };
    const list = async () =>
      unpackFolders(await this.#pool.run("folders", request, { background }));
    return await unlessAborted(this.#pendingFolders.get(String(background), list), signal);
  }

  /**
   * What a hash's folder holds; null if there is no such folder.
   *
   * @throws {StorageError} `EAGAIN` if something is renamed in it again and again, `EBUSY` if too many
   * wait for listings already
   * @throws {MemoryBudgetError} if there is no memory for it now
   */
  async list(hash: string, options: ListOptions = {}): Promise<Listing | null> {
    const list = () => unlessAborted(this.#listAtRest(hash, options), options.signal);
    return await this.#counted.run(list, options.signal);
  }

  /**
   * Text of an archive's label; null if it has none. Callers that arrive while it is read share the
   * next look at it.
   *
   * @throws {StorageError} `EFBIG` if it is too long, `EPERM` if it is no plain file
   */
  async label(hash: string, { signal }: TaskOptions = {}): Promise<string | null> {
    signal?.throwIfAborted();
    const request = { root: this.#root, hash };
    const read = () => this.#pool.run("label", request, { hash });
    return await unlessAborted(this.#pendingLabels.get(hash, read), signal);
  }

  /** Tries again for a while where something is changing. */
  async #listAtRest(hash: string, options: ListOptions): Promise<Listing | null> {
    const pending = options.background ? this.#pendingBehind : this.#pending;
    const started = performance.now();
    for (let pause = RETRY_MS;; pause = Math.min(2 * pause, MAX_RETRY_MS)) {
      const isLast = performance.now() - started >= RETRY_FOR_MS;
      const timeless = isLast || this.#timeless.has(hash);
      try {
        return await pending.get(hash, () => this.#listOnce(hash, { ...options, timeless }));
      } catch (error) {
        const again = error instanceof StorageError && error.code === "EAGAIN";
        if (!again || isLast || options.signal?.aborted) throw error;
        await sleep(pause);
      }
    }
  }

  /** Others may share the listing: so it does not end when the first of them leaves. */
  async #listOnce(hash: string, options: ListOptions & { readonly timeless: boolean }) {
    const { background, timeless } = options;
    const request = {
      root: this.#root,
      hash,
      selection: this.#selection,
      strict: this.#strict,
      timeless: timeless && !this.#timeless.has(hash),
      device: this.#device,
    };
    // Where there is room, the listing is in the queue before whatever is asked for after it.
    using room = this.#room.tryReserve(hash) ?? await this.#room.reserve(hash);
    const release = () => room[Symbol.dispose]();
    // One that its disk holds up takes no more memory: nobody else need wait for it.
    using timers = new DisposableStack();
    timers.adopt(setTimeout(release, this.#heldUpAfter), clearTimeout);
    const walked = await this.#pool.run("list", request, { hash, background });
    const { listing, device, localDevice } = walked;
    if (!listing) return null;
    if (localDevice === undefined) this.#localDevices.delete(hash);
    else this.#localDevices.set(hash, localDevice);
    this.#device = device;
    const isTimeless = this.#timeless.has(hash);
    if (!listing.steady || isTimeless) this.#warnOfTimes(hash);
    const unpacked = this.#listings.unpack(
      hash,
      isTimeless ? { ...listing, steady: false, settled: false } : listing,
    );
    this.#room.took(hash, unpacked.memory);
    return unpacked;
  }

  #warnOfTimes(hash: string) {
    if (this.#warned.has(hash)) return;
    this.#warned.set(hash, true);
    this.#onUnsteady?.(hash);
  }

  /**
   * A new buffer of `length` bytes with these slices of files in it.
   *
   * @throws {StorageError} `ESTALE` if a file is not what it was when it was listed
   */
  async fill(
    length: number,
    slices: readonly PlacedSlice[],
    { reader, signal }: FillOptions = {},
  ): Promise<FilledBuffer> {
    const hash = slices[0]?.hash;
    const filled = reader && await this.#fillLocal({ length, slices, reader }, signal);
    if (filled) return filled;
    const device = this.#localDevices.get(hash);
    const request = { root: this.#root, length, slices: packSlices(slices), device };
    return await this.#learnTimes(hash, this.#pool.run("fill", request, { hash, signal }));
  }

  /** Null if it is nothing for that, or nothing came of it: see {@link LocalFiles.fill}. */
  async #fillLocal(request: FillRequest, signal?: AbortSignal): Promise<FilledBuffer | null> {
    const { reader, slices } = request;
    const device = this.#localDevices.get(slices[0]?.hash);
    if (device === undefined || !this.#files.suits(request, device)) return null;
    signal?.throwIfAborted();
    if (signal && !this.#readers.has(reader)) {
      this.#readers.add(reader);
      signal.addEventListener("abort", () => this.#files.close(reader), { once: true });
    }
    return await unlessAborted(this.#files.fill(request), signal);
  }

  /**
   * The CRC-32 that goes on from the slice's own with the slice's bytes.
   *
   * @throws {StorageError} `ESTALE` if the file is not what it was when it was listed
   */
  checksum(slice: FileSlice, { signal }: TaskOptions = {}): Promise<number> {
    const request = { root: this.#root, slice };
    const { hash } = slice;
    return this.#learnTimes(hash, this.#pool.run("checksum", request, { hash, signal }));
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
    await this.digests?.forget(archivesToForget(values));
    await this.#pool.run("remember", { index: this.#index, rows });
  }

  /** Ends the threads; what they were at is lost. */
  [Symbol.dispose]() {
    this.#pool[Symbol.dispose]();
    this.#files[Symbol.dispose]();
  }

  /** Remembers an archive whose files look changed whenever they are opened: its times tell nothing. */
  async #learnTimes<T>(hash: string | undefined, task: Promise<T>): Promise<T> {
    try {
      return await task;
    } catch (error) {
      const isSet = error instanceof StorageError && error.code === TIME_SET_ON_OPEN;
      if (isSet && hash !== undefined) this.#timeless.set(hash, true);
      throw error;
    }
  }

  #digestsIn(index: string) {
    return new KeptDigests({
      address: `${this.#root}/`,
      ask: (call) => this.#pool.run("digests", { index, call }),
    });
  }

  #keyOf({ location, identity }: ListedFile): IndexKey {
    return { file: fileOf(this.#root, location), identity };
  }
}
