/**
 * The asynchronous face of all file access: a small pool of workers that do the blocking calls.
 * The main thread never waits for a disk.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { IndexKey, IndexRow } from "./checksum_index.ts";
import { FolderError, type FolderPolicy } from "./folder.ts";
import { type Listing, unpackListing } from "./listing.ts";
import type { Answer, Call, FileSlice, PlacedSlice, Tasks } from "./reader_worker.ts";

/** A folder in which something was renamed a moment ago is listed again after this time. */
const RETRY_MS = 30;
const RETRIES = 40;

/** How the reader works. */
export interface ReaderOptions extends FolderPolicy {
  /** Absolute path of the photos folder, without symlinks in it. */
  readonly root: string;
  /** Threads that read. @default as many as cores, 2 to 4 */
  readonly workers?: number;
}

interface Job {
  readonly call: Call;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Reads folders and files. Errors are {@link FolderError}s with the code of the system. */
export class Reader implements Disposable {
  readonly #root: string;
  readonly #policy: FolderPolicy;
  readonly #size: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
  readonly #queue: Job[] = [];
  #closed = false;

  /** Starts no thread yet: each comes with the first task that needs it. */
  constructor(options: ReaderOptions) {
    const { root, hidden = false, followSymlinks = false } = options;
    this.#root = root;
    this.#policy = { hidden, followSymlinks };
    this.#size = options.workers ?? Math.min(Math.max(navigator.hardwareConcurrency, 2), 4);
  }

  /** Names of the folders in the photos folder. */
  folders(): Promise<string[]> {
    return this.#run("folders", { root: this.#root });
  }

  /**
   * What a hash's folder holds; null if there is no such folder.
   *
   * @throws {FolderError} `EAGAIN` if something is renamed in it again and again
   */
  async list(hash: string): Promise<Listing | null> {
    for (let attempt = 1;; attempt++) {
      try {
        const request = { root: this.#root, hash, policy: this.#policy };
        const packed = await this.#run("list", request);
        return packed && unpackListing(packed);
      } catch (error) {
        const again = error instanceof FolderError && error.code === "EAGAIN";
        if (!again || attempt === RETRIES) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  /**
   * A new buffer of `length` bytes with these slices of files in it, and the CRC-32 after each.
   *
   * @throws {FolderError} `ESTALE` if a file is not what it was when it was listed
   */
  fill(length: number, slices: readonly PlacedSlice[]): Promise<ReturnType<Tasks["fill"]>> {
    return this.#run("fill", { length, slices });
  }

  /**
   * The CRC-32 that goes on from the slice's own with the slice's bytes.
   *
   * @throws {FolderError} `ESTALE` if the file is not what it was when it was listed
   */
  checksum(slice: FileSlice): Promise<number> {
    return this.#run("checksum", slice);
  }

  /**
   * The CRC-32 values that an index file keeps, null for each that it does not.
   *
   * @throws {FolderError} `EINDEX` if the file cannot be used
   */
  recall(index: string, keys: readonly IndexKey[]): Promise<(number | null)[]> {
    return this.#run("recall", { index, keys });
  }

  /**
   * Puts CRC-32 values into an index file, which is made if there is none.
   *
   * @throws {FolderError} `EINDEX` if the file cannot be used
   */
  async remember(index: string, rows: readonly IndexRow[]): Promise<void> {
    await this.#run("remember", { index, rows });
  }

  /** Ends the threads; what they were at is lost. */
  [Symbol.dispose]() {
    this.#closed = true;
    for (const worker of [...this.#idle, ...this.#busy.keys()]) worker.terminate();
    for (const job of [...this.#busy.values(), ...this.#queue]) job.reject(closed());
    this.#idle.length = this.#queue.length = 0;
    this.#busy.clear();
  }

  #run<T extends keyof Tasks>(
    task: T,
    request: Parameters<Tasks[T]>[0],
  ): Promise<ReturnType<Tasks[T]>> {
    if (this.#closed) return Promise.reject(closed());
    const { promise, resolve, reject } = Promise.withResolvers<ReturnType<Tasks[T]>>();
    const job: Job = { call: { task, request }, resolve: resolve as Job["resolve"], reject };
    this.#queue.push(job);
    this.#dispatch();
    return promise;
  }

  #dispatch() {
    for (let at = this.#nextJob(); at >= 0; at = this.#nextJob()) {
      const worker = this.#idle.pop() ?? this.#hire();
      if (!worker) return;
      const [job] = this.#queue.splice(at, 1);
      this.#busy.set(worker, job);
      worker.postMessage(job.call);
    }
  }

  /** First come, first served; but one thread is kept from scans, which are long, for the rest. */
  #nextJob(): number {
    const isScan = ({ call }: Job) => call.task === "checksum";
    const scans = [...this.#busy.values()].filter(isScan).length;
    const mayScan = scans < Math.max(this.#size - 1, 1);
    return this.#queue.findIndex((job) => mayScan || !isScan(job));
  }

  #hire(): Worker | null {
    if (this.#busy.size >= this.#size) return null;
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
    this.#idle.push(worker);
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
