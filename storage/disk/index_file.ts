/**
 * The file of `--checksums` as the user names it.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { ConfigError } from "../../lib/config.ts";
import { describeError } from "../../lib/log.ts";
import type { FileSource } from "../source.ts";

/** How the file is tried. */
export interface IndexFileOptions {
  /** The source that keeps its CRC-32 values in the file. */
  readonly source: FileSource;
  /** Whether a file that is made may stay. */
  readonly keep: boolean;
}

/**
 * Opens the file of `--checksums`, which is made if there is none.
 *
 * @throws {ConfigError} if it is something else, or cannot be read and written
 */
export async function assertUsableIndex(
  index: string,
  { source, keep }: IndexFileOptions,
): Promise<void> {
  const isThere = existsSync(index);
  try {
    await source.recall([]);
    await source.remember([]);
  } catch (error) {
    const why = describeError(error);
    if (/database is locked/.test(why)) return; // by another process, for a while
    throw new ConfigError(`--checksums: ${JSON.stringify(index)}: ${why}`);
  }
  if (!keep && !isThere) await Deno.remove(index);
}
