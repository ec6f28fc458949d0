/**
 * What can turn a folder into an archive.
 *
 * @module
 */

import type { Listing } from "../storage/listing.ts";

/** The bytes of an archive, as a response sends them. */
export type ArchiveBody = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Which bytes of an archive to make. */
export interface ArchiveRange {
  /** First byte. */
  readonly start: number;
  /** End, exclusive. */
  readonly end: number;
}

/** One entry in the bytes of an archive. */
export interface ArchiveMember {
  /** First byte of its data, which stands there as it is in the file. */
  readonly offset: number;
  /** CRC-32 of its data; null if nobody has read it yet. */
  readonly crc32: number | null;
}

/** One folder as an archive, before any file was opened. */
export interface Archive {
  /** Exact length in bytes; null if only the end will tell. */
  readonly size: number | null;
  /**
   * Equal as long as the bytes are: on every replica, after every restart. Letters, digits and `-`.
   * Null if the bytes are not the same each time, so that no part of them can be asked for.
   */
  readonly version: string | null;
  /** Bytes of memory that a download of it takes besides the listing: an estimate on the safe side. */
  readonly memory: number;
  /**
   * Where the data of each entry stands in the archive, without a look at a file. An engine without
   * this method cannot tell.
   */
  members?(): Promise<readonly ArchiveMember[]>;
  /**
   * Begins to make the archive, or a part of it where `version` is not null. The stream fails where a
   * file is not what it was when it was listed, and stops all work when it is cancelled.
   *
   * @throws {EngineUnavailableError} if the engine cannot work now
   */
  open(range?: ArchiveRange): Promise<ArchiveBody>;
}

/**
 * Memory of one download, in bytes: streams and buffers, and the runtime's queue, which takes up to 408
 * KiB as soon as the system's buffers are full. Measured with clients that stall.
 */
export const DOWNLOAD_BYTES: number = 640 << 10;

/** Makes archives. */
export interface Engine {
  /**
   * Prepares the archive of a folder.
   *
   * @throws {RangeError} if the engine cannot carry a name in it
   */
  prepare(listing: Listing): Archive;
  /** Ends whatever still runs, and keeps what is worth keeping. */
  close(): Promise<void>;
}

/** Thrown when an engine cannot work now, but may later. */
export class EngineUnavailableError extends Error {
  /** Always `EngineUnavailableError`. */
  override readonly name = "EngineUnavailableError";
}
