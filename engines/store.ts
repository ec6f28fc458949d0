/**
 * The default engine: our own writer. Nothing is compressed, since photos are already; so the exact
 * length is known at once, and the work is as fast as the files can be read.
 *
 * @module
 */

import type { Checksums } from "../storage/checksums.ts";
import type { ListedEntry, Listing } from "../storage/listing.ts";
import { type FileSource, sliceOf } from "../storage/source.ts";
import { EntryChecksums } from "../zip/entry_checksums.ts";
import { dataOffset, type Plan, planArchive } from "../zip/plan.ts";
import { ArchiveStream, MAX_SLICES, type Source } from "../zip/stream.ts";
import {
  type Archive,
  type ArchiveBody,
  type ArchiveRange,
  DOWNLOAD_BYTES,
  type Engine,
} from "./engine.ts";
import { Pace } from "./pace.ts";

/** To be raised when the bytes of an archive change with the same files in it. */
const LAYOUT_VERSION = 1;

/** What each file takes that one buffer may hold, while the buffer waits to be filled. Bytes. */
const SLICE_BYTES = 700;

/** What the engine works with. */
export interface StoreOptions {
  /** Reads the files. */
  readonly source: FileSource;
  /** Remembers their CRC-32 values. */
  readonly checksums: Checksums;
  /** Longest buffer in bytes. @default 1 MiB */
  readonly maxBuffer?: number;
  /** The buffers of all clients that keep up are no longer than this together. Bytes. @default 16 MiB */
  readonly sharedBuffers?: number;
}

/** The engine that writes ZIP itself. */
export function createStoreEngine(options: StoreOptions): Engine {
  const fast = new Set<Pace>();
  const plans = new WeakMap<Listing, SharedPlan>();
  return {
    prepare(listing: Listing): Archive {
      const shared = plans.get(listing) ?? new SharedPlan(listing);
      plans.set(listing, shared);
      return {
        size: shared.plan.size,
        version: versionOf(listing),
        memory: DOWNLOAD_BYTES + SLICE_BYTES * Math.min(listing.entries.length, MAX_SLICES),
        members: async () => {
          await options.checksums.recall(listing.entries);
          return listing.entries.map((entry, i) => ({
            offset: dataOffset(shared.plan, i),
            crc32: entry.size === 0 ? 0 : options.checksums.get(entry) ?? null,
          }));
        },
        open: async (range) => {
          await options.checksums.recall(listing.entries);
          const pace = new Pace(fast, options.maxBuffer, options.sharedBuffers);
          return openStream({ shared, range, pace }, options);
        },
      };
    },
    close: () => options.checksums.flush(),
  };
}

/** The bytes follow from the fingerprint; where a source knows contents apart, from those too. */
function versionOf({ fingerprint, revision }: Listing) {
  const parts = [LAYOUT_VERSION, fingerprint, ...revision === undefined ? [] : [revision]];
  return parts.join("-");
}

/** What all clients of one listing use. */
class SharedPlan {
  readonly plan: Plan<ListedEntry>;
  checksums: EntryChecksums;

  constructor({ entries }: Listing) {
    this.plan = planArchive(entries);
    this.checksums = new EntryChecksums(entries.length);
  }

  /** For those who come after a value proved wrong. */
  forgetChecksums() {
    this.checksums = new EntryChecksums(this.plan.entries.length);
  }
}

interface Download {
  readonly shared: SharedPlan;
  readonly range: ArchiveRange | undefined;
  readonly pace: Pace;
}

function openStream({ shared, range, pace }: Download, options: StoreOptions): ArchiveBody {
  const left = new AbortController();
  const { plan, checksums } = shared;
  const source = createSource(shared, options, left.signal);
  const stream = new ArchiveStream(plan, source, { ...range, checksums });
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

/** Files as the ZIP stream wants them. Errors name the file, by its path in the folder. */
function createSource(
  shared: SharedPlan,
  { source, checksums }: StoreOptions,
  signal: AbortSignal,
): Source {
  const { entries } = shared.plan;
  const reader = { entries };
  return {
    knownChecksum: (index) => checksums.get(entries[index]),
    learnChecksum: (index, crc32) => checksums.set(entries[index], crc32),
    forgetChecksum: (index) => {
      checksums.forget(entries[index]);
      shared.forgetChecksums();
    },
    checksum: (index) => checksums.scan(entries[index], signal),
    fill: (length, slices) =>
      source.fill(
        length,
        slices.map(({ index, ...slice }) => sliceOf(entries[index], slice)),
        { signal, reader },
      ),
  };
}
