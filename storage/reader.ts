/**
 * The asynchronous face of all file access: a small pool of workers that do the blocking calls.
 * The main thread never waits for a disk.
 *
 * @module
 */

import { relative, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { IndexKey, IndexRow } from "./checksum_index.ts";
import { FolderError, type FolderPolicy } from "./folder.ts";
import type { Listing } from "./listing.ts";
import { PendingListings, SharedListings } from "./shared_listings.ts";
import type { Answer, Call, FileSlice, PlacedSlice, Tasks } from "./reader_worker.ts";

/** A folder in which something was renamed a moment ago is listed again after this time. */
const RETRY_MS = 30;
const RETRIES = 40;

/** A task that takes longer is held up, by a disk that hangs. Milliseconds. */
const HELD_UP_MS = 3000;

/** So many threads at most take the places of those that are held up. */
const MAX_SPARE = 8;

/** How the reader works. */
export interface ReaderOptions extends FolderPolicy {
  /** Absolute path of the photos folder, without symlinks in it. */
  readonly root: string;
  /** Threads that read. @default as many as cores, 2 to 4 */
  readonly workers?: number;
  /** After so many milliseconds a task counts as held up. @default 3000 */
  readonly heldUpAfter?: number;
}

interface Job {
  readonly call: Call;
  /** The folder in the photos folder that it reads in, if it is one. */
  readonly folder: string | null;
  /** When a thread took it, in milliseconds. */
  started: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Reads folders and files. Errors are {@link FolderError}s with the code of the system.
 *
 * A folder on a disk that hangs holds up the threads that read in it. Others take their places, and
 * none of them reads in that folder until one comes back: so all other folders go on.
 */
export class Reader implements Disposable {
  readonly #root: string;
  readonly #policy: FolderPolicy;
  readonly #size: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
  readonly #queue: Job[] = [];
  readonly #listings = new SharedListings();
  readonly #pending = new PendingListings();
  readonly #heldUpAfter: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** Starts no thread yet: each comes with the first task that needs it. */
  constructor(options: ReaderOptions) {
    const { root, hidden = false, followSymlinks = false } = options;
    this.#root = root;
    this.#policy = { hidden, followSymlinks };
    this.#heldUpAfter = options.heldUpAfter ?? HELD_UP_MS;
    this.#size = options.workers ?? Math.min(Math.max(navigator.hardwareConcurrency, 2), 4);
  }

  /** Names of the folders in the photos folder. */
  folders(): Promise<string[]> {
    return this.#run("folders", { root: this.#root }, null);
  }

  /**
   * What a hash's folder holds; null if there is no such folder.
   *
   * @throws {FolderError} `EAGAIN` if something is renamed in it again and again
   */
  async list(hash: string): Promise<Listing | null> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#pending.get(hash, () => this.#listOnce(hash));
      } catch (error) {
        const again = error instanceof FolderError && error.code === "EAGAIN";
        if (!again || attempt === RETRIES) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  async #listOnce(hash: string) {
    const request = { root: this.#root, hash, policy: this.#policy };
    const packed = await this.#run("list", request, hash);
    return packed && this.#listings.unpack(hash, packed);
  }

  /**
   * A new buffer of `length` bytes with these slices of files in it, and the CRC-32 after each.
   *
   * @throws {FolderError} `ESTALE` if a file is not what it was when it was listed
   */
  fill(length: number, slices: readonly PlacedSlice[]): Promise<ReturnType<Tasks["fill"]>> {
    const folder = slices.length > 0 ? this.#folderOf(slices[0].file) : null;
    return this.#run("fill", { length, slices }, folder);
  }

  /**
   * The CRC-32 that goes on from the slice's own with the slice's bytes.
   *
   * @throws {FolderError} `ESTALE` if the file is not what it was when it was listed
   */
  checksum(slice: FileSlice): Promise<number> {
    return this.#run("checksum", slice, this.#folderOf(slice.file));
  }

  /**
   * The CRC-32 values that an index file keeps, null for each that it does not.
   *
   * @throws {FolderError} `EINDEX` if the file cannot be used
   */
  recall(index: string, keys: readonly IndexKey[]): Promise<(number | null)[]> {
    return this.#run("recall", { index, keys }, null);
  }

  /**
   * Puts CRC-32 values into an index file, which is made if there is none.
   *
   * @throws {FolderError} `EINDEX` if the file cannot be used
   */
  async remember(index: string, rows: readonly IndexRow[]): Promise<void> {
    await this.#run("remember", { index, rows }, null);
  }

  /** Ends the threads; what they were at is lost. */
  [Symbol.dispose]() {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const worker of [...this.#idle, ...this.#busy.keys()]) worker.terminate();
    for (const job of [...this.#busy.values(), ...this.#queue]) job.reject(closed());
    this.#idle.length = this.#queue.length = 0;
    this.#busy.clear();
  }

  #folderOf(file: string) {
    return relative(this.#root, file).split(sep)[0];
  }

  #run<T extends keyof Tasks>(
    task: T,
    request: Parameters<Tasks[T]>[0],
    folder: string | null,
  ): Promise<ReturnType<Tasks[T]>> {
    if (this.#closed) return Promise.reject(closed());
    const { promise, resolve, reject } = Promise.withResolvers<ReturnType<Tasks[T]>>();
    const call = { task, request };
    const started = Infinity;
    this.#queue.push({ call, folder, started, resolve: resolve as Job["resolve"], reject });
    this.#dispatch();
    return promise;
  }

  #dispatch() {
    clearTimeout(this.#timer);
    for (let at = this.#nextJob(); at >= 0; at = this.#nextJob()) {
      const worker = this.#idle.pop() ?? this.#hire();
      if (!worker) break;
      const [job] = this.#queue.splice(at, 1);
      job.started = performance.now();
      this.#busy.set(worker, job);
      worker.postMessage(job.call);
    }
    // Whoever waits now may have to wait for a thread that is held up: look again then.
    if (this.#queue.length > 0) this.#timer = setTimeout(() => this.#dispatch(), this.#heldUpAfter);
  }

  /** First come, first served; but one thread is kept from scans, which are long, for the rest. */
  #nextJob(): number {
    const isScan = ({ call }: Job) => call.task === "checksum";
    const heldUp = this.#heldUp();
    const scans = [...this.#busy.values()].filter((job) => isScan(job) && !heldUp.includes(job));
    const mayScan = scans.length < Math.max(this.#size - 1, 1);
    const hanging = new Set(heldUp.map(({ folder }) => folder));
    return this.#queue.findIndex((job) =>
      (mayScan || !isScan(job)) && (job.folder === null || !hanging.has(job.folder))
    );
  }

  #heldUp(): Job[] {
    const since = performance.now() - this.#heldUpAfter;
    return [...this.#busy.values()].filter(({ started }) => started <= since);
  }

  /** How many threads there may be now. */
  #limit() {
    return this.#size + Math.min(this.#heldUp().length, MAX_SPARE);
  }

  #hire(): Worker | null {
    if (this.#busy.size >= this.#limit()) return null;
    const worker = new Worker(import.meta.resolve("./reader_worker.ts"), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#settle(worker, data);
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      this.#take(worker)?.reject(new Error(`read: worker failed: ${event.message}`));
      this.#dispatch();
    };
    return worker;
  }

  #settle(worker: Worker, answer: Answer) {
    const job = this.#take(worker);
    const spare = this.#busy.size + this.#idle.length >= this.#limit();
    if (spare) worker.terminate();
    else this.#idle.push(worker);
    if ("result" in answer) job?.resolve(answer.result);
    else job?.reject(new FolderError(answer.code, answer.message));
    this.#dispatch();
  }

  #take(worker: Worker) {
    const job = this.#busy.get(worker);
    this.#busy.delete(worker);
    return job;
  }
}

/** A run of bytes of a file, from byte `offset` on; `crc32` is that of the bytes before it. */
export function sliceOf<Part extends { offset: number; length: number; crc32: number }>(
  { file, path, identity }: Pick<FileSlice, "file" | "path" | "identity">,
  part: Part,
): Part & FileSlice {
  return { ...part, file, path, identity };
}

function closed() {
  return new FolderError("ECANCELED", "read: the reader is closed");
}
