/**
 * CRC-32 values that survive a restart, in an SQLite file. Optional: without the file the values are
 * worked out again. Everything here blocks; it runs in the threads of the pool only.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

/** Of the tables below; a file with another one is left alone. */
const SCHEMA_VERSION = 1;

/** How long to wait for another process that writes, in milliseconds. */
const BUSY_MS = 5000;

/** One file and its CRC-32. */
export interface IndexRow {
  /** Absolute path. */
  readonly file: string;
  /** Device, inode, size and time in one. */
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
    this.#database = new DatabaseSync(path, { timeout: BUSY_MS });
    try {
      this.#prepare();
    } catch (error) {
      this.#database.close();
      throw error;
    }
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
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      for (const { file, identity, crc32 } of rows) {
        if (crc32 === null) remove.run(file);
        else upsert.run(file, identity, crc32);
      }
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** Closes the file. */
  [Symbol.dispose]() {
    this.#database.close();
  }

  #prepare() {
    const version = Number(this.#database.prepare("PRAGMA user_version").get()?.user_version);
    if (version === SCHEMA_VERSION) return;
    const tables = this.#database.prepare("SELECT count(*) AS count FROM sqlite_schema").get();
    if (version !== 0 || Number(tables?.count) > 0) {
      throw new Error(`file is of version ${version}, not ${SCHEMA_VERSION}`);
    }
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      CREATE TABLE IF NOT EXISTS checksums (
        file TEXT PRIMARY KEY,
        identity TEXT NOT NULL,
        crc32 INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      PRAGMA user_version = ${SCHEMA_VERSION};
    `);
  }
}
