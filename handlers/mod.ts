/**
 * The service as one function from request to response: the route table, and the one place where an
 * error becomes a status.
 *
 * @module
 */

import { Attempts } from "../http/attempts.ts";
import { ClientLeftError, watchClient } from "../http/client.ts";
import { EngineUnavailableError } from "../engines/engine.ts";
import { partsOf } from "../engines/parts.ts";
import { ExcessError } from "../http/limits.ts";
import { FormBodyError, sendsForm } from "../http/form_body.ts";
import { pageResponse, redirectResponse, tooManyResponse, withoutBody } from "../http/headers.ts";
import {
  type ArchiveQuery,
  NothingChosenError,
  parseArchiveQuery,
  QueryError,
  writeSize,
} from "../http/query.ts";
import { RateLimit } from "../http/rate.ts";
import { isSigned } from "../http/signature.ts";
import { hasParameter, rawTarget, type Target } from "../http/target.ts";
import { asksForHtml, isPreviewBot } from "../http/visitors.ts";
import { setTransportSecurity } from "../http/transport_security.ts";
import { unlessAborted } from "../lib/abort.ts";
import { describeError, log, redact } from "../lib/log.ts";
import { type MemoryBudget, MemoryBudgetError, unlimitedMemory } from "../lib/memory_budget.ts";
import { type Answer, type Refusal, tellAll } from "../observe/observer.ts";
import { Probes } from "../observe/probes.ts";
import { isLasting, isPassing, StorageError } from "../storage/errors.ts";
import { isHash } from "../storage/names.ts";
import { MissingFilesError } from "../storage/selection.ts";
import { StaleSelectionError } from "../storage/selection_token.ts";
import { Settling, UNSETTLED } from "../storage/settling.ts";
import type { FileSource } from "../storage/source.ts";
import { Subsets } from "../storage/subset.ts";
import {
  type ChoicePageLook,
  chooseLanguage,
  closedPage,
  errorPage,
  fullPage,
  missingPage,
  missingPartPage,
  nothingChosenPage,
  pagePolicy,
  queryPage,
  staleChoicePage,
  unsettledPage,
} from "../templates/mod.ts";
import { type Admission, limitConnections, Limits, type LimitsOptions } from "./admission.ts";
import { archive, type ArchiveOptions, downloadOf } from "./archive.ts";
import { health, ready } from "./health.ts";
import { createHome, type Home, type HomeOptions } from "./home.ts";
import { type BrandOptions, createBrand, logoAt, type LogoFile } from "./logo.ts";
import { manifest, type ManifestOptions } from "./manifest.ts";
import { localMetrics, type MetricsSource } from "./metrics.ts";
import { landsOnPage, page, type PageOptions, wholePageQuery } from "./page.ts";
import {
  LongSelectionError,
  readSelectionForm,
  reserveForm,
  selectionResponse,
} from "./selection.ts";
import { signedLinkQuery } from "./signed_link.ts";
import { status, type StatusOptions } from "./status.ts";
import {
  ClosedError,
  Labels,
  MissingPartError,
  type Visit,
  visit,
  type VisitOptions,
} from "./visit.ts";

/** What all routes together need. */
export interface HandlerOptions
  extends
    Omit<ArchiveOptions, "memory" | "totalRate">,
    Omit<VisitOptions, "settling" | "memory" | "labels" | "subsets">,
    Omit<HomeOptions, "labels" | "attempts" | "brand">,
    Omit<PageOptions, "memory" | "brand">,
    Omit<ManifestOptions, "memory">,
    BrandOptions,
    LimitsOptions,
    Omit<StatusOptions, "memory" | "attempts" | "brand"> {
  /** Where the archives come from. */
  readonly source: FileSource;
  /** Seconds for which browsers are told to come back by HTTPS only. @default they are not told */
  readonly hsts?: number;
  /** What downloads and their listings count against. @default unlimited */
  readonly memory?: MemoryBudget;
  /** Milliseconds that an archive must have been left alone before it is sent. @default 0 */
  readonly settle?: number;
  /** Bytes per second for all downloads together, 0 for no limit. @default 0 */
  readonly limitRateTotal?: number;
  /** Tells figures to whoever asks on this machine. @default nobody is told */
  readonly metrics?: MetricsSource;
  /**
   * Asked once a request, with what settles when it is over: false if it should not be served now.
   *
   * @default all are served
   */
  readonly admit?: (ended: Promise<void>) => boolean;
  /** Aborted once the service is about to stop: it is not ready for more then. @default never */
  readonly draining?: AbortSignal;
}

