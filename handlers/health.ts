/**
 * `GET /healthz`: whether the process answers. It does not touch the disk, so that a disk that hangs
 * does not look like a dead service. `GET /readyz`: whether downloads should be sent here now.
 *
 * @module
 */

import { textResponse } from "../http/headers.ts";
import type { FileSource } from "../storage/source.ts";

/** The photos folder must be readable within this time, in milliseconds. */
const READABLE_MS = 1000;

/** What a service that is ready is asked. */
export interface ReadyOptions {
  /** Where the archives come from. */
  readonly source: FileSource;
  /** Aborted once the service is about to stop. */
  readonly draining?: AbortSignal;
  /** True if there is no room for another download. */
  readonly isFull: () => boolean;
}

/** The answer to a health check. */
export function health(): Response {
  return textResponse("ok\n");
}

/**
 * The answer to a readiness check, in one word: `ready`, or with 503 `draining`, `full` or
 * `unreadable`. Those who ask while the folder is read share its answer, also when it never comes:
 * so a disk that hangs has one thread of this.
 */
export async function ready({ source, draining, isFull }: ReadyOptions): Promise<Response> {
  if (draining?.aborted) return textResponse("draining\n", 503);
  if (isFull()) return textResponse("full\n", 503);
  if (!await isReadable(source)) return textResponse("unreadable\n", 503);
  // It may have begun to stop meanwhile.
  return draining?.aborted ? textResponse("draining\n", 503) : textResponse("ready\n");
}

async function isReadable(source: FileSource) {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error("the photos folder is slow")), READABLE_MS);
  try {
    const { signal } = late;
    await (source.readable?.({ signal }) ?? source.archives({ signal }));
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
