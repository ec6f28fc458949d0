/**
 * `GET /`: the list of archives for whoever may see it. Hashes are secrets, and the list is how one
 * checks a fresh installation: so by default only a browser on this very machine gets it.
 *
 * @module
 */

import { pageResponse } from "../http/headers.ts";
import { isLocalHost, isLoopback } from "../http/target.ts";
import { mapAtMost } from "../lib/concurrency.ts";
import { log, redact } from "../lib/log.ts";
import { filesOf } from "../storage/listing.ts";
import type { FileSource } from "../storage/source.ts";
import {
  type ArchiveSummary,
  chooseLanguage,
  contentSecurityPolicy,
  homePage,
} from "../templates/mod.ts";

/** Any of them means that the request came through another machine or a proxy. */
const PROXY_HEADERS = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
  "via",
];

/** At most this many archives are listed at the same time for one page. */
const LISTED_AT_ONCE = 4;

/** At most this many archives that cannot be listed are named in the log. */
const NAMED_FAILED = 3;

/** What the page is made with. */
export interface HomeOptions {
  /** Lists the folders. */
  readonly source: FileSource;
  /** Who sees the list. */
  readonly listing: "auto" | "on" | "off";
}

/**
 * The home page.
 *
 * @param peer address of the other end of the connection, empty if it has none
 */
export async function home(
  request: Request,
  peer: string,
  options: HomeOptions,
): Promise<Response> {
  const language = chooseLanguage(request.headers.get("accept-language"));
  const visible = options.listing === "on" || options.listing === "auto" && isLocal(request, peer);
  const archives = visible ? await summaries(options.source) : null;
  return pageResponse(homePage({ language, archives }), { language, csp: contentSecurityPolicy });
}

/** True for a direct request from this machine to itself. */
function isLocal({ headers }: Request, peer: string) {
  if (PROXY_HEADERS.some((name) => headers.has(name))) return false;
  return isLoopback(peer) && isLocalHost(headers.get("host"));
}

/** All archives, newest first. A few are listed at a time, behind what downloads wait for. */
async function summaries(source: FileSource): Promise<ArchiveSummary[]> {
  const hashes = await source.archives({ background: true });
  const failed: string[] = [];
  const all = await mapAtMost(hashes, async (hash) => {
    try {
      return await summarise(source, hash);
    } catch {
      failed.push(hash);
      return null;
    }
  }, { limit: LISTED_AT_ONCE });
  warnOfFailed(failed);
  return all
    .filter((summary) => summary !== null)
    .sort((a, b) => b.newest.getTime() - a.newest.getTime());
}

/** Null for a folder that gives no archive: it would be a dead link. */
async function summarise(source: FileSource, hash: string): Promise<ArchiveSummary | null> {
  const listing = await source.list(hash, { background: true });
  if (!listing) return null;
  const files = filesOf(listing);
  return {
    hash,
    files: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    newest: new Date(listing.lastModified * 1000),
  };
}

function warnOfFailed(failed: readonly string[]) {
  if (failed.length === 0) return;
  log.warn("archives that cannot be listed are missing from the page", {
    count: failed.length,
    archives: failed.slice(0, NAMED_FAILED).map(redact),
  });
}
