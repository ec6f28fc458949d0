/**
 * SQLite files that several processes may use at a time. Everything here blocks.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

/** How long to wait for another process that writes, in milliseconds. */
const BUSY_MS = 5000;
const BUSY_STEP_MS = 10;

/** What is in such a file. */
export interface Schema {
  /** Number of the tables (`PRAGMA user_version`); a file with another one is left alone. */
  readonly version: number;
  /** Statements that make the tables where there are none. */
  readonly tables: string;
  /** What the error says of a file with tables of another number. */
  readonly describeOther: (version: number) => string;
}

/**
 * Opens the file, or makes it.
 *
 * @throws {Error} if it cannot be read and written, or is of another version, or another thing
 */
export function openSqliteFile(path: string, schema: Schema): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    prepare(database, schema);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** Does the work in one transaction: all of it is kept, or none. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function prepare(database: DatabaseSync, schema: Schema) {
  if (versionOf(database, schema) === schema.version) return;
  // Another process may make the tables at the same time: so there is another look, under the lock.
  inTransaction(database, () => {
    if (versionOf(database, schema) === schema.version) return;
    const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get();
    if (Number(tables?.count) > 0) throw new Error(schema.describeOther(0));
    database.exec(`${schema.tables} PRAGMA user_version = ${schema.version};`);
  });
  useWriteAheadLog(database);
}

/** @throws {Error} if it is neither of this version nor new */
function versionOf(database: DatabaseSync, { version, describeOther }: Schema): number {
  const found = Number(database.prepare("PRAGMA user_version").get()?.user_version);
  if (found !== version && found !== 0) throw new Error(describeOther(found));
  return found;
}

/** The file keeps that. SQLite does not wait for others here, unlike elsewhere. */
function useWriteAheadLog(database: DatabaseSync) {
  const end = performance.now() + BUSY_MS;
  while (true) {
    try {
      return database.exec("PRAGMA journal_mode = WAL");
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_STEP_MS);
    }
  }
}

/** SQLite's own words for SQLITE_BUSY: Deno 2.9 tells no code. */
function isBusy(error: unknown) {
  return error instanceof Error && error.message.includes("database is locked");
}
