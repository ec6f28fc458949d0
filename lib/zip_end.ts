/**
 * The records at the end of an archive, read. Pure.
 *
 * @module
 */

/** The records after a central directory are no longer than this, in bytes (APPNOTE 4.3.14–4.3.16). */
export const END_BYTES: number = 56 + 20 + 22;

const END_LENGTH = 22;
const END_SIGNATURE = 0x06054b50;
const ZIP64_END_SIGNATURE = 0x06064b50;

/** What the end of an archive tells of its central directory. */
export interface ZipEnd {
  /** How many entries it has. */
  readonly entries: number;
  /** Where it starts, in bytes. */
  readonly start: number;
  /** How long it is, in bytes. */
  readonly size: number;
  /** How long the records after it are, in bytes. */
  readonly length: number;
}

/**
 * Reads the last {@link END_BYTES} bytes of an archive, or all of a shorter one. Null if no archive
 * without a comment ends with them.
 */
export function readZipEnd(tail: Uint8Array): ZipEnd | null {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.length);
  const at = tail.length - END_LENGTH;
  if (at < 0 || view.getUint32(at, true) !== END_SIGNATURE) return null;
  const zip64 = tail.length - END_BYTES;
  if (zip64 < 0 || view.getUint32(zip64, true) !== ZIP64_END_SIGNATURE) {
    return {
      entries: view.getUint16(at + 10, true),
      size: view.getUint32(at + 12, true),
      start: view.getUint32(at + 16, true),
      length: END_LENGTH,
    };
  }
  const [entries, size, start] = [32, 40, 48].map((field) =>
    Number(view.getBigUint64(zip64 + field, true))
  );
  return { entries, size, start, length: END_BYTES };
}

/** The last {@link END_BYTES} bytes of what came before and of one more piece. */
export function lastBytes(before: Uint8Array, piece: Uint8Array): Uint8Array {
  if (piece.length >= END_BYTES) return piece.slice(-END_BYTES);
  const both = new Uint8Array(before.length + piece.length);
  both.set(before);
  both.set(piece, before.length);
  return both.slice(-END_BYTES);
}
