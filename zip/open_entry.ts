/**
 * The content of one entry, as its owner gives it.
 *
 * @module
 */

import type { ByteRange } from "./http/range.ts";
import type { ZipEntry } from "./zip_entry.ts";

const NOTHING = new Uint8Array();

/**
 * Bytes of an entry in their order: exactly those of the range, or an error that names the entry.
 * Nothing is opened before the first byte is asked for.
 */
export class OpenEntry {
  readonly #entry: ZipEntry;
  readonly #range: ByteRange;
  readonly #signal: AbortSignal;
  readonly #leave = () => this.close();
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #chunk: Uint8Array = NOTHING;
  #position: number;
  #isClosed = false;

  /** Closes itself when the signal aborts. */
  constructor(entry: ZipEntry, range: ByteRange, signal: AbortSignal) {
    this.#entry = entry;
    this.#range = range;
    this.#signal = signal;
    this.#position = range.start;
    signal.addEventListener("abort", this.#leave, { once: true });
  }

  /** The byte that comes next, counted from the start of the entry. */
  get position(): number {
    return this.#position;
  }

  /** Whether every byte was taken. */
  get isAtEnd(): boolean {
    return this.#position === this.#range.end;
  }

  /**
   * The next bytes, at least one and at most `most`.
   *
   * @throws {Error} if there are fewer or more in the stream than in the range, or if it failed
   */
  async take(most: number): Promise<Uint8Array> {
    while (this.#chunk.length === 0) this.#chunk = await this.#nextChunk();
    const bytes = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(bytes.length);
    this.#position += bytes.length;
    return bytes;
  }

  /** The next bytes, as many as there is room for. Throws as {@link take} does. */
  async readInto(target: Uint8Array): Promise<void> {
    for (let at = 0; at < target.length;) {
      const bytes = await this.take(target.length - at);
      target.set(bytes, at);
      at += bytes.length;
    }
  }

  /**
   * Makes sure that nothing comes after the last byte.
   *
   * @throws {Error} if something does, or if the stream failed
   */
  async finish(): Promise<void> {
    const { done, value } = await this.#read();
    if (!done && value.length === 0) return await this.finish();
    if (!done) throw this.#error("there is more than was planned");
    this.#isClosed = true;
    this.#signal.removeEventListener("abort", this.#leave);
  }

  /** Tells the stream that no more of it is wanted. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#signal.removeEventListener("abort", this.#leave);
    cancel(this.#reader);
  }

  async #nextChunk(): Promise<Uint8Array> {
    const { done, value } = await this.#read();
    const { end } = this.#range;
    if (done) throw this.#error(`ended at byte ${this.#position} instead of ${end}`);
    if (value.length > end - this.#position) throw this.#error("there is more than was planned");
    return value;
  }

  async #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    this.#signal.throwIfAborted();
    try {
      this.#reader ??= await this.#open();
      const result = await this.#reader.read();
      if (!result.done) assertBytes(result.value);
      return result;
    } catch (error) {
      throw this.#error("the stream failed", error);
    } finally {
      this.#signal.throwIfAborted(); // a stream that was cancelled looks as if it had ended
    }
  }

  async #open() {
    const stream = await this.#entry.open?.(this.#range, this.#signal);
    if (typeof stream?.getReader !== "function") {
      throw new TypeError("open() gave no ReadableStream");
    }
    const reader = stream.getReader();
    if (this.#isClosed) cancel(reader);
    return reader;
  }

  #error(what: string, cause?: unknown) {
    return new Error(
      `read entry: ${what}: ${this.#entry.name}`,
      cause === undefined ? {} : { cause },
    );
  }
}

function cancel(reader: ReadableStreamDefaultReader<Uint8Array> | null) {
  reader?.cancel().catch(() => {}); // nobody is left who could be told
}

function assertBytes(chunk: unknown) {
  if (chunk instanceof Uint8Array) return;
  throw new TypeError(`a chunk is no Uint8Array: ${Object.prototype.toString.call(chunk)}`);
}
