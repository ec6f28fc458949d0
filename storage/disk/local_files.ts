/**
 * Large files of local disks, read by asynchronous calls of the serving thread: no buffer has to come
 * over from another thread, which costs more than to read it. A file stays open while its reader goes
 * on.
 *
 * Each such call closes a copy of the descriptor on the serving thread, which must not wait: so no
 * disk that may hang in that is read here.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/io/lib.rs} `with_inner_blocking_task`
 * @module
 */

import { crc32 } from "node:zlib";
import type { SlotsStats } from "../../lib/stats.ts";
import { identityOf } from "../listing.ts";
import type { FileSlice, FilledBuffer, PlacedSlice } from "../source.ts";
import { Slots, type SlotsOptions } from "./slots.ts";
import { fileOf, stateOf } from "./stat.ts";

/** Smaller files are read faster many at a time, by a thread that does nothing else. Bytes. */
const LARGE_BYTES = 256 << 10;

/** A file is closed that its reader left alone for so long, in milliseconds. */
const IDLE_MS = 500;

/**
 * Shorter buffers are for clients that have not shown yet that they go on: no file is kept open for
 * them. Bytes.
 */
const LONG_BYTES = 64 << 10;

/** At most this many files stay open: descriptors are for clients, and those may be many. */
const MAX_OPEN = 40;

/** How many reads there may be, and open files between them. */
export interface LocalFilesOptions extends SlotsOptions {
  /** Files that stay open between two reads. @default 40 */
  readonly openFiles?: number;
}

/** A file is opened by its path again after this time, in milliseconds: the path may lead elsewhere. */
const REOPEN_MS = 1000;

/** What is read for whom. */
export interface FillRequest {
  /** Bytes of the new buffer. */
  readonly length: number;
  /** What goes where. */
  readonly slices: readonly PlacedSlice[];
  /** Who reads: between two requests of one reader a file may stay open. */
  readonly reader: object;
}

/** A file that is open for a reader. */
interface OpenFile {
  readonly file: Deno.FsFile;
  readonly location: string;
  readonly identity: string;
  /** Changes when the file is removed, replaced or renamed, or its permissions change. */
  readonly state: string;
  /** When it was opened, in milliseconds. */
  readonly opened: number;
  /** Where the next read starts. */
  position: number;
  /** When it was last used, in milliseconds. */
  used: number;
}

/** Reads files whose disk is local. Whatever is out of order is not its business: see {@link fill}. */
export class LocalFiles implements Disposable {
  readonly #root: string;
  readonly #slots: Slots;
  readonly #openFiles: number;
  readonly #open = new Map<object, OpenFile>();
  /** A read of theirs may still be under way. */
  readonly #ended = new WeakSet<object>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** `root` is the absolute path of the photos folder. */
  constructor(root: string, options: LocalFilesOptions = {}) {
    this.#root = root;
    this.#openFiles = options.openFiles ?? MAX_OPEN;
    this.#slots = new Slots(options);
  }

