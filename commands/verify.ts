/**
 * `zipferry verify`: reads every file again whose CRC-32 is kept.
 *
 * @module
 */

import { verify } from "../storage/upkeep.ts";
import { type ArchivesOptions, workThrough } from "./archives.ts";
import { printFiles } from "./terminal.ts";

/** Checks the file of `--checksums`. The exit code is 1 if a file changed or could not be read. */
export async function verifyCommand(options: Omit<ArchivesOptions, "command">): Promise<number> {
  const found = await workThrough({ ...options, command: "verify" }, verify);
  const { good, unknown, changed, failed } = found;
  printFiles("changed under an unchanged size and time", changed);
  printFiles("cannot be read", failed);
  console.log(
    `${good} good, ${changed.length} changed, ${failed.length} failed, ${unknown} unknown`,
  );
  return changed.length + failed.length > 0 ? 1 : 0;
}
