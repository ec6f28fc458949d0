/**
 * The source that is a bucket of an object store: the keys `<prefix><hash>/…` are an archive. The
 * process holds nothing that another one could not find out again, so there may be many of them.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import { mapAtMost } from "../../lib/concurrency.ts";
import { type MemoryBudget, unlimitedMemory } from "../../lib/memory_budget.ts";
import type { SourceStats } from "../../lib/stats.ts";
import { CountedListings } from "../counted_listings.ts";
import { StorageError } from "../errors.ts";
import { archivesToForget, KeptDigests } from "../kept_digests.ts";
import type { Listing } from "../listing.ts";
import { ListingRoom } from "../listing_room.ts";
import { isHash, LABEL_FILE, type Selection } from "../names.ts";
import { SharedListings } from "../shared_listings.ts";
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
import { FactsMemory } from "./facts.ts";
import { assertListable, listFolderNames, listFolders } from "./folders.ts";
import type { GatherThreadOptions } from "./gathering.ts";
import { KeptChecksums } from "./kept.ts";
import { LabelObjects } from "./label_object.ts";
import { listArchive, type ObjectTimes } from "./listing.ts";
import type { OpenBodiesOptions } from "./open_bodies.ts";
import { Reads } from "./reads.ts";
import type { ObjectStore } from "./store.ts";
import { WantedListings } from "./wanted.ts";

/** An archive in which objects are being removed is listed again after these pauses, in milliseconds. */
const RETRY_MS = [50, 100, 200, 400];

/** At most this many objects are asked about at a time for one listing that a download waits for. */
const HEADS_AT_ONCE = 32;

/** The same for one that lets downloads go first. */
const BACKGROUND_HEADS = 8;

/**
 * Of larger objects a request for their stored CRC-32 is less than to read them; smaller ones are read
 * once anyway. Bytes.
 */
const LARGE_BYTES = 4 << 20;

/** What is remembered of objects may take this part of the memory, and no more than so many bytes. */
const FACTS_SHARE = 1 / 16;
const MAX_FACTS_BYTES = 32 << 20;

/** Of at most this many archives it is known that they have no label. */
const MAX_UNLABELLED = 1000;

/** For this long a listing is believed that an archive has no label, in milliseconds. */
const UNLABELLED_MS = 1000;

/** Which folder of which bucket it is, and how it is read. */
export interface BucketSourceOptions
  extends Selection, OpenBodiesOptions, Pick<GatherThreadOptions, "lend"> {
  /** Has the objects; whoever made it disposes of it. */
  readonly store: ObjectStore;
  /** Name of the bucket. */
  readonly bucket: string;
  /** Key prefix of the photos folder: empty, or ending in `/`. */
  readonly prefix: string;
  /** Which time a file has. @default "metadata" */
  readonly times?: ObjectTimes;
  /** Absolute path of an SQLite file that keeps CRC-32 values. @default none */
  readonly index?: string;
  /** Told once that the file cannot be used; all goes on without it. */
  readonly onIndexFailure?: (error: unknown) => void;
  /** What listings that are under way count against. @default unlimited */
  readonly memory?: MemoryBudget;
}

/** A photos folder in a bucket. Errors are {@link StorageError}s, with the codes of system errors. */
export class BucketSource implements FileSource, Disposable {
  /** The store keeps some of them. */
  readonly keepsChecksums = true;
  /** Of whole archives, in the file of `--checksums`; undefined if there is none. */
  readonly digests: KeptDigests | undefined;
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #selection: Selection;
  readonly #times: ObjectTimes;
  readonly #lend: GatherThreadOptions["lend"];
  readonly #facts: FactsMemory;
  readonly #kept: KeptChecksums;
  readonly #room: ListingRoom;
  readonly #reads: Reads;
  readonly #counted = new CountedListings();
  readonly #listings = new SharedListings();
  readonly #pending = new WantedListings<Listing | null>();
  /** Apart, so that no download waits for a listing that lets downloads go first. */
  readonly #pendingBehind = new WantedListings<Listing | null>();
  readonly #pendingNames = new WantedListings<readonly string[]>();
  readonly #pendingLooks = new WantedListings<void>();
  readonly #pendingFolders = new WantedListings<readonly SourceFolder[]>();
  readonly #pendingLabels = new WantedListings<string | null>();
  readonly #labels: LabelObjects;
  /** Archives in whose listing, a moment ago, there was no label: nobody need ask for it. */
  readonly #unlabelled = new LRUCache<string, true>({ max: MAX_UNLABELLED, ttl: UNLABELLED_MS });