  /**
   * True if it is much, or the rest of a file that is open, and all of it in large files of this
   * device, whose times tell something.
   */
  suits({ length, slices, reader }: FillRequest, device: number): boolean {
    if (length < LONG_BYTES && !this.#open.has(reader)) return false;
    return slices.length > 0 && slices.every(({ identity }) => {
      const [dev, , size, mtimeMs] = identity.split(":");
      return dev === String(device) && Number(size) >= LARGE_BYTES && mtimeMs !== "";
    });
  }

  /**
   * A new buffer with the slices in it; null if anything stood in the way: another file, an error, a
   * disk that does not answer. Then nothing was decided, and the threads of the pool may try.
   */
  async fill({ length, slices, reader }: FillRequest): Promise<FilledBuffer | null> {
    const device = slices[0].identity.split(":", 1)[0];
    const entered = this.#slots.enter(device);
    if (entered !== true && !await entered) return null;
    try {
      const buffer = new Uint8Array(length);
      const checksums: number[] = [];
      for (const slice of slices) {
        const target = buffer.subarray(slice.position, slice.position + slice.length);
        if (!await this.#read(slice, target, reader)) return null;
        checksums.push(crc32(target, slice.crc32));
      }
      return { buffer, checksums };
    } catch {
      return null;
    } finally {
      this.#slots.leave(device);
    }
  }

  /** Closes what is open for a reader that has ended: nothing is kept open for it any more. */
  close(reader: object) {
    this.#ended.add(reader);
    this.#close(reader);
  }

  /** How many reads are under way now, and how many wait for their turn. */
  stats(): SlotsStats {
    return this.#slots.stats();
  }

  /** Closes all files. */
  [Symbol.dispose]() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#slots[Symbol.dispose]();
    for (const reader of [...this.#open.keys()]) this.#close(reader);
  }

  /** False if the file is not what was listed. */
  async #read(slice: FileSlice, target: Uint8Array, reader: object): Promise<boolean> {
    const open = this.#take(slice, reader) ?? await this.#openFile(slice);
    if (!open) return false;
    let isKept = false;
    try {
      if (open.position !== slice.offset) open.file.seekSync(slice.offset, Deno.SeekMode.Start);
      if (!await readFully(open.file, target)) return false;
      const stat = open.file.statSync(); // of an open file on a local disk: it is in memory
      if (identityOf(stateOf(stat)) !== slice.identity || linkState(stat) !== open.state) {
        return false;
      }
      open.position = slice.offset + slice.length;
      isKept = open.position < sizeOf(slice) && this.#keep(open, reader);
      return true;
    } finally {
      if (!isKept) open.file.close();
    }
  }

  /** The file that is open for the reader, which then belongs to the caller; closes another one. */
  #take({ location, identity }: FileSlice, reader: object): OpenFile | undefined {
    const open = this.#open.get(reader);
    if (!open) return undefined;
    this.#open.delete(reader);
    const isFresh = performance.now() - open.opened < REOPEN_MS;
    if (open.location === location && open.identity === identity && isFresh) return open;
    open.file.close();
    return undefined;
  }

  /** The runtime's open follows a symlink and waits at a FIFO: so the path is looked at before. */
  async #openFile({ location, identity }: FileSlice): Promise<OpenFile | null> {
    const path = fileOf(this.#root, location);
    if (!(await Deno.lstat(path)).isFile) return null;
    const file = await Deno.open(path);
    const [state, opened] = [linkState(file.statSync()), performance.now()];
    return { file, location, identity, state, opened, position: 0, used: 0 };
  }

  #keep(open: OpenFile, reader: object): boolean {
    if (this.#closed || this.#ended.has(reader) || this.#open.has(reader)) return false;
    if (this.#open.size >= this.#openFiles) return false;
    open.used = performance.now();
    this.#open.set(reader, open);
    this.#timer ??= setTimeout(() => this.#closeIdle(), IDLE_MS);
    return true;
  }

  #close(reader: object) {
    this.#open.get(reader)?.file.close();
    this.#open.delete(reader);
  }

  /** A client that stalls keeps no file open. */
  #closeIdle() {
    this.#timer = undefined;
    const latest = performance.now() - IDLE_MS;
    for (const [reader, { used }] of this.#open) if (used <= latest) this.#close(reader);
    if (this.#open.size > 0) this.#timer = setTimeout(() => this.#closeIdle(), IDLE_MS);
  }
}

/** False if the file is shorter. */
async function readFully(file: Deno.FsFile, target: Uint8Array): Promise<boolean> {
  for (let done = 0; done < target.length;) {
    const count = await file.read(done === 0 ? target : target.subarray(done));
    if (count === null) return false;
    done += count;
  }
  return true;
}

/** Links to a file, and when they or its permissions changed last. */
function linkState({ nlink, ctime }: Deno.FileInfo): string {
  return `${nlink}:${ctime?.getTime()}`;
}

/** The size in an identity, in bytes. */
function sizeOf({ identity }: FileSlice): number {
  return Number(identity.split(":")[2]);
}
