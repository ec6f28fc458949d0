/**
 * `GET /archive/<hash>/?manifest`: what a download would hold, as JSON, so that a site can say
 * "Download (214 files, 1.2 GB)" beside its link.
 *
 * @module
 */

import type { ArchiveMember, Engine } from "../engines/engine.ts";
import { partsOf } from "../engines/parts.ts";
import { jsonResponse } from "../http/headers.ts";
import { type ArchiveQuery, writeSize } from "../http/query.ts";
import type { Label } from "../storage/label.ts";
import type { ListedEntry, Listing } from "../storage/listing.ts";
import type { MemoryBudget } from "../lib/memory_budget.ts";
import type { FileSource } from "../storage/source.ts";
import { entityTag } from "../zip/http/entity_tag.ts";
import { evaluatePreconditions } from "../zip/http/preconditions.ts";
import { stateResponse } from "../zip/http/state_response.ts";
import { digestOf } from "./digest.ts";

/** What manifests are made with. */
export interface ManifestOptions {
  /** Says how long an archive is. */
  readonly engine: Engine;
  /** Keeps digests of whole archives. @default nobody does */
  readonly source?: Pick<FileSource, "digests">;
  /** What the manifest and its listing count against. */
  readonly memory: MemoryBudget;
  /** Larger archives are offered in parts of so many bytes. @default none are */
  readonly partSize?: number;
}

/** What stands in a manifest. Its form does not change but by new fields. */
export interface Manifest {
  /** The files, in the order in which they stand in the archive. */
  readonly files: readonly {
    /** Path in the archive, joined by `/`. */
    readonly name: string;
    /** Bytes. */
    readonly size: number;
    /** Modification time, ISO 8601 in UTC, whole seconds. */
    readonly mtime: string;
    /** First byte of its data in the archive; null with the zip engine. */
    readonly offset: number | null;
    /** CRC-32 of its data, eight hexadecimal digits; null while it is not known. */
    readonly crc32: string | null;
  }[];
  /** How many files there are. */
  readonly count: number;
  /** Bytes of all files. */
  readonly total: number;
  /** The archive itself. */
  readonly archive: {
    /** Its exact length in bytes; null with the zip engine. */
    readonly length: number | null;
    /** Its entity tag as in the ETag header; null with the zip engine. */
    readonly etag: string | null;
    /** Its SHA-256, 64 hexadecimal digits; only where `warm --digest` has computed it. */
    readonly sha256?: string;
  };
  /** What its owner calls it; null without a title. */
  readonly title: string | null;
  /** When the link ends, ISO 8601 in UTC, whole seconds; null for never. */
  readonly expires: string | null;
  /** The parts in which it can be downloaded too, in their order; null if it is offered in one. */
  readonly parts: readonly ManifestPart[] | null;
}

/** One part of an archive. */
export interface ManifestPart {
  /** From 1 on. */
  readonly number: number;
  /** How many files and empty folders it holds. */
  readonly entries: number;
  /** Its exact length in bytes; null with the zip engine. */
  readonly length: number | null;
  /** True if a single file makes it longer than was asked for. */
  readonly oversize: boolean;
  /** What stands in its link, besides what stands in this one. */
  readonly query: string;
}

/** An archive that was found, or what was chosen of it. */
export interface FoundManifest {
  /** What of it is asked for. */
  readonly query: ArchiveQuery;
  /** What its owner says of it. */
  readonly label: Label;
  /** What it holds. */
  readonly listing: Listing;
  /** When the link ends, in milliseconds since 1970. */
  readonly expires: number | null;
}

/** The manifest of an archive that was found, or of what was chosen of it. */
export async function manifest(
  request: Request,
  found: FoundManifest,
  options: ManifestOptions & { readonly left: AbortSignal },
): Promise<Response> {
  const { listing, label, expires } = found;
  using _listing = options.memory.countShared(listing, listing.memory);
  using _manifest = await options.memory.reserve(listing.memory, options.left);
  const prepared = options.engine.prepare(listing);
  const { size, version } = prepared;
  const sha256 = await digestOf({ listing, prepared, source: options.source });
  const members = await prepared.members?.() ?? [];
  const files = listing.entries.map((entry, i) => fileOf(entry, members[i]))
    .filter(({ name }) => !name.endsWith("/"));
  const data: Manifest = {
    files,
    count: files.length,
    total: files.reduce((sum, { size }) => sum + size, 0),
    archive: {
      length: size,
      etag: entityTag({ version, settled: listing.settled }),
      ...sha256 !== null && { sha256 },
    },
    title: label.title ?? null,
    expires: expires === null ? null : isoSeconds(Math.floor(expires / 1000)),
    parts: partsIn(found, size, options),
  };
  const response = jsonResponse(data);
  // No date: a manifest may change with none of its files, as when another engine is chosen.
  const validators = {
    etag: response.headers.get("etag"),
    lastModified: null,
    dateIsStrong: false,
  };
  const early = evaluatePreconditions(request.headers, validators);
  return early === null ? response : stateResponse(early, response.headers);
}

function fileOf({ name, size, mtime }: ListedEntry, member?: ArchiveMember) {
  const { offset = null, crc32 = null } = member ?? {};
  const digits = crc32 === null ? null : crc32.toString(16).padStart(8, "0");
  return { name, size, mtime: isoSeconds(mtime), offset, crc32: digits };
}

/** The parts of the size that is asked for, or else of the one that is set; a part has none itself. */
function partsIn(
  { listing, query: { part, partSize } }: FoundManifest,
  length: number | null,
  options: ManifestOptions,
): ManifestPart[] | null {
  const size = partSize ?? options.partSize;
  if (part || size === undefined) return null;
  const parts = partsOf(listing, size);
  if (parts.length < 2) return null;
  return parts.map(({ start, end, ...part }, i) => ({
    number: i + 1,
    entries: end - start,
    length: length === null ? null : part.length,
    oversize: part.length > size,
    query: `part=${i + 1}&size=${writeSize(size)}`,
  }));
}

function isoSeconds(seconds: number) {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