/** The same, with what is made of them once for all requests. */
interface Site extends ArchiveOptions, VisitOptions, PageOptions, ManifestOptions, StatusOptions {
  readonly source: FileSource;
  readonly home: Home;
  readonly logo?: LogoFile;
  readonly metrics?: MetricsSource;
  readonly limits: Limits;
  readonly draining?: AbortSignal;
  /** Why requests were refused, by the answers that say so. */
  readonly refusals: WeakMap<Response, Refusal>;
}

/** Where a request came from, and when it is over. */
interface Origin {
  /** Address of the other end of the connection, empty if it has none. */
  readonly peer: string;
  /** Address of the client, which is another one behind a proxy that is trusted; likewise. */
  readonly client: string;
  readonly ended: Promise<void>;
}

/** The signature that `Deno.serve` wants. */
export type Handler = (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response>;

const ARCHIVE = /^\/archive\/([^/]+)(\/?)$/;

/** What an observer calls the paths that are no archive's. */
const ROUTE_NAMES: Readonly<Record<string, Answer["route"]>> = {
  "/": "list",
  "/healthz": "health",
  "/readyz": "health",
  "/metrics": "metrics",
};

/** How long a signed link on the list is good. */
const LISTED_LINK_SECONDS = 86_400;

/** Nobody sees this status: nginx logs the same one for a client that has left. */
const CLIENT_LEFT = 499;

/** When to ask again where there are as many downloads as there may be. */
const FULL_RETRY_SECONDS = 10;

/** Request fields by which the answer may turn out to be none with a body of its own. */
const MAY_NEED_NO_BODY = [
  "range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
];

/** When to ask again for an archive to which photos are still being added. */
const UNSETTLED_RETRY_SECONDS = 10;

const EXTRA_HEADERS: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  405: { allow: "GET, HEAD" },
  503: { "retry-after": "5" },
};

/** Makes the function that answers all requests. */
export function createHandler(options: HandlerOptions): Handler {
  const { source, settle = 0, limitRateTotal } = options;
  const probes = new Probes();
  const labels = new Labels(source);
  const attempts = new Attempts();
  const brand = createBrand(options);
  const site: Site = {
    ...options,
    memory: options.memory ?? unlimitedMemory(),
    observer: tellAll([options.observer, probes]),
    probes,
    settling: new Settling(source, { quiet: settle }),
    labels,
    subsets: new Subsets(),
    offerParts: offerParts(options),
    totalRate: limitRateTotal ? new RateLimit(limitRateTotal) : undefined,
    attempts,
    brand,
    home: createHome({ ...options, labels, attempts, brand, queryFor: listedQuery(options) }),
    limits: new Limits(options),
    refusals: new WeakMap(),
  };
  const isWithinLimit = limitConnections();
  const respond = async (request: Request, info: Deno.ServeHandlerInfo, origin: Origin) => {
    if (!isWithinLimit(info)) return refused(tooManyResponse(), "connection", site);
    if (!isAdmitted(request, info, options)) {
      return refused(refusal(request, site), "descriptors", site);
    }
    return await answer(request, origin, site);
  };
  return async (request, info) => {
    const came = performance.timeOrigin + performance.now();
    const origin = originOf(request, info, site);
    const response = await respond(request, info, origin);
    setTransportSecurity(response.headers, options.hsts);
    const reason = site.refusals.get(response);
    options.observer.answered?.({
      ...summaryOf(request, response),
      client: origin.client || undefined,
      userAgent: request.headers.get("user-agent") ?? undefined,
      ...extent(request, response),
      ...(reason && { refused: reason }),
      came,
    });
    return request.method === "HEAD" ? withoutBody(response) : response;
  };
}

/** Where bare links do not work, the list has signed ones, which are good for a day. */
function listedQuery({ signing, now }: HandlerOptions): HomeOptions["queryFor"] {
  const [secret] = signing?.secrets ?? [];
  if (signing?.mode !== "signed" || secret === undefined) return undefined;
  return (hash) => signedLinkQuery({ hash, ttl: LISTED_LINK_SECONDS, files: [], secret, now });
}

/** At most this many parts are on a page. */
const MAX_OFFERED_PARTS = 1000;

/** Larger archives are offered in parts on their page, where a size is set. */
function offerParts({ partSize }: HandlerOptions): PageOptions["offerParts"] {
  if (partSize === undefined) return undefined;
  return (listing) => {
    const parts = partsOf(listing, partSize);
    if (parts.length < 2 || parts.length > MAX_OFFERED_PARTS) return null;
    return { size: writeSize(partSize), bytes: parts.map(({ length }) => length) };
  };
}

