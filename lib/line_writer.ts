/**
 * Lines for a stream that may be slow, full or closed, as standard output is behind a pipe. `console`
 * waits until whoever reads has made room, and nothing else runs meanwhile; here nobody waits.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/runtime/ops/bootstrap.rs} `op_print`
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";

/** At most this many characters wait to be written: thousands of lines. */
const MAX_WAITING = 1 << 20;

/** Pause before the next try where the stream takes nothing and does not wait, in milliseconds. */
const TRY_AGAIN_MS = 100;

/** The part of `Deno.stdout` that is used here. */
export interface Sink {
  /** Writes some of the bytes; resolves to how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** What a {@link LineWriter} may hold, and who is told when that is not enough. */
export interface LineWriterOptions {
  /** Most characters that wait to be written. @default 1 MiB */
  readonly maxWaiting?: number;
  /** Told how many lines were lost, once the stream takes lines again. */
  readonly onLost?: (count: number) => void;
}

/**
 * Writes lines in their order, as fast as the stream takes them. What does not fit is dropped and
 * counted. Once the stream is closed, everything is dropped.
 */
export class LineWriter {
  readonly #sink: Sink;
  readonly #options: LineWriterOptions;
  readonly #encoder = new TextEncoder();
  #waiting = "";
  #lost = 0;
  #closed = false;
  #writing: Promise<void> | null = null;

  /** A writer for a stream that nothing else writes to meanwhile. */
  constructor(sink: Sink, options: LineWriterOptions = {}) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Takes a line, with its end. Never waits, never throws. */
  write(line: string): void {
    if (this.#closed) return;
    if (this.#waiting.length + line.length > (this.#options.maxWaiting ?? MAX_WAITING)) {
      this.#lost++;
      return;
    }
    this.#waiting += line;
    this.#writing ??= this.#drain();
  }

  /** Resolves when all lines are written, or after so many milliseconds. */
  async flush(within: number): Promise<void> {
    if (!this.#writing) return;
    const timer = new AbortController();
    const late = sleep(within, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([this.#writing, late]);
    timer.abort();
  }

  async #drain() {
    await Promise.resolve(); // what is logged in the same breath goes out in one write
    while (this.#waiting !== "" && !this.#closed) {
      const text = this.#waiting;
      this.#waiting = "";
      await this.#writeAll(this.#encoder.encode(text));
    }
    this.#writing = null;
    this.#tellOfLost();
  }

  async #writeAll(bytes: Uint8Array) {
    for (let at = 0; at < bytes.length;) {
      try {
        at += await this.#sink.write(bytes.subarray(at));
      } catch (error) {
        if (error instanceof Deno.errors.WouldBlock) {
          await sleep(TRY_AGAIN_MS);
          continue;
        }
        this.#closed = error instanceof Deno.errors.BrokenPipe;
        this.#lost += countLines(bytes.subarray(at)); // a full disk, say: later lines may fit again
        return;
      }
    }
  }

  #tellOfLost() {
    const count = this.#lost;
    this.#lost = 0;
    if (count > 0 && !this.#closed) this.#options.onLost?.(count);
  }
}

function countLines(bytes: Uint8Array) {
  return bytes.reduce((count, byte) => byte === 0x0a ? count + 1 : count, 0);
}
