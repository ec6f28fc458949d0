/**
 * The service as one function from request to response: the route table, and the one place where an
 * error becomes a status.
 *
 * @module
 */

import { ClientLeftError } from "../http/client.ts";
import { EngineUnavailableError } from "../engines/engine.ts";
import { pageResponse, redirectResponse, tooManyResponse, withoutBody } from "../http/headers.ts";
import { hasParameter, rawTarget, type Target } from "../http/target.ts";
import { setTransportSecurity } from "../http/transport_security.ts";
import { unlessAborted } from "../lib/abort.ts";
import { describeError, log, redact } from "../lib/log.ts";
import type { Answer } from "../observe/observer.ts";
import { type MemoryBudget, MemoryBudgetError, unlimitedMemory } from "../lib/memory_budget.ts";
import { isLasting, isPassing, StorageError } from "../storage/errors.ts";
import { isHash } from "../storage/names.ts";
import { Settling, UNSETTLED } from "../storage/settling.ts";
import type { FileSource } from "../storage/source.ts";
import {
  chooseLanguage,
  contentSecurityPolicy,
  errorPage,
  unsettledPage,
} from "../templates/mod.ts";
import { limitConnections } from "./admission.ts";
import { archive, type ArchiveOptions } from "./archive.ts";
import { health } from "./health.ts";
import { createHome, type Home, type HomeOptions } from "./home.ts";
import { manifest } from "./manifest.ts";
import { status, type StatusOptions } from "./status.ts";

/** What all routes together need. */
export interface HandlerOptions
  extends Omit<ArchiveOptions, "settling" | "memory">, HomeOptions, Omit<StatusOptions, "memory"> {
  /** Where the archives come from. */
  readonly source: FileSource;
  /** Seconds for which browsers are told to come back by HTTPS only. @default they are not told */
  readonly hsts?: number;
  /** What downloads and their listings count against. @default unlimited */
  readonly memory?: MemoryBudget;
  /** Milliseconds that an archive must have been left alone before it is sent. @default 0 */
  readonly settle?: number;
  /**
   * Asked once a request, with what settles when it is over: false if it should not be served now.
   *
   * @default all are served
   */
  readonly admit?: (ended: Promise<void>) => boolean;
}

/** The same, with what is made of them once for all requests. */
interface Site extends ArchiveOptions, StatusOptions {
  readonly home: Home;
}

/** The signature that `Deno.serve` wants. */
export type Handler = (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response>;

const ARCHIVE = /^\/archive\/([^/]+)(\/?)$/;

/** Nobody sees this status: nginx logs the same one for a client that has left. */
const CLIENT_LEFT = 499;

/** When to ask again for an archive to which photos are still being added. */
const UNSETTLED_RETRY_SECONDS = 10;

const EXTRA_HEADERS: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  405: { allow: "GET, HEAD" },
  503: { "retry-after": "5" },
};

/** Makes the function that answers all requests. */
export function createHandler(options: HandlerOptions): Handler {
  const { source, settle = 0 } = options;
  const site: Site = {
    ...options,
    memory: options.memory ?? unlimitedMemory(),
    settling: new Settling(source, { quiet: settle }),
    home: createHome(options),
  };
  const isWithinLimit = limitConnections();
  const respond = async (request: Request, info: Deno.ServeHandlerInfo) => {
    if (!isWithinLimit(info)) return tooManyResponse();
    if (!isAdmitted(request, info, options)) return refusal(request);
    const peer = "hostname" in info.remoteAddr ? info.remoteAddr.hostname : "";
    return await answer(request, peer, site);
  };
  return async (request, info) => {
    const response = await respond(request, info);
    setTransportSecurity(response.headers, options.hsts);
    options.observer.answered?.(summaryOf(request, response));
    return request.method === "HEAD" ? withoutBody(response) : response;
  };
}

