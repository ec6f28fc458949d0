/**
 * `GET /archive/<hash>/?status`: whether an archive was delivered, for the owner of the site only.
 *
 * @module
 */

import type { Engine } from "../engines/engine.ts";
import { hasToken } from "../http/admin.ts";
import type { Attempts } from "../http/attempts.ts";
import { watchClient } from "../http/client.ts";
import { jsonResponse } from "../http/headers.ts";
import { isLocalRequest } from "../http/local_request.ts";
import type { MemoryBudget } from "../lib/memory_budget.ts";
import type { Receipt } from "../lib/receipts.ts";
import type { FileSource } from "../storage/source.ts";
import type { Brand } from "../templates/mod.ts";
import { entityTag } from "../zip/http/entity_tag.ts";
import { askForToken, refuseAttempts } from "./token_pages.ts";

/** What the answers are made with. */
export interface StatusOptions {
  /** Says whether there is a folder. */
  readonly source: FileSource;
  /** Says what the archive is like now. */
  readonly engine: Engine;
  /** What listings count against. */
  readonly memory: MemoryBudget;
  /** Finds what is known of an archive's deliveries. @default nothing is */
  readonly receipts?: { find(hash: string): Promise<Receipt[]> };
  /** Whoever has it may ask from anywhere. @default only this machine may ask */
  readonly adminToken?: string;
  /** Who guessed the token wrong. */
  readonly attempts: Attempts;
  /** The look of pages of errors. @default none of its own */
  readonly brand?: Brand;
}

/** What stands in the answer. Its form does not change but by new fields. Times are ISO 8601. */
export interface Status {
  /** Whether the archive as it is now was delivered: every byte of it. */
  readonly delivered: boolean;
  /** The archive as it is now; null if there is no folder, or an empty one. */
  readonly archive: { readonly length: number | null; readonly etag: string | null } | null;
  /** Each version that somebody asked for, the latest one first. */
  readonly versions: readonly {
    /** Entity tag; null with the zip engine. */
    readonly etag: string | null;
    /** Bytes of all of it; null with the zip engine. */
    readonly length: number | null;
    /** False for a choice of files or a part. */
    readonly whole: boolean;
    /** Whether every byte went out. */
    readonly delivered: boolean;
    /** How often. */
    readonly deliveries: number;
    /** How many requests there were. */
    readonly requests: number;
    /** Bytes that were sent, all in all. */
    readonly bytes: number;
    /** Different bytes that were sent of a delivery that is not complete. */
    readonly covered: number;
    /** When somebody asked for the first time. */
    readonly firstRequest: string;
    /** When something was last heard of a request. */
    readonly lastRequest: string;
    /** When the first delivery was complete. */
    readonly firstDelivery: string | null;
    /** When the last one was. */
    readonly lastDelivery: string | null;
  }[];
}

/**
 * The status of an archive; null if there is none, or if nobody but this machine may know. With a
 * token set, whoever has not got it is asked for it, whether there is such an archive or not.
 */
export async function status(
  request: Request,
  hash: string,
  options: StatusOptions & { readonly peer: string; readonly client: string },
): Promise<Response | null> {
  const { peer, client: address, adminToken, attempts, brand } = options;
  const given = request.headers.get("authorization");
  if (adminToken !== undefined && given !== null && !attempts.allows(address)) {
    return refuseAttempts(request, brand);
  }
  const isAdmin = adminToken !== undefined && hasToken(given, adminToken);
  if (adminToken !== undefined && given !== null && !isAdmin) attempts.failed(address);
  if (!isAdmin && !isLocalRequest(request, peer)) {
    return adminToken === undefined ? null : askForToken(request, brand);
  }
  using client = watchClient(request);
  const archive = await currentArchive(hash, client.signal, options);
  const receipts = await options.receipts?.find(hash) ?? [];
  if (archive === null && receipts.length === 0) return null;
  const response = jsonResponse(statusOf(archive, receipts));
  response.headers.set("cache-control", "private, no-store");
  response.headers.delete("etag");
  return response;
}

function statusOf(archive: Status["archive"], receipts: readonly Receipt[]): Status {
  const current = receipts.find(({ etag }) => archive !== null && etag === archive.etag);
  return {
    delivered: (current?.deliveries ?? 0) > 0,
    archive,
    versions: receipts.map(({ size, deliveries, ...receipt }) => ({
      etag: receipt.etag,
      length: size,
      whole: !receipt.chosen,
      delivered: deliveries > 0,
      deliveries,
      requests: receipt.requests,
      bytes: receipt.bytes,
      covered: receipt.covered,
      firstRequest: iso(receipt.firstRequest),
      lastRequest: iso(receipt.lastRequest),
      firstDelivery: isoOrNull(receipt.firstDelivery),
      lastDelivery: isoOrNull(receipt.lastDelivery),
    })),
  };
}

async function currentArchive(
  hash: string,
  signal: AbortSignal,
  { source, engine, memory }: StatusOptions,
): Promise<Status["archive"]> {
  const listing = await source.list(hash, { signal });
  if (!listing) return null;
  using _listing = memory.countShared(listing, listing.memory);
  const { size, version } = engine.prepare(listing);
  return { length: size, etag: entityTag({ version, settled: listing.settled }) };
}

function iso(time: number) {
  return new Date(time).toISOString();
}

function isoOrNull(time: number | null) {
  return time === null ? null : iso(time);
}
