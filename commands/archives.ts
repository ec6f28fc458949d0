/**
 * What the commands that work through archives have in common.
 *
 * @module
 */

import { type Config, ConfigError } from "../lib/config.ts";
import { describeError } from "../lib/log.ts";
import { quote } from "../lib/quote.ts";
import { Checksums } from "../storage/checksums.ts";
import { isHash } from "../storage/names.ts";
import type { FileSource } from "../storage/source.ts";
import type { UpkeepOptions } from "../storage/upkeep.ts";
import { progressBar } from "./terminal.ts";

/** Which archives to work through, and where they are. */
export interface ArchivesOptions {
  /** The command, for messages. */
  readonly command: string;
  /** The settings, with a file of `--checksums`. */
  readonly config: Config;
  /** The photos folder. */
  readonly source: FileSource;
  /** The archives; none for all of them. */
  readonly hashes: readonly string[];
}

/**
 * Does work on archives with checksums that are all kept in memory.
 *
 * @throws {ConfigError} for an archive that is not there, or a file of --checksums that is unusable
 */
export async function workThrough<T>(
  { command, config, source, hashes }: ArchivesOptions,
  work: (options: UpkeepOptions) => Promise<T>,
): Promise<T> {
  const all = (await source.archives()).filter(isHash);
  const missing = hashes.find((hash) => !all.includes(hash));
  if (missing !== undefined) {
    throw new ConfigError(`${command}: no archive ${quote(missing)}`);
  }
  let unusable: unknown;
  const onKeepFailure = (error: unknown) => unusable = error;
  const checksums = new Checksums(source, { maxBytes: Infinity, onKeepFailure });
  const chosen = hashes.length > 0 ? hashes : all;
  const result = await work({ source, checksums, hashes: chosen, onProgress: progressBar() });
  if (unusable === undefined) return result;
  const file = JSON.stringify(config.checksums);
  throw new ConfigError(`--checksums: ${file}: ${describeError(unusable)}`);
}
