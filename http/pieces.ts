/**
 * Chunks cut into pieces, for a download that must not come in bursts.
 *
 * @module
 */

import type { RateLimit } from "./rate.ts";

/** How long pieces may be. */
export interface SplitOptions {
  /** Longest chunk in bytes. A source may have longer ones. @default Infinity */
  readonly chunkSize?: number;
  /** No piece of a chunk is longer than what each of these allows. @default none */
  readonly limits?: readonly Pick<RateLimit, "pieceLength">[];
}

/** A body in pieces. */
export interface Pieces {
  /** The same bytes. No piece is made before it is asked for. */
  readonly pieces: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Whether a piece is the last one of its chunk. */
  readonly endsChunk: (piece: Uint8Array) => boolean;
}

/** The bytes of a source in pieces that are short enough, without copying them. */
export function splitChunks(
  source: ReadableStream<Uint8Array<ArrayBuffer>>,
  { chunkSize = Infinity, limits = [] }: SplitOptions,
): Pieces {
  if (chunkSize === Infinity && limits.length === 0) {
    return { pieces: source, endsChunk: () => true };
  }
  const reader = source.getReader();
  const inner = new WeakSet<Uint8Array>();
  let rest: Iterator<Uint8Array<ArrayBuffer>> | null = null;
  const longest = () => Math.min(...limits.map(({ pieceLength }) => pieceLength));
  function* piecesOf(chunk: Uint8Array<ArrayBuffer>) {
    for (let at = 0, end; at < chunk.length; at = end) {
      const chunkEnd = Math.min(at + chunkSize - at % chunkSize, chunk.length);
      end = Math.min(at + longest(), chunkEnd);
      const piece = chunk.subarray(at, end);
      if (end < chunkEnd) inner.add(piece);
      yield piece;
    }
  }
  const pieces = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      while (true) {
        const next = rest?.next();
        if (next && !next.done) return controller.enqueue(next.value);
        const { value, done } = await reader.read();
        if (done) return controller.close();
        rest = piecesOf(value);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
  return { pieces, endsChunk: (piece) => !inner.has(piece) };
}
