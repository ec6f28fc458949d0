/**
 * The default engine: our own writer. Nothing is compressed, since photos are already; so the exact
 * length is known at once, and the work is as fast as the files can be read.
 *
 * @module
 */

import type { Checksums } from "../storage/checksums.ts";
import type { FolderEntry, Listing } from "../storage/listing.ts";
import { type Reader, sliceOf } from "../storage/reader.ts";
import { type Plan, planArchive } from "../zip/plan.ts";
import { ArchiveStream, type Source, WHOLE_BYTES } from "../zip/stream.ts";
import type { Archive, ArchiveRange, Engine } from "./engine.ts";

/** To be raised when the bytes of an archive change with the same files in it. */
const LAYOUT_VERSION = 1;

const MIN_BUFFER_BYTES = 32 << 10;
const MAX_BUFFER_BYTES = 1 << 20;
/** The buffers of all clients that keep up are no longer than this together. */
const SHARED_BYTES = 16 << 20;
/** So much the buffers of the system take from a client that reads nothing. */
const PROBATION_BYTES = 4 << 20;
/** A client that takes longer for one buffer gets smaller ones. */
const SLOW_MS = 500;

/** What the engine works with. */
export interface StoreOptions {
  /** Reads the files. */
  readonly reader: Reader;
  /** Remembers their CRC-32 values. */
  readonly checksums: Checksums;
  /** Longest buffer in bytes. @default 1 MiB */
  readonly maxBuffer?: number;
}

/** The engine that writes ZIP itself. */
export function createStoreEngine(options: StoreOptions): Engine {
  const fast = new Set<Pace>();
  const plans = new WeakMap<Listing, Plan<FolderEntry>>(); // clients of one archive share its plan
  return {
    prepare(listing: Listing): Archive {
      const plan = plans.get(listing) ?? planArchive(listing.entries);
      plans.set(listing, plan);
      return {
        size: plan.size,
        version: `${LAYOUT_VERSION}-${listing.fingerprint}`,
        open: async (range) => {
          await options.checksums.recall(listing.entries);
          return openStream({ plan, range, pace: new Pace(fast, options.maxBuffer) }, options);
        },
      };
    },
    close: () => options.checksums.flush(),
  };
}

interface Download {
  readonly plan: Plan<FolderEntry>;
  readonly range: ArchiveRange | undefined;
  readonly pace: Pace;
}

function openStream({ plan, range, pace }: Download, options: StoreOptions) {
  const left = new AbortController();
  const source = createSource(plan.entries, options, left.signal);
  const stream = new ArchiveStream(plan, source, range);
  const end = () => {
    pace.end();
    left.abort();
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { length, ahead } = pace.next();
        const buffer = await stream.next(length, { ahead });
        if (!buffer) {
          end();
          return controller.close();
        }
        pace.made(buffer.length);
        controller.enqueue(buffer);
      } catch (error) {
        end();
        throw error;
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
}

/**
 * How the next buffer may be. It follows what was sent so far, so that a client which stops early,
 * when only the buffers of the system are full, costs little; a slow one gets smaller ones. And the
 * more clients keep up, the shorter are the buffers of each.
 */
class Pace {
  readonly #fast: Set<Pace>;
  readonly #max: number | undefined;
  #credit = 0;
  #madeAt = Infinity;

  /** One of all those that keep up, which are in the set. */
  constructor(fast: Set<Pace>, max: number | undefined) {
    this.#fast = fast;
    this.#max = max;
  }

  next() {
    const max = this.#max ?? MAX_BUFFER_BYTES;
    if (this.#isLate()) this.#credit /= 2;
    if (this.#credit < PROBATION_BYTES) {
      this.#fast.delete(this);
      return { length: Math.min(MIN_BUFFER_BYTES, max), ahead: false };
    }
    this.#fast.add(this);
    for (const pace of this.#fast) if (pace !== this && pace.#isLate()) this.#fast.delete(pace);
    const share = Math.floor(SHARED_BYTES / this.#fast.size);
    return {
      length: Math.max(Math.min(share, max), MIN_BUFFER_BYTES),
      ahead: share >= WHOLE_BYTES && this.#max === undefined,
    };
  }

  made(bytes: number) {
    this.#madeAt = performance.now();
    this.#credit = Math.min(this.#credit + bytes, 2 * PROBATION_BYTES);
  }

  end() {
    this.#fast.delete(this);
  }

  #isLate() {
    return performance.now() - this.#madeAt > SLOW_MS;
  }
}

/** Files as the ZIP stream wants them. Errors name the file, by its path in the folder. */
function createSource(
  entries: readonly FolderEntry[],
  { reader, checksums }: StoreOptions,
  signal: AbortSignal,
): Source {
  return {
    knownChecksum: (index) => checksums.get(entries[index]),
    learnChecksum: (index, crc32) => checksums.set(entries[index], crc32),
    forgetChecksum: (index) => checksums.forget(entries[index]),
    checksum: (index) => checksums.scan(entries[index], signal),
    fill: (length, slices) =>
      reader.fill(
        length,
        slices.map(({ index, ...slice }) => sliceOf(entries[index], slice)),
      ),
  };
}
