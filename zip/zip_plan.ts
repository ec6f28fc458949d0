/**
 * An archive before a byte of it is made: its length, where everything stands, what its state is
 * called.
 *
 * @module
 */

import { archiveBody } from "./body.ts";
import { type ChecksumCache, EntrySource } from "./entry_source.ts";
import { entityTag } from "./http/entity_tag.ts";
import type { ByteRange } from "./http/range.ts";
import type { DatedState } from "./http/validators.ts";
import { Pace } from "./pace.ts";
import { dataOffset } from "./plan.ts";
import { type Entry, LAYOUT_VERSION } from "./records.ts";
import { SharedPlan } from "./shared_plan.ts";
import { ArchiveStream } from "./stream.ts";
import { assertDate, assertEntry, type ZipEntry } from "./zip_entry.ts";

const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/** Hexadecimal digits of the hash that names a state: 128 bits, for no two states alike. */
const VERSION_DIGITS = 32;

/** What is known of an archive besides its entries. */
export interface PlanZipOptions<E extends ZipEntry = ZipEntry> {
  /**
   * Remembers the CRC-32 of entries that have none, so that the next plan need not read them.
   *
   * @default the plan's own: it remembers them as long as it is there
   */
  readonly checksums?: ChecksumCache<E>;
  /**
   * When anything was last changed, an entry removed or renamed as well. It becomes Last-Modified.
   *
   * @default not known
   */
  readonly lastModified?: Date;
}

/** One archive. It can be sent any number of times, whole or in part, also at the same time. */
export interface ZipPlan<E extends ZipEntry = ZipEntry> extends DatedState {
  /** What goes in, in this order. */
  readonly entries: readonly E[];
  /** Exact length of the whole in bytes. */
  readonly size: number;
  /** For each entry the first byte of its content, which stands in the archive as it is. */
  readonly offsets: readonly number[];
  /** Equal as long as the bytes of the archive are; 1 and 32 hexadecimal digits, as in `1-0f…`. */
  readonly version: string;
  /** Whether every entry that has content has a version. */
  readonly settled: boolean;
  /** The value of the ETag header: the version in quotes, weak unless settled. */
  readonly etag: string;
  /**
   * Makes the archive, or a range of it. No entry is opened before the first byte is asked for. If an
   * entry cannot be read, or has fewer or more bytes than its size, or other content than its CRC-32
   * says, the stream fails with an error that names it; it never ends early without an error. When
   * the stream is cancelled, the entry's own stream is.
   *
   * @throws {RangeError} if the range is not within the archive
   */
  open(range?: ByteRange): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * Plans the archive of some entries, in the order in which they are given. Nothing is opened.
 *
 * @example
 * ```ts ignore
 * import { planZip, zipResponse } from "@zipferry/zip";
 *
 * const photo = new Blob(["not really a photo"]);
 * const plan = await planZip([{
 *   name: "photo.jpg",
 *   size: photo.size,
 *   modified: new Date("2024-05-06T07:08:09Z"),
 *   version: "1",
 *   open: ({ start, end }) => photo.slice(start, end).stream(),
 * }]);
 * const response = zipResponse(new Request("http://localhost/photos.zip"), plan);
 * console.assert(plan.size === (await response.arrayBuffer()).byteLength);
 * ```
 *
 * @throws {TypeError} if a value of an entry is of another kind
 * @throws {RangeError} if a value is not allowed, or two entries have the same name
 */
export async function planZip<E extends ZipEntry>(
  given: Iterable<E>,
  { checksums = new Map(), lastModified }: PlanZipOptions<E> = {},
): Promise<ZipPlan<E>> {
  const entries = [...given];
  assertEntries(entries);
  if (lastModified !== undefined) assertDate(lastModified, "lastModified");
  const records = entries.map(recordOf);
  const shared = new SharedPlan(records);
  const { plan } = shared;
  if (!Number.isSafeInteger(plan.size)) {
    throw new RangeError(`plan archive: longer than ${Number.MAX_SAFE_INTEGER} bytes`);
  }
  const source = new EntrySource(entries, shared, checksums);
  const fast = new Set<Pace>();
  const state = {
    version: await versionOf(entries, records),
    settled: entries.every(({ size, version }) => size === 0 || version !== undefined),
    lastModified: lastModified === undefined ? null : secondsOf(lastModified),
  };
  return {
    ...state,
    entries,
    size: plan.size,
    offsets: entries.map((_, i) => dataOffset(plan, i)),
    etag: entityTag(state)!,
    open(range = { start: 0, end: plan.size }) {
      const left = new AbortController();
      const { start, end } = range;
      const { checksums } = shared;
      const stream = new ArchiveStream(plan, source.sourceOf(range, left.signal), {
        ...{ start, end, checksums },
      });
      return archiveBody(stream, { pace: new Pace(fast, undefined), onEnd: () => left.abort() });
    },
  };
}

function assertEntries(entries: readonly ZipEntry[]) {
  const names = new Set<string>();
  for (const entry of entries) {
    assertEntry(entry);
    if (names.has(entry.name)) {
      throw new RangeError(`plan archive: two entries have the same name: ${entry.name}`);
    }
    names.add(entry.name);
  }
}

/** What the records of the archive say of an entry. */
function recordOf({ name, size, modified, mode }: ZipEntry): Entry {
  const usual = name.endsWith("/") ? FOLDER_MODE : FILE_MODE;
  return { name, size, mtime: secondsOf(modified), mode: mode ?? usual };
}

function secondsOf(date: Date) {
  return Math.floor(date.getTime() / 1000);
}

/** A hash of all that the bytes follow from; without a version, the time has to stand for one. */
async function versionOf(entries: readonly ZipEntry[], records: readonly Entry[]) {
  const lines = records.map(({ name, size, mtime, mode }, i) => {
    const { version, modified } = entries[i];
    return JSON.stringify([name, size, mtime, mode, version ?? modified.getTime()]);
  });
  const hash = await sha256(new TextEncoder().encode(lines.join("\n")));
  return `${LAYOUT_VERSION}-${hash.slice(0, VERSION_DIGITS)}`;
}

/** In hexadecimal digits. */
async function sha256(bytes: Uint8Array<ArrayBuffer>) {
  const { subtle } = globalThis.crypto ?? {};
  if (!subtle) {
    throw new Error("plan archive: no crypto.subtle: browsers have it over HTTPS and on localhost");
  }
  const hash = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
