/**
 * Every kind of response, with its header fields. Pure.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { downloadHeaders } from "../zip/http/download_headers.ts";
import { encodeQuery, type Target } from "./target.ts";

/** Protects a secret link: no sniffing of types, no trace in a Referer, no search engine. */
const DISCREET = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-robots-tag": "noindex, nofollow",
} as const;

/**
 * A longer body is handed to the runtime in pieces of so many bytes. One that is handed over at once
 * waits in the runtime's memory for a client that does not read, and there counts as sent.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/http/00_serve.ts#L654-L669}
 */
const PIECE_BYTES = 16 << 10;

/** Hexadecimal digits of a hash that become an entity tag: 128 bits, for no two states alike. */
const TAG_DIGITS = 32;

/** What the header fields of a download are made from. */
export interface ArchiveFields {
  /** Name under which the client saves it. Letters, digits, `-`, `_` and `.` only. */
  readonly filename: string;
  /** A better name, for clients that can write it: any text without a `/`. @default the same */
  readonly name?: string;
  /** Newest modification time, in whole seconds since 1970; null if it is not known. */
  readonly lastModified: number | null;
  /** Entity tag with its quotes; null if the bytes differ each time, which rules out ranges. */
  readonly etag: string | null;
  /** SHA-256 of the whole archive, 64 hexadecimal digits; null if it is not known. @default null */
  readonly sha256?: string | null;
}

/**
 * Header fields of a download, without its length: those of any ZIP, what protects a secret link, and
 * the digest (RFC 9530).
 *
 * @throws {TypeError} if the file name has a character that is not allowed
 */
export function archiveHeaders(fields: ArchiveFields): Headers {
  const { filename, name = filename, etag, lastModified, sha256 } = fields;
  if (!/^[A-Za-z0-9_.-]+$/.test(filename)) {
    throw new TypeError(`write Content-Disposition: file name not allowed: ${filename}`);
  }
  const headers = downloadHeaders({ name, fallback: filename, etag, lastModified });
  for (const field of Object.entries(DISCREET)) headers.set(...field);
  if (sha256) headers.set("repr-digest", reprDigest(sha256));
  return headers;
}

/** What is sent along with a page. */
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

/** A page as a response. `Vary`, since its language depends on the visitor. */
export function pageResponse(html: string, fields: PageFields): Response {
  const body = new TextEncoder().encode(html);
  const headers = { ...pageHeaders(fields), "content-length": String(body.length) };
  return new Response(inPieces(body), {
    status: fields.status ?? 200,
    headers: { ...headers, ...fields.headers },
  });
}

/** A page that is written while it is sent: its length is not known. Null for an answer to HEAD. */
export function streamedPageResponse(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  fields: PageFields,
): Response {
  const headers = { ...pageHeaders(fields), ...fields.headers };
  return new Response(body ?? emptyBody(), { status: fields.status ?? 200, headers });
}

function pageHeaders({ language, csp }: PageFields) {
  return {
    ...DISCREET,
    "content-type": "text/html; charset=utf-8",
    "content-language": language,
    "content-security-policy": csp,
    "cache-control": "private, no-store",
    "vary": "accept-language",
  };
}

/**
 * A file that pages need, as a response. Its address changes with it. Opened alone, it may do nothing.
 */
export function assetResponse(bytes: Uint8Array<ArrayBuffer>, type: string): Response {
  const headers = {
    ...DISCREET,
    "content-type": type,
    "content-length": String(bytes.length),
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "public, max-age=31536000, immutable",
  };
  return new Response(inPieces(bytes), { headers });
}

/** A short text for programs as a response. */
export function textResponse(text: string, status = 200): Response {
  const headers = {
    ...DISCREET,
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(new TextEncoder().encode(text).length),
    "cache-control": "no-store",
  };
  return new Response(text, { status, headers });
}

/**
 * Data for programs as a response, with an entity tag of its own: a hash of the very bytes, so that
 * it changes with every one of them. `private`, since it is only for those who have the link.
 */
export function jsonResponse(data: unknown): Response {
  const body = new TextEncoder().encode(`${JSON.stringify(data, null, 2)}\n`);
  const headers = {
    ...DISCREET,
    "content-type": "application/json",
    "content-length": String(body.length),
    "cache-control": "private, no-cache",
    "etag": `"${createHash("sha256").update(body).digest("hex").slice(0, TAG_DIGITS)}"`,
  };
  return new Response(inPieces(body), { headers });
}

/**
 * A refusal of a request that came while too many others were under way (RFC 6585 section 4). It has
 * no body: with HTTP/2 that would have to wait behind those of the others.
 */
export function tooManyResponse(): Response {
  return new Response(null, { status: 429, headers: { ...DISCREET, "retry-after": "5" } });
}

/**
 * A request for the token of the administrator (RFC 9110 section 15.5.2). A browser shows the page to
 * whoever gives none.
 */
export function unauthorizedResponse(html: string, fields: PageFields): Response {
  const headers = { "www-authenticate": 'Basic realm="zipferry", charset="UTF-8"' };
  return pageResponse(html, { ...fields, status: 401, headers });
}

/**
 * A permanent redirect to a path on this host, with the query of the request (RFC 9110 section
 * 15.4.2). Not 308, which says the same of GET and HEAD: Java's `HttpURLConnection` stops there.
 *
 * @see {@link https://github.com/openjdk/jdk/blob/012dffcd27a9356bda996b99db02398afaf9d766/src/java.base/share/classes/sun/net/www/protocol/http/HttpURLConnection.java}
 * `followRedirect()` there
 */
export function redirectResponse({ path, query }: Target): Response {
  const location = query === "" ? path : `${path}?${encodeQuery(query)}`;
  return new Response(null, { status: 301, headers: { ...DISCREET, location } });
}

/** Leads to what a form asks for (RFC 9110 section 15.4.4): it is got by GET, and may be again. */
export function seeOtherResponse({ path, query }: Target): Response {
  const headers = {
    ...DISCREET,
    "location": `${path}?${encodeQuery(query)}`,
    "cache-control": "private, no-store",
  };
  return new Response(null, { status: 303, headers });
}

/**
 * The same response as an answer to HEAD (RFC 9110 section 9.3.2). The runtime would send no body
 * either, but Deno 2.9.6 starts to read one that is a stream.
 *
 * @see {@link https://github.com/denoland/deno/pull/31998}
 */
export function withoutBody({ status, headers, body }: Response): Response {
  const isLengthKnown = body === null || headers.has("content-length");
  return new Response(isLengthKnown ? null : emptyBody(), { status, headers });
}

/**
 * Stands for a body of unknown length in an answer to HEAD. With null, the runtime adds
 * `content-length: 0`, which HEAD may only say where GET would (RFC 9110 section 8.6); with a stream
 * it adds nothing. This one is at its end already: there is nothing to start.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/http/http_next.rs#L3642-L3650} null
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/http/http_next.rs#L4044-L4065} a stream
 */
export function emptyBody(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({ start: (controller) => controller.close() });
}

/** Bytes as a body of which no more is taken over at a time than one piece. */
function inPieces(bytes: Uint8Array<ArrayBuffer>): BodyInit {
  if (bytes.length <= PIECE_BYTES) return bytes;
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.subarray(at, at += PIECE_BYTES));
      if (at >= bytes.length) controller.close();
    },
  }, { highWaterMark: 0 });
}

/** Of the whole, whatever range of it is sent (RFC 9530 section 3; section 2 for the form). */
function reprDigest(sha256: string) {
  return `sha-256=:${Buffer.from(sha256, "hex").toString("base64")}:`;
}
