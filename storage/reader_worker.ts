/**
 * The blocking side of the reader: a worker that does one task at a time and keeps nothing between
 * two, so that a hung disk holds up this thread only and an abandoned task costs no descriptor.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { ChecksumIndex, type IndexKey, type IndexRow } from "./checksum_index.ts";
import { codeOf, FolderError, type FolderPolicy, listFolder, listFolders } from "./folder.ts";
import { identityOf, type PackedListing } from "./listing.ts";

/** A scan goes through a file by this many bytes, in one buffer that is used again and again. */
const SCAN_BUFFER_BYTES = 1 << 20;

/** Never through a symlink, and never waiting for the other end of a FIFO. 0 where unknown. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** A run of bytes of one file, which must still be the file that was listed. */
export interface FileSlice {
  /** Absolute path. */
  readonly file: string;
  /** What an error calls it: its path in the folder. */
  readonly path: string;
  /** What {@link identityOf} said of it when it was listed. */
  readonly identity: string;
  /** First byte. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
  /** CRC-32 of the bytes before `offset`. */
  readonly crc32: number;
}

/** A slice and its place in the buffer. */
export interface PlacedSlice extends FileSlice {
  /** Where the first byte goes. */
  readonly position: number;
}

/** What the worker can do: a request and an answer each. */
export interface Tasks {
  /** The folders in the photos folder. */
  folders(request: { readonly root: string }): string[];
  /** The files of one folder. */
  list(request: {
    readonly root: string;
    readonly hash: string;
    readonly policy: FolderPolicy;
  }): PackedListing | null;
  /** A new buffer of `length` bytes with slices read in, and the CRC-32 after each of them. */
  fill(request: { readonly length: number; readonly slices: readonly PlacedSlice[] }): {
    buffer: Uint8Array<ArrayBuffer>;
    checksums: number[];
  };
  /** The CRC-32 after a slice, which may be longer than any buffer. */
  checksum(request: FileSlice): number;
  /** CRC-32 values that an index file keeps, null for each that it does not. */
  recall(request: {
    readonly index: string;
    readonly keys: readonly IndexKey[];
  }): (number | null)[];
  /** Puts CRC-32 values into an index file, or takes them out. */
  remember(request: { readonly index: string; readonly rows: readonly IndexRow[] }): null;
}

/** A task on its way to the worker. */
export interface Call {
  /** Which task. */
  readonly task: keyof Tasks;
  /** Its request. */
  readonly request: unknown;
}

/** The worker's answer: a result, or what went wrong. */
export type Answer =
  | { readonly result: unknown }
  | { readonly code: string; readonly message: string };

const tasks: Tasks = {
  folders: ({ root }) => listFolders(root),
  list: ({ root, hash, policy }) => listFolder(root, hash, policy),
  fill: ({ length, slices }) => {
    const buffer = new Uint8Array(length);
    const checksums = slices.map((slice) => fillSlice(buffer, slice));
    return { buffer, checksums };
  },
  checksum: scanSlice,
  recall: ({ index, keys }) => withIndex(index, (open) => open.recall(keys)),
  remember: ({ index, rows }) =>
    withIndex(index, (open) => {
      open.remember(rows);
      return null;
    }),
};

let scanBuffer: Uint8Array | undefined;

function fillSlice(buffer: Uint8Array, slice: PlacedSlice) {
  const target = buffer.subarray(slice.position, slice.position + slice.length);
  return withFile(slice, (fd) => {
    readFully(fd, target, slice.offset);
    return crc32(target, slice.crc32);
  });
}

function scanSlice(slice: FileSlice) {
  scanBuffer ??= new Uint8Array(SCAN_BUFFER_BYTES);
  const buffer = scanBuffer;
  return withFile(slice, (fd) => {
    let checksum = slice.crc32;
    const end = slice.offset + slice.length;
    for (let at = slice.offset; at < end; at += SCAN_BUFFER_BYTES) {
      const target = buffer.subarray(0, Math.min(SCAN_BUFFER_BYTES, end - at));
      readFully(fd, target, at);
      checksum = crc32(target, checksum);
    }
    return checksum;
  });
}

function withIndex<T>(path: string, use: (index: ChecksumIndex) => T): T {
  try {
    using index = new ChecksumIndex(path);
    return use(index);
  } catch (error) {
    throw new FolderError("EINDEX", error instanceof Error ? error.message : String(error));
  }
}

/**
 * Opens a file for one task. Afterwards it must be the file that was listed; a look at it before
 * would find nothing more, since what was changed by then still shows.
 */
function withFile(slice: FileSlice, use: (fd: number) => number) {
  let fd: number | undefined;
  try {
    fd = openSync(slice.file, OPEN_FLAGS);
    const result = use(fd);
    if (identityOf(fstatSync(fd)) !== slice.identity) throw changed();
    return result;
  } catch (error) {
    const why = error instanceof FolderError ? error.message : codeOf(error);
    throw new FolderError(codeOf(error), `read file: ${why}: ${slice.path}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function readFully(fd: number, target: Uint8Array, offset: number) {
  for (let done = 0; done < target.length;) {
    const count = readSync(fd, target, done, target.length - done, offset + done);
    if (count === 0) throw changed();
    done += count;
  }
}

function changed() {
  return new FolderError("ESTALE", "changed since it was listed");
}

function answer({ task, request }: Call): Answer {
  try {
    return { result: (tasks[task] as (request: unknown) => unknown)(request) };
  } catch (error) {
    // Messages of the system hold absolute paths, and so the secret hash: only the code goes on.
    const code = codeOf(error);
    return { code, message: error instanceof FolderError ? error.message : code };
  }
}

/** What of a result is handed over instead of copied. */
function buffersOf(task: keyof Tasks, result: unknown): ArrayBuffer[] {
  if (task === "fill") return [(result as ReturnType<Tasks["fill"]>).buffer.buffer];
  if (task !== "list" || result === null) return [];
  return [(result as PackedListing).numbers.buffer];
}

self.onmessage = ({ data }: MessageEvent<Call>) => {
  const reply = answer(data);
  self.postMessage(reply, "result" in reply ? buffersOf(data.task, reply.result) : []);
};