async function answer(request: Request, origin: Origin, site: Site) {
  const target = rawTarget(request.url, request.headers.get("host"));
  if (target === null) return errorResponse(request, 400, site);
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!isRead && !(sendsForm(request) && isArchive(target.path))) {
    return errorResponse(request, 405, site);
  }
  try {
    const response = Promise.resolve(route(request, { ...target, ...origin }, site));
    return await unlessAborted(response, site.signal) ?? errorResponse(request, 404, site);
  } catch (error) {
    if (error instanceof ClientLeftError) return new Response(null, { status: CLIENT_LEFT });
    if (error instanceof ExcessError) return excessResponse(request, error, site);
    if (isStopping(error, site)) return errorResponse(request, 503, site);
    if (isUnsettled(error)) return unsettledResponse(request, site);
    if (error instanceof QueryError) return queryResponse(request, error, site);
    if (error instanceof ClosedError) return closedResponse(request, error, site);
    if (error instanceof LongSelectionError) return errorResponse(request, 413, site);
    if (error instanceof FormBodyError) return formResponse(request, error, site);
    const missing = missingResponse(request, error, { ...target, site });
    if (missing) return missing;
    const status = statusOf(error);
    const [, hash] = ARCHIVE.exec(target.path) ?? [];
    const archive = hash && redact(hash);
    log.error("request failed with {status}: {why}", {
      status,
      ...(archive && { archive }),
      why: describeError(error, hash),
    });
    const response = errorResponse(request, status, site, isLasting(error));
    return error instanceof MemoryBudgetError ? refused(response, "memory", site) : response;
  }
}

/** The answer of the route that a path belongs to; null if there is nothing to find at it. */
function route(
  request: Request,
  { path, query, ...origin }: Target & Origin,
  site: Site,
): Response | null | Promise<Response | null> {
  const admission = site.limits.of(origin.client);
  const question = (work: () => Promise<Response | null>) => asQuestion(work, admission, origin);
  if (path === "/") return question(() => site.home(request, { query, ...origin }));
  if (path === "/healthz") return health();
  if (path.startsWith("/logo-")) return logoAt(path, site.logo);
  if (path === "/metrics") return localMetrics(request, origin.peer, site.metrics);
  if (path === "/readyz") return ready({ ...site, isFull: () => site.limits.full });
  const [, hash = "", slash] = ARCHIVE.exec(path) ?? [];
  if (!isHash(hash)) return null;
  // Without a look at the disk: otherwise the redirect would tell which folders there are.
  if (!slash) return redirectResponse({ path: `/archive/${hash}/`, query });
  if (request.method === "POST") return question(() => choice(request, { hash, query }, site));
  const wanted = parseArchiveQuery(query);
  const asked = performance.now();
  const preview = isPreviewBot(request);
  const pageOptions = { ...site, given: query, preview, signed: site.signing !== undefined };
  const found: Finder = (answer) => answerFound(request, { hash, query: wanted }, { site, answer });
  switch (wanted.view) {
    case "status":
      return question(() => status(request, hash, { ...site, ...origin }));
    case "manifest":
      return question(() => found((visit, left) => manifest(request, visit, { ...site, left })));
    case "page":
      return question(() => found((visit) => page(request, visit, pageOptions)));
    case "archive": {
      if (pageOptions.preview) {
        return question(() => found((visit) => page(request, visit, pageOptions)));
      }
      const { download: takeDownload } = admission;
      const work = () =>
        found(async (visit, left) => {
          if (landsOnPage(request, visit, site)) return page(request, visit, pageOptions);
          const response = await archive(request, visit, { ...site, takeDownload, asked, left });
          return response.status === 416 ? beyondResponse(request, response, site) : response;
        });
      return request.method === "HEAD" ? question(work) : asDownload(request, work, admission);
    }
  }
}

/** Makes the answer about an archive that was found; `left` aborts when the client has left. */
type Answerer = (visit: Visit, left: AbortSignal) => Response | Promise<Response>;

/** Looks for the archive; null if there is none. */
type Finder = (answer: Answerer) => Promise<Response | null>;

/** The answer about an archive; null if there is none, whatever the reason. */
async function answerFound(
  request: Request,
  { hash, query }: { readonly hash: string; readonly query: ArchiveQuery },
  { site, answer }: { readonly site: Site; readonly answer: Answerer },
): Promise<Response | null> {
  using client = watchClient(request);
  using found = await visit(hash, query, { ...site, signal: client.signal });
  return found && await answer(found, client.signal);
}

