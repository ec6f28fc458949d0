/**
 * `GET /`: the list of archives for whoever may see it. Hashes are secrets, and the list is how one
 * checks a fresh installation: so by default only a browser on this very machine gets it.
 *
 * @module
 */

import { watchClient } from "../http/client.ts";
import { pageResponse } from "../http/headers.ts";
import { isLocalRequest } from "../http/local_request.ts";
import { isLocalHost } from "../http/target.ts";
import { log, redact } from "../lib/log.ts";
import { ArchivePages, type FailedListing } from "../storage/archive_pages.ts";
import { codeOf, StorageError } from "../storage/errors.ts";
import type { FileSource } from "../storage/source.ts";
import {
  chooseLanguage,
  contentSecurityPolicy,
  homePage,
  type HomePageOptions,
} from "../templates/mod.ts";

/** At most this many archives that cannot be listed are named in the log. */
const NAMED_FAILED = 3;

/** How this very program is told to give a folder a link. */
const NEW_COMMAND = Deno.build.standalone ? "zipferry new --move" : "deno task new --move";

/** What the page is made with. */
export interface HomeOptions {
  /** Lists the folders. */
  readonly source: FileSource;
  /** Who sees the list. */
  readonly listing: "auto" | "on" | "off";
  /** The query of an archive's link, without a question mark. @default none */
  readonly queryFor?: (hash: string) => string;
}

/** Of a request for the page what is not in its header. */
export interface HomeRequest {
  /** Query of the target, without the question mark. */
  readonly query: string;
  /** Address of the other end of the connection, empty if it has none. */
  readonly peer: string;
}

/** Answers requests for the home page. */
export type Home = (request: Request, target: HomeRequest) => Promise<Response>;

/** Makes the function that answers all requests for the home page: they share the work. */
export function createHome({ source, listing, queryFor }: HomeOptions): Home {
  const pages = new ArchivePages({ source, onFailed: warnOfFailed });
  return async (request, { query, peer }) => {
    const language = chooseLanguage(request.headers.get("accept-language"));
    const visible = listing === "on" || listing === "auto" && isLocalRequest(request, peer);
    using client = watchClient(request);
    const shown = visible
      ? await shownArchives(pages, pageNumber(query), client.signal)
      : { archives: null, ownerHint: listing === "auto" ? ownerHint(request) : undefined };
    const html = homePage({ language, command: NEW_COMMAND, queryFor, ...shown });
    return pageResponse(html, { language, csp: contentSecurityPolicy });
  };
}

/** What the page says of the archives. */
async function shownArchives(pages: ArchivePages, number: number, signal: AbortSignal) {
  const { rows, unreachable, ...position } = await pages.get(number, signal);
  const isFirst = position.number === 1;
  return { archives: rows, position, unreachable: isFirst ? unreachable : [] };
}

/** The page that a query asks for; the first one if it asks for none, or for nonsense. */
function pageNumber(query: string) {
  const page = new URLSearchParams(query).get("page") ?? "";
  return /^[1-9]\d{0,8}$/.test(page) ? Number(page) : 1;
}

/** Who asks for this machine, and comes from another one, came through the port of a container. */
function ownerHint({ headers }: Request): HomePageOptions["ownerHint"] {
  return isLocalHost(headers.get("host")) ? "open" : "closed";
}

function warnOfFailed(failed: readonly FailedListing[]) {
  log.warn("archives that cannot be listed are on the page without a link", {
    count: failed.length,
    archives: failed.slice(0, NAMED_FAILED).map(({ hash }) => redact(hash)),
    why: failed.slice(0, NAMED_FAILED).map(({ error }) => reasonOf(error)),
  });
}

/** Only the messages of a source are sure to be without the hash. */
function reasonOf(error: unknown) {
  return error instanceof StorageError ? error.message : codeOf(error);
}
