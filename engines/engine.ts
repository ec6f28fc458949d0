/**
 * What can turn a folder into an archive.
 *
 * @module
 */

import type { Listing } from "../storage/folder.ts";

/** The bytes of an archive. */
export type ArchiveStream = ReadableStream<Uint8Array<ArrayBuffer>>;

/** One folder as an archive, before any file was opened. */
export interface Archive {
  /** Exact length in bytes; null if only the end will tell. */
  readonly size: number | null;
  /**
   * Begins to make the archive. The stream fails where a file is not what it was when it was listed,
   * and stops all work when it is cancelled.
   *
   * @throws {EngineUnavailableError} if the engine cannot work now
   */
  open(): Promise<ArchiveStream>;
}

/** Makes archives. */
export interface Engine {
  /**
   * Prepares the archive of a folder.
   *
   * @throws {RangeError} if the engine cannot carry a name in it
   */
  prepare(listing: Listing): Archive;
  /** Ends at once whatever still runs. */
  close(): void;
}

/** Thrown when an engine cannot work now, but may later. */
export class EngineUnavailableError extends Error {
  /** Always `EngineUnavailableError`. */
  override readonly name = "EngineUnavailableError";
}
