/**
 * The service as one function from request to response: the route table, and the one place where an
 * error becomes a status.
 *
 * @module
 */

import { EngineUnavailableError } from "../engines/engine.ts";
import { ConnectionLimit } from "../http/connection_limit.ts";
import { pageResponse, redirectResponse, tooManyResponse, withoutBody } from "../http/headers.ts";
import { hasParameter, rawTarget, type Target } from "../http/target.ts";
import { describeError, log, redact } from "../lib/log.ts";
import { isPassing } from "../storage/errors.ts";
import { isHash } from "../storage/names.ts";
import { chooseLanguage, contentSecurityPolicy, errorPage } from "../templates/mod.ts";
import { archive, type ArchiveOptions } from "./archive.ts";
import { health } from "./health.ts";
import { home, type HomeOptions } from "./home.ts";
import { manifest } from "./manifest.ts";

/** What all routes together need. */
export interface HandlerOptions extends ArchiveOptions, HomeOptions {}

/** The signature that `Deno.serve` wants. */
export type Handler = (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response>;

const ARCHIVE = /^\/archive\/([^/]+)(\/?)$/;

const EXTRA_HEADERS: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  405: { allow: "GET, HEAD" },
  503: { "retry-after": "5" },
};

/**
 * Requests that one connection may have under way at a time. HTTP/1.1 has one. With HTTP/2, which the
 * runtime always offers, a connection has up to 200, each with the memory of a download, and there is
 * no option for less.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/http/http_next.rs#L4845-L4869}
 */
const REQUESTS_PER_CONNECTION = 8;

/** The warning about refused requests is not repeated for so long, in milliseconds. */
const QUIET_MS = 60_000;

/** Makes the function that answers all requests. */
export function createHandler(options: HandlerOptions): Handler {
  const limit = new ConnectionLimit(REQUESTS_PER_CONNECTION);
  const warn = warnOfLimit();
  return async (request, { remoteAddr, completed }) => {
    // A Unix socket tells no connection from another; but only those who may open it are there.
    const peer = "hostname" in remoteAddr ? remoteAddr : null;
    if (peer && !limit.admit(`${peer.hostname} ${peer.port}`, completed)) {
      warn();
      return tooManyResponse();
    }
    const response = await answer(request, peer?.hostname ?? "", options);
    return request.method === "HEAD" ? withoutBody(response) : response;
  };
}

function warnOfLimit() {
  let quietUntil = -Infinity;
  return () => {
    if (performance.now() < quietUntil) return;
    quietUntil = performance.now() + QUIET_MS;
    log.warn(
      "refused with 429: one connection has {most} requests under way; a proxy should " +
        "speak HTTP/1.1 to the service",
      { most: REQUESTS_PER_CONNECTION },
    );
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
      why: describeError(error),
    });
    return errorResponse(request, status);
  }
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
  if (!slash) return redirectResponse({ path: `/archive/${hash}/`, query });
  const answer = hasParameter(query, "manifest") ? manifest : archive;
  return answer(request, hash, options);
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
