/**
 * The threads of the disk, and what waits for them: downloads first, and no folder on a disk that
 * hangs before the others.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import type { PoolStats } from "../../lib/stats.ts";
import { StorageError } from "../errors.ts";
import { entriesIn } from "../listing.ts";
import type { LookRequest } from "./shared_looks.ts";
import type { Walked } from "./walk.ts";
import type { Answer, Call, Tasks } from "./worker.ts";

/** A task that takes longer is held up, by a disk that hangs. Milliseconds. */
export const HELD_UP_MS = 3000;

/** An archive whose task took longer is on a slow disk, for now. Milliseconds. */
const SLOW_MS = 200;

/** At most this many archives are known to be on slow disks. */
const MAX_SLOW = 1000;

/** At most this many threads take the places of those that are held up. */
const MAX_SPARE = 8;

/** At most this many listings wait for a thread; reads are bounded by the downloads they are for. */
const MAX_WAITING = 1000;

/**
 * A thread that made a listing of so many entries ends, and another one takes its place: its heap would
 * stay as large as that listing was.
 */
const LARGE_LISTING = 20_000;

/** A thread that cannot be started is tried again after this time at the earliest. Milliseconds. */
const RESTART_MS = 1000;

/** A task that finds no file descriptor is done again after this time, in milliseconds. */
const AGAIN_MS = 50;

/** At most this often. */
const MAX_AGAIN = 200;

/** Where threads find file descriptors when there are hardly any left. */
export interface Descriptors {
  /** Does what needs descriptors with those that are kept back. */
  lend<T>(work: () => T): T;
  /** Told that a task found none: whatever is kept back should be let go. */
  runOut(): void;
  /** At most this many files stay open between two reads. @default 40 */
  readonly openFiles?: number;
}

/** How many threads there are. */
export interface PoolOptions {
  /** Threads that read. @default as many as cores, 2 to 4 */
  readonly workers?: number;
  /** A task counts as held up after this many milliseconds. @default 3000 */
  readonly heldUpAfter?: number;
  /** At most this many listings wait for a thread. @default 1000 */
  readonly maxWaiting?: number;
  /** File descriptors that are kept back for threads. @default none */
  readonly descriptors?: Descriptors;
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
  /** How often it found no file descriptor. */
  again: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A pool of threads, started as they are needed, or all at once by {@link Pool.start}.
 *
 * A folder on a disk that hangs holds up the threads that read in it. Others take their places, and
 * none of them reads in that folder until one comes back: so all other folders go on.
 */
export class Pool implements Disposable {
  readonly #size: number;
  readonly #heldUpAfter: number;
  readonly #maxWaiting: number;
  readonly #descriptors: Descriptors | undefined;
  /** Threads that are not there yet, and who waits for each. */
  readonly #starting = new Map<Worker, () => void>();
  /** Archives whose last read took long. */
  readonly #slow = new LRUCache<string, true>({ max: MAX_SLOW });
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
  readonly #queue: Job[] = [];
  readonly #later = new Map<ReturnType<typeof setTimeout>, Job>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failedAt = -Infinity;
  #closed = false;

  /** Starts no thread yet: each comes with the first task that needs it. */
  constructor(options: PoolOptions) {
    this.#size = options.workers ?? Math.min(Math.max(navigator.hardwareConcurrency, 2), 4);
    this.#heldUpAfter = options.heldUpAfter ?? HELD_UP_MS;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
    this.#descriptors = options.descriptors;
  }

