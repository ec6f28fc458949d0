/**
 * What goes into an archive.
 *
 * @module
 */

import type { ByteRange } from "./http/range.ts";

/** One file, or one empty folder. */
export interface ZipEntry {
  /**
   * Path in the archive, with `/` between its parts; a folder's ends in `/`. At most 65,535 bytes of
   * UTF-8. A folder that is not empty needs no entry.
   */
  readonly name: string;
  /** Exact number of bytes; 0 for a folder. */
  readonly size: number;
  /** When the content was last changed. The archive holds it in whole seconds, in UTC. */
  readonly modified: Date;
  /**
   * CRC-32 of the content. Without it, content that does not fit into one buffer is read twice: once
   * for its CRC-32, which stands before it in the archive, and once to be sent.
   */
  readonly crc32?: number;
  /**
   * Names this state of the content: another text whenever the content is another one. An entity tag
   * of the object store, a revision, a hash. Downloads resume only if every entry that has content
   * has a version.
   */
  readonly version?: string;
  /** Unix permission bits. @default 0o644, for a folder 0o755 */
  readonly mode?: number;
  /**
   * Opens the content from `range.start` up to but without `range.end`, as a stream of exactly these
   * bytes. The signal aborts when nobody wants them any more; the stream is cancelled then, too. Not
   * called, and not needed, where `size` is 0.
   */
  readonly open?: (
    range: ByteRange,
    signal: AbortSignal,
  ) => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>;
}

/**
 * Throws if an entry cannot go into an archive. The message names the entry, and what is allowed.
 *
 * @throws {TypeError} if a value is of another kind
 * @throws {RangeError} if a value is not allowed
 */
export function assertEntry(entry: ZipEntry) {
  const { name, size, modified, crc32, mode } = entry;
  assertName(name);
  const folder = name.endsWith("/");
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new RangeError(
      `plan archive: size must be a whole number of bytes, not ${size}: ${name}`,
    );
  }
  if (folder && size > 0) {
    throw new RangeError(`plan archive: a folder has no content, but size is ${size}: ${name}`);
  }
  assertDate(modified, `modified of ${name}`);
  if (crc32 !== undefined && crc32 !== crc32 >>> 0) {
    throw new RangeError(`plan archive: crc32 must be a whole number of 32 bits: ${name}`);
  }
  if (mode !== undefined && !(mode >= 0 && mode <= 0o777 && Number.isInteger(mode))) {
    throw new RangeError(`plan archive: mode must be from 0 to 0o777: ${name}`);
  }
  if (size > 0 && typeof entry.open !== "function") {
    throw new TypeError(`plan archive: open must be a function: ${name}`);
  }
}

/** Throws if a date tells no time. */
export function assertDate(date: Date, what: string) {
  if (date instanceof Date && !Number.isNaN(date.getTime())) return;
  throw new TypeError(`plan archive: ${what} must be a valid Date`);
}

/** Names that programs unpack where they should not, or not at all, are refused. */
function assertName(name: string) {
  if (typeof name !== "string") {
    throw new TypeError(`plan archive: a name must be a string, not ${typeof name}`);
  }
  const wrong = faultOf(name);
  if (wrong !== null) {
    throw new RangeError(`plan archive: a name ${wrong}: ${JSON.stringify(name.slice(0, 80))}`);
  }
}

function faultOf(name: string): string | null {
  if (name === "" || name === "/") return "must not be empty";
  if (!name.isWellFormed()) return "must be well-formed Unicode";
  if (/[\0\\]/.test(name)) return "must have neither \\ nor NUL in it";
  if (/^[A-Za-z]:/.test(name)) return "must not begin with a drive letter";
  const parts = name.replace(/\/$/, "").split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return "must be a path without empty parts, . and ..";
  }
  return null;
}
