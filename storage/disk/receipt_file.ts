/**
 * Receipts in an SQLite file, so that they survive a restart and several processes share them.
 * Everything here blocks; it runs in a thread of its own.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import {
  applyUpdate,
  type Delivery,
  type Receipt,
  receiptOf,
  type ReceiptState,
  type RequestUpdate,
} from "../../lib/receipts.ts";
import { inTransaction, openSqliteFile, type Schema } from "../sqlite_file.ts";

const SCHEMA: Schema = {
  version: 0x52435001, // `RCP` and a number
  tables: `
    CREATE TABLE IF NOT EXISTS receipts (
      hash TEXT NOT NULL,
      etag TEXT NOT NULL,
      last INTEGER NOT NULL,
      state TEXT NOT NULL,
      PRIMARY KEY (hash, etag)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS receipts_by_age ON receipts (last);
  `,
  describeOther: () => "is no file of receipts",
};

/** At most this many versions of archives are kept; the oldest go first. */
const MAX_ROWS = 100_000;

/** At most this many choices of files and parts of one archive; the oldest go first. */
const MAX_CHOICES = 100;

/** A version of which nothing was heard for so long is forgotten: 400 days, in milliseconds. */
const MAX_AGE_MS = 400 * 24 * 3600_000;

/** How much a file keeps. */
export interface ReceiptFileOptions {
  /** Most versions of archives. @default 100,000 */
  readonly maxRows?: number;
  /** Most choices of files and parts of one archive. @default 100 */
  readonly maxChoices?: number;
  /** Longest time since anything was heard of a version, in milliseconds. @default 400 days */
  readonly maxAge?: number;
}

/** An SQLite file with one row a version of an archive. */
export class ReceiptFile implements Disposable {
  readonly #database: DatabaseSync;
  readonly #options: ReceiptFileOptions;

  /**
   * Opens the file, or makes it.
   *
   * @throws {Error} if it cannot be read and written, or is of another version, or another thing
   */
  constructor(path: string, options: ReceiptFileOptions = {}) {
    this.#options = options;
    this.#database = openSqliteFile(path, SCHEMA);
  }

  /**
   * Looks through the whole file.
   *
   * @throws {Error} if it is damaged
   */
  check() {
    const row = this.#database.prepare("PRAGMA quick_check(1)").get();
    if (row?.quick_check !== "ok") throw new Error("database disk image is malformed");
  }

  /** Takes updates in, all or none; the deliveries that are complete with them. */
  apply(updates: readonly RequestUpdate[]): Delivery[] {
    return inTransaction(this.#database, () => {
      const deliveries = updates.flatMap((update) => this.#apply(update));
      this.#forgetOld(Math.max(...updates.map(({ at }) => at)));
      return deliveries;
    });
  }

  /** All versions of an archive that are known, the latest one first. */
  find(hash: string): Receipt[] {
    const rows = this.#database.prepare(
      "SELECT state FROM receipts WHERE hash = ? ORDER BY last DESC",
    ).all(hash);
    return rows.map(({ state }) => receiptOf(JSON.parse(String(state))));
  }

  /** Closes the file. */
  [Symbol.dispose]() {
    this.#database.close();
  }

  #apply(update: RequestUpdate): Delivery[] {
    const { hash, etag } = update;
    const key = etag ?? "";
    const row = this.#database.prepare("SELECT state FROM receipts WHERE hash = ? AND etag = ?")
      .get(hash, key);
    const before: ReceiptState | undefined = row && JSON.parse(String(row.state));
    const { state, delivered } = applyUpdate(before, update);
    this.#database.prepare("INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?)")
      .run(hash, key, state.lastRequest, JSON.stringify(state));
    if (state.chosen && update.isFirst) this.#forgetChoices(hash);
    return delivered ? [{ hash, ...receiptOf(state) }] : [];
  }

  /** Whoever has a link can make as many choices as there are sets of files. */
  #forgetChoices(hash: string) {
    const { maxChoices = MAX_CHOICES } = this.#options;
    this.#database.prepare(
      "DELETE FROM receipts WHERE hash = ?1 AND etag IN (SELECT etag FROM receipts " +
        "WHERE hash = ?1 AND json_extract(state, '$.chosen') ORDER BY last DESC LIMIT -1 OFFSET ?2)",
    ).run(hash, maxChoices);
  }

  #forgetOld(now: number) {
    const { maxRows = MAX_ROWS, maxAge = MAX_AGE_MS } = this.#options;
    this.#database.prepare("DELETE FROM receipts WHERE last < ?").run(now - maxAge);
    const count = Number(this.#database.prepare("SELECT count(*) AS n FROM receipts").get()?.n);
    if (count <= maxRows) return;
    this.#database.prepare(
      "DELETE FROM receipts WHERE (hash, etag) IN (SELECT hash, etag FROM receipts ORDER BY last LIMIT ?)",
    ).run(count - maxRows);
  }
}
