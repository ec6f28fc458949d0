/**
 * The label of an archive on a disk. Everything here blocks; it runs in the threads of the pool only.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { codeOf, StorageError } from "../errors.ts";
import { decodeLabel, MAX_LABEL_BYTES } from "../label.ts";
import { isHash, LABEL_FILE } from "../names.ts";
import { statDirectory, statEntry } from "./stat.ts";

/** Neither follows a symlink nor waits for the other end of a FIFO. Windows has neither flag. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * Text of an archive's label; null if it has none, or there is no such folder.
 *
 * @throws {StorageError} `EFBIG` if it is too long, `EPERM` if it is no plain file, else the system's
 * code
 */
export function readLabel(root: string, hash: string): string | null {
  try {
    if (!isHash(hash)) return null;
    const directory = join(root, hash);
    if (!statDirectory(directory)) return null;
    const file = join(directory, LABEL_FILE);
    const stat = statEntry(file);
    if (stat && !stat.isFile) throw notPlain();
    return stat && decodeLabel(readPlainFile(file));
  } catch (error) {
    if (error instanceof StorageError) throw error;
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new StorageError(code, `read label: ${code}`);
  }
}

function readPlainFile(file: string): Uint8Array<ArrayBuffer> {
  const opened = openSync(file, FLAGS);
  try {
    if (!fstatSync(opened).isFile()) throw notPlain();
    const buffer = new Uint8Array(MAX_LABEL_BYTES + 1);
    let length = 0;
    for (let count; (count = readSync(opened, buffer, length, buffer.length - length, length));) {
      length += count;
    }
    if (length > MAX_LABEL_BYTES) {
      throw new StorageError("EFBIG", `read label: EFBIG: more than ${MAX_LABEL_BYTES} bytes`);
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(opened);
  }
}

function notPlain() {
  return new StorageError("EPERM", "read label: EPERM: no plain file");
}
