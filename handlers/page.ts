/**
 * `GET /archive/<hash>/?page`: what an archive holds, with a button, for people; and its title for
 * messengers that make a preview of its link.
 *
 * @module
 */

import type { Engine } from "../engines/engine.ts";
import { watchBody } from "../http/body.ts";
import { streamedPageResponse } from "../http/headers.ts";
import type { ArchiveQuery } from "../http/query.ts";
import { isNavigation } from "../http/visitors.ts";
import type { MemoryBudget } from "../lib/memory_budget.ts";
import type { Label } from "../storage/label.ts";
import type { Listing } from "../storage/listing.ts";
import { archivePage, type Brand, chooseLanguage } from "../templates/mod.ts";

/** What pages of archives are made with. */
export interface PageOptions {
  /** Says how long an archive is. */
  readonly engine: Engine;
  /** What the page and its listing count against. */
  readonly memory: MemoryBudget;
  /** Whether a browser that follows a link gets the page, where the label says nothing. @default false */
  readonly landing?: boolean;
  /** The look of the site. @default none of its own */
  readonly brand?: Brand;
  /** In which parts an archive is offered: the text of their size, and the bytes of each. @default none */
  readonly offerParts?: (listing: Listing) => OfferedParts | null;
  /** Milliseconds after which a client that takes nothing has stalled, 0 for never. @default 0 */
  readonly stallTimeout?: number;
  /** Ends all pages with an error when it aborts. */
  readonly signal?: AbortSignal;
}

/** Parts in which an archive can be downloaded. */
export interface OfferedParts {
  /** Bytes of each at most, as a link says it: `2G`. */
  readonly size: string;
  /** Exact bytes of each. */
  readonly bytes: readonly number[];
}

/** An archive that was found, or what was chosen of it. */
export interface FoundPage {
  /** The archive. */
  readonly hash: string;
  /** What of it is asked for. */
  readonly query: ArchiveQuery;
  /** What its owner says of it. */
  readonly label: Label;
  /** What it holds. */
  readonly listing: Listing;
}

/** How one page is made. */
export interface OnePageOptions extends PageOptions {
  /** The query as it was sent, without the question mark. */
  readonly given: string;
  /** Leave out the files: it is for a messenger. */
  readonly preview: boolean;
  /** Whether signatures in links count, and so their ends. */
  readonly signed: boolean;
}

/** Names of which nothing stays in the links of a page: they say what the page is of. */
const OF_THE_PAGE = ["page", "download", "part", "size"];

/** Of the link to the page of all that there is, neither these. */
const OF_A_CHOICE = ["file", "selection", "manifest", "status"];

/** A row of the list takes about this much of a page while it waits. Bytes. */
const PIECE_BYTES = 16 << 10;

/** What the answer depends on where the link may lead to a page or to the archive (RFC 9110 12.5.5). */
const VARY = "accept-language, accept, sec-fetch-dest, user-agent, range";

/**
 * True if a request for the archive itself should be answered with its page: a browser follows the
 * bare link, and the label or an option wants it so. Whoever asks for files, for a part or for the
 * download gets that.
 */
export function landsOnPage(
  request: Request,
  { query, label }: FoundPage,
  { landing = false }: PageOptions,
): boolean {
  const { download, files, part, selection } = query;
  if (download || files.length > 0 || part || selection !== undefined) return false;
  const isWanted = label.download === undefined ? landing : label.download === "page";
  return isWanted && isNavigation(request);
}

/** The page of an archive that was found. */
export function page(request: Request, found: FoundPage, options: OnePageOptions): Response {
  const { hash, label, listing } = found;
  const language = chooseLanguage(request.headers.get("accept-language"), options.brand);
  const { pieces, policy } = archivePage({
    language,
    brand: brandOf(options.brand, label),
    path: `/archive/${hash}/`,
    query: keptQuery(options.given),
    title: label.title,
    note: label.note,
    entries: listing.entries,
    size: options.engine.prepare(listing).size,
    newest: new Date(listing.lastModified > 0 ? listing.lastModified * 1000 : NaN),
    expires: endOf(found, options),
    parts: options.preview ? undefined : options.offerParts?.(listing) ?? undefined,
    preview: options.preview,
    chosen: found.query.files.length > 0 || found.query.selection !== undefined,
  });
  const isHead = request.method === "HEAD";
  const body = isHead ? null : streamOf(pieces, listing, options);
  return streamedPageResponse(body, { language, csp: policy, headers: { vary: VARY } });
}

/** When the label or a signed link ends, whichever is first. */
function endOf({ label, query }: FoundPage, { signed }: OnePageOptions) {
  const ends = [
    ...(typeof label.expires === "number" ? [label.expires] : []),
    ...(signed && query.signature ? [query.signature.expires * 1000] : []),
  ];
  return ends.length === 0 ? undefined : new Date(Math.min(...ends));
}

/** The colour of a label goes before that of the site. */
function brandOf(brand: Brand | undefined, { accent }: Label): Brand | undefined {
  return accent === undefined ? brand : { ...brand, accent };
}

/** The query of the page of all that an archive holds, from that of any link to it. */
export function wholePageQuery(given: string): string {
  const kept = keptQuery(given, [...OF_THE_PAGE, ...OF_A_CHOICE]);
  return kept === "" ? "page" : `${kept}&page`;
}

/** What others have put into the link, a signature, and what was chosen. */
function keptQuery(given: string, without = OF_THE_PAGE) {
  const query = new URLSearchParams(`?${given}`);
  for (const name of without) query.delete(name);
  return query.toString();
}

/** The page as it is written; its listing counts until the client has all of it, or has left. */
function streamOf(pieces: Iterable<string>, listing: Listing, options: OnePageOptions) {
  const { memory, stallTimeout, signal } = options;
  const counted = memory.countShared(listing, listing.memory);
  const iterator = pieces[Symbol.iterator]();
  const encoder = new TextEncoder();
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      let text = "";
      while (text.length < PIECE_BYTES) {
        const { value, done } = iterator.next();
        if (done) break;
        text += value;
      }
      if (text === "") controller.close();
      else controller.enqueue(encoder.encode(text));
    },
  }, { highWaterMark: 0 });
  return watchBody(source, { stallTimeout, signal, onEnd: () => counted[Symbol.dispose]() });
}
