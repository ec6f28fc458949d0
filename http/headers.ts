/**
 * Every kind of answer with its header fields. Pure.
 *
 * @module
 */

import { encodeExtended } from "content-disposition";

/** What protects a secret link: no sniffing, no trace in a Referer, no search engine. */
const DISCREET = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-robots-tag": "noindex, nofollow",
} as const;

/** What the header of a download says. */
export interface ArchiveFields {
  /** Name that the client saves it under. Letters, digits, `-`, `_` and `.` only. */
  readonly filename: string;
  /** Newest modification time, in whole seconds since 1970. */
  readonly lastModified: number;
  /** Entity tag with its quotes; null if the bytes differ each time: then there are no ranges. */
  readonly etag: string | null;
}

/**
 * Header of a download, but for its length (RFC 9110 sections 8.8 and 14.3, RFC 6266, RFC 9111).
 *
 * @throws {TypeError} if the file name has other characters than are allowed
 */
export function archiveHeaders(fields: ArchiveFields): Headers {
  const headers = new Headers({
    ...DISCREET,
    "content-type": "application/zip",
    "content-disposition": contentDisposition(fields.filename),
    "cache-control": "private, no-cache, no-transform",
    "accept-ranges": fields.etag === null ? "none" : "bytes",
    "last-modified": new Date(fields.lastModified * 1000).toUTCString(),
    // nginx would keep up to 1 GiB of the answer in a temporary file, and cut it there.
    "x-accel-buffering": "no",
  });
  if (fields.etag !== null) headers.set("etag", fields.etag);
  return headers;
}

/** What goes with a page. */
export interface PageFields {
  /** Status code. @default 200 */
  readonly status?: number;
  /** Language of the page, as in `en`. */
  readonly language: string;
  /** Its Content-Security-Policy. */
  readonly csp: string;
  /** Further header fields. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A page as an answer. Which one it is differs by the visitor's language. */
export function pageResponse(html: string, fields: PageFields): Response {
  const body = new TextEncoder().encode(html);
  const headers = {
    ...DISCREET,
    "content-type": "text/html; charset=utf-8",
    "content-length": String(body.length),
    "content-language": fields.language,
    "content-security-policy": fields.csp,
    "cache-control": "private, no-store",
    "vary": "accept-language",
    ...fields.headers,
  };
  return new Response(body, { status: fields.status ?? 200, headers });
}

/** A short text for programs as an answer. */
export function textResponse(text: string, status = 200): Response {
  const headers = {
    ...DISCREET,
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(new TextEncoder().encode(text).length),
    "cache-control": "no-store",
  };
  return new Response(text, { status, headers });
}

/** Data for programs as an answer, which belongs to whoever has the link. */
export function jsonResponse(data: unknown): Response {
  const body = new TextEncoder().encode(`${JSON.stringify(data, null, 2)}\n`);
  const headers = {
    ...DISCREET,
    "content-type": "application/json",
    "content-length": String(body.length),
    "cache-control": "private, no-cache",
  };
  return new Response(body, { headers });
}

/** A permanent redirect to a path on this host (RFC 9110 section 15.4.9). */
export function redirectResponse(path: string): Response {
  return new Response(null, { status: 308, headers: { ...DISCREET, location: path } });
}

/** The same answer as HEAD gets it (RFC 9110 section 9.3.2). */
export function withoutBody(response: Response): Response {
  return new Response(null, { status: response.status, headers: response.headers });
}

/** Both forms of the name (RFC 6266 section 4.3), since there are clients that know only one. */
function contentDisposition(filename: string) {
  if (!/^[A-Za-z0-9_.-]+$/.test(filename)) {
    throw new TypeError(`write Content-Disposition: file name not allowed: ${filename}`);
  }
  return `attachment; filename="${filename}"; filename*=${encodeExtended(filename)}`;
}
