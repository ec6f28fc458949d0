/**
 * Answers become findings. Pure.
 *
 * @module
 */

import type { Verdict } from "../../lib/findings.ts";
import type { Finding, RuleId } from "./findings.ts";
import type { Handshake } from "./certificate.ts";
import type { Head } from "./wire.ts";

const DAY_MS = 86_400_000;

/** A certificate that is renewed in time is never this near to its end. */
const SOON_DAYS = 14;

/** Longer than a settled archive needs for its first byte, even from a slow disk, in milliseconds. */
const SLOW_MS = 5000;

/**
 * More than the buffers of a proxy and of two connections take, in bytes: Linux receives up to 32 MiB
 * ahead on each (`tcp_rmem`, 6 MiB before 6.15) and sends up to 4 MiB (`tcp_wmem`).
 */
export const MAX_AHEAD_BYTES: number = 80 << 20;

/** What handshakes are refused for, in words. */
const DISTRUST: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the certificate has expired",
  CERT_NOT_YET_VALID: "the certificate is not valid yet (check the clock)",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is self-signed, no browser trusts it",
  SELF_SIGNED_CERT_IN_CHAIN: "the chain ends in a certificate that no browser trusts",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "the issuer is unknown, or a certificate of the chain is missing",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "the issuer is unknown, or a certificate of the chain is missing",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another name",
};

/** What refusals mean, in words. */
const STATUSES: Readonly<Record<number, string>> = {
  401: "a password is asked for",
  403: "the proxy or a firewall refuses the request",
  404: "not found: the link is wrong or withdrawn, or the proxy does not pass /archive/ on",
  405: "the method is refused",
  429: "too many requests: a limit was reached, try again in a minute",
  502: "the proxy cannot reach the service",
  503: "the service is busy, or photos are still being added: try again later",
  504: "the service did not answer the proxy in time",
};

/** A finding in one line. */
export function finding(id: RuleId, verdict: Verdict, seen: string): Finding {
  return { id, verdict, seen };
}

/** Bytes for people. */
export function inBytes(count: number): string {
  const digits = String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");
  return count === 1 ? "1 byte" : `${digits} bytes`;
}

/** What a status that is not 200 means. */
export function describeStatus(status: number): string {
  const words = STATUSES[status];
  return words ? `${status}: ${words}` : String(status);
}

/** The certificate and the version of TLS; `now` in milliseconds since 1970. */
export function judgeHandshake(handshake: Handshake, now: number): Finding {
  const { protocol, expires, distrust } = handshake;
  const days = Math.floor((expires - now) / DAY_MS);
  if (expires < now) return finding("tls", "fault", "the certificate has expired");
  if (distrust) return finding("tls", "fault", DISTRUST[distrust] ?? `not trusted: ${distrust}`);
  if (/^TLSv1(\.1)?$|^SSL/.test(protocol)) {
    return finding("tls", "fault", `${protocol}, which browsers refuse`);
  }
  const seen = `${protocol}, the certificate ends in ${days} days`;
  return finding("tls", days < SOON_DAYS ? "warning" : "ok", seen);
}

/** Whether HTTP/2 is there; the version is that of a plain answer. */
export function judgeVersion(version: string, handshake?: Handshake): Finding {
  if (version !== "1.1") return finding("http_version", "warning", `answers with HTTP/${version}`);
  if (!handshake) return finding("http_version", "ok", "HTTP/1.1 (no TLS, so no HTTP/2)");
  return handshake.alpn === "h2"
    ? finding("http_version", "ok", "HTTP/2 and HTTP/1.1")
    : finding("http_version", "warning", "HTTP/1.1 only, HTTP/2 is not offered");
}

/** Whether an answer is an archive, by what a proxy may have left of it and how the body starts. */
export function judgeAnswer({ status, headers }: Head, start: Uint8Array): Finding {
  if (status !== 200) return finding("answer", "fault", describeStatus(status));
  const isNamed = /photos-[\w-]+\.zip/.test(headers.get("content-disposition") ?? "");
  if (isNamed || isOurTag(headers.get("etag"))) return finding("answer", "ok", "200");
  const isZip = start[0] === 0x50 && start[1] === 0x4b; // PK
  if (isZip) return finding("answer", "ok", "200, a ZIP that does not tell where it is from");
  const type = headers.get("content-type") ?? "";
  const what = type === "" ? "something without a type" : type.split(";")[0];
  return finding("answer", "fault", `200, but no archive of this service: ${what}`);
}

