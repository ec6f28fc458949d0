/**
 * The blocking side of the disk: a thread that does one task at a time and keeps nothing between two,
 * so that a disk that hangs holds up this thread only and an abandoned task costs no descriptor.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { crc32 } from "node:zlib";
import { ChecksumIndex, type DigestCall, type IndexKey, type IndexRow } from "../checksum_index.ts";
import { codeOf, StorageError } from "../errors.ts";
import type { FileSlice, FilledBuffer } from "../source.ts";
import { fillAtRest } from "./at_rest.ts";
import { type PackedFolders, packFolders } from "./folders.ts";
import { readLabel } from "./label_file.ts";
import { assertSame, changed, openPlainFile } from "./same_file.ts";
import { type PackedSlices, type SliceToRead, unpackSlices } from "./packed_slices.ts";
import { datedFolders, listDirectories } from "./photos_folder.ts";
import { helpLook, type LookRequest } from "./shared_looks.ts";
import { fileOf } from "./stat.ts";
import { walkArchive, type Walked, type WalkOptions } from "./walk.ts";

/** A scan goes through a file by this many bytes, in one buffer that is used again and again. */
const SCAN_BUFFER_BYTES = 1 << 20;

/** Less than the time after which the runtime ends a thread without work. Milliseconds. */
const STAY_READY_MS = 5000;

/** What the worker can do: a request and an answer each. `root` is the photos folder. */
export interface Tasks {
  /** The directories in the photos folder. */
  directories(request: { readonly root: string }): string[];
  /** The same with their times, newest first. */
  folders(request: { readonly root: string }): PackedFolders;
  /** The files of one archive. */
  list(request: WalkOptions): Walked;
  /** Text of an archive's label; null if it has none. */
  label(request: { readonly root: string; readonly hash: string }): string | null;
  /** Help with the looks at a large folder; true if there may be more to do. */
  look(request: LookRequest): boolean;
  /** A new buffer of `length` bytes with slices read in. */
  fill(request: {
    readonly root: string;
    readonly length: number;
    readonly slices: PackedSlices;
    /** The disk of this machine that the archive is on, if it is on one. */
    readonly device?: number;
  }): FilledBuffer;
  /** The CRC-32 after a slice, which may be longer than any buffer. */
  checksum(request: { readonly root: string; readonly slice: FileSlice }): number;
  /** CRC-32 values that an index file keeps, null for each that it does not. */
  recall(request: {
    readonly index: string;
    readonly keys: readonly IndexKey[];
  }): (number | null)[];
  /** Puts CRC-32 values into an index file, or takes them out. */
  remember(request: { readonly index: string; readonly rows: readonly IndexRow[] }): null;
  /** Keeps, forgets and finds digests in an index file. */
  digests(request: { readonly index: string; readonly call: DigestCall }): string | null;
}

/** A task on its way to the worker. */
export interface Call {
  /** Which task. */
  readonly task: keyof Tasks;
  /** Its request. */
  readonly request: unknown;
}

/**
 * The worker's answer: a result, or what went wrong. The first one only says that it is there, and one
 * that asks for help is followed by the answer.
 */
export type Answer =
  | { readonly ready: true }
  | { readonly help: LookRequest }
  | { readonly result: unknown }
  | { readonly code: string; readonly message: string };

const READY: Answer = { ready: true };

type Implementation = {
  [T in keyof Tasks]: (
    request: Parameters<Tasks[T]>[0],
  ) => ReturnType<Tasks[T]> | Promise<ReturnType<Tasks[T]>>;
};

