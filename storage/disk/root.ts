/**
 * The photos folder as the user names it.
 *
 * @module
 */

import { posix, resolve, win32 } from "node:path";
import { ConfigError } from "../../lib/config.ts";
import { describeError } from "../../lib/log.ts";
import { quote } from "../../lib/quote.ts";

/**
 * The photos folder's absolute path without symlinks.
 *
 * @throws {ConfigError} if it is no folder that can be read, or a whole disk
 */
export async function openRoot(folder: string): Promise<string> {
  const root = await realPath(folder);
  if (isWholeDisk(root)) {
    throw new ConfigError(
      `--folder: ${quote(folder)} is a whole disk; give a folder in it`,
    );
  }
  return isShare(root) ? root.replace(/\\+$/, "") : root;
}

/**
 * True for the root of a disk: links could reach all that is on it. A share of Windows is none: it is
 * a folder that somebody chose to share, unless it is one that Windows makes of each disk, as `C$`.
 */
export function isWholeDisk(path: string, system: typeof Deno.build.os = Deno.build.os): boolean {
  const { dirname } = system === "windows" ? win32 : posix;
  return dirname(path) === path && !isShare(path);
}

/** True for `\\server\share`, to which a mapped drive leads, and not for a folder in it. */
function isShare(path: string) {
  return /^\\\\(?![?.]\\)[^\\]+\\(?![a-z]\$\\*$)[^\\]+\\*$/i.test(path);
}

async function realPath(folder: string) {
  try {
    const root = await Deno.realPath(folder);
    // What reading it says of a file differs from system to system.
    if (!(await Deno.lstat(root)).isDirectory) throw new Deno.errors.NotADirectory();
    for await (const _ of Deno.readDir(root)) break;
    return root;
  } catch (error) {
    // Absolute, since a relative path may be right in another working directory.
    const name = quote(resolve(folder));
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
    const how = Deno.build.os === "windows" ? "icacls" : "chmod o+rx, or a group";
    return `the user of this process may not read it; allow it to (${how}), and to enter each ` +
      "folder above";
  }
  if (error instanceof NotCapable && error.message.startsWith("Requires all access")) {
    return "Deno opens it only with all permissions, start deno with --allow-all";
  }
  if (error instanceof NotCapable) return `not permitted, start deno with --allow-read=${folder}`;
  return `${describeError(error)}; look at the disk and the path`;
}
