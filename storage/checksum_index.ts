/**
 * CRC-32 values of files, and SHA-256 values of whole archives, that survive a restart, in an SQLite
 * file. Optional: without the file the former are worked out again. Everything here blocks; it runs in
 * threads that do nothing else meanwhile.
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

/**
 * Made when the first digest is kept, and not by the number of the file's version: so programs that
 * know of no digests go on with the same file.
 */
const DIGESTS = `
  CREATE TABLE IF NOT EXISTS digests (
    archive TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    kept INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS digests_by_age ON digests (kept);
`;

/** At most this many digests are kept; the oldest go first. */
const MAX_DIGESTS = 100_000;

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

/** One archive and its digest. */
export interface DigestRow {
  /** Absolute path of its folder, or its address in a bucket. */
  readonly archive: string;
  /** What its entity tag is made of: equal as long as its bytes are. */
  readonly version: string;
  /** SHA-256 of its bytes, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** What is to be done with digests, in this order. */
export interface DigestCall {
  /** A digest to keep, in place of what is kept of the archive. */
  readonly keep?: DigestRow;
  /** Archives whose digests are to be forgotten. */
  readonly forget?: readonly string[];
  /** An archive to look up. */
  readonly find?: Omit<DigestRow, "sha256">;
}

/** How much a file keeps. */
export interface ChecksumIndexOptions {
  /** Most digests. @default 100,000 */
  readonly maxDigests?: number;
}

/** An SQLite file with one row a file: a file that changed gets a new value in place of the old. */
export class ChecksumIndex implements Disposable {
  readonly #database: DatabaseSync;
  readonly #maxDigests: number;

  /**
   * Opens the file, or makes it.
   *
   * @throws {Error} if it cannot be read and written, or is of another version, or another thing
   */
  constructor(path: string, { maxDigests = MAX_DIGESTS }: ChecksumIndexOptions = {}) {
    this.#maxDigests = maxDigests;
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

  /**
   * Keeps, forgets and finds digests; null if none is looked for, or it is not known of that version.
   */
  digests({ keep, forget = [], find }: DigestCall): string | null {
    if (keep) this.#keepDigest(keep);
    if (!this.#hasDigests()) return null;
    if (forget.length > 0) {
      const remove = this.#database.prepare("DELETE FROM digests WHERE archive = ?");
      inTransaction(this.#database, () => forget.forEach((archive) => remove.run(archive)));
    }
    if (!find) return null;
    const row = this.#database.prepare(
      "SELECT sha256 FROM digests WHERE archive = ? AND version = ?",
    ).get(find.archive, find.version);
    return row ? String(row.sha256) : null;
  }

  #hasDigests() {
    const sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'digests'";
    return this.#database.prepare(sql).get() !== undefined;
  }

  #keepDigest({ archive, version, sha256 }: DigestRow) {
    inTransaction(this.#database, () => {
      this.#database.exec(DIGESTS);
      this.#database.prepare("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)")
        .run(archive, version, sha256, Date.now());
      this.#database.prepare(
        "DELETE FROM digests WHERE archive IN " +
          "(SELECT archive FROM digests ORDER BY kept DESC LIMIT -1 OFFSET ?)",
      ).run(this.#maxDigests);
    });
  }

  /** Closes the file. */
  [Symbol.dispose]() {
    this.#database.close();
  }
}
