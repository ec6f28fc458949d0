/**
 * The files of `--checksums` and `--state` as the user names them.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { ConfigError } from "../../lib/config.ts";
import { describeError } from "../../lib/log.ts";
import { quote } from "../../lib/quote.ts";
import type { FileSource } from "../source.ts";

/** Which file is tried, and how. */
export interface UsableFileOptions {
  /** Names it. */
  readonly flag: "--checksums" | "--state";
  /** Whether a file that is made may stay. */
  readonly keep: boolean;
  /** Opens it; it is made if there is none. */
  readonly open: () => Promise<unknown>;
}

/**
 * Opens a file, which is made if there is none.
 *
 * @throws {ConfigError} if it is something else, or cannot be read and written
 */
export async function assertUsableFile(
  path: string,
  { flag, keep, open }: UsableFileOptions,
): Promise<void> {
  const isThere = existsSync(path);
  try {
    await open();
  } catch (error) {
    const why = describeError(error);
    if (/database is locked/.test(why)) return; // by another process, for a while
    throw new ConfigError(`${flag}: ${quote(path)}: ${withAdvice(why, path)}`);
  }
  if (!keep && !isThere) await Deno.remove(path);
}

/** What the runtime or SQLite says, and what to do about it. */
function withAdvice(why: string, path: string): string {
  const [, access] = /^Requires (read|write) access/.exec(why) ?? [];
  if (access !== undefined) return `not permitted, start deno with --allow-${access}=${path}`;
  return `${why}; ${adviceFor(why)}`;
}

function adviceFor(why: string) {
  if (/not a database/.test(why)) return "name another file, or one that is not there yet";
  if (/of version/.test(why)) return "a newer zipferry made it: update, or name another file";
  if (/malformed/.test(why)) return "delete it, it can be made anew, or name another one";
  if (/unable to open|readonly/.test(why)) {
    return "name a file in a folder that is there and that the user of this process may write to";
  }
  return "name another file";
}

/** How the file of `--checksums` is tried. */
export interface IndexFileOptions {
  /** The source that keeps its CRC-32 values in the file. */
  readonly source: FileSource;
  /** Whether a file that is made may stay. */
  readonly keep: boolean;
}

/**
 * Opens the file of `--checksums`.
 *
 * @throws {ConfigError} if it cannot be used
 */
export async function assertUsableIndex(
  index: string,
  { source, keep }: IndexFileOptions,
): Promise<void> {
  const open = async () => {
    await source.recall([]);
    await source.remember([]);
  };
  await assertUsableFile(index, { flag: "--checksums", keep, open });
}
