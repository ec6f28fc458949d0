/**
 * The asynchronous face of the file of `--checksums`: a thread does the work, and nobody waits for a
 * disk that hangs.
 *
 * @module
 */

import type { IndexKey, IndexRow } from "./checksum_index.ts";
import type { ChecksumAnswer, ChecksumCall } from "./checksum_worker.ts";
import { StorageError } from "./errors.ts";

/** How long a task may take, in milliseconds: longer than another process keeps the file locked. */
const PATIENCE_MS = 10_000;

/** CRC-32 values in an SQLite file that other processes may use as well. */
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
    return this.#ask({ path: this.#path, keys });
  }

  /**
   * Keeps these, or forgets them, all or none.
   *
   * @throws {StorageError} `EINDEX` if the file cannot be used
   */
  async remember(rows: readonly IndexRow[]): Promise<void> {
    await this.#ask({ path: this.#path, rows });
  }

  /** Ends the thread. */
  [Symbol.dispose]() {
    this.#end(new StorageError("EINDEX", "the file of --checksums: closed"));
  }

  /** One task at a time. */
  async #ask(call: ChecksumCall): Promise<readonly (number | null)[]> {
    const turn = this.#last.then(() => this.#post(call));
    this.#last = turn.catch(() => {});
    return await turn;
  }

  async #post(call: ChecksumCall): Promise<readonly (number | null)[]> {
    const worker = this.#worker ??= new Worker(import.meta.resolve("./checksum_worker.ts"), {
      type: "module",
    });
    const { promise, resolve, reject } = Promise.withResolvers<readonly (number | null)[]>();
    this.#fail = reject;
    const hangs = () => this.#end(new StorageError("EINDEX", "the file of --checksums: it hangs"));
    const timer = setTimeout(hangs, PATIENCE_MS);
    worker.onmessage = ({ data }: MessageEvent<ChecksumAnswer>) => {
      if ("values" in data) resolve(data.values);
      else reject(new StorageError("EINDEX", data.message));
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
