/**
 * Which requests are let in at all, before anything is done for them.
 *
 * @module
 */

import { ConnectionLimit } from "../http/connection_limit.ts";
import { log } from "../lib/log.ts";

/**
 * Requests that one connection may have under way at a time. HTTP/1.1 has one. With HTTP/2, which the
 * runtime always offers, a connection has up to 200, each with the memory of a download, and there is
 * no option for less.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/http/http_next.rs#L4845-L4869}
 */
const REQUESTS_PER_CONNECTION = 8;

/** The warning about refused requests is not repeated for this long, in milliseconds. */
const QUIET_MS = 60_000;

/** Makes what is asked once a request: whether its connection may have another one under way. */
export function limitConnections(): (info: Deno.ServeHandlerInfo) => boolean {
  const limit = new ConnectionLimit(REQUESTS_PER_CONNECTION);
  let quietUntil = -Infinity;
  return ({ remoteAddr, completed }) => {
    // A Unix socket tells no connection from another; but only those who may open it are there.
    if (!("hostname" in remoteAddr)) return true;
    if (limit.admit(`${remoteAddr.hostname} ${remoteAddr.port}`, completed)) return true;
    if (performance.now() < quietUntil) return false;
    quietUntil = performance.now() + QUIET_MS;
    const most = REQUESTS_PER_CONNECTION;
    log.warn(
      "refused with 429: one connection has {most} requests under way; " +
        "a proxy should speak HTTP/1.1 to the service",
      { most },
    );
    return false;
  };
}
