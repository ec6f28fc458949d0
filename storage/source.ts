/**
 * Where files come from: the one door through which handlers, engines, checksums and upkeep reach
 * them. A disk is one source; tests have another one in memory.
 *
 * @module
 */

import type { Listing } from "./listing.ts";

/** A file as it was listed. */
export interface ListedFile {
  /** The archive that it is in. */
  readonly hash: string;
  /** Path in the archive's folder, joined by `/`: what an error calls the file. */
  readonly path: string;
  /** Where the source finds it: a path from the photos folder, joined by `/`. */
  readonly location: string;
  /** Bytes. */
  readonly size: number;
  /** Equal as long as the file is the same and unchanged. */
  readonly identity: string;
}

/** A run of bytes of one file, which must still be the file that was listed. */
export interface FileSlice extends Omit<ListedFile, "size"> {
  /** First byte. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
  /** CRC-32 of the bytes before `offset`. */
  readonly crc32: number;
}

/** A slice and its place in a buffer. */
export interface PlacedSlice extends FileSlice {
  /** Where the first byte goes. */
  readonly position: number;
}

/** A buffer with slices read in. */
export interface FilledBuffer {
  /** The buffer; what no slice covers is zero. */
  readonly buffer: Uint8Array<ArrayBuffer>;
  /** For each slice the CRC-32 that goes on from the slice's own with the bytes read. */
  readonly checksums: readonly number[];
}

/** A CRC-32 that the source may keep. */
export interface KeptChecksum {
  /** The file. */
  readonly file: ListedFile;
  /** CRC-32 of the whole file; null to forget it. */
  readonly crc32: number | null;
}

/** An archive in one state. */
export interface ArchiveVersion {
  /** The archive. */
  readonly hash: string;
  /** What its entity tag is made of: equal as long as its bytes are. */
  readonly version: string;
}

/** The digest of an archive in one state. */
export interface ArchiveDigest extends ArchiveVersion {
  /** SHA-256 of its bytes, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** Keeps digests of whole archives. */
export interface DigestKeeper {
  /** The digest of that version as 64 hexadecimal digits; null if it is not known. */
  recall(archive: ArchiveVersion): Promise<string | null>;
  /** Keeps a digest in place of what is kept of the archive. */
  remember(digest: ArchiveDigest): Promise<void>;
}

/** How a task is done. */
export interface TaskOptions {
  /** Ends the wait for the task: its promise rejects with the reason. */
  readonly signal?: AbortSignal;
}

/** Whoever reads one file after the other. */
export interface FileReader {
  /**
   * What it reads, in this order, as far as it gets: all that may be read ahead for it.
   *
   * @default nothing
   */
  readonly entries?: Listing["entries"];
}

/** How a buffer is filled. */
export interface FillOptions extends TaskOptions {
  /**
   * Who reads: until the signal aborts, a source may keep for it what it had to open. The same object
   * for all reads of one. @default nobody
   */
  readonly reader?: FileReader;
}

/** How an archive is listed. */
export interface ListOptions extends TaskOptions {
  /** Let listings and reads that somebody's download waits for go first. @default false */
  readonly background?: boolean;
}

/** A folder that could be an archive, before anyone looked into it. */
export interface SourceFolder {
  /** Its name. */
  readonly name: string;
  /**
   * When something in it was last added, renamed or removed, in milliseconds since 1970; `-Infinity`
   * where the source cannot tell.
   */
  readonly mtimeMs: number;
}

/**
 * A folder of archives. Every method may reject with a `StorageError`, which has the code of the
 * system: `ESTALE` for a file that is not what it was when it was listed.
 */
export interface FileSource {
  /** Names of the folders that could be archives, in no order. */
  archives(options?: ListOptions): Promise<readonly string[]>;
  /** Rejects if the photos folder cannot be read now; for a source where `archives` costs more. */
  readable?(options?: TaskOptions): Promise<void>;
  /**
   * The same folders with their times, the one that changed last first, those of one time by name.
   * Costs a look at each folder, and none into it.
   */
  folders(options?: ListOptions): Promise<readonly SourceFolder[]>;
  /**
   * What an archive holds; null if there is none, whatever the reason. Never a part of it: a listing
   * that met an error rejects.
   */
  list(hash: string, options?: ListOptions): Promise<Listing | null>;
  /**
   * Text of the file `.zipferry.json` in the archive's folder, as it is now; null if there is none, or
   * no such folder. Rejects with `EFBIG` beyond 64 KiB, and with `EPERM` where it is no plain file. A
   * source without this method knows no labels.
   */
  label?(hash: string, options?: TaskOptions): Promise<string | null>;
  /** A new buffer of `length` bytes with these slices of files in it. */
  fill(
    length: number,
    slices: readonly PlacedSlice[],
    options?: FillOptions,
  ): Promise<FilledBuffer>;
  /** The CRC-32 that goes on from the slice's own with the slice's bytes. */
  checksum(slice: FileSlice, options?: TaskOptions): Promise<number>;
  /** True if the source keeps CRC-32 values, so that it pays to ask it and to tell it. */
  readonly keepsChecksums: boolean;
  /** The CRC-32 values that the source keeps of whole files, null for each that it does not. */
  recall(files: readonly ListedFile[]): Promise<readonly (number | null)[]>;
  /** Tells the source CRC-32 values to keep, or to forget. */
  remember(values: readonly KeptChecksum[]): Promise<void>;
  /**
   * Keeps digests of whole archives; one is forgotten with any CRC-32 of its archive. For a source
   * that has a file for them.
   */
  readonly digests?: DigestKeeper;
}

/** The order of {@link FileSource.folders}. */
export function compareFolders(a: SourceFolder, b: SourceFolder): number {
  if (a.mtimeMs !== b.mtimeMs) return a.mtimeMs > b.mtimeMs ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** A run of bytes of a file, from byte `offset` on; `crc32` is that of the bytes before it. */
export function sliceOf<Part extends { offset: number; length: number; crc32: number }>(
  { hash, path, location, identity }: Omit<ListedFile, "size">,
  part: Part,
): Part & FileSlice {
  return { ...part, hash, path, location, identity };
}
