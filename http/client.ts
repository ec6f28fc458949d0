/**
 * Whether the client of a request is still there, while there is no response yet.
 *
 * @module
 */

/** A request that is answered sooner is not watched, in milliseconds. */
const WATCH_AFTER_MS = 200;

/** The reason of the signal: the client has left, and nobody sees the response. */
export class ClientLeftError extends Error {
  /** Always `ClientLeftError`. */
  override readonly name = "ClientLeftError";
}

/** The presence of one client, until it is disposed of. */
export interface ClientPresence extends Disposable {
  /** Aborts with a {@link ClientLeftError} when the client has left. */
  readonly signal: AbortSignal;
}

/**
 * Watches the client of a request that takes long to answer. To be disposed of before the response
 * is returned: the runtime's own signal may abort after success too.
 *
 * @see {@link https://docs.deno.com/go/unstable-no-legacy-abort}
 */
export function watchClient(request: Request): ClientPresence {
  const left = new AbortController();
  const leave = () => left.abort(new ClientLeftError("the client has left"));
  const end = new AbortController();
  const timer = setTimeout(() => {
    if (request.signal.aborted) leave();
    request.signal.addEventListener("abort", leave, { once: true, signal: end.signal });
  }, WATCH_AFTER_MS);
  return {
    signal: left.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      end.abort();
    },
  };
}
