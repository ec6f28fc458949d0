/**
 * What a request asks for, taken from its raw target (RFC 9112 section 3.2).
 *
 * @module
 */

/** Host names, addresses and a port; nothing that could end an authority and start a path. */
const AUTHORITY = /^[A-Za-z0-9._:[\]-]*$/;

/**
 * The URL of a request, which the runtime joins from its own scheme, the Host header and the
 * target, each as it is. A target that is a URL takes the place of all three.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/http/http_next.rs#L1975-L2027} for HTTP/1
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/http/http_next.rs#L2075-L2142} for HTTP/2
 */
const URL_PARTS = /^https?(?:\+unix)?:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?/i;

/** A request target, neither decoded nor normalised. */
export interface Target {
  /** Path as the client sent it. */
  readonly path: string;
  /** Query without the question mark; empty if there is none. */
  readonly query: string;
}

/**
 * The target of a request as the client sent it. Null if the Host header is not a host: the runtime
 * puts it in front of the target without a check, and a `/` in it would shift the path.
 *
 * @see {@link https://github.com/denoland/deno/issues/29872}
 * @see {@link https://github.com/honojs/node-server/issues/161} which names Deno as well
 *
 * @param url the request's URL, as the runtime gives it
 * @param host the Host header
 */
export function rawTarget(url: string, host: string | null): Target | null {
  const [, authority, path, query = ""] = URL_PARTS.exec(url) ?? [];
  if (authority === undefined) return null;
  // Without a Host header the authority is the listener's own address: of a Unix socket, its path,
  // percent-encoded.
  // https://github.com/denoland/deno/blob/v2.9.5/ext/http/request_properties.rs#L277-L288
  const isHost = host === null || AUTHORITY.test(host) && AUTHORITY.test(authority);
  return isHost ? { path: path || "/", query } : null;
}

/**
 * True if a query has a parameter of this name, whatever its value, beside whatever others (WHATWG
 * URL section 5.1).
 */
export function hasParameter(query: string, name: string): boolean {
  // With a question mark, since the first one of a query that begins with it would be dropped.
  return new URLSearchParams(`?${query}`).has(name);
}

/**
 * The same query in the characters that may stand in one (RFC 3986 section 3.4). What a client sent
 * raw, be it a letter outside of ASCII or a stray `%`, becomes what forms are decoded from.
 */
export function encodeQuery(query: string): string {
  return query
    .replace(/%(?![0-9A-Fa-f]{2})/g, "%25")
    .replace(/[^\w.~!$&'()*+,;=:@/?%-]+/g, (text) => encodeURIComponent(text.toWellFormed()));
}

/** True if a Host header names this machine itself, with or without a port. */
export function isLocalHost(host: string | null): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i.test(host ?? "");
}

/** True for an address of the loopback interface, including an IPv4 address as IPv6 writes it. */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(address);
}
