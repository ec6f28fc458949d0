/**
 * Header fields of a download.
 *
 * @module
 */

import { attachment } from "./disposition.ts";

/** What the fields are made from. */
export interface DownloadFields {
  /** Name under which the client saves it: any text without a `/`. */
  readonly name: string;
  /** The same for clients that know only ASCII: letters, digits, `-`, `_` and `.`. */
  readonly fallback: string;
  /** Entity tag with its quotes; null if the bytes differ each time, which rules out ranges. */
  readonly etag: string | null;
  /** Last modification, in whole seconds since 1970; null if it is not known. */
  readonly lastModified: number | null;
}

/**
 * Header fields of a ZIP that is downloaded, without its length (RFC 9110 sections 8.8 and 14.3, RFC
 * 6266, RFC 9111).
 */
export function downloadHeaders(fields: DownloadFields): Headers {
  const { name, fallback, etag, lastModified } = fields;
  const headers = new Headers({
    "content-type": "application/zip",
    "content-disposition": attachment(name, fallback),
    "cache-control": "private, no-cache, no-transform",
    "accept-ranges": etag === null ? "none" : "bytes",
    // nginx would keep up to 1 GiB of the response in a temporary file, and is reported to have cut
    // off longer downloads:
    // https://github.com/nginx/nginx/blob/release-1.31.4/src/http/modules/ngx_http_proxy_module.c#L3822
    // https://github.com/NginxProxyManager/nginx-proxy-manager/issues/3567
    "x-accel-buffering": "no",
  });
  if (etag !== null) headers.set("etag", etag);
  if (lastModified !== null) {
    headers.set("last-modified", new Date(lastModified * 1000).toUTCString());
  }
  return headers;
}
