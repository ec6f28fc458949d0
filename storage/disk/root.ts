/**
 * The photos folder as the user names it.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import { ConfigError } from "../../lib/config.ts";
import { describeError } from "../../lib/log.ts";

/**
 * The photos folder's absolute path without symlinks.
 *
 * @throws {ConfigError} if it is no folder that can be read, or a whole disk
 */
export async function openRoot(folder: string): Promise<string> {
  const name = JSON.stringify(folder);
  const root = await realPath(folder);
  if (dirname(root) === root) {
    throw new ConfigError(`--folder: ${name} is a whole disk, give a folder in it`);
  }
  return root;
}

async function realPath(folder: string) {
  try {
    const root = await Deno.realPath(folder);
    for await (const _ of Deno.readDir(root)) break;
    return root;
  } catch (error) {
    // Absolute, since a relative path may be right in another working directory.
    const name = JSON.stringify(resolve(folder));
    throw new ConfigError(`--folder: ${name} cannot be read as a folder: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown) {
  if (error instanceof Deno.errors.NotFound) return "there is none";
  if (error instanceof Deno.errors.NotADirectory) return "it is a file";
  return describeError(error);
}
