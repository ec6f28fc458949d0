/**
 * `zipferry warm`: works out the CRC-32 values ahead of the first download.
 *
 * @module
 */

import { warm } from "../storage/upkeep.ts";
import { type ArchivesOptions, workThrough } from "./archives.ts";
import { printFiles } from "./terminal.ts";

/** Fills the file of `--checksums`. The exit code is 1 if a file could not be read. */
export async function warmCommand(options: Omit<ArchivesOptions, "command">): Promise<number> {
  const failed = await workThrough({ ...options, command: "warm" }, warm);
  printFiles("cannot be read", failed);
  return failed.length > 0 ? 1 : 0;
}
