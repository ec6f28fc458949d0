/**
 * CRC-32 values that survive a restart, in an SQLite file. Optional: without the file the values are
 * worked out again. Everything here blocks; it runs in threads that do nothing else meanwhile.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { inTransaction, openSqliteFile, type Schema } from "./sqlite_file.ts";

const SCHEMA: Schema = {
  version: 1,
  tables: `
    CREATE TABLE IF NOT EXISTS checksums (
      file TEXT PRIMARY KEY,
      identity TEXT NOT NULL,
      crc32 INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
  `,
  describeOther: (version) => `file is of version ${version}, not 1`,
};

/** One file and its CRC-32. */
export interface IndexRow {
  /** Absolute path, or the address of an object. */
  readonly file: string;
  /** Equal as long as the file is the same and unchanged: see `ListedFile`. */
  readonly identity: string;
  /** CRC-32 of the whole file; null to forget it. */
  readonly crc32: number | null;
}

/** A file to look up. */
export type IndexKey = Omit<IndexRow, "crc32">;

/** An SQLite file with one row a file: a file that changed gets a new value in place of the old. */
export class ChecksumIndex implements Disposable {
  readonly #database: DatabaseSync;

  /**
   * Opens the file, or makes it.
   *
   * @throws {Error} if it cannot be read and written, or is of another version, or another thing
   */
  constructor(path: string) {
    this.#database = openSqliteFile(path, SCHEMA);
  }

  /** The CRC-32 of each file, null where it is unknown or the file is another one by now. */
  recall(keys: readonly IndexKey[]): (number | null)[] {
    const select = this.#database.prepare(
      "SELECT crc32 FROM checksums WHERE file = ? AND identity = ?",
    );
    return keys.map(({ file, identity }) => {
      const row = select.get(file, identity);
      return row ? Number(row.crc32) : null;
    });
  }

  /** Keeps these, or forgets them, all or none. */
  remember(rows: readonly IndexRow[]) {
    const upsert = this.#database.prepare("INSERT OR REPLACE INTO checksums VALUES (?, ?, ?)");
    const remove = this.#database.prepare("DELETE FROM checksums WHERE file = ?");
    inTransaction(this.#database, () => {
      for (const { file, identity, crc32 } of rows) {
        if (crc32 === null) remove.run(file);
        else upsert.run(file, identity, crc32);
      }
    });
  }

  /** Closes the file. */
  [Symbol.dispose]() {
    this.#database.close();
  }
}
