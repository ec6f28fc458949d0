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
import { filesOf } from "../storage/listing.ts";
import type { MemoryBudget } from "../lib/memory_budget.ts";
import type { FileSource } from "../storage/source.ts";
import type { Settling } from "../storage/settling.ts";
import { watchClient } from "../http/client.ts";
import { digestOf } from "./digest.ts";

/** What manifests are made with. */
export interface ManifestOptions {
  /** Lists the folders once they have settled. */
  readonly settling: Settling;
  /** Says how long an archive is. */
  readonly engine: Engine;
  /** Keeps digests of whole archives. @default nobody does */
  readonly source?: Pick<FileSource, "digests">;
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
    /** Its SHA-256, 64 hexadecimal digits; only where `warm --digest` has computed it. */
    readonly sha256?: string;
  };
}

/** The manifest of a hash; null if there is no archive, whatever the reason. */
export async function manifest(
  request: Request,
  hash: string,
  options: ManifestOptions,
): Promise<Response | null> {
  using client = watchClient(request);
  const listing = await options.settling.list(hash, client.signal);
  if (!listing) return null;
  using _listing = options.memory.countShared(listing, listing.memory);
  using _manifest = await options.memory.reserve(listing.memory, client.signal);
  const prepared = options.engine.prepare(listing);
  const { size, version } = prepared;
  const sha256 = await digestOf({ listing, prepared, source: options.source });
  const files = filesOf(listing)
    .map(({ name, size, mtime }) => ({ name, size, mtime: isoSeconds(mtime) }));
  const data: Manifest = {
    files,
    count: files.length,
    total: files.reduce((sum, { size }) => sum + size, 0),
    archive: {
      length: size,
      etag: entityTag({ version, settled: listing.settled }),
      ...sha256 !== null && { sha256 },
    },
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
