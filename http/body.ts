/**
 * The TransformStream around every download: waits after chunks where a delay is set, tells how far
 * the download is, and how it ended.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";

/** How a download ended, and after how much. */
export interface Outcome {
  /** `complete`: every byte was handed to the connection. */
  readonly kind: "complete" | "cancelled" | "failed";
  /** Why it failed; undefined unless it did. */
  readonly error?: unknown;
  /** Bytes that were handed to the connection. */
  readonly bytes: number;
  /** Milliseconds since the download began. */
  readonly elapsed: number;
}

/** What happens on the way. */
export interface BodyOptions {
  /** Milliseconds to wait after every chunk. @default 0 */
  readonly delay?: number;
  /** Bytes of the whole, null if that is not known. @default null */
  readonly length?: number | null;
  /** Longest chunk to pass on, in bytes. @default as they come */
  readonly chunkSize?: number;
  /**
   * Free the memory of each chunk when the next one is asked for, not only when it is collected. For
   * a reader that has its own hold on the memory by then, as `Deno.serve` has; one that keeps chunks
   * would find them empty.
   *
   * @default false
   */
  readonly release?: boolean;
  /** Ends the download with an error when it aborts. */
  readonly signal?: AbortSignal;
  /** Called with the bytes so far, at most once a second. */
  readonly onProgress?: (bytes: number) => void;
  /** Called once, at the end. */
  readonly onEnd?: (outcome: Outcome) => void;
}

const PROGRESS_MS = 1000;

/**
 * The same bytes, watched. One chunk at most is held ready before the client asks for it; when the
 * client leaves, a delay ends and the source is cancelled. A failure of the source, or the signal,
 * errors the stream: the connection is reset, so that nobody takes a part for the whole.
 */
export function watchBody(
  source: ReadableStream<Uint8Array<ArrayBuffer>>,
  options: BodyOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { delay = 0, chunkSize = Infinity, signal } = options;
  const started = performance.now();
  const left = new AbortController();
  let reported = started;
  let passedOn: Uint8Array<ArrayBuffer> | null = null;
  let bytes = 0;

  function end(kind: Outcome["kind"], error?: unknown) {
    if (left.signal.aborted) return;
    left.abort();
    release();
    signal?.removeEventListener("abort", stop);
    options.onEnd?.({ kind, error, bytes, elapsed: performance.now() - started });
  }

  function release() {
    if (options.release) passedOn?.buffer.transfer(0);
    passedOn = null;
  }

  function report() {
    const now = performance.now();
    if (now - reported < PROGRESS_MS) return;
    reported = now;
    options.onProgress?.(bytes);
  }

  let stop = () => {};
  const watcher: Transformer<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> = {
    start(controller) {
      stop = () => {
        end("failed", signal?.reason);
        controller.error(signal?.reason);
      };
      signal?.addEventListener("abort", stop, { once: true });
    },
    async transform(chunk, controller) {
      // Called only when the reader waits for more, and so has taken what there was.
      release();
      passedOn = chunk;
      for (const piece of pieces(chunk, chunkSize)) {
        bytes += piece.length;
        controller.enqueue(piece);
        report();
        // Rejects when the client leaves, which ends the transform too.
        if (delay > 0) await sleep(delay, undefined, { signal: left.signal });
      }
    },
    flush() {
      end("complete");
    },
    cancel(reason) {
      // The runtime says why it cancels in a plain text; a source that fails throws an Error.
      if (reason instanceof Error) end("failed", reason);
      else end(bytes === options.length ? "complete" : "cancelled");
    },
  };
  if (signal?.aborted) {
    end("failed", signal.reason);
    source.cancel(signal.reason).catch(() => {});
    return new ReadableStream({ start: (controller) => controller.error(signal.reason) });
  }
  return source.pipeThrough(new TransformStream(watcher, undefined, { highWaterMark: 0 }));
}

function* pieces(chunk: Uint8Array<ArrayBuffer>, size: number) {
  for (let at = 0; at < chunk.length; at += size) {
    yield at === 0 && chunk.length <= size ? chunk : chunk.subarray(at, at + size);
  }
}
