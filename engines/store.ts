/**
 * The default engine: our own writer. Nothing is compressed, since photos are already; so the exact
 * length is known at once, and the work is as fast as the files can be read.
 *
 * @module
 */

import type { Checksums } from "../storage/checksums.ts";
import type { ListedEntry, Listing } from "../storage/listing.ts";
import { type FileSource, sliceOf } from "../storage/source.ts";
import { archiveBody } from "../zip/body.ts";
import { Pace } from "../zip/pace.ts";
import { dataOffset } from "../zip/plan.ts";
import { LAYOUT_VERSION } from "../zip/records.ts";
import { SharedPlan } from "../zip/shared_plan.ts";
import { ArchiveStream, MAX_SLICES, type Source } from "../zip/stream.ts";
import {
  type Archive,
  type ArchiveBody,
  type ArchiveRange,
  DOWNLOAD_BYTES,
  type Engine,
} from "./engine.ts";

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
  const plans = new WeakMap<Listing, SharedPlan<ListedEntry>>();
  return {
    prepare(listing: Listing): Archive {
      const shared = plans.get(listing) ?? new SharedPlan(listing.entries);
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

interface Download {
  readonly shared: SharedPlan<ListedEntry>;
  readonly range: ArchiveRange | undefined;
  readonly pace: Pace;
}

function openStream({ shared, range, pace }: Download, options: StoreOptions): ArchiveBody {
  const left = new AbortController();
  const { plan, checksums } = shared;
  const source = createSource(shared, options, left.signal);
  const stream = new ArchiveStream(plan, source, { ...range, checksums });
  return archiveBody(stream, { pace, onEnd: () => left.abort() });
}

/** Files as the ZIP stream wants them. Errors name the file, by its path in the folder. */
function createSource(
  shared: SharedPlan<ListedEntry>,
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
