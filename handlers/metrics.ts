/**
 * `GET /metrics`: figures for Prometheus. They hold no secret, but concern nobody outside.
 *
 * @module
 */

import { textResponse, withoutBody } from "../http/headers.ts";
import { isLocalRequest } from "../http/local_request.ts";
import { rawTarget } from "../http/target.ts";
import type { Metrics } from "../observe/metrics.ts";

/** What tells the figures. */
export type MetricsSource = Pick<Metrics, "render">;

/** What answers the requests for one path. */
export type Route = (request: Request) => Response | Promise<Response>;

/** All figures, in the format that the client prefers. */
export async function metrics(request: Request, source: MetricsSource): Promise<Response> {
  const { contentType, text } = await source.render(request.headers.get("accept"));
  const response = textResponse(text);
  response.headers.set("content-type", contentType);
  response.headers.set("vary", "accept");
  return response;
}

/** The same for requests that this machine makes itself; null, as for what is not there, for others. */
export function localMetrics(
  request: Request,
  peer: string,
  source: MetricsSource | undefined,
): Promise<Response> | null {
  return source && isLocalRequest(request, peer) ? metrics(request, source) : null;
}

/**
 * The function that answers all requests at an address of its own, which is for programs that watch
 * the service: a few paths, GET and HEAD.
 */
export function createWatchHandler(
  routes: Readonly<Record<string, Route>>,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const response = await watchAnswer(request, routes);
    return request.method === "HEAD" ? withoutBody(response) : response;
  };
}

function watchAnswer(request: Request, routes: Readonly<Record<string, Route>>) {
  const target = rawTarget(request.url, request.headers.get("host"));
  if (target === null) return textResponse("bad request\n", 400);
  if (!Object.hasOwn(routes, target.path)) return textResponse("not found\n", 404);
  if (request.method === "GET" || request.method === "HEAD") return routes[target.path](request);
  const response = textResponse("method not allowed\n", 405);
  response.headers.set("allow", "GET, HEAD");
  return response;
}
