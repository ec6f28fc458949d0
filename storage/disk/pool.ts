/**
 * The threads of the disk, and what waits for them: downloads first, and no folder on a disk that
 * hangs before the others.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import type { Answer, Call, Tasks } from "./worker.ts";

/** A task that takes longer is held up, by a disk that hangs. Milliseconds. */
const HELD_UP_MS = 3000;

/** At most this many threads take the places of those that are held up. */
const MAX_SPARE = 8;

/** At most this many listings wait for a thread; reads are bounded by the downloads they are for. */
const MAX_WAITING = 1000;

/** How many threads there are. */
export interface PoolOptions {
  /** Threads that read. @default as many as cores, 2 to 4 */
  readonly workers?: number;
  /** A task counts as held up after this many milliseconds. @default 3000 */
  readonly heldUpAfter?: number;
  /** At most this many listings wait for a thread. @default 1000 */
  readonly maxWaiting?: number;
}

/** How a task is put in the queue. */
export interface RunOptions {
  /** The archive in whose folder the task reads, if it is one. */
  readonly hash?: string;
  /** Let everything else go first. @default false */
  readonly background?: boolean;
  /** Takes the task out of the queue, or forgets its result. */
  readonly signal?: AbortSignal;
}

interface Job extends RunOptions {
  readonly call: Call;
  /** When a thread took it, in milliseconds. */
  started: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A pool of threads, started as they are needed.
 *
 * A folder on a disk that hangs holds up the threads that read in it. Others take their places, and
 * none of them reads in that folder until one comes back: so all other folders go on.
 */
export class Pool implements Disposable {
  readonly #size: number;
  readonly #heldUpAfter: number;
  readonly #maxWaiting: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
  readonly #queue: Job[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** Starts no thread yet: each comes with the first task that needs it. */
  constructor(options: PoolOptions) {
    this.#size = options.workers ?? Math.min(Math.max(navigator.hardwareConcurrency, 2), 4);
    this.#heldUpAfter = options.heldUpAfter ?? HELD_UP_MS;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
  }

  /**
   * Does a task in a thread.
   *
   * @throws {StorageError} `EBUSY` for a listing when too many wait already
   */
  run<T extends keyof Tasks>(
    task: T,
    request: Parameters<Tasks[T]>[0],
    options: RunOptions = {},
  ): Promise<ReturnType<Tasks[T]>> {
    if (this.#closed) return Promise.reject(closed());
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    if (isListing(task) && this.#queue.filter(hasListing).length >= this.#maxWaiting) {
      return Promise.reject(new StorageError("EBUSY", "list folder: too many wait already"));
    }
    const { promise, resolve, reject } = Promise.withResolvers<ReturnType<Tasks[T]>>();
    const job: Job = {
      ...options,
      call: { task, request },
      started: Infinity,
      resolve: resolve as Job["resolve"],
      reject,
    };
    this.#queue.push(job);
    this.#dispatch();
    return options.signal ? this.#untilAborted(job, promise, options.signal) : promise;
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

  async #untilAborted<T>(job: Job, result: Promise<T>, signal: AbortSignal): Promise<T> {
    const leave = () => {
      const at = this.#queue.indexOf(job);
      if (at >= 0) this.#queue.splice(at, 1);
      job.reject(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await result;
    } finally {
      signal.removeEventListener("abort", leave);
    }
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
    // Whatever waits now may have to wait for a thread that is held up: look again then.
    if (this.#queue.length > 0) this.#timer = setTimeout(() => this.#dispatch(), this.#heldUpAfter);
  }

  /**
   * First come, first served, but what runs in the background last. Scans are long, and so may be
   * listings that nobody waits for: one thread is kept from both.
   */
  #nextJob(): number {
    const heldUp = this.#heldUp();
    const running = [...this.#busy.values()].filter((job) => !heldUp.includes(job));
    const most = Math.max(this.#size - 1, 1);
    const mayBeLong = running.filter(isLong).length < most;
    const hanging = new Set(heldUp.map(({ hash }) => hash));
    const isReady = (job: Job) =>
      (mayBeLong || !isLong(job)) && (job.hash === undefined || !hanging.has(job.hash));
    const first = this.#queue.findIndex((job) => !job.background && isReady(job));
    return first >= 0 ? first : this.#queue.findIndex(isReady);
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
    const worker = new Worker(import.meta.resolve("./worker.ts"), { type: "module" });
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
    else job?.reject(new StorageError(answer.code, answer.message));
    this.#dispatch();
  }

  #take(worker: Worker) {
    const job = this.#busy.get(worker);
    this.#busy.delete(worker);
    return job;
  }
}

function isListing(task: keyof Tasks) {
  return task === "list" || task === "directories" || task === "folders";
}

function hasListing({ call }: Job) {
  return isListing(call.task);
}

function isLong({ call, background }: Job) {
  return call.task === "checksum" || background === true;
}

function closed() {
  return new StorageError("ECANCELED", "read: the source is closed");
}
