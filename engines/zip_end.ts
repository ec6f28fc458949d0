/**
 * How many entries an archive has, by its last bytes. Pure.
 *
 * @module
 */

/** The records after a central directory are no longer than this, in bytes (APPNOTE 4.3.14–4.3.16). */
export const END_BYTES: number = 56 + 20 + 22;

const END_LENGTH = 22;
const END_SIGNATURE = 0x06054b50;
const ZIP64_END_SIGNATURE = 0x06064b50;

/** The last {@link END_BYTES} bytes of one piece after the other. */
export function lastBytes(before: Uint8Array, piece: Uint8Array): Uint8Array {
  if (piece.length >= END_BYTES) return piece.slice(-END_BYTES);
  const both = new Uint8Array(before.length + piece.length);
  both.set(before);
  both.set(piece, before.length);
  return both.slice(-END_BYTES);
}

/**
 * How many entries the central directory has. Null if these are not the last bytes of an archive
 * without a comment.
 */
export function entriesAtEnd(tail: Uint8Array): number | null {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.length);
  const at = tail.length - END_LENGTH;
  if (at < 0 || view.getUint32(at, true) !== END_SIGNATURE) return null;
  const zip64 = tail.length - END_BYTES;
  if (zip64 >= 0 && view.getUint32(zip64, true) === ZIP64_END_SIGNATURE) {
    return Number(view.getBigUint64(zip64 + 32, true)); // total number of entries
  }
  return view.getUint16(at + 10, true); // total number of entries
}
