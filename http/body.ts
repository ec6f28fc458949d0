/**
 * The TransformStream around every download: waits after each chunk if a delay is set, and reports
 * how far the download is and how it ended.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";

/** How a download ended, after how many bytes and how long. */
export interface Outcome {
  /** `complete` if every byte was handed to the connection. */
  readonly kind: "complete" | "cancelled" | "failed";
  /** Why it failed; undefined if it did not. */
  readonly error?: unknown;
  /** Bytes that were handed to the connection. */
  readonly bytes: number;
  /** Milliseconds since the download began. */
  readonly elapsed: number;
}

/** What happens to the bytes on their way, and who is told. */
export interface BodyOptions {
  /** Milliseconds to wait after every chunk. @default 0 */
  readonly delay?: number;
  /** Length of the whole body in bytes, null if it is not known. @default null */
  readonly length?: number | null;
  /** Longest chunk to pass on, in bytes. @default chunks are passed on as they come */
  readonly chunkSize?: number;
  /**
   * Free the memory of each chunk when the next one is asked for, not only when it is collected as
   * garbage. For a reader that has its own reference to the memory by then, as `Deno.serve` has (a
   * `V8Slice`). Any other that keeps chunks would find them empty.
   *
   * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/web/stream_resource.rs#L540-L573}
   * @see {@link https://github.com/denoland/deno/blob/v2.9.5/libs/serde_v8/magic/v8slice.rs#L71-L90}
   * @default false
   */
  readonly release?: boolean;
  /** Fails the download when it aborts. */
  readonly signal?: AbortSignal;
  /** Called once, when the first byte is handed to the connection. */
  readonly onFirstByte?: () => void;
  /** Called with the bytes so far, at most once a second. */
  readonly onProgress?: (bytes: number) => void;
  /** Called once, at the end. */
  readonly onEnd?: (outcome: Outcome) => void;
}

const PROGRESS_MS = 1000;

/**
 * The same bytes, watched. At most one chunk is held ready before the client asks for it. When the
 * client leaves, the delay ends and the source is cancelled. If the source fails or the signal
 * aborts, the stream errors: the connection is reset, so that nobody takes a part for the whole.
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
      // The stream buffers nothing (a high-water mark of 0), so this is called only while a read is
      // pending: the reader has taken the chunk before.
      // https://streams.spec.whatwg.org/#transform-stream-default-sink-write-algorithm
      release();
      passedOn = chunk;
      for (const piece of pieces(chunk, chunkSize)) {
        if (bytes === 0) options.onFirstByte?.();
        bytes += piece.length;
        controller.enqueue(piece);
        report();
        // Rejects when the client leaves, which ends this transform as well.
        if (delay > 0) await sleep(delay, undefined, { signal: left.signal });
      }
    },
    flush() {
      end("complete");
    },
    cancel(reason) {
      // If the source failed, this is its Error. If the client left, it is what the runtime cancels
      // with: the string "resource closed".
      // https://github.com/denoland/deno/blob/v2.9.5/ext/web/06_streams.js#L1126-L1134
      if (reason instanceof Error) end("failed", reason);
      // A client that has every byte may leave during the last delay.
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