const tasks: Implementation = {
  directories: ({ root }) => listDirectories(root),
  folders: async ({ root }) => packFolders(datedFolders(root, await listDirectories(root))),
  list: (request) => walkArchive(request, (help) => self.postMessage({ help } satisfies Answer)),
  label: ({ root, hash }) => readLabel(root, hash),
  look: helpLook,
  fill: ({ root, length, slices, device }) => {
    const buffer = new Uint8Array(length);
    const files = unpackSlices(slices);
    const atRest = device === undefined
      ? null
      : fillAtRest(buffer, { root, slices: files, device });
    const checksums = atRest ?? files.map((slice) => fillSlice(root, buffer, slice));
    return { buffer, checksums };
  },
  checksum: ({ root, slice }) => scanSlice(root, slice),
  recall: ({ index, keys }) => withIndex(index, (open) => open.recall(keys)),
  remember: ({ index, rows }) =>
    withIndex(index, (open) => {
      open.remember(rows);
      return null;
    }),
  digests: ({ index, call }) => withIndex(index, (open) => open.digests(call)),
};

let scanBuffer: Uint8Array | undefined;

function fillSlice(root: string, buffer: Uint8Array, slice: SliceToRead) {
  const target = buffer.subarray(slice.position, slice.position + slice.length);
  return withFile(root, slice, (file) => {
    readFully(file, target, slice.offset);
    return crc32(target, slice.crc32);
  });
}

function scanSlice(root: string, slice: FileSlice) {
  scanBuffer ??= new Uint8Array(SCAN_BUFFER_BYTES);
  const buffer = scanBuffer;
  return withFile(root, slice, (file) => {
    let checksum = slice.crc32;
    const end = slice.offset + slice.length;
    for (let at = slice.offset; at < end; at += SCAN_BUFFER_BYTES) {
      const target = buffer.subarray(0, Math.min(SCAN_BUFFER_BYTES, end - at));
      readFully(file, target, at);
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
    throw new StorageError("EINDEX", error instanceof Error ? error.message : String(error));
  }
}

/** Opens a file for one task. Afterwards it must be the file that was listed. */
function withFile(
  root: string,
  slice: Omit<FileSlice, "hash">,
  use: (file: Deno.FsFile) => number,
) {
  try {
    const file = fileOf(root, slice.location);
    using opened = openPlainFile(file);
    const result = use(opened);
    assertSame(() => opened.statSync(), { file, identity: slice.identity });
    return result;
  } catch (error) {
    const why = error instanceof StorageError ? error.message : codeOf(error);
    throw new StorageError(codeOf(error), `read file: ${why}: ${slice.path}`);
  }
}

function readFully(file: Deno.FsFile, target: Uint8Array, offset: number) {
  if (offset > 0) file.seekSync(offset, Deno.SeekMode.Start);
  for (let done = 0; done < target.length;) {
    const count = file.readSync(target.subarray(done));
    if (count === null) throw changed();
    done += count;
  }
}

async function answer({ task, request }: Call): Promise<Answer> {
  try {
    return { result: await (tasks[task] as (request: unknown) => unknown)(request) };
  } catch (error) {
    // Messages of the system hold absolute paths, and so the secret hash: only the code goes on.
    const code = codeOf(error);
    return { code, message: error instanceof StorageError ? error.message : code };
  }
}

/** What of a result is handed over instead of copied. */
function buffersOf(task: keyof Tasks, result: unknown): ArrayBuffer[] {
  if (task === "fill") return [(result as FilledBuffer).buffer.buffer];
  if (task === "folders") return [(result as PackedFolders).times.buffer];
  const listing = task === "list" ? (result as Walked).listing : null;
  return listing ? [listing.numbers.buffer] : [];
}

/**
 * Looks at a file now and then. An asynchronous call, such as the reading of a folder, needs a thread
 * more, which the runtime ends after 10 s without work; and where the system then refuses another
 * one, the whole process ends. So that thread is kept.
 *
 * @see {@link https://github.com/tokio-rs/tokio/blob/tokio-1.47.1/tokio/src/runtime/blocking/pool.rs}
 */
async function stayReady() {
  const file = import.meta.filename;
  if (file) await Deno.lstat(file).catch(() => {});
  setTimeout(stayReady, STAY_READY_MS);
}

self.onmessage = async ({ data }: MessageEvent<Call>) => {
  const reply = await answer(data);
  self.postMessage(reply, "result" in reply ? buffersOf(data.task, reply.result) : []);
};

await stayReady();
self.postMessage(READY);
