/**
 * What a request asks for, read from its raw target (RFC 9112 section 3.2).
 *
 * @module
 */

/** Host names, addresses and a port; nothing that could end an authority and start a path. */
const AUTHORITY = /^[A-Za-z0-9._:[\]-]*$/;

/** The runtime's URL: scheme and authority as the client sent them, then the target untouched. */
const URL_PARTS = /^https?(?:\+unix)?:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?/i;

/** A request target, not decoded, not normalised. */
export interface Target {
  /** Path as the client sent it. */
  readonly path: string;
  /** Query without the question mark; empty if there is none. */
  readonly query: string;
}

/**
 * The target of a request as the client sent it. Null if the Host header is not a host: the runtime
 * puts it in front of the target, and a `/` in it would shift the path.
 *
 * @param url the request's URL, as the runtime gives it
 * @param host the Host header
 */
export function rawTarget(url: string, host: string | null): Target | null {
  const [, authority, path, query = ""] = URL_PARTS.exec(url) ?? [];
  if (authority === undefined) return null;
  // Without a Host header the runtime puts its own address there, which may be that of a Unix socket.
  const isHost = host === null || AUTHORITY.test(host) && AUTHORITY.test(authority);
  return isHost ? { path: path || "/", query } : null;
}

/** True for a Host header that names this machine itself, with any port. */
export function isLocalHost(host: string | null): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i.test(host ?? "");
}

/** True for an address of the loopback interface, also as IPv6 writes it. */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(address);
}
