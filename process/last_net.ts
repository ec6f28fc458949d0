/**
 * The last net under the service: an error that nobody handles ends a process of Deno, and with it
 * every download. Here it is logged and counted, and the service goes on.
 *
 * @module
 */

import { describeError, log } from "../lib/log.ts";

/** After this many such errors only every hundredth is logged. */
const LOGGED_EACH = 100;

/**
 * Keeps the process alive from now on, whatever nobody catches: an error that is thrown in a callback,
 * or a promise that is rejected while no one waits for it. Each is a bug of ours.
 */
export function catchStrayErrors() {
  let count = 0;
  const report = (what: string, error: unknown) => {
    count++;
    if (count > LOGGED_EACH && count % LOGGED_EACH > 0) return;
    log.error("bug: {what}, the service goes on: {why}", {
      what,
      why: describeError(error),
      count,
    });
  };
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report("a promise was rejected that nobody waits for", event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    report("an error was thrown that nobody catches", event.error ?? event.message);
  });
}