async function answer(request: Request, peer: string, site: Site) {
  const target = rawTarget(request.url, request.headers.get("host"));
  if (target === null) return errorResponse(request, 400);
  if (request.method !== "GET" && request.method !== "HEAD") return errorResponse(request, 405);
  try {
    const response = Promise.resolve(route(request, { ...target, peer }, site));
    return await unlessAborted(response, site.signal) ?? errorResponse(request, 404);
  } catch (error) {
    if (error instanceof ClientLeftError) return new Response(null, { status: CLIENT_LEFT });
    if (isStopping(error, site)) return errorResponse(request, 503);
    if (isUnsettled(error)) return unsettledResponse(request);
    const status = statusOf(error);
    const [, hash] = ARCHIVE.exec(target.path) ?? [];
    const archive = hash && redact(hash);
    log.error("request failed with {status}: {why}", {
      status,
      ...(archive && { archive }),
      why: describeError(error, hash),
    });
    return errorResponse(request, status, isLasting(error));
  }
}

/** The answer of the route that a path belongs to; null if there is nothing to find at it. */
function route(
  request: Request,
  { path, query, peer }: Target & { readonly peer: string },
  site: Site,
): Response | null | Promise<Response | null> {
  if (path === "/") return site.home(request, { query, peer });
  if (path === "/healthz") return health();
  const [, hash = "", slash] = ARCHIVE.exec(path) ?? [];
  if (!isHash(hash)) return null;
  // Without a look at the disk: otherwise the redirect would tell which folders there are.
  if (!slash) return redirectResponse({ path: `/archive/${hash}/`, query });
  if (hasParameter(query, "status")) return status(request, hash, { ...site, peer });
  const answer = hasParameter(query, "manifest") ? manifest : archive;
  return answer(request, hash, site);
}

/** The service ends while the request waits: another process may well answer it a moment later. */
function isStopping(error: unknown, { signal }: Site) {
  return signal?.aborted === true && error === signal.reason;
}

function isUnsettled(error: unknown) {
  return error instanceof StorageError && error.code === UNSETTLED;
}

/** The page reloads itself: whoever waits for the photos need do nothing. */
function unsettledResponse(request: Request) {
  const language = chooseLanguage(request.headers.get("accept-language"));
  const html = unsettledPage({ language, reloadAfter: UNSETTLED_RETRY_SECONDS });
  const headers = { "retry-after": String(UNSETTLED_RETRY_SECONDS) };
  return pageResponse(html, { status: 503, language, csp: contentSecurityPolicy, headers });
}

/** What an observer may know of a request and its answer: neither path nor query. */
function summaryOf({ method, url, headers }: Request, { status }: Response): Answer {
  const { path, query } = rawTarget(url, headers.get("host")) ?? { path: "", query: "" };
  const [, hash] = ARCHIVE.exec(path) ?? [];
  if (hash !== undefined && isHash(hash)) {
    return { route: archiveRoute(query), method, status, hash };
  }
  const route = path === "/" ? "list" : path === "/healthz" ? "health" : "other";
  return { route, method, status };
}

function archiveRoute(query: string): Answer["route"] {
  if (hasParameter(query, "status")) return "status";
  return hasParameter(query, "manifest") ? "manifest" : "archive";
}

/** A look at the health is always let in: it costs nothing, and someone might restart the service. */
function isAdmitted(request: Request, info: Deno.ServeHandlerInfo, { admit }: HandlerOptions) {
  if (!admit) return true;
  const target = rawTarget(request.url, request.headers.get("host"));
  return target?.path === "/healthz" || admit(info.completed);
}

/** The answer to a client for whom there is no room: its connection makes room for another one. */
function refusal(request: Request) {
  const response = errorResponse(request, 503);
  response.headers.set("connection", "close");
  return response;
}

function statusOf(error: unknown) {
  const isFull = error instanceof MemoryBudgetError || error instanceof EngineUnavailableError;
  return isFull || isPassing(error) ? 503 : 500;
}

function errorResponse(request: Request, status: number, lasting = false) {
  const language = chooseLanguage(request.headers.get("accept-language"));
  const html = errorPage({ language, status, lasting });
  const headers = EXTRA_HEADERS[status];
  return pageResponse(html, { status, language, csp: contentSecurityPolicy, headers });
}