/** A form with the names of files: the answer leads to the link of that choice. */
async function choice(
  request: Request,
  { hash, query }: { readonly hash: string; readonly query: string },
  site: Site,
): Promise<Response | null> {
  using client = watchClient(request);
  // Before the form is read: only whoever has a good link may send much.
  const options = { ...site, signal: client.signal };
  using found = await visit(hash, parseArchiveQuery(query), options);
  if (!found) return null;
  using _form = await reserveForm(request, site.memory, client.signal);
  return selectionResponse(hash, await readSelectionForm(request, query), found.whole);
}

/** A request that never becomes a download has a place until its answer is out. */
async function asQuestion(
  work: () => Promise<Response | null>,
  admission: Admission,
  { ended }: Origin,
) {
  const leave = admission.question();
  ended.then(leave, leave);
  return await work();
}

/**
 * A request that may become a download has a place of its own until that is known. Where there is no
 * room for a download, one that asks for all of it is refused before anything is looked at.
 */
async function asDownload(
  { headers }: Request,
  work: () => Promise<Response | null>,
  admission: Admission,
) {
  if (!MAY_NEED_NO_BODY.some((name) => headers.has(name))) admission.expectRoom();
  const leave = admission.opening();
  try {
    return await work();
  } finally {
    leave();
  }
}

/** An answer that says that there is no room. The page asks again by itself. */
function excessResponse(request: Request, { excess, what }: ExcessError, site: Site) {
  const status = excess === "server" ? 503 : 429;
  const reason = excess === "server" ? what : `client-${what}` as const;
  if (what === "requests") {
    const response = errorResponse(request, status, site);
    response.headers.set("retry-after", EXTRA_HEADERS[503]["retry-after"]);
    return refused(response, reason, site);
  }
  const language = chooseLanguage(request.headers.get("accept-language"), site.brand);
  const html = fullPage({
    language,
    brand: site.brand,
    limit: excess,
    reloadAfter: FULL_RETRY_SECONDS,
  });
  const headers = { "retry-after": String(FULL_RETRY_SECONDS) };
  const response = pageResponse(html, { status, language, csp: pagePolicy(site), headers });
  return refused(response, reason, site);
}

/** Remembers for the observer why the answer is a refusal. */
function refused(response: Response, reason: Refusal, { refusals }: Site) {
  refusals.set(response, reason);
  return response;
}

/** The service ends while the request waits: another process may well answer it a moment later. */
function isStopping(error: unknown, { signal }: Site) {
  return signal?.aborted === true && error === signal.reason;
}

/** Names what is wrong with the link. */
function queryResponse(request: Request, { problem }: QueryError, { brand }: Site) {
  const language = chooseLanguage(request.headers.get("accept-language"), brand);
  const html = queryPage({ language, brand, problem });
  return pageResponse(html, { status: 400, language, csp: pagePolicy({ brand }) });
}

/** Names what was chosen and is not there, or says that nothing was; null for any other error. */
function missingResponse(
  request: Request,
  error: unknown,
  { site, ...target }: Target & { readonly site: Site },
) {
  const write = pageAbout(error);
  if (!write) return null;
  const { brand } = site;
  const language = chooseLanguage(request.headers.get("accept-language"), brand);
  const html = write({ language, brand, link: pageLink(target, site) });
  const status = error instanceof NothingChosenError ? 400 : 404;
  return pageResponse(html, { status, language, csp: pagePolicy({ brand }) });
}

/** Writes the page for an error about what was chosen; null for any other error. */
function pageAbout(error: unknown): ((look: ChoicePageLook) => string) | null {
  if (error instanceof MissingFilesError) {
    return (look) => missingPage({ ...look, names: error.names });
  }
  if (error instanceof MissingPartError) {
    return (look) => missingPartPage({ ...look, ...error.part });
  }
  if (error instanceof StaleSelectionError) return staleChoicePage;
  return error instanceof NothingChosenError ? nothingChosenPage : null;
}

/** Where one can choose again. Undefined for a link that was signed for some files: it leads nowhere else. */
function pageLink({ path, query }: Target, { signing }: Site): string | undefined {
  const [, hash = ""] = ARCHIVE.exec(path) ?? [];
  const given = new URLSearchParams(`?${query}`);
  const signature = { expires: Number(given.get("expires")), value: given.get("signature") ?? "" };
  const isForAll = !signing || !given.has("signature") && signing.mode === "both" ||
    isSigned({ hash, files: [], signature }, signing.secrets);
  return isForAll ? `${path}?${wholePageQuery(query)}` : undefined;
}

