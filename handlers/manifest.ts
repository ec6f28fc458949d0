/**
 * `GET /archive/<hash>/?manifest`: what a download would hold, as JSON, so that a site can say
 * "Download (214 files, 1.2 GB)" beside its link.
 *
 * @module
 */

import type { Engine } from "../engines/engine.ts";
import { entityTag } from "../http/entity_tag.ts";
import { jsonResponse, stateResponse } from "../http/headers.ts";
import { evaluatePreconditions } from "../http/preconditions.ts";
import { filesOf, type Listing } from "../storage/listing.ts";
import type { MemoryBudget } from "../lib/memory_budget.ts";

/** What manifests are made with. */
export interface ManifestOptions {
  /** Says how long an archive is. */
  readonly engine: Engine;
  /** What the manifest and its listing count against. */
  readonly memory: MemoryBudget;
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
  };
}

/** The manifest of an archive that was found, or of what was chosen of it. */
export async function manifest(
  request: Request,
  { listing }: { readonly listing: Listing },
  options: ManifestOptions & { readonly left: AbortSignal },
): Promise<Response> {
  using _listing = options.memory.countShared(listing, listing.memory);
  using _manifest = await options.memory.reserve(listing.memory, options.left);
  const { size, version } = options.engine.prepare(listing);
  const files = filesOf(listing)
    .map(({ name, size, mtime }) => ({ name, size, mtime: isoSeconds(mtime) }));
  const data: Manifest = {
    files,
    count: files.length,
    total: files.reduce((sum, { size }) => sum + size, 0),
    archive: { length: size, etag: entityTag({ version, settled: listing.settled }) },
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

function isoSeconds(seconds: number) {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
