/**
 * A choice of very many files in a short text, so that it fits into a link. Nothing of it is kept
 * here: the text says which rows of the listing were chosen, and a digest of all names says of which
 * listing. Pure.
 *
 * The text is base64url (RFC 4648 section 5) of: the digest, 8 bytes; how the rows are written, one
 * byte; and the rows, either as a bit for each, the first one the lowest bit, or as lengths of runs in
 * turn not chosen and chosen, in LEB128; either of them may be compressed (RFC 1951).
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Listing } from "./listing.ts";
import type { Rows } from "./subset.ts";

const DIGEST_BYTES = 8;

/** How rows are written. */
const BITS = 0;
const RUNS = 1;
const DEFLATED = 2;

/** Thrown for a choice that was made when the archive held other files. */
export class StaleSelectionError extends Error {
  /** Always `StaleSelectionError`. */
  override readonly name = "StaleSelectionError";
}

/** The text of a choice of rows, which ascend and do not touch. */
export function encodeSelection(listing: Listing, rows: readonly Rows[]): string {
  const written = [[BITS, bitsOf(rows)], [RUNS, runsOf(rows)]] as const;
  const forms = written.flatMap(([form, bytes]) => [
    Buffer.concat([[form], bytes].map((part) => Buffer.from(part))),
    Buffer.concat(
      [[form | DEFLATED], deflateRawSync(bytes, { level: 9 })].map((part) => Buffer.from(part)),
    ),
  ]);
  const [shortest] = forms.sort((a, b) => a.length - b.length);
  return Buffer.concat([digestOf(listing), shortest]).toString("base64url");
}

/**
 * The rows of a choice, ascending; null if the text is none.
 *
 * @throws {StaleSelectionError} if the archive holds other files than when the choice was made
 */
export function decodeSelection(listing: Listing, text: string): Rows[] | null {
  if (!/^[A-Za-z0-9_-]{13,}$/.test(text)) return null;
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) return null; // one choice, one text
  const count = listing.entries.length;
  const form = bytes[DIGEST_BYTES];
  if (form === undefined || form > (RUNS | DEFLATED)) return null;
  if (!bytes.subarray(0, DIGEST_BYTES).equals(digestOf(listing))) throw new StaleSelectionError();
  const written = unpack(bytes.subarray(DIGEST_BYTES + 1), form, count);
  if (written === null) return null;
  const rows = form & RUNS ? readRuns(written, count) : readBits(written, count);
  return rows !== null && rows.length > 0 ? rows : null;
}

/** No more is unpacked than so many rows can need. */
function unpack(bytes: Uint8Array, form: number, count: number): Uint8Array | null {
  if (!(form & DEFLATED)) return bytes;
  try {
    return inflateRawSync(bytes, { maxOutputLength: 3 * count + 3 });
  } catch {
    return null; // it is no such text, or far too long
  }
}

const digests = new WeakMap<Listing, Uint8Array>();

/** Of the names alone: a photo that was edited is still the one that was chosen. */
function digestOf(listing: Listing): Uint8Array {
  const known = digests.get(listing);
  if (known) return known;
  const hash = createHash("sha256");
  for (const { name } of listing.entries) hash.update(`${name}\0`);
  const digest = hash.digest().subarray(0, DIGEST_BYTES);
  digests.set(listing, digest);
  return digest;
}

function bitsOf(rows: readonly Rows[]): Uint8Array {
  const bits = new Uint8Array(Math.ceil((rows.at(-1)?.end ?? 0) / 8));
  for (const { start, end } of rows) {
    for (let row = start; row < end; row++) bits[row >> 3] |= 1 << (row & 7);
  }
  return bits;
}

function readBits(bits: Uint8Array, count: number): Rows[] | null {
  if (bits.length * 8 >= count + 8) return null;
  const rows: Rows[] = [];
  let start = -1;
  for (let row = 0; row <= bits.length * 8; row++) {
    const isChosen = ((bits[row >> 3] ?? 0) >> (row & 7) & 1) === 1;
    if (isChosen && row >= count) return null;
    if (isChosen && start < 0) start = row;
    if (isChosen || start < 0) continue;
    rows.push({ start, end: row });
    start = -1;
  }
  return rows;
}

function runsOf(rows: readonly Rows[]): Uint8Array {
  const bytes: number[] = [];
  let at = 0;
  for (const { start, end } of rows) {
    writeNumber(bytes, start - at);
    writeNumber(bytes, end - start);
    at = end;
  }
  return Uint8Array.from(bytes);
}

function writeNumber(bytes: number[], value: number) {
  for (; value > 0x7f; value >>>= 7) bytes.push(value & 0x7f | 0x80);
  bytes.push(value);
}

function readRuns(bytes: Uint8Array, count: number): Rows[] | null {
  const numbers: number[] = [];
  let [value, shift] = [0, 0];
  for (const byte of bytes) {
    value += (byte & 0x7f) * 2 ** shift;
    shift += 7;
    if (value > count) return null;
    if (byte & 0x80) continue;
    numbers.push(value);
    [value, shift] = [0, 0];
  }
  if (shift > 0 || numbers.length % 2 > 0) return null;
  const rows: Rows[] = [];
  let at = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    const [skipped, taken] = [numbers[i], numbers[i + 1]];
    if (taken === 0 || skipped === 0 && i > 0) return null;
    rows.push({ start: at + skipped, end: at + skipped + taken });
    at += skipped + taken;
  }
  return at <= count ? rows : null;
}
