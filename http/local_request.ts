/**
 * Whether a request was made on this very machine.
 *
 * @module
 */

import { isLocalHost, isLoopback } from "./target.ts";

/** Any of them means that the request came through another machine or a proxy. */
const PROXY_HEADERS = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
  "via",
];

/**
 * True for a direct request from this machine to itself. On a Unix socket the peer has no address,
 * and whoever connects to one may well be a proxy: so nothing that comes from there is local.
 *
 * @param peer address of the other end of the connection, empty if it has none
 */
export function isLocalRequest({ headers, url }: Request, peer: string): boolean {
  if (PROXY_HEADERS.some((name) => headers.has(name))) return false;
  return isLoopback(peer) && isLocalHost(headers.get("host") ?? secureAuthority(url));
}

/** What a browser says instead of the Host header in HTTP/2, which it speaks over TLS only. */
function secureAuthority(url: string) {
  const { protocol, host } = new URL(url);
  return protocol === "https:" ? host : null;
}
