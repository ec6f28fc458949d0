/**
 * The one error of every source of files.
 *
 * @module
 */

import { constants } from "node:os";

/** How the runtime ends messages of the system's errors; it gives a `code` to some of them only. */
const OS_ERROR = /os error (\d+)/;

/**
 * Thrown where files cannot be listed or read. Its message names no absolute path, since that holds
 * the secret hash.
 */
export class StorageError extends Error {
  /** Always `StorageError`. */
  override readonly name = "StorageError";
  /**
   * What is wrong, as a system error code: `EILSEQ` bad name, `EAGAIN` changing just now, …; `EBADNAME`
   * a name that Windows cannot open.
   */
  readonly code: string;

  /** Takes a code of the system and a message for the log. */
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * What only the owner of the files can put right: a name or a path that cannot be opened, a folder
 * or a file that must not be read, far too many entries.
 */
const LASTING = ["EILSEQ", "EBADNAME", "ENAMETOOLONG", "EACCES", "EPERM", "ELOOP", "EFBIG"];

/** True if the same request fails until the owner of the files puts something right. */
export function isLasting(error: unknown): error is StorageError {
  return error instanceof StorageError && LASTING.includes(error.code);
}

/** True if the same request may well succeed later: memory ran out, a disk failed or is away, … */
export function isPassing(error: unknown): boolean {
  return error instanceof StorageError && !isLasting(error);
}

/**
 * The system's code of an error, as in `ENOENT`; `os error 59` where it has no name, else the error's
 * name.
 */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("code" in error && typeof error.code === "string") return error.code;
  const [text, number] = OS_ERROR.exec(error.message) ?? [];
  if (text === undefined) return error.name;
  const names = Deno.build.os === "windows" ? [] : Object.entries(constants.errno);
  return names.find(([, value]) => value === Number(number))?.[0] ?? text;
}
