/**
 * Where a bucket and its objects are: URLs that survive the URL parser.
 *
 * @module
 */

import { StorageError } from "../errors.ts";

/** What `encodeURIComponent` leaves alone and RFC 3986 reserves, section 2.2. */
const RESERVED = /[!'()*]/g;

/** How a bucket stands in a URL. */
export interface BucketAddress {
  /** Name of the bucket. */
  readonly bucket: string;
  /** The bucket stands in the path of the URL instead of its host. */
  readonly pathStyle: boolean;
}

/** The URL of a bucket, for ListObjectsV2. An IP address has no names below it. */
export function bucketUrl(endpoint: URL, { bucket, pathStyle }: BucketAddress): string {
  const path = endpoint.pathname.replace(/\/+$/, "");
  const isAddress = /^(\[.*\]|[\d.]+)$/.test(endpoint.hostname);
  if (pathStyle || isAddress) {
    return `${endpoint.protocol}//${endpoint.host}${path}/${encodeText(bucket)}`;
  }
  return `${endpoint.protocol}//${bucket}.${endpoint.host}${path}`;
}

/**
 * The URL of an object.
 *
 * @throws {StorageError} `EILSEQ` if no URL has this key: it is empty, a dot or two, or no Unicode
 */
export function objectUrl(endpoint: URL, object: BucketAddress & { readonly key: string }): string {
  return `${bucketUrl(endpoint, object)}/${encodeKey(object.key)}`;
}

/**
 * A key as the path of a URL.
 *
 * The URL parser takes away segments of one or two dots, written as `%2E` too (WHATWG URL, section
 * 4.4), so that `a/../b` would be another object. The slash beside one is written `%2F`: then there
 * is no such segment, and the store decodes the same key. The signature is over the decoded key.
 *
 * @throws {StorageError} `EILSEQ` if no URL has this key: it is empty, a dot or two, or no Unicode
 */
export function encodeKey(key: string): string {
  if (key === "" || isDots(key)) throw unusable();
  const segments = key.split("/");
  return segments.map((segment, i) => {
    if (i === 0) return encodeText(segment);
    const glued = isDots(segment) || isDots(segments[i - 1]);
    return (glued ? "%2F" : "/") + encodeText(segment);
  }).join("");
}

/** Text as a part of a path or a query, with `/` and everything reserved encoded. */
export function encodeText(text: string): string {
  if (!text.isWellFormed()) throw unusable();
  return encodeURIComponent(text).replace(
    RESERVED,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function isDots(segment: string) {
  return segment === "." || segment === "..";
}

function unusable() {
  return new StorageError("EILSEQ", "address object: its key cannot stand in a URL");
}
