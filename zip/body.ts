/**
 * An archive as the body of a response.
 *
 * @module
 */

import type { Pace } from "./pace.ts";
import type { ArchiveStream } from "./stream.ts";

/** How a body is made. */
export interface BodyOptions {
  /** Says how long its buffers are. */
  readonly pace: Pace;
  /** Called when it is at its end, has failed, or nobody wants it any more. */
  readonly onEnd: () => void;
}

/**
 * The bytes of a stream. None is made before it is asked for. If a source fails, the body fails: it
 * never ends early without an error.
 */
export function archiveBody(
  stream: ArchiveStream,
  { pace, onEnd }: BodyOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const end = () => {
    pace.end();
    onEnd();
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { length, ahead } = pace.next();
        const buffer = await stream.next(length, { ahead });
        if (!buffer) {
          end();
          return controller.close();
        }
        pace.made(buffer.length);
        controller.enqueue(buffer);
      } catch (error) {
        end();
        throw error;
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
}
