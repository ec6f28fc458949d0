/**
 * The TransformStream around every download: keeps to a rate and waits after each chunk if it is told
 * to, gives up on a client that has stalled, and reports how far the download is and how it ended.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, systemClock } from "./clock.ts";
import { watchForStall } from "./patience.ts";
import { splitChunks } from "./pieces.ts";
import type { RateLimit } from "./rate.ts";

/** How a download ended, after how many bytes and how long. */
export interface Outcome {
  /** `complete` if every byte was handed to the connection; `stalled` if the client took none. */
  readonly kind: "complete" | "cancelled" | "failed" | "stalled";
  /** Why it failed or was given up; undefined if neither. */
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
  /** Rates to keep to. Chunks are passed on in short pieces then. @default none */
  readonly limits?: readonly RateLimit[];
  /** Milliseconds after which a client that takes nothing has stalled, 0 for never. @default 0 */
  readonly stallTimeout?: number;
  /** What the time is. @default that of the runtime */
  readonly clock?: Clock;
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

type Chunk = Uint8Array<ArrayBuffer>;

/**
 * The same bytes, watched. At most one chunk is held ready before the client asks for it. When the
 * client leaves, every wait ends and the source is cancelled. If the source fails, the client stalls
 * or the signal aborts, the stream errors: the connection is reset, so that nobody takes a part for
 * the whole.
 */
export function watchBody(
  source: ReadableStream<Uint8Array<ArrayBuffer>>,
  options: BodyOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { delay = 0, limits = [], clock = systemClock, signal } = options;
  const started = clock.now();
  const left = new AbortController();
  let reported = started;
  let ready: Chunk | null = null;
  let passedOn: Chunk | null = null;
  let bytes = 0;

  function end(kind: Outcome["kind"], error?: unknown) {
    if (left.signal.aborted) return;
    left.abort();
    release(ready);
    release(passedOn);
    stallWatch.stop();
    for (const limit of limits) limit.leave();
    signal?.removeEventListener("abort", stop);
    options.onEnd?.({ kind, error, bytes, elapsed: clock.now() - started });
  }

  function release(piece: Chunk | null) {
    if (options.release && piece && !piece.buffer.detached) piece.buffer.transfer(0);
  }

  function report() {
    const now = clock.now();
    if (now - reported < PROGRESS_MS) return;
    reported = now;
    options.onProgress?.(bytes);
  }

  let fail = (_kind: "failed" | "stalled", _error: unknown) => {};
  const stop = () => fail("failed", signal?.reason);
  const stallWatch = watchForStall(options, (error) => fail("stalled", error));
  const { pieces, endsChunk } = splitChunks(source, options);
  const watcher: Transformer<Chunk, Chunk> = {
    start(controller) {
      fail = (kind, error) => {
        end(kind, error);
        controller.error(error);
      };
      signal?.addEventListener("abort", stop, { once: true });
    },
    async transform(piece, controller) {
      // The stream buffers nothing (a high-water mark of 0), so this is called only while a read is
      // pending: the reader has taken the piece before.
      // https://streams.spec.whatwg.org/#transform-stream-default-sink-write-algorithm
      stallWatch.taken();
      if (passedOn?.buffer !== piece.buffer) release(passedOn);
      passedOn = piece;
      ready = null;
      if (piece.length === 0) return;
      // Each wait rejects when the client leaves, which ends this transform as well.
      for (const limit of limits) await limit.take(piece.length, left.signal);
      if (bytes === 0) options.onFirstByte?.();
      bytes += piece.length;
      controller.enqueue(piece);
      report();
      if (delay > 0 && endsChunk(piece)) await sleep(delay, undefined, { signal: left.signal });
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
  for (const limit of limits) limit.join();
  if (signal?.aborted) {
    end("failed", signal.reason);
    pieces.cancel(signal.reason).catch(() => {});
    return new ReadableStream({ start: (controller) => controller.error(signal.reason) });
  }
  const oneAhead: QueuingStrategy<Chunk> = {
    highWaterMark: 1,
    size(piece) { // asked for once, as soon as the piece is there
      ready = piece;
      stallWatch.offered();
      return 1;
    },
  };
  return pieces.pipeThrough(new TransformStream(watcher, oneAhead, { highWaterMark: 0 }));
}
