/**
 * The CRC-32 of each entry of one plan, as far as known, for all streams of that plan together: a
 * thousand clients of one archive hold them once.
 *
 * @module
 */

/**
 * What is known first stays: a stream that has written a value into a local file header finds the same
 * one when it comes to the central directory, whatever others learn in the meantime.
 */
export class EntryChecksums {
  readonly #values: Uint32Array;
  readonly #known: Uint8Array;

  /** Of this many entries none is known. */
  constructor(count: number) {
    this.#values = new Uint32Array(count);
    this.#known = new Uint8Array(count);
  }

  /** The CRC-32 of an entry; undefined if it is not known. */
  get(index: number): number | undefined {
    return this.#known[index] ? this.#values[index] : undefined;
  }

  /** Takes a value where none is known; false if another one is. */
  learn(index: number, crc32: number): boolean {
    if (this.#known[index]) return this.#values[index] === crc32;
    this.#values[index] = crc32;
    this.#known[index] = 1;
    return true;
  }
}