/** Findings that need nothing but the head of the first answer. */
export function judgeHead(head: Head): Finding[] {
  const { headers } = head;
  return [
    judgeLength(headers),
    judgeEncoding(headers),
    judgeType(headers),
    judgeDisposition(headers),
    judgeTag(headers),
    judgeAcceptRanges(headers),
    judgeCacheControl(headers),
    judgeFirstByte(head),
  ];
}

/** Whether the service itself says that it makes no ranges, as with `--engine zip`. */
export function isUnresumable(headers: Headers): boolean {
  return headers.get("accept-ranges") === "none" && !headers.has("etag");
}

/** The tag, if a download can be resumed with it. */
export function strongTag(headers: Headers): string | undefined {
  const etag = headers.get("etag");
  return etag?.startsWith('"') ? etag : undefined;
}

function isOurTag(etag: string | null) {
  return etag !== null && /^(?:W\/)?"\d+-[0-9a-f]{16,}/.test(etag);
}

function judgeLength(headers: Headers): Finding {
  const length = headers.get("content-length");
  if (length !== null) return finding("length", "ok", inBytes(Number(length)));
  if (isUnresumable(headers)) return finding("length", "warning", BY_DESIGN);
  const chunked = headers.has("transfer-encoding") ? "sent in chunks" : "until the connection ends";
  return finding("length", "fault", `missing: the archive is ${chunked}`);
}

const BY_DESIGN = "none: the service was started with --engine zip, which cannot tell";

function judgeEncoding(headers: Headers): Finding {
  const encoding = headers.get("content-encoding");
  return encoding === null || encoding === "identity"
    ? finding("encoding", "ok", "none, although gzip, br and zstd were offered")
    : finding("encoding", "fault", `Content-Encoding: ${encoding}`);
}

function judgeType(headers: Headers): Finding {
  const type = headers.get("content-type");
  if (type === "application/zip") return finding("content_type", "ok", type);
  return finding("content_type", type ? "warning" : "fault", type ?? "missing");
}

function judgeDisposition(headers: Headers): Finding {
  const value = headers.get("content-disposition");
  if (value === null) return finding("disposition", "fault", "missing");
  const named = /^attachment;.*filename\*?="?[^";]+\.zip/i.test(value);
  return finding("disposition", named ? "ok" : "fault", value);
}

function judgeTag(headers: Headers): Finding {
  const etag = headers.get("etag");
  if (etag === null) {
    return isUnresumable(headers)
      ? finding("etag", "warning", BY_DESIGN)
      : finding("etag", "fault", "missing");
  }
  if (!etag.startsWith('"')) return finding("etag", "fault", `weak: ${etag}`);
  const changed = /-(?:gzip|br|zstd)"$/.test(etag) || !isOurTag(etag);
  return finding("etag", changed ? "fault" : "ok", changed ? `changed on the way: ${etag}` : etag);
}

function judgeAcceptRanges(headers: Headers): Finding {
  const value = headers.get("accept-ranges");
  if (value === "bytes") return finding("accept_ranges", "ok", value);
  return finding("accept_ranges", "warning", value ?? "missing");
}

function judgeCacheControl(headers: Headers): Finding {
  const value = headers.get("cache-control");
  if (value === null) return finding("cache_control", "fault", "missing");
  const words = value.toLowerCase().split(/\s*,\s*/);
  const isShared = words.includes("public") || !words.includes("private") ||
    words.some((word) => /^(?:s-maxage|max-age)=0*[1-9]/.test(word));
  if (isShared) return finding("cache_control", "fault", value);
  const isWhole = words.includes("no-transform") && words.includes("no-cache");
  return finding("cache_control", isWhole ? "ok" : "warning", value);
}

