/**
 * `GET /`: the list of archives for whoever may see it. Hashes are secrets, and the list is how one
 * checks a fresh installation: so by default only a browser on this very machine gets it.
 *
 * @module
 */

import { hasToken } from "../http/admin.ts";
import { Attempts } from "../http/attempts.ts";
import { watchClient } from "../http/client.ts";
import { pageResponse } from "../http/headers.ts";
import { isLocalRequest } from "../http/local_request.ts";
import { isLocalHost } from "../http/target.ts";
import { mapAtMost } from "../lib/concurrency.ts";
import { log, redact } from "../lib/log.ts";
import type { Receipt } from "../lib/receipts.ts";
import {
  ArchivePages,
  type ArchiveRow,
  type FailedListing,
  type RowLabel,
} from "../storage/archive_pages.ts";
import { codeOf, StorageError } from "../storage/errors.ts";
import type { FileSource } from "../storage/source.ts";
import {
  type Brand,
  chooseLanguage,
  homePage,
  type HomePageOptions,
  homePolicy,
  readOrder,
} from "../templates/mod.ts";
import { askForToken, refuseAttempts } from "./token_pages.ts";

/** At most this many archives that cannot be listed are named in the log. */
const NAMED_FAILED = 3;

/** How this very program is told to give a folder a link. */
const NEW_COMMAND = Deno.build.standalone ? "zipferry new --move" : "deno task new --move";

/** Where there are more archives than this, they can be searched for and sorted. */
const FEW_ARCHIVES = 12;

/** When a page that is not complete asks for itself again, in seconds. */
const FILL_SECONDS = 2;

/** A longer search is cut. */
const MAX_SEARCH = 200;

/** At most this many receipts are looked for at the same time. */
const RECEIPTS_AT_ONCE = 8;

/** What the page is made with. */
export interface HomeOptions {
  /** Lists the folders. */
  readonly source: FileSource;
  /** Who sees the list. */
  readonly listing: "auto" | "on" | "off";
  /** Whoever has it sees the list from anywhere. @default nobody does */
  readonly adminToken?: string;
  /** Who guessed the token wrong. @default nobody yet */
  readonly attempts?: Attempts;
  /** Finds what is known of an archive's deliveries. @default nothing is */
  readonly receipts?: { find(hash: string): Promise<Receipt[]> };
  /** Reads what the owner of an archive says. @default nobody says anything */
  readonly labels?: { read(hash: string, signal?: AbortSignal): Promise<RowLabel> };
  /** Milliseconds after which a list of many is shown with what is known. @default when all is known */
  readonly fillMs?: number;
  /** The look of the site. @default none of its own */
  readonly brand?: Brand;
  /** The query of an archive's link, without a question mark. @default none */
  readonly queryFor?: (hash: string) => string;
}

/** Of a request for the page what is not in its header. */
export interface HomeRequest {
  /** Query of the target, without the question mark. */
  readonly query: string;
  /** Address of the other end of the connection, empty if it has none. */
  readonly peer: string;
  /** Address of the client, which is another one behind a proxy that is trusted. @default `peer` */
  readonly client?: string;
}

/** Answers requests for the home page. */
export type Home = (request: Request, target: HomeRequest) => Promise<Response>;

/** Makes the function that answers all requests for the home page: they share the work. */
export function createHome(options: HomeOptions): Home {
  const { source, listing, adminToken, labels, fillMs, brand, queryFor } = options;
  const attempts = options.attempts ?? new Attempts();
  const label = labels && ((hash: string, signal: AbortSignal) => labels.read(hash, signal));
  const pages = new ArchivePages({ source, onFailed: warnOfFailed, label, fillMs });
  return async (request, target) => {
    const { peer, client: address = peer } = target;
    const language = chooseLanguage(request.headers.get("accept-language"), brand);
    const query = new URLSearchParams(target.query);
    const isLocal = isLocalRequest(request, peer);
    const access = adminToken === undefined
      ? "none"
      : accessOf(request, { adminToken, attempts, address });
    if (query.has("login")) {
      if (access === "limited") return refuseAttempts(request, brand);
      if (access === "none" && adminToken !== undefined) return askForToken(request, brand);
    }
    const isOwner = access === "owner";
    const visible = isOwner || listing === "on" || listing === "auto" && isLocal;
    using client = watchClient(request);
    const shown = visible
      ? await shownArchives(pages, query, { ...options, signal: client.signal })
      : { archives: null, ownerHint: listing === "auto" ? ownerHint(request) : undefined };
    // A link of this very machine is of no use to anybody else.
    const links = isOwner && !isLocal;
    const signIn = !visible && adminToken !== undefined;
    const page = { language, command: NEW_COMMAND, queryFor, brand, links, signIn, ...shown };
    return pageResponse(homePage(page), { language, csp: homePolicy(page) });
  };
}

/** Whether a request has the token; `limited` if its client guessed wrong too often. */
function accessOf(
  { headers }: Request,
  { adminToken, attempts, address }: {
    readonly adminToken: string;
    readonly attempts: Attempts;
    readonly address: string;
  },
): "owner" | "limited" | "none" {
  const given = headers.get("authorization");
  if (given === null) return "none";
  if (!attempts.allows(address)) return "limited";
  if (hasToken(given, adminToken)) return "owner";
  attempts.failed(address);
  return "none";
}

/** What the page says of the archives. */
async function shownArchives(
  pages: ArchivePages,
  query: URLSearchParams,
  { receipts, signal }: HomeOptions & { readonly signal: AbortSignal },
) {
  const search = (query.get("search") ?? "").trim().slice(0, MAX_SEARCH).toWellFormed();
  const order = readOrder(query.get("order"));
  const page = await pages.get(pageNumber(query), signal, { search, order });
  const { rows, unreachable, incomplete, ...position } = page;
  const isFirst = position.number === 1;
  const archives = receipts ? await withDeliveries(rows, receipts) : rows;
  return {
    archives,
    position,
    unreachable: isFirst && search === "" ? unreachable : [],
    finder: position.total > FEW_ARCHIVES || search !== "" ? { search, order } : undefined,
    reloadAfter: incomplete && FILL_SECONDS,
  };
}

/** The rows with the time of the last delivery, where there was one. */
async function withDeliveries(
  rows: readonly ArchiveRow[],
  receipts: NonNullable<HomeOptions["receipts"]>,
) {
  return await mapAtMost(rows, async (row) => {
    const found = await receipts.find(row.hash);
    const times = found.map(({ lastDelivery }) => lastDelivery).filter((time) => time !== null);
    return times.length === 0 ? row : { ...row, delivered: Math.max(...times) };
  }, { limit: RECEIPTS_AT_ONCE });
}

/** The page that a query asks for; the first one if it asks for none, or for nonsense. */
function pageNumber(query: URLSearchParams) {
  const page = query.get("page") ?? "";
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
