/**
 * The signals that end the process.
 *
 * @module
 */

/** What to do when the process is asked to stop. */
export interface StopActions {
  /** At the first signal: stop in peace. */
  readonly first: () => void;
  /** At every further one: stop at once. */
  readonly further: () => void;
}

/** Calls back when the process is asked to stop: SIGINT or SIGTERM; on Windows Ctrl+C or Break. */
export function onStopSignal({ first, further }: StopActions) {
  let asked = false;
  const signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM"];
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      if (asked) return further();
      asked = true;
      first();
    });
  }
}
