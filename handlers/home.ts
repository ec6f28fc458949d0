/**
 * `GET /`: the list of archives for whoever may see it. Hashes are secrets, and the list is how one
 * checks a fresh installation: so by default only a browser on this very machine gets it.
 *
 * @module
 */

import { pageResponse } from "../http/headers.ts";
import { isLocalHost, isLoopback } from "../http/target.ts";
import { filesOf } from "../storage/listing.ts";
import type { Reader } from "../storage/reader.ts";
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

/** What the page is made with. */
export interface HomeOptions {
  /** Lists the folders. */
  readonly reader: Reader;
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
  const archives = visible ? await summaries(options.reader) : null;
  return pageResponse(homePage({ language, archives }), { language, csp: contentSecurityPolicy });
}

/** True for a direct request from this machine to itself. */
function isLocal({ headers }: Request, peer: string) {
  if (PROXY_HEADERS.some((name) => headers.has(name))) return false;
  return isLoopback(peer) && isLocalHost(headers.get("host"));
}

/** All archives, newest first. The reader's few threads bound how many folders are open at once. */
async function summaries(reader: Reader): Promise<ArchiveSummary[]> {
  const hashes = await reader.folders();
  const all = await Promise.all(hashes.map((hash) => summarise(reader, hash)));
  return all
    .filter((summary) => summary !== null)
    .sort((a, b) => b.newest.getTime() - a.newest.getTime());
}

/** Null for a folder that gives no archive: it would be a dead link. */
async function summarise(reader: Reader, hash: string): Promise<ArchiveSummary | null> {
  const listing = await reader.list(hash).catch(() => null);
  if (!listing) return null;
  const files = filesOf(listing);
  return {
    hash,
    files: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    newest: new Date(listing.lastModified * 1000),
  };
}
