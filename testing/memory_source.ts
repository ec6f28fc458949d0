/**
 * A source of files that are only in memory, and a source that counts what is asked of another one.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { type Child, type Folder, gatherEntries } from "../storage/entries.ts";
import { StorageError } from "../storage/errors.ts";
import { type EntryState, identityOf, type Listing, unpackListing } from "../storage/listing.ts";
import { decodeLabel, MAX_LABEL_BYTES } from "../storage/label.ts";
import { isHash, isSelected, LABEL_FILE } from "../storage/names.ts";
import type {
  FileSlice,
  FileSource,
  FilledBuffer,
  KeptChecksum,
  ListedFile,
  ListOptions,
  PlacedSlice,
  SourceFolder,
  TaskOptions,
} from "../storage/source.ts";
import { compareFolders } from "../storage/source.ts";
import { DEFAULT_MTIME, type TreeFile } from "./tree.ts";

/** A file, or an empty folder where `directory` is set; nothing else of a tree */
export type MemoryFile = Pick<TreeFile, "content" | "mtime" | "mode" | "directory">;

interface Stored {
  readonly bytes: Uint8Array;
  readonly directory: boolean;
  readonly state: EntryState;
}

/** Files by their path: a hash, and a path in its folder, joined by `/` */
export class MemorySource implements FileSource {
  readonly keepsChecksums = true;
  readonly #files = new Map<string, Stored>();
  readonly #kept = new Map<string, number>();
  #inodes = 0;

  constructor(files: Readonly<Record<string, string | Uint8Array | MemoryFile>> = {}) {
    for (const [path, file] of Object.entries(files)) this.put(path, file);
  }

  /** Puts a file in the place of what is there; it is another file, whatever is in it */
  put(location: string, file: string | Uint8Array | MemoryFile) {
    const plain = typeof file === "string" || file instanceof Uint8Array;
    const { content = "", mtime = DEFAULT_MTIME, mode, directory = false }: MemoryFile = plain
      ? { content: file }
      : file;
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const state = {
      size: bytes.length,
      mtimeMs: mtime.getTime(),
      mode: mode ?? (directory ? 0o755 : 0o644),
      dev: 0,
      ino: ++this.#inodes,
    };
    this.#files.set(location, { bytes, directory, state });
  }

  remove(location: string) {
    this.#files.delete(location);
  }

