/**
 * The signals that end the process, and those that must not.
 *
 * @module
 */

/** A signal that comes again within this time is the same wish, in milliseconds. */
const SAME_WISH_MS = 1000;

/** What to do when the process is asked to stop. */
export interface StopActions {
  /** At the first signal: stop in peace. */
  readonly first: () => void;
  /** At every further one that is a wish of its own: stop at once. */
  readonly further: () => void;
  /** At SIGHUP, with which other services read their settings again. Without this it would be the end. */
  readonly hangUp?: () => void;
}

/**
 * Calls back when the process is asked to stop: SIGINT or SIGTERM; on Windows Ctrl+C or Break.
 *
 * Ctrl+C reaches every process of a terminal, and `deno task` and `npx` pass it on besides: so the
 * same signal comes twice, or more often, for one press of the keys. What comes again within a second
 * of the first is no second wish. Another signal is one at any time.
 */
export function onStopSignal({ first, further, hangUp = () => {} }: StopActions) {
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGHUP", hangUp);
  let asked: { readonly signal: Deno.Signal; readonly at: number } | null = null;
  const signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM"];
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      const now = performance.now();
      if (!asked) {
        asked = { signal, at: now };
        return first();
      }
      if (signal !== asked.signal || now - asked.at >= SAME_WISH_MS) further();
    });
  }
}

/**
 * Lets the signals pass that tell other services to open their log files again, as `logrotate` is
 * often told to send them. Here there is no file to open: the log goes to standard output and standard
 * error. Without this, they would end the process.
 */
export function ignoreLogSignals() {
  if (Deno.build.os === "windows") return;
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const) Deno.addSignalListener(signal, () => {});
}
