/**
 * The asynchronous face of the file of `--state`: a thread does the work, and nobody waits for a disk
 * longer than he wants to.
 *
 * @module
 */

import type { Delivery, Receipt, ReceiptStore, RequestUpdate } from "../../lib/receipts.ts";
import { StorageError } from "../errors.ts";
import { assertUsableFile } from "./index_file.ts";
import type { ReceiptAnswer, ReceiptCall } from "./receipt_worker.ts";

/** How long a task may take, in milliseconds: longer than another process keeps the file locked. */
const PATIENCE_MS = 10_000;

/** Receipts in an SQLite file that other processes may use as well. */
export class DiskReceipts implements ReceiptStore {
  readonly #path: string;
  #worker: Worker | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #hangs = false;

  /** Takes the path of the file, which is made if there is none. */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Looks through the file, which is made if there is none.
   *
   * @param keep whether a file that is made may stay
   * @throws {ConfigError} if it is something else, or cannot be read and written
   */
  async assertUsable(keep: boolean): Promise<void> {
    const open = () => this.#ask({ path: this.#path });
    await assertUsableFile(this.#path, { flag: "--state", keep, open });
  }

  /** Takes updates in; the deliveries that are complete with them. */
  async apply(updates: readonly RequestUpdate[]): Promise<Delivery[]> {
    return await this.#ask({ path: this.#path, updates }) as Delivery[];
  }

  /** All versions of an archive that are known, the latest one first. */
  async find(hash: string): Promise<Receipt[]> {
    return await this.#ask({ path: this.#path, hash }) as Receipt[];
  }

  /** Ends the thread. */
  close() {
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  /** One task at a time; while one hangs, others fail at once. */
  async #ask(call: ReceiptCall): Promise<unknown> {
    if (this.#hangs) throw new StorageError("ETIMEDOUT", "the file of --state: its disk hangs");
    const turn = this.#last.then(() => this.#post(call));
    this.#last = turn.catch(() => {});
    return await turn;
  }

  #post(call: ReceiptCall): Promise<unknown> {
    this.#worker ??= new Worker(import.meta.resolve("./receipt_worker.ts"), { type: "module" });
    const worker = this.#worker;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => {
      this.#hangs = true;
      reject(new StorageError("ETIMEDOUT", "the file of --state: its disk hangs"));
    }, PATIENCE_MS);
    worker.onmessage = ({ data }: MessageEvent<ReceiptAnswer>) => {
      clearTimeout(timer);
      this.#hangs = false;
      if ("result" in data) resolve(data.result);
      else reject(new StorageError("ESTATE", data.message));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      clearTimeout(timer);
      this.close();
      reject(new StorageError("ESTATE", event.message));
    };
    worker.postMessage(call);
    return promise;
  }
}