  /** Asks for nothing yet. */
  constructor(options: BucketSourceOptions) {
    const { store, bucket, prefix, hidden = false, includeJunk = false, times } = options;
    const memory = options.memory ?? unlimitedMemory();
    const factsBytes = Math.min(memory.limit * FACTS_SHARE, MAX_FACTS_BYTES);
    this.#store = store;
    this.#prefix = prefix;
    this.#selection = { hidden, includeJunk };
    this.#times = times ?? "metadata";
    this.#lend = options.lend;
    this.#facts = new FactsMemory(factsBytes);
    this.#room = new ListingRoom(memory);
    this.#labels = new LabelObjects(store);
    this.#reads = new Reads({ ...options, memory });
    const address = `s3://${bucket}/${prefix}`;
    this.#kept = new KeptChecksums({
      address,
      maxBytes: factsBytes,
      index: options.index,
      onIndexFailure: options.onIndexFailure,
      stored: ({ location, identity }) =>
        this.#facts.of(prefix + location, identity)?.crc32 ?? null,
    });
    this.digests = options.index === undefined
      ? undefined
      : new KeptDigests({ address, ask: (call) => this.#kept.digests(call) });
  }

  /** What the source has done, and is at now. */
  stats(): SourceStats {
    return {
      threads: { queued: 0, busy: 0, idle: 0, heldUp: 0 },
      reads: this.#reads.stats(),
      listings: this.#counted.stats(),
      bucket: this.#store.stats(),
    };
  }

  /** Names of the folders under the prefix. */
  archives({ signal }: ListOptions = {}): Promise<readonly string[]> {
    const [store, prefix] = [this.#store, this.#prefix];
    return this.#pendingNames.get(
      "",
      (signal) => listFolderNames({ store, prefix, signal }),
      signal,
    );
  }

  /** One request, however many folders there are. Callers at a time share it. */
  readable({ signal }: TaskOptions = {}): Promise<void> {
    const [store, prefix] = [this.#store, this.#prefix];
    return this.#pendingLooks.get(
      "",
      (signal) => assertListable({ store, prefix, signal }),
      signal,
    );
  }

  /** The folders with the times of what was uploaded last, newest first; see {@link listFolders}. */
  folders({ signal }: ListOptions = {}): Promise<readonly SourceFolder[]> {
    const [store, prefix] = [this.#store, this.#prefix];
    return this.#pendingFolders.get("", (signal) => listFolders({ store, prefix, signal }), signal);
  }

  /**
   * What is under a hash; null if there is nothing.
   *
   * @throws {StorageError} `EAGAIN` if objects are removed again and again, `EBUSY` if too many wait
   * for listings already
   * @throws {MemoryBudgetError} if there is no memory for it now
   */
  async list(hash: string, options: ListOptions = {}): Promise<Listing | null> {
    const list = async () => isHash(hash) ? await this.#listAtRest(hash, options) : null;
    return await this.#counted.run(list, options.signal);
  }

  /**
   * Text of an archive's label, as it is now; null if it has none, be it in a listing of a moment ago.
   * Callers at a time share the look.
   *
   * @throws {StorageError} `EFBIG` if it is too long
   */
  async label(hash: string, { signal }: TaskOptions = {}): Promise<string | null> {
    signal?.throwIfAborted();
    if (!isHash(hash) || this.#unlabelled.has(hash)) return null;
    const key = `${this.#prefix}${hash}/${LABEL_FILE}`;
    return await this.#pendingLabels.get(hash, (signal) => this.#labels.read(key, signal), signal);
  }

  /**
   * A new buffer of `length` bytes with these slices of objects in it.
   *
   * @throws {StorageError} `ESTALE` if an object is not what it was when it was listed
   */
  fill(
    length: number,
    slices: readonly PlacedSlice[],
    options: FillOptions = {},
  ): Promise<FilledBuffer> {
    return this.#reads.fill(length, slices, options);
  }

  /**
   * The CRC-32 that goes on from the slice's own with the slice's bytes.
   *
   * @throws {StorageError} `ESTALE` if the object is not what it was when it was listed
   */
  checksum(slice: FileSlice, options: TaskOptions = {}): Promise<number> {
    return this.#reads.checksum(slice, options);
  }

  /**
   * The CRC-32 values that were worked out, that the index has, or that the store keeps; null for each
   * that nobody knows. Of no files at all, it tries the index.
   *
   * @throws {StorageError} `EINDEX` if that is tried and cannot be used
   */
  async recall(files: readonly ListedFile[]): Promise<(number | null)[]> {
    const values = await this.#kept.recall(files);
    const unasked = files.filter((file, i) => values[i] === null && this.#isWorthAsking(file));
    if (unasked.length === 0) return values;
    await mapAtMost(unasked, (file) => this.#ask(file), { limit: HEADS_AT_ONCE });
    return await this.#kept.recall(files);
  }

  /** Keeps CRC-32 values, and does not believe again what turned out to be wrong. */
  async remember(values: readonly KeptChecksum[]): Promise<void> {
    await this.digests?.forget(archivesToForget(values)).catch(() => {}); // without a file all goes on
    await this.#kept.remember(values);
  }

  /** Ends what is open. */
  [Symbol.dispose]() {
    this.#reads[Symbol.dispose]();
    this.#kept[Symbol.dispose]();
  }

  /** Tries again for a while where objects are being removed. */
  async #listAtRest(hash: string, { background, signal }: ListOptions): Promise<Listing | null> {
    const pending = background ? this.#pendingBehind : this.#pending;
    const atOnce = background ? BACKGROUND_HEADS : HEADS_AT_ONCE;
    const list = (signal: AbortSignal) => this.#listOnce(hash, { atOnce, signal });
    for (const pause of RETRY_MS) {
      try {
        return await pending.get(hash, list, signal);
      } catch (error) {
        if (!(error instanceof StorageError) || error.code !== "EAGAIN") throw error;
        await sleep(pause, undefined, { signal });
      }
    }
    return await pending.get(hash, list, signal);
  }

  /** Others may share the listing: so its signal aborts when the last of them has left. */
  async #listOnce(
    hash: string,
    { atOnce, signal }: { readonly atOnce: number; readonly signal: AbortSignal },
  ): Promise<Listing | null> {
    using _room = this.#room.tryReserve(hash) ?? await this.#room.reserve(hash, signal);
    const packed = await listArchive({
      store: this.#store,
      start: `${this.#prefix}${hash}/`,
      hash,
      selection: this.#selection,
      times: this.#times,
      facts: this.#facts,
      atOnce,
      onLabel: (isThere) => {
        if (isThere) this.#unlabelled.delete(hash);
        else this.#unlabelled.set(hash, true);
      },
      lend: this.#lend,
      signal,
    });
    if (!packed) return null;
    const listing = this.#listings.unpack(hash, packed);
    this.#room.took(hash, listing.memory);
    return listing;
  }

  /** Where it was never asked what the store keeps of an object, and it is one that is read twice. */
  #isWorthAsking({ location, identity, size }: ListedFile): boolean {
    return size > LARGE_BYTES && this.#facts.of(this.#prefix + location, identity) === undefined;
  }

  /** Without an answer nothing is known: then the object is read, which fails if it is not there. */
  async #ask({ location }: ListedFile) {
    try {
      this.#facts.set(await this.#store.head(this.#prefix + location));
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }
}
