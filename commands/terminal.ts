/**
 * What commands show on the terminal.
 *
 * @module
 */

import type { ArchivedFile, Progress } from "../storage/upkeep.ts";

/**
 * Prints a line that may hold a whole hash. Not through the console: with `OTEL_DENO=true` the runtime
 * exports what goes through it.
 */
export function print(text: string, stream: Pick<typeof Deno.stdout, "writeSync"> = Deno.stdout) {
  const bytes = new TextEncoder().encode(`${text}\n`);
  try {
    for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // nobody reads it, as after `head`
  }
}

/** A line for each file. */
export function printFiles(what: string, files: readonly ArchivedFile[]) {
  for (const { hash, path } of files) print(`${what}: ${JSON.stringify(`${hash}/${path}`)}`);
}

/** A line that is written anew as the work goes on; undefined where nobody would see it. */
export function progressBar(): ((progress: Progress) => void) | undefined {
  if (!Deno.stderr.isTerminal()) return undefined;
  let shown = -1;
  return ({ done, total }) => {
    const percent = Math.floor(100 * done / total);
    if (percent === shown) return;
    shown = percent;
    const bar = "#".repeat(percent >> 1).padEnd(50, ".");
    const end = percent === 100 ? "\n" : "";
    Deno.stderr.writeSync(new TextEncoder().encode(`\r[${bar}] ${percent} %${end}`));
  };
}
