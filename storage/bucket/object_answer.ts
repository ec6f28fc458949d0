/**
 * What HeadObject and GetObject tell of an object, in header fields.
 *
 * @see {@link https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html}
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import type { ObjectFacts, ObjectVersion } from "./client.ts";

/** The latest time there is, in milliseconds since 1970 (ECMA-262, section 21.4.1.1). */
const LATEST_MS = 8.64e15;

/** Status and header fields of an answer. */
export interface AnswerHead {
  /** HTTP status. */
  readonly status: number;
  /** Header fields. */
  readonly headers: Headers;
}

/** Bytes of an object, from the first on and without the last. */
export interface ByteRun {
  /** First byte. */
  readonly start: number;
  /** First byte behind them. */
  readonly end: number;
}

/**
 * The facts in an answer of HeadObject.
 *
 * @throws {StorageError} `EPROTO` if it lacks the size, the ETag or the time
 */
export function factsOf(key: string, { headers }: Pick<AnswerHead, "headers">): ObjectFacts {
  const size = headers.get("content-length") ?? "";
  const etag = headers.get("etag");
  const lastModifiedMs = Date.parse(headers.get("last-modified") ?? "");
  if (!/^\d{1,15}$/.test(size) || !etag || Number.isNaN(lastModifiedMs)) {
    throw new StorageError("EPROTO", "head object: the answer has no size, ETag or time");
  }
  return {
    key,
    size: Number(size),
    etag: quoted(etag),
    lastModifiedMs,
    mtimeMs: mtimeOf(headers.get("x-amz-meta-mtime")),
    crc32: crc32Of(headers),
  };
}

/**
 * Milliseconds since 1970 from seconds with a fraction, as rclone writes them; null if it is
 * anything else. Rounded down, as the disk's times are.
 */
export function mtimeOf(text: string | null): number | null {
  const [, sign, seconds, fraction = ""] = /^(-?)(\d{1,13})(?:\.(\d+))?$/.exec(text ?? "") ?? [];
  if (seconds === undefined) return null;
  const rest = fraction.padEnd(3, "0");
  const ms = Number(seconds) * 1000 + Number(rest.slice(0, 3));
  const more = /[1-9]/.test(rest.slice(3)) ? 1 : 0;
  const time = sign === "" ? ms : 0 - ms - more;
  return Math.abs(time) <= LATEST_MS ? time : null;
}

/**
 * The stored CRC-32 of a whole object; null if there is none, or only the one over the CRC-32 of its
 * parts (`…-2`). SeaweedFS does not send the type; then an object of one part has the whole one.
 */
export function crc32Of(headers: Headers): number | null {
  const value = headers.get("x-amz-checksum-crc32") ?? "";
  const type = headers.get("x-amz-checksum-type");
  const inParts = /-\d+"?$/.test(headers.get("etag") ?? "");
  if (type === null ? inParts : type !== "FULL_OBJECT") return null;
  if (!/^[A-Za-z0-9+/]{6}==$/.test(value)) return null;
  return new DataView(Uint8Array.fromBase64(value).buffer).getUint32(0);
}

/**
 * Makes sure that an answer of GetObject brings the run that was asked for, of the version that was
 * asked for.
 *
 * @throws {StorageError} `ESTALE` if the object is another one now, `EPROTO` if the run is
 */
export function checkBody(object: ObjectVersion, run: ByteRun, answer: AnswerHead): void {
  const { status, headers } = answer;
  const whole = run.start === 0 && run.end === object.size;
  const etag = headers.get("etag");
  if (etag === null) throw broken("the answer has no ETag");
  if (bare(etag) !== bare(object.etag)) throw changed("its ETag is another one");
  if (!whole && status === 200) throw broken("the store sends the whole object for a range");
  if (status !== (whole ? 200 : 206)) throw broken(`status ${status}`);
  const length = headers.get("content-length");
  if (whole) {
    if (length !== null && Number(length) !== object.size) throw changed("its size is another one");
    return;
  }
  const [, start, end, size] = /^bytes (\d+)-(\d+)\/(\d+)$/
    .exec(headers.get("content-range") ?? "") ?? [];
  if (size !== undefined && Number(size) !== object.size) throw changed("its size is another one");
  const isRight = Number(start) === run.start && Number(end) === run.end - 1;
  if (!isRight || (length !== null && Number(length) !== run.end - run.start)) {
    throw broken("the store sends another range");
  }
}

/** Some stores leave the quotes out, in lists or elsewhere, and If-Match needs them. */
export function quoted(etag: string): string {
  return etag.endsWith('"') ? etag : `"${etag}"`;
}

/** Some gateways leave the quotes out; a weak tag says that the bytes may be others. */
function bare(etag: string) {
  return etag.replace(/^"(.*)"$/, "$1");
}

function changed(what: string) {
  return new StorageError("ESTALE", `read object: ${what}`);
}

function broken(what: string) {
  return new StorageError("EPROTO", `read object: ${what}`);
}
