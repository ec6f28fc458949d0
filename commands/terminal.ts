/**
 * What commands show on the terminal.
 *
 * @module
 */

import type { ArchivedFile, Progress } from "../storage/upkeep.ts";

/** A line for each file. */
export function printFiles(what: string, files: readonly ArchivedFile[]) {
  for (const { hash, path } of files) console.log(`${what}: ${JSON.stringify(`${hash}/${path}`)}`);
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