function judgeFirstByte({ elapsed }: Head): Finding {
  const seen = `${(elapsed / 1000).toFixed(2)} seconds after the request`;
  return finding("first_byte", elapsed > SLOW_MS ? "warning" : "ok", seen);
}

/** Whether an answer was made for its request; `echo` is what came back of the mark. */
export function judgeCache({ headers }: Head, mark: string, echo: string | null): Finding {
  if (echo !== null && echo !== mark) {
    return finding("cache", "fault", "the answer was made for an earlier request");
  }
  const age = Number(headers.get("age") ?? 0);
  const hit = ["x-cache", "cf-cache-status", "x-cache-status", "x-proxy-cache", "cache-status"]
    .find((name) => /\bhit\b/i.test(headers.get(name) ?? ""));
  if (age > 0) return finding("cache", "fault", `Age: ${age}`);
  if (hit) return finding("cache", "fault", `${hit}: ${headers.get(hit)}`);
  const seen = echo === null
    ? "no sign of one (the service is too old to tell for sure)"
    : "the service answered itself";
  return finding("cache", "ok", seen);
}

/** A range that should have come as it was asked for. */
export interface RangeReply extends Head {
  /** First byte that was wanted. */
  readonly start: number;
  /** The bytes that were wanted. */
  readonly expected: Uint8Array;
  /** The bytes that came, no more than were wanted. */
  readonly body: Uint8Array;
  /** Length of the whole archive in bytes; undefined if it is not known. */
  readonly size?: number;
}

/** What is wrong with a range; null if nothing is. */
export function faultOfRange(reply: RangeReply): string | null {
  const { status, headers, start, expected, body, size } = reply;
  if (status === 200) return "200 and all of it instead of 206";
  if (status !== 206) return `${describeStatus(status)}, instead of 206`;
  const wanted = `bytes ${start}-${start + expected.length - 1}/${size ?? "*"}`;
  const range = headers.get("content-range");
  if (size !== undefined && range !== wanted) return `206 with ${range}, wanted ${wanted}`;
  const isSame = body.length === expected.length && body.every((byte, i) => byte === expected[i]);
  return isSame ? null : "206 with other bytes than those of the whole";
}

/** How far a proxy ran ahead of a client that read `taken` bytes and then no more. */
export function judgePace(sent: number, taken: number): Finding {
  const ahead = Math.max(0, sent - taken);
  const seen = `${inBytes(ahead)} were taken ahead of a client that had stopped reading`;
  return finding("pace", ahead > MAX_AHEAD_BYTES ? "fault" : "ok", seen);
}

/** What the service sent for a range of this many bytes. */
export function judgeSource(sent: number, wanted: number): Finding {
  const seen = sent > wanted
    ? `for ${inBytes(wanted)} the proxy took ${inBytes(sent)} from the service`
    : `${inBytes(sent)} for ${inBytes(wanted)}`;
  return finding("range_source", sent > wanted ? "warning" : "ok", seen);
}

/** A path that only the operator should see, as it looks from outside. */
export function judgeClosed(id: RuleId, { status, headers }: Head, body: string): Finding {
  const closed = finding(id, "ok", `closed (${status})`);
  if (id === "closed_page") {
    if (/<ul class="archives">/.test(body)) {
      return finding(id, "fault", "shows the list of archives");
    }
    const isOurs = status === 200 && headers.get("referrer-policy") === "no-referrer" &&
      /noindex/.test(headers.get("x-robots-tag") ?? "") && headers.has("content-security-policy");
    if (isOurs) return finding(id, "warning", "open: the service's own page, without a list");
    return status === 200 ? finding(id, "ok", "a page of the site") : closed;
  }
  const type = headers.get("content-type") ?? "";
  if (!/^(?:text\/plain|application\/openmetrics-text|application\/json)/.test(type)) return closed;
  if (id === "closed_metrics") {
    return status === 200 && /^# (?:HELP|TYPE) /m.test(body)
      ? finding(id, "fault", "open: shows the figures of the service")
      : closed;
  }
  const isOpen = (status === 200 || status === 503) && headers.has("x-robots-tag");
  return isOpen ? finding(id, "warning", `open (${status})`) : closed;
}