  async archives({ signal }: ListOptions = {}): Promise<string[]> {
    await turn(signal);
    return [...new Set([...this.#files.keys()].map((path) => path.split("/")[0]))];
  }

  /** A folder has the time of what is newest in it, at any depth */
  async folders(options: ListOptions = {}): Promise<SourceFolder[]> {
    await turn(options.signal);
    const times = new Map<string, number>();
    for (const [path, { state }] of this.#files) {
      const [name] = path.split("/");
      times.set(name, Math.max(times.get(name) ?? -Infinity, state.mtimeMs));
    }
    return [...times].map(([name, mtimeMs]) => ({ name, mtimeMs })).sort(compareFolders);
  }

  async list(hash: string, { signal }: ListOptions = {}): Promise<Listing | null> {
    await turn(signal);
    if (!isHash(hash)) return null;
    const packed = await gatherEntries({ hash, read: (folder) => this.#read(folder) });
    return packed && unpackListing(packed);
  }

  async label(hash: string, { signal }: TaskOptions = {}): Promise<string | null> {
    await turn(signal);
    const stored = isHash(hash) ? this.#files.get(`${hash}/${LABEL_FILE}`) : undefined;
    if (!stored) return null;
    if (stored.directory) throw new StorageError("EPERM", "read label: EPERM: no plain file");
    if (stored.bytes.length > MAX_LABEL_BYTES) {
      throw new StorageError("EFBIG", `read label: EFBIG: more than ${MAX_LABEL_BYTES} bytes`);
    }
    return decodeLabel(Uint8Array.from(stored.bytes));
  }

  async fill(
    length: number,
    slices: readonly PlacedSlice[],
    { signal }: TaskOptions = {},
  ): Promise<FilledBuffer> {
    await turn(signal);
    const buffer = new Uint8Array(length);
    const checksums = slices.map((slice) => {
      const bytes = this.#bytesOf(slice);
      buffer.set(bytes, slice.position);
      return crc32(bytes, slice.crc32);
    });
    return { buffer, checksums };
  }

  async checksum(slice: FileSlice, { signal }: TaskOptions = {}): Promise<number> {
    await turn(signal);
    return crc32(this.#bytesOf(slice), slice.crc32);
  }

  recall(files: readonly ListedFile[]): Promise<(number | null)[]> {
    return Promise.resolve(files.map((file) => this.#kept.get(keyOf(file)) ?? null));
  }

  remember(values: readonly KeptChecksum[]): Promise<void> {
    for (const { file, crc32 } of values) {
      if (crc32 === null) this.#kept.delete(keyOf(file));
      else this.#kept.set(keyOf(file), crc32);
    }
    return Promise.resolve();
  }

  #read({ location }: Folder) {
    const children = new Map<string, Child>();
    for (const [path, { directory, state }] of this.#files) {
      if (!path.startsWith(`${location}/`)) continue;
      const [original, ...below] = path.slice(location.length + 1).split("/");
      if (!isSelected(original, {})) continue;
      const isDirectory = directory || below.length > 0;
      children.set(original, { original, isDirectory, state, target: null });
    }
    const state = this.#files.get(location)?.state ??
      { size: 0, mtimeMs: -Infinity, mode: 0o755, dev: 0, ino: 0 };
    return { state, children: [...children.values()], leftOut: [] };
  }

  #bytesOf({ location, path, identity, offset, length }: FileSlice) {
    const stored = this.#files.get(location);
    if (!stored) throw new StorageError("ENOENT", `read file: ENOENT: ${path}`);
    if (identityOf(stored.state) !== identity || offset + length > stored.bytes.length) {
      throw new StorageError("ESTALE", `read file: changed since it was listed: ${path}`);
    }
    return stored.bytes.subarray(offset, offset + length);
  }
}

/** How often each task was asked for, and how many of them are not over yet */
export interface TaskCounts {
  archives: number;
  folders: number;
  list: number;
  fill: number;
  checksum: number;
  running: number;
}

/** A source that does what another one does, and counts */
export interface CountingSource extends FileSource {
  readonly counts: TaskCounts;
}

/**
 * A source that does what another one does, and counts; a method of `instead` takes the place of the
 * other one's, also where it is set later
 */
export function countTasks(source: FileSource, instead: Partial<FileSource> = {}): CountingSource {
  const counts = { archives: 0, folders: 0, list: 0, fill: 0, checksum: 0, running: 0 };
  const count = async <T>(task: keyof TaskCounts, work: () => Promise<T>) => {
    counts[task]++;
    counts.running++;
    try {
      return await work();
    } finally {
      counts.running--;
    }
  };
  const archives = (options?: ListOptions) => source.archives(options);
  const folders = (options?: ListOptions) => source.folders(options);
  const list = (hash: string, options?: ListOptions) => source.list(hash, options);
  const label: NonNullable<FileSource["label"]> = async (...args) =>
    await source.label?.(...args) ?? null;
  const fill: FileSource["fill"] = (...args) => source.fill(...args);
  const checksum: FileSource["checksum"] = (...args) => source.checksum(...args);
  return {
    counts,
    archives: (...args) => count("archives", () => (instead.archives ?? archives)(...args)),
    folders: (...args) => count("folders", () => (instead.folders ?? folders)(...args)),
    list: (...args) => count("list", () => (instead.list ?? list)(...args)),
    label: (...args) => (instead.label ?? label)(...args),
    fill: (...args) => count("fill", () => (instead.fill ?? fill)(...args)),
    checksum: (...args) => count("checksum", () => (instead.checksum ?? checksum)(...args)),
    keepsChecksums: source.keepsChecksums,
    recall: (files) => source.recall(files),
    remember: (values) => source.remember(values),
  };
}

function keyOf({ location, identity }: ListedFile) {
  return `${identity}:${location}`;
}

/** As with a disk, nothing is there at once */
async function turn(signal?: AbortSignal) {
  signal?.throwIfAborted();
  await new Promise((resolve) => setTimeout(resolve));
  signal?.throwIfAborted();
}
