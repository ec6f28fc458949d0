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
import { ArchiveStream, type Source } from "../zip/stream.ts";
import type { Archive, ArchiveRange, Engine } from "./engine.ts";

/** To be raised when the bytes of an archive change with the same files in it. */
const LAYOUT_VERSION = 1;

const MIN_BUFFER_BYTES = 32 << 10;
const MAX_BUFFER_BYTES = 1 << 20;
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
          return openStream(plan, range, options);
        },
      };
    },
    close: () => options.checksums.flush(),
  };
}

function openStream(
  plan: Plan<FolderEntry>,
  range: ArchiveRange | undefined,
  options: StoreOptions,
) {
  const left = new AbortController();
  const source = createSource(plan.entries, options, left.signal);
  const stream = new ArchiveStream(plan, source, range);
  const pace = new Pace(options.maxBuffer ?? MAX_BUFFER_BYTES);
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const length = pace.nextLength();
        const buffer = await stream.next(length, { ahead: length > MIN_BUFFER_BYTES });
        if (!buffer) return controller.close();
        pace.made(buffer.length);
        controller.enqueue(buffer);
      } catch (error) {
        left.abort();
        throw error;
      }
    },
    cancel: () => left.abort(),
  }, { highWaterMark: 0 });
}

/**
 * How long the next buffer may be. It follows what was sent so far, so that a client which stops
 * early, when only the buffers of the system are full, costs little; a slow one gets smaller ones.
 */
class Pace {
  readonly #max: number;
  #credit = 0;
  #madeAt = Infinity;

  constructor(max: number) {
    this.#max = max;
  }

  nextLength() {
    if (performance.now() - this.#madeAt > SLOW_MS) this.#credit /= 2;
    const length = this.#credit < PROBATION_BYTES ? MIN_BUFFER_BYTES : this.#credit / 4;
    return Math.min(length, this.#max);
  }

  made(bytes: number) {
    this.#madeAt = performance.now();
    this.#credit = Math.min(this.#credit + bytes, 2 * PROBATION_BYTES);
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
