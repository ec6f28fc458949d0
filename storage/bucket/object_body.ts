/**
 * A run of bytes of one object, which goes on at its byte when the connection breaks.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import type { Answer } from "./answer.ts";
import type { ObjectReader, ObjectVersion } from "./client.ts";
import { PassingFailure } from "./failures.ts";
import { type ByteRun, checkBody, crc32Of } from "./object_answer.ts";
import type { Requests } from "./requests.ts";

/** What of an object is read. */
export interface BodyOptions extends ByteRun {
  /** Ends reading; the promise rejects with the reason. */
  readonly signal?: AbortSignal;
}

/** The bytes of one version of an object, in order. Takes a place for a request while it is open. */
export class ObjectBody implements ObjectReader {
  readonly #requests: Requests;
  readonly #object: ObjectVersion;
  readonly #end: number;
  readonly #signal: AbortSignal | undefined;
  #position: number;
  #answer: Answer | null = null;
  /** The answer that was asked for before anybody read, and what ends the wait for it. */
  #begun: { readonly answer: Promise<Answer>; readonly end: AbortController } | null = null;
  #crc32: number | null = null;
  #reading = false;
  #closed = false;

  /** Asks for nothing yet. */
  constructor(requests: Requests, object: ObjectVersion, options: BodyOptions) {
    this.#requests = requests;
    this.#object = object;
    this.#position = options.start;
    this.#end = options.end;
    this.#signal = options.signal;
  }

  /** CRC-32 that the store keeps, if it told one: only with a whole object. */
  get crc32(): number | null {
    return this.#crc32;
  }

  /** Asks for the bytes; their answer waits for the first read. */
  begin(): void {
    if (this.#answer !== null || this.#begun !== null || this.#reading || this.#closed) return;
    const end = new AbortController();
    const signals = [end.signal, ...(this.#signal ? [this.#signal] : [])];
    const answer = this.#open(AbortSignal.any(signals));
    answer.catch(() => {}); // shows with the first read
    this.#begun = { answer, end };
  }

  /**
   * Fills the buffer with the next bytes. Behind the last one it makes sure that no more come.
   *
   * @throws {StorageError} If the store does not give them, of this version
   * @throws {RangeError} If the buffer is longer than what is left
   * @throws {TypeError} If another read is under way, or the reader was closed
   */
  async read(into: Uint8Array<ArrayBuffer>): Promise<void> {
    const first = this.#position;
    if (into.length > this.#end - first) throw new RangeError("read object: too many bytes");
    if (this.#reading || this.#closed) throw new TypeError("read object: not now");
    if (into.length === 0) return;
    this.#reading = true;
    const options = { signal: this.#signal, progress: () => this.#position };
    try {
      await this.#requests.retry(() => this.#fill(into, first), options);
    } finally {
      this.#reading = false;
    }
  }

  /** Closes the socket at once; a read that is under way fails. */
  close(): void {
    this.#closed = true;
    this.#drop();
  }

  async #fill(into: Uint8Array<ArrayBuffer>, first: number) {
    try {
      while (this.#position < first + into.length) {
        if (this.#closed) throw new StorageError("ECANCELED", "read object: it is closed");
        this.#answer ??= await this.#next();
        const length = await this.#answer.read(into.subarray(this.#position - first));
        if (length === 0) throw cut();
        this.#position += length;
        this.#requests.count(length);
      }
      if (this.#position === this.#end) await this.#finish();
    } catch (error) {
      this.#drop();
      throw error;
    }
  }

  /** The answer that was asked for already, or a new one. */
  async #next() {
    const begun = this.#begun;
    if (begun === null) return await this.#open(this.#signal);
    const answer = await begun.answer;
    this.#begun = null;
    return answer;
  }

  async #open(signal: AbortSignal | undefined) {
    const { key, etag, size } = this.#object;
    const run = { start: this.#position, end: this.#end };
    const whole = run.start === 0 && run.end === size;
    const answer = await this.#requests.send({
      kind: "get",
      action: "read object",
      key,
      headers: {
        "if-match": etag,
        ...(whole ? { "x-amz-checksum-mode": "ENABLED" } : {
          range: `bytes=${run.start}-${run.end - 1}`,
        }),
      },
    }, signal);
    try {
      checkBody(this.#object, run, answer);
      if (whole) this.#crc32 = crc32Of(answer.headers);
      return answer;
    } catch (error) {
      answer[Symbol.dispose]();
      throw error;
    }
  }

  /** A body that ends where it should leaves its connection to the next request. */
  async #finish() {
    const answer = this.#answer;
    this.#answer = null;
    if (answer === null) return;
    using _ = answer;
    const more = await answer.read(new Uint8Array(1)).catch(() => 0); // all bytes are there
    if (more > 0) throw new StorageError("EPROTO", "read object: the store sends more bytes");
  }

  #drop() {
    this.#begun?.end.abort(new StorageError("ECANCELED", "read object: it is closed"));
    this.#begun = null;
    this.#answer?.[Symbol.dispose]();
    this.#answer = null;
  }
}

/** HTTP/1.0 and chunked bodies may end early without an error of the connection. */
function cut() {
  return new PassingFailure("read object: the body ended early", { kind: "connection" });
}
