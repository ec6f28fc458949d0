/**
 * The service as one function from request to response: the route table, and the one place where an
 * error becomes a status.
 *
 * @module
 */

import { EngineUnavailableError } from "../engines/engine.ts";
import { pageResponse, redirectResponse, withoutBody } from "../http/headers.ts";
import { rawTarget, type Target } from "../http/target.ts";
import { describeError, log, redact } from "../lib/log.ts";
import type { Answer } from "../observe/observer.ts";
import { isPassing } from "../storage/errors.ts";
import { isHash } from "../storage/names.ts";
import { chooseLanguage, contentSecurityPolicy, errorPage } from "../templates/mod.ts";
import { archive, type ArchiveOptions } from "./archive.ts";
import { health } from "./health.ts";
import { home, type HomeOptions } from "./home.ts";
import { manifest } from "./manifest.ts";

/** What all routes together need. */
export interface HandlerOptions extends ArchiveOptions, HomeOptions {
  /**
   * Asked once a request, with what settles when it is over: false if it should not be served now.
   *
   * @default all are served
   */
  readonly admit?: (ended: Promise<void>) => boolean;
}

/** The signature that `Deno.serve` wants. */
export type Handler = (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response>;

const ARCHIVE = /^\/archive\/([^/]+)(\/?)$/;

const EXTRA_HEADERS: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  405: { allow: "GET, HEAD" },
  503: { "retry-after": "5" },
};

/** Makes the function that answers all requests. */
export function createHandler(options: HandlerOptions): Handler {
  return async (request, info) => {
    const peer = "hostname" in info.remoteAddr ? info.remoteAddr.hostname : "";
    const response = isAdmitted(request, info, options)
      ? await answer(request, peer, options)
      : refusal(request);
    options.observer.answered?.(summaryOf(request, response));
    return request.method === "HEAD" ? withoutBody(response) : response;
  };
}

async function answer(request: Request, peer: string, options: HandlerOptions) {
  const target = rawTarget(request.url, request.headers.get("host"));
  if (target === null) return errorResponse(request, 400);
  if (request.method !== "GET" && request.method !== "HEAD") return errorResponse(request, 405);
  try {
    return await route(request, { ...target, peer }, options) ?? errorResponse(request, 404);
  } catch (error) {
    const status = statusOf(error);
    const [, hash] = ARCHIVE.exec(target.path) ?? [];
    const archive = hash && redact(hash);
    log.error("request failed with {status}: {why}", {
      status,
      ...(archive && { archive }),
      why: describeError(error, hash),
    });
    return errorResponse(request, status);
  }
}

/** A look at the health is always let in: it costs nothing, and someone might restart the service. */
function isAdmitted(request: Request, info: Deno.ServeHandlerInfo, { admit }: HandlerOptions) {
  if (!admit || pathOf(request) === "/healthz") return true;
  return admit(info.completed);
}

/** The answer of the route that a path belongs to; null if there is nothing to find at it. */
function route(
  request: Request,
  { path, query, peer }: Target & { readonly peer: string },
  options: HandlerOptions,
): Response | null | Promise<Response | null> {
  if (path === "/") return home(request, peer, options);
  if (path === "/healthz") return health();
  const [, hash = "", slash] = ARCHIVE.exec(path) ?? [];
  if (!isHash(hash)) return null;
  // Without a look at the disk: otherwise the redirect would tell which folders there are.
  if (!slash) return redirectResponse(`/archive/${hash}/`);
  return query === "manifest" ? manifest(hash, options) : archive(request, hash, options);
}

/** What an observer may know of a request and its answer: neither path nor query. */
function summaryOf(request: Request, { status, headers }: Response): Answer {
  const { method } = request;
  const path = pathOf(request);
  const [, hash] = ARCHIVE.exec(path) ?? [];
  if (hash !== undefined && isHash(hash)) {
    const isManifest = headers.get("content-type")?.startsWith("application/json");
    return { route: isManifest ? "manifest" : "archive", method, status, hash };
  }
  const route = path === "/" ? "list" : path === "/healthz" ? "health" : "other";
  return { route, method, status };
}

function pathOf({ url, headers }: Request): string {
  return rawTarget(url, headers.get("host"))?.path ?? "";
}

/** The answer to a client for whom there is no room: its connection makes room for another one. */
function refusal(request: Request) {
  const response = errorResponse(request, 503);
  response.headers.set("connection", "close");
  return response;
}

function statusOf(error: unknown) {
  return error instanceof EngineUnavailableError || isPassing(error) ? 503 : 500;
}

function errorResponse(request: Request, status: number) {
  const language = chooseLanguage(request.headers.get("accept-language"));
  const html = errorPage({ language, status });
  const headers = EXTRA_HEADERS[status];
  return pageResponse(html, { status, language, csp: contentSecurityPolicy, headers });
}
