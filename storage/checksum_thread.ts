/**
 * The asynchronous face of the file of `--checksums`: a thread does the work, and nobody waits for a
 * disk that hangs.
 *
 * @module
 */

import type { DigestCall, IndexKey, IndexRow } from "./checksum_index.ts";
import type { ChecksumAnswer, ChecksumCall } from "./checksum_worker.ts";
import { StorageError } from "./errors.ts";

/** How long a task may take, in milliseconds: longer than another process keeps the file locked. */
const PATIENCE_MS = 10_000;

type Known = Exclude<ChecksumAnswer, { readonly message: string }>;

/** Checksums in an SQLite file that other processes may use as well. */
export class ChecksumThread implements Disposable {
  readonly #path: string;
  #worker: Worker | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #fail: ((error: StorageError) => void) | undefined;

  /** Takes the path of the file, which is made if there is none. */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The CRC-32 of each file, null where it is unknown or the file is another one by now.
   *
   * @throws {StorageError} `EINDEX` if the file cannot be used
   */
  recall(keys: readonly IndexKey[]): Promise<readonly (number | null)[]> {
    return this.#askValues({ keys });
  }

  /**
   * Keeps these, or forgets them, all or none.
   *
   * @throws {StorageError} `EINDEX` if the file cannot be used
   */
  async remember(rows: readonly IndexRow[]): Promise<void> {
    await this.#askValues({ rows });
  }

  /**
   * Keeps, forgets and finds digests: see {@link ChecksumIndex.digests}.
   *
   * @throws {StorageError} `EINDEX` if the file cannot be used
   */
  async digests(call: DigestCall): Promise<string | null> {
    const answer = await this.#ask({ path: this.#path, digests: call });
    return "digest" in answer ? answer.digest : null;
  }

  /** Ends the thread. */
  [Symbol.dispose]() {
    this.#end(new StorageError("EINDEX", "the file of --checksums: closed"));
  }

  async #askValues(call: Omit<ChecksumCall, "path">): Promise<readonly (number | null)[]> {
    const answer = await this.#ask({ path: this.#path, ...call });
    return "values" in answer ? answer.values : [];
  }

  /** One task at a time. */
  async #ask(call: ChecksumCall): Promise<Known> {
    const turn = this.#last.then(() => this.#post(call));
    this.#last = turn.catch(() => {});
    return await turn;
  }

  async #post(call: ChecksumCall): Promise<Known> {
    const worker = this.#worker ??= new Worker(import.meta.resolve("./checksum_worker.ts"), {
      type: "module",
    });
    const { promise, resolve, reject } = Promise.withResolvers<Known>();
    this.#fail = reject;
    const hangs = () => this.#end(new StorageError("EINDEX", "the file of --checksums: it hangs"));
    const timer = setTimeout(hangs, PATIENCE_MS);
    worker.onmessage = ({ data }: MessageEvent<ChecksumAnswer>) => {
      if ("message" in data) reject(new StorageError("EINDEX", data.message));
      else resolve(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#end(new StorageError("EINDEX", event.message));
    };
    worker.postMessage(call);
    return await promise.finally(() => clearTimeout(timer));
  }

  /** A thread that hangs is left to itself; the next task gets another one. */
  #end(reason: StorageError) {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#fail?.(reason);
  }
}
