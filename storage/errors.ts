/**
 * The one error of every source of files.
 *
 * @module
 */

/**
 * Thrown where files cannot be listed or read. Its message names no absolute path, since that holds
 * the secret hash.
 */
export class StorageError extends Error {
  /** Always `StorageError`. */
  override readonly name = "StorageError";
  /** What is wrong, as a system error code: `EILSEQ` bad name, `EAGAIN` changing just now, … */
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
const LASTING = ["EILSEQ", "ENAMETOOLONG", "EACCES", "EPERM", "ELOOP", "EFBIG"];

/** True if the same request may well succeed later: memory ran out, a disk failed or is away, … */
export function isPassing(error: unknown): boolean {
  return error instanceof StorageError && !LASTING.includes(error.code);
}

/** The system's code of an error, as in `ENOENT`; else the error's name. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
