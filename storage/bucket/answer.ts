/**
 * The answer to one request, whose body is read at the caller's pace and watched while it is.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import type { AnswerHead } from "./object_answer.ts";
import type { SpareBuffers } from "./spare_buffers.ts";

/** What an answer needs of the request that it answers. */
export interface AnswerOptions {
  /** Milliseconds to wait for the next bytes while somebody does. */
  readonly silenceTimeout: number;
  /** Closes the socket; the signal aborts with the reason. */
  readonly abort: (reason: Error) => void;
  /** Aborts when the socket is closed, whoever did it. */
  readonly signal: AbortSignal;
  /** Called once, when the answer was read to its end or is given up. */
  readonly release: () => void;
  /** Buffers that no body uses just now. */
  readonly spare: SpareBuffers;
  /** The error to show for one of the runtime's. */
  readonly explain: (error: unknown) => unknown;
}

/**
 * The answer to a request. It has a socket until it is disposed of or was read to its end.
 *
 * A body moves through a buffer that stays in the processor's cache: reading right into the caller's
 * own would detach it (Streams Standard, `ReadableStreamBYOBReader.read()`), with everything else in
 * it, and was no faster when measured.
 */
export class Answer implements AnswerHead, Disposable {
  /** HTTP status. */
  readonly status: number;
  /** Header fields. */
  readonly headers: Headers;
  readonly #options: AnswerOptions;
  readonly #reader: ReadableStreamBYOBReader | null;
  #buffer: ArrayBuffer | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the read began that is under way, in milliseconds. */
  #waitingSince: number | null = null;
  #ended = false;
  /** It was read to its end. */
  #whole = false;

  /** Takes the head of an answer, with the body unread. */
  constructor({ status, headers, body }: Response, options: AnswerOptions) {
    this.status = status;
    this.headers = headers;
    this.#options = options;
    this.#reader = body?.getReader({ mode: "byob" }) ?? null;
    options.signal.addEventListener("abort", this.#end, { once: true });
    if (this.#reader === null) this.#end();
  }

  /** Puts the next bytes at the start of a buffer, and gives their number: 0 at the end. */
  async read(into: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#whole || this.#reader === null) return 0;
    if (this.#ended) throw this.#options.explain(this.#options.signal.reason);
    const buffer = this.#buffer ?? this.#options.spare.take(into.length);
    this.#buffer = null;
    const view = new Uint8Array(buffer, 0, Math.min(into.length, buffer.byteLength));
    const { value, done } = await this.#watched(this.#reader.read(view));
    this.#keep(value?.buffer);
    if (this.#ended) throw this.#options.explain(this.#options.signal.reason);
    if (done || value === undefined) {
      this.#whole = true;
      this.#end();
      return 0;
    }
    into.set(value);
    return value.length;
  }

  /** The whole body as text; null if it is longer than so many bytes. */
  async text(limit: number): Promise<string | null> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let size = 0;;) {
      const part = new Uint8Array(64 * 1024);
      const length = await this.read(part);
      if (length === 0) return await new Blob(parts).text();
      size += length;
      if (size > limit) return null;
      parts.push(part.subarray(0, length));
    }
  }

  /** Closes the socket unless the body was read to its end. */
  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#end();
    this.#options.abort(new StorageError("ECANCELED", "read answer: it is closed"));
  }

  #keep(buffer: ArrayBuffer | undefined) {
    if (buffer === undefined) return;
    if (this.#ended) this.#options.spare.give(buffer);
    else this.#buffer = buffer;
  }

  async #watched<T>(work: Promise<T>): Promise<T> {
    this.#waitingSince = performance.now();
    this.#timer ??= setTimeout(this.#look, this.#options.silenceTimeout);
    try {
      return await work;
    } catch (error) {
      this.#end();
      throw this.#options.explain(error);
    } finally {
      this.#waitingSince = null;
    }
  }

  /** One timer for the whole body: it is set anew to when the present read would take too long. */
  #look = () => {
    const { silenceTimeout, abort } = this.#options;
    const waited = this.#waitingSince === null ? 0 : performance.now() - this.#waitingSince;
    if (waited < silenceTimeout) {
      this.#timer = setTimeout(this.#look, Math.ceil(silenceTimeout - waited));
    } else abort(new SilenceError());
  };

  #end = () => {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    const { spare, release, signal } = this.#options;
    signal.removeEventListener("abort", this.#end);
    if (this.#buffer !== null) spare.give(this.#buffer);
    this.#buffer = null;
    // An abort alone may leave the runtime's body open until the garbage collector comes: seen with
    // Deno 2.9.6, in one of three tests that closed a body of which most had come.
    if (!this.#whole) this.#reader?.cancel().catch(() => {});
    release();
  };
}

/** Why a request was aborted for which nothing came any more. */
export class SilenceError extends Error {
  /** Always `SilenceError`. */
  override readonly name = "SilenceError";
}
