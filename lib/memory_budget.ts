/**
 * One ceiling for what requests take of memory: whoever would pass it waits, and is refused where that
 * takes too long.
 *
 * @module
 */

/** How long a reservation waits for others to end, in milliseconds. */
const PATIENCE_MS = 10_000;

/** The process may have room again without anybody telling: so it is looked at this often, in ms. */
const LOOK_MS = 100;

/** So many reservations may wait: the less memory, the fewer, since whoever waits takes some too. */
const MIN_WAITING = 64;
const MAX_WAITING = 1000;
const WAITING_BYTES = 256 << 10;

/** What there is to share. */
export interface MemoryBudgetOptions {
  /** Bytes for all together. */
  readonly limit: number;
  /**
   * Bytes by which the process may really grow now: estimates can be wrong, and garbage waits for its
   * collector. While nothing is counted, nobody asks. @default any
   */
  readonly room?: () => number;
  /** A reservation that waits longer is refused. Milliseconds. @default 10,000 */
  readonly patience?: number;
  /**
   * At most this many reservations wait at the same time.
   *
   * @default one for each 256 KiB of `limit`, 64 to 1000
   */
  readonly maxWaiting?: number;
}

/** Memory that is counted until this is disposed of; a second time does nothing. */
export interface Reservation extends Disposable {
  /** Bytes. */
  readonly bytes: number;
}

/** Thrown where there is no memory now; there may be some later. */
export class MemoryBudgetError extends Error {
  /** Always `MemoryBudgetError`. */
  override readonly name = "MemoryBudgetError";
}

/** What several use is counted once. */
interface Shared {
  users: number;
  readonly reservation: Reservation;
}

interface Waiting {
  readonly bytes: number;
  readonly grant: (reservation: Reservation) => void;
}

/** What is counted are estimates, made on the safe side; the runtime itself is not counted. */
export class MemoryBudget {
  /** Bytes for all together. */
  readonly limit: number;
  readonly #room: () => number;
  readonly #patience: number;
  readonly #maxWaiting: number;
  readonly #waiting: Waiting[] = [];
  readonly #shared = new Map<object, Shared>();
  #used = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #soon: ReturnType<typeof setTimeout> | undefined;

  /** Nothing is used yet. */
  constructor(options: MemoryBudgetOptions) {
    const { limit, room = () => Infinity } = options;
    this.limit = limit;
    this.#room = room;
    this.#patience = options.patience ?? PATIENCE_MS;
    this.#maxWaiting = options.maxWaiting ?? waitingFor(limit);
  }

  /** Bytes that are counted now. */
  get used(): number {
    return this.#used;
  }

  /** How many reservations wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Counts bytes as soon as there is room for them. First come, first served, but whoever needs much
   * keeps nobody waiting who needs less.
   *
   * @throws {MemoryBudgetError} if there is none in time, or never can be
   */
  async reserve(bytes: number, signal?: AbortSignal): Promise<Reservation> {
    signal?.throwIfAborted();
    if (bytes > this.limit) {
      throw new MemoryBudgetError(`needs ${mib(bytes)}, more than --memory ${mib(this.limit)}`);
    }
    const reservation = this.tryReserve(bytes);
    if (reservation) return reservation;
    if (this.#waiting.length >= this.#maxWaiting) throw this.#refusal(bytes);
    return await this.#wait(bytes, signal);
  }

  /** Counts bytes if there is room for them now, and nobody waits for as much or less; else null. */
  tryReserve(bytes: number): Reservation | null {
    const isNext = this.#waiting.every((other) => other.bytes > bytes);
    return isNext && this.#hasRoom(bytes) ? this.count(bytes) : null;
  }

  /** Counts bytes that are in use already, room or not. */
  count(bytes: number): Reservation {
    this.#used += bytes;
    return once(bytes, () => {
      this.#used -= bytes;
      this.#grantSoon();
    });
  }

  /** The same of a thing that several use: its bytes count once, until the last of them is done. */
  countShared(thing: object, bytes: number): Reservation {
    const shared = this.#shared.get(thing) ?? { users: 0, reservation: this.count(bytes) };
    shared.users++;
    this.#shared.set(thing, shared);
    return once(shared.reservation.bytes, () => {
      if (--shared.users > 0) return;
      this.#shared.delete(thing);
      shared.reservation[Symbol.dispose]();
    });
  }

  async #wait(bytes: number, signal?: AbortSignal): Promise<Reservation> {
    const { promise, resolve, reject } = Promise.withResolvers<Reservation>();
    const waiting: Waiting = { bytes, grant: resolve };
    const leave = (reason: unknown) => {
      const at = this.#waiting.indexOf(waiting);
      if (at < 0) return; // it has its room already
      this.#waiting.splice(at, 1);
      this.#restIfNobodyWaits();
      reject(reason);
    };
    const abort = () => leave(signal?.reason);
    const timer = setTimeout(() => leave(this.#refusal(bytes)), this.#patience);
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiting.push(waiting);
    this.#timer ??= setInterval(() => this.#grant(), LOOK_MS);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Not at once: whoever gives memory back may be about to count what was made of it. */
  #grantSoon() {
    if (this.#waiting.length > 0) this.#soon ??= setTimeout(() => this.#grant());
  }

  #grant() {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    for (const waiting of [...this.#waiting]) {
      if (!this.#hasRoom(waiting.bytes)) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.grant(this.count(waiting.bytes));
    }
    this.#restIfNobodyWaits();
  }

  #restIfNobodyWaits() {
    if (this.#waiting.length > 0) return;
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#timer = this.#soon = undefined;
  }

  #hasRoom(bytes: number) {
    if (this.#used + bytes > this.limit) return false;
    return this.#used === 0 || bytes <= this.#room();
  }

  #refusal(bytes: number) {
    const [used, limit] = [mib(this.#used), mib(this.limit)];
    return new MemoryBudgetError(
      `needs ${mib(bytes)}, and ${used} of --memory ${limit} are in use`,
    );
  }
}

/** Memory for all requests where nothing is limited: what counts is told to nobody. */
export function unlimitedMemory(): MemoryBudget {
  return new MemoryBudget({ limit: Infinity });
}

function waitingFor(limit: number) {
  return Math.min(Math.max(Math.floor(limit / WAITING_BYTES), MIN_WAITING), MAX_WAITING);
}

function once(bytes: number, end: () => void): Reservation {
  let isCounted = true;
  return {
    bytes,
    [Symbol.dispose]() {
      if (!isCounted) return;
      isCounted = false;
      end();
    },
  };
}

function mib(bytes: number) {
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
