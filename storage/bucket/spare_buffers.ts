/**
 * Buffers that bodies move through, kept for the next bodies.
 *
 * @module
 */

/** Sizes of buffers in bytes; the largest is what comes with one read at most. */
const SIZES = [16 * 1024, 64 * 1024, 256 * 1024] as const;

/** No more bytes than these are kept. */
const MAX_KEPT = 4 * 1024 * 1024;

/** Buffers of a few sizes. */
export class SpareBuffers {
  readonly #kept = new Map<number, ArrayBuffer[]>(SIZES.map((size) => [size, []]));
  #bytes = 0;

  /** A buffer for so many bytes; a smaller one if that is more than the largest has. */
  take(length: number): ArrayBuffer {
    const size = SIZES.find((size) => size >= length) ?? SIZES[SIZES.length - 1];
    const buffer = this.#kept.get(size)?.pop();
    if (buffer === undefined) return new ArrayBuffer(size);
    this.#bytes -= size;
    return buffer;
  }

  /** Takes a buffer back. */
  give(buffer: ArrayBuffer): void {
    const { byteLength } = buffer;
    if (this.#bytes + byteLength > MAX_KEPT) return;
    this.#kept.get(byteLength)?.push(buffer);
    this.#bytes += byteLength;
  }
}