  /**
   * Starts all threads, those for folders that hang not among them. Later, when clients have taken
   * the file descriptors, the runtime would end the whole process instead of starting one.
   */
  async start(): Promise<void> {
    const missing = this.#size - this.#count();
    await Promise.all(Array.from({ length: missing }, () => this.#hire()));
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
      again: 0,
      resolve: resolve as Job["resolve"],
      reject,
    };
    this.#queue.push(job);
    this.#dispatch();
    return options.signal ? this.#untilAborted(job, promise, options.signal) : promise;
  }

  /** How busy the threads are now. */
  stats(): PoolStats {
    const heldUp = this.#heldUp().length;
    const queued = this.#queue.length + this.#later.size;
    return { queued, busy: this.#busy.size - heldUp, idle: this.#idle.length, heldUp };
  }

  /** Ends the threads; what they were at is lost. */
  [Symbol.dispose]() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#later.forEach((_, timer) => clearTimeout(timer));
    const workers = [...this.#idle, ...this.#busy.keys(), ...this.#starting.keys()];
    for (const worker of workers) worker.terminate();
    const jobs = [...this.#busy.values(), ...this.#queue, ...this.#later.values()];
    for (const job of jobs) job.reject(closed());
    for (const done of this.#starting.values()) done();
    this.#idle.length = this.#queue.length = 0;
    for (const map of [this.#busy, this.#starting, this.#later]) map.clear();
  }

  async #untilAborted<T>(job: Job, result: Promise<T>, signal: AbortSignal): Promise<T> {
    const leave = () => {
      const at = this.#queue.indexOf(job);
      if (at >= 0) this.#queue.splice(at, 1);
      const later = this.#later.entries().find(([, waiting]) => waiting === job);
      if (later) this.#later.delete(later[0]);
      clearTimeout(later?.[0]);
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
    for (let at = this.#nextJob(); at >= 0; at = this.#nextJob()) {
      const worker = this.#idle.pop();
      if (!worker) {
        this.#hireForQueue();
        break;
      }
      this.#give(worker, this.#queue.splice(at, 1)[0]);
    }
    // Whatever waits now may have to wait for a thread that is held up: look again then.
    clearTimeout(this.#timer);
    if (this.#queue.length > 0) this.#timer = setTimeout(() => this.#dispatch(), this.#heldUpAfter);
  }

  #give(worker: Worker, job: Job) {
    job.started = performance.now();
    this.#busy.set(worker, job);
    worker.postMessage(job.call);
  }

  /** Lets threads that have nothing to do help with the looks at a large folder. */
  #help(request: LookRequest, { hash, background }: RunOptions = {}) {
    if (this.#closed || background || this.#queue.length > 0) return;
    for (const worker of this.#idle.splice(0)) {
      const resolve = (more: unknown) => {
        if (more) this.#help(request, { hash });
      };
      const call: Call = { task: "look", request };
      this.#give(worker, { call, hash, started: 0, again: 0, resolve, reject: () => {} });
    }
  }

  /**
   * First come, first served, but what runs in the background last. Scans are long, and so may be
   * listings that nobody waits for, and everything on a slow disk: one thread is kept from them.
   */
  #nextJob(): number {
    const heldUp = this.#heldUp();
    const running = [...this.#busy.values()].filter((job) => !heldUp.includes(job));
    const most = Math.max(this.#size - 1, 1);
    const isLong = (job: Job) => this.#isLong(job);
    const mayBeLong = running.filter(isLong).length < most;
    const hanging = new Set(heldUp.map(({ hash }) => hash));
    const isReady = (job: Job) =>
      (mayBeLong || !isLong(job)) && (job.hash === undefined || !hanging.has(job.hash));
    const first = this.#queue.findIndex((job) => !job.background && isReady(job));
    return first >= 0 ? first : this.#queue.findIndex(isReady);
  }

  #isLong({ call, background, hash }: Job) {
    return call.task === "checksum" || background === true ||
      hash !== undefined && this.#slow.has(hash);
  }

  #heldUp(): Job[] {
    const since = performance.now() - this.#heldUpAfter;
    return [...this.#busy.values()].filter(({ started }) => started <= since);
  }

  /** How many threads there may be now. */
  #limit() {
    return this.#size + Math.min(this.#heldUp().length, MAX_SPARE);
  }

  #count() {
    return this.#busy.size + this.#idle.length + this.#starting.size;
  }

  /** One thread more for what waits; each that gets ready looks whether another one is needed. */
  #hireForQueue() {
    if (this.#count() >= this.#limit() || this.#starting.size >= this.#queue.length) return;
    const tooSoon = performance.now() - this.#failedAt < RESTART_MS;
    if (!tooSoon) this.#hire();
    if (this.#count() > 0) return;
    // There is nobody to wait for.
    for (const job of this.#queue.splice(0)) job.reject(noThread());
  }

  /** Resolves when the thread is there, or failed. */
  #hire(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const start = () => new Worker(import.meta.resolve("./worker.ts"), { type: "module" });
    let worker: Worker;
    try {
      worker = this.#descriptors ? this.#descriptors.lend(start) : start();
    } catch { // the system starts no thread more
      this.#failedAt = performance.now();
      return Promise.resolve();
    }
    this.#starting.set(worker, resolve);
    worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#settle(worker, data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(worker, event.message);
    };
    return promise;
  }

  #fail(worker: Worker, message: string) {
    worker.terminate();
    if (this.#starting.has(worker)) this.#failedAt = performance.now();
    this.#starting.get(worker)?.();
    this.#starting.delete(worker);
    this.#take(worker)?.reject(new Error(`read: worker failed: ${message}`));
    this.#dispatch();
  }

  #settle(worker: Worker, answer: Answer) {
    if ("help" in answer) return this.#help(answer.help, this.#busy.get(worker));
    const job = this.#take(worker);
    if (job) this.#learnPace(job);
    this.#starting.get(worker)?.();
    this.#starting.delete(worker);
    const spare = this.#count() >= this.#limit() || madeLargeListing(job, answer);
    if (spare) worker.terminate();
    else this.#idle.push(worker);
    if (job && !("ready" in answer)) this.#answer(job, answer);
    this.#dispatch();
  }

  /** A fill tells how fast its disk is; a scan or a listing may be long on any. */
  #learnPace({ call, hash, started }: Job) {
    if (call.task !== "fill" || hash === undefined) return;
    if (performance.now() - started > SLOW_MS) this.#slow.set(hash, true);
    else this.#slow.delete(hash);
  }

  #answer(job: Job, answer: Exclude<Answer, { ready: true } | { help: LookRequest }>) {
    if ("result" in answer) return job.resolve(answer.result);
    const { code, message } = answer;
    const isShort = code === "EMFILE" || code === "ENFILE";
    if (isShort && job.again++ < MAX_AGAIN && !job.signal?.aborted) this.#doAgain(job);
    else job.reject(new StorageError(code, message));
  }

  /** A download that only needs a file for an instant need not fail where there are too many clients. */
  #doAgain(job: Job) {
    this.#descriptors?.runOut();
    const timer = setTimeout(() => {
      this.#later.delete(timer);
      this.#queue.push(job);
      this.#dispatch();
    }, AGAIN_MS);
    this.#later.set(timer, job);
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

function madeLargeListing(job: Job | undefined, answer: Answer) {
  if (job?.call.task !== "list" || !("result" in answer)) return false;
  const listing = (answer.result as Walked | null)?.listing;
  return listing ? entriesIn(listing) >= LARGE_LISTING : false;
}

function noThread() {
  return new StorageError("EBUSY", "read: the system starts no thread more");
}

function closed() {
  return new StorageError("ECANCELED", "read: the source is closed");
}