/** Says to whoever reads pages that the range is not there; the fields of `state` tell programs. */
function beyondResponse(request: Request, state: Response, site: Site) {
  if (!asksForHtml(request)) return state;
  const response = errorResponse(request, 416, site);
  for (const name of ["accept-ranges", "content-range", "etag", "last-modified"]) {
    const value = state.headers.get(name);
    if (value !== null) response.headers.set(name, value);
  }
  return response;
}

/** A form that is too long, or takes too long; its connection is of no more use. */
function formResponse(request: Request, { status }: FormBodyError, site: Site) {
  const response = errorResponse(request, status, site);
  response.headers.set("connection", "close");
  return response;
}

/** An archive whose time is over is gone (RFC 9110 section 15.5.11); before it there is none yet. */
function closedResponse(request: Request, { when }: ClosedError, { brand }: Site) {
  const language = chooseLanguage(request.headers.get("accept-language"), brand);
  const status = when === "over" ? 410 : 404;
  const html = closedPage({ language, brand, when });
  return pageResponse(html, { status, language, csp: pagePolicy({ brand }) });
}

function isUnsettled(error: unknown) {
  return error instanceof StorageError && error.code === UNSETTLED;
}

/** The page reloads itself: whoever waits for the photos need do nothing. */
function unsettledResponse(request: Request, { brand }: Site) {
  const language = chooseLanguage(request.headers.get("accept-language"), brand);
  const html = unsettledPage({ language, brand, reloadAfter: UNSETTLED_RETRY_SECONDS });
  const headers = { "retry-after": String(UNSETTLED_RETRY_SECONDS) };
  return pageResponse(html, { status: 503, language, csp: pagePolicy({ brand }), headers });
}

/** What an observer may know of a request and its answer: neither path nor query. */
function summaryOf({ method, url, headers }: Request, response: Response): Answer {
  const { status } = response;
  const { path, query } = rawTarget(url, headers.get("host")) ?? { path: "", query: "" };
  const [, hash] = ARCHIVE.exec(path) ?? [];
  if (hash !== undefined && isHash(hash)) {
    return { route: archiveRoute(query, response), method, status, hash };
  }
  return { route: Object.hasOwn(ROUTE_NAMES, path) ? ROUTE_NAMES[path] : "other", method, status };
}

function originOf(
  { headers }: Request,
  { remoteAddr, completed }: Deno.ServeHandlerInfo,
  { limits }: Site,
): Origin {
  const peer = "hostname" in remoteAddr ? remoteAddr.hostname : "";
  return { peer, client: limits.address(headers, peer), ended: completed };
}

/** How much is sent. */
function extent({ method }: Request, response: Response): Partial<Answer> {
  const { status, headers } = response;
  const length = Number(method !== "HEAD" && headers.get("content-length"));
  const [, range] = /^bytes (\d+-\d+\/\d+)$/.exec(headers.get("content-range") ?? "") ?? [];
  return { length, range: status === 206 ? range : undefined, download: downloadOf(response) };
}

function archiveRoute(query: string, { status, headers }: Response): Answer["route"] {
  if (hasParameter(query, "status")) return "status";
  if (hasParameter(query, "manifest")) return "manifest";
  const isPage = status === 200 && headers.get("content-type")?.startsWith("text/html");
  return isPage || hasParameter(query, "page") ? "page" : "archive";
}

function isArchive(path: string) {
  const [, hash = "", slash] = ARCHIVE.exec(path) ?? [];
  return slash === "/" && isHash(hash);
}

/** A look at the health is always let in: it costs nothing, and someone might restart the service. */
function isAdmitted(request: Request, info: Deno.ServeHandlerInfo, { admit }: HandlerOptions) {
  if (!admit) return true;
  const target = rawTarget(request.url, request.headers.get("host"));
  return target !== null && isProbe(target.path) || admit(info.completed);
}

function isProbe(path: string) {
  return path === "/healthz" || path === "/readyz";
}

/** The answer to a client for whom there is no room: its connection makes room for another one. */
function refusal(request: Request, site: Site) {
  const response = errorResponse(request, 503, site);
  response.headers.set("connection", "close");
  return response;
}

function statusOf(error: unknown) {
  const isFull = error instanceof MemoryBudgetError || error instanceof EngineUnavailableError;
  return isFull || isPassing(error) ? 503 : 500;
}

function errorResponse(request: Request, status: number, { brand }: Site, lasting = false) {
  const language = chooseLanguage(request.headers.get("accept-language"), brand);
  const html = errorPage({ language, brand, status, lasting });
  const headers = EXTRA_HEADERS[status];
  return pageResponse(html, { status, language, csp: pagePolicy({ brand }), headers });
}
