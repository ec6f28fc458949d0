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
    throw new ConfigError(`--folder: ${name} is a whole disk; give a folder in it`);
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
    throw new ConfigError(
      `--folder: ${name} cannot be read as a folder: ${reasonOf(error, folder)}`,
    );
  }
}

/** Why it cannot be read, and what to do about it. */
function reasonOf(error: unknown, folder: string) {
  const { NotFound, NotADirectory, PermissionDenied, NotCapable } = Deno.errors;
  if (error instanceof NotFound) {
    return "there is none; create it, or name another one by --folder or PHOTOS_DIR";
  }
  if (error instanceof NotADirectory) return "it is a file; name the folder that it is in";
  if (error instanceof PermissionDenied) {
    return "the user of this process may not read it; allow it to (chmod o+rx, or a group), and to " +
      "enter each folder above";
  }
  if (error instanceof NotCapable) return `not permitted, start deno with --allow-read=${folder}`;
  return `${describeError(error)}; look at the disk and the path`;
}
