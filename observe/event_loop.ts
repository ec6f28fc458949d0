/**
 * How late the event loop is: while it does one thing for long, everybody waits.
 *
 * @module
 */

import { clearInterval, setInterval } from "node:timers";

/** Between two looks, in milliseconds: whatever holds the loop for longer is seen. */
const LOOK_MS = 200;

/**
 * Tells again and again by how many seconds a timer was late, until it is disposed of. It keeps no
 * process alive.
 */
export function watchEventLoop(onLag: (seconds: number) => void): Disposable {
  let due = performance.now() + LOOK_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    onLag(Math.max(now - due, 0) / 1000);
    due = now + LOOK_MS;
  }, LOOK_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
