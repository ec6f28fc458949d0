/**
 * The listener that keeps receipts: which archives were delivered, every byte of them.
 *
 * @module
 */

import type { Delivery, Receipt, ReceiptStore, RequestUpdate } from "../lib/receipts.ts";
import { MemoryReceipts } from "./memory_receipts.ts";
import type { Download, DownloadEnd, Observer } from "./observer.ts";

/** How long updates are gathered before the store gets them, in milliseconds. */
const GATHER_MS = 500;

/** At most this many updates wait while the store takes its time. */
const MAX_PENDING = 10_000;

/** What the listener works with. */
export interface ReceiptsOptions {
  /** Keeps the receipts. */
  readonly store: ReceiptStore;
  /** Told of each delivery once it is complete. */
  readonly onDelivered?: (delivery: Delivery) => void;
  /** Told when the store fails for the first time since it last worked. */
  readonly onFailure?: (error: unknown) => void;
  /** Told when updates are dropped for the first time, because the store takes too long. */
  readonly onDrop?: () => void;
}

/**
 * Gathers what downloads do and hands it to a store, which nothing waits for. What a store does not
 * take is kept in memory instead.
 */
export class Receipts implements Observer {
  readonly #options: ReceiptsOptions;
  readonly #spare = new MemoryReceipts();
  readonly #ids = new WeakMap<Download, string>();
  #pending = new Map<string, RequestUpdate>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #work: Promise<void> = Promise.resolve();
  #working = false;
  #failing = false;
  #dropped = false;

  /** Takes where receipts are kept, and who is told. */
  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /** A request begins. A choice of files without a name of its own could be taken for the whole. */
  started(download: Download) {
    if (download.chosen && download.etag === null) return;
    this.#ids.set(download, crypto.randomUUID());
    this.#note(download, { bytes: 0, isFirst: true, ended: null });
  }

  /** A request goes on. */
  progressed(download: Download, bytes: number) {
    this.#note(download, { bytes, isFirst: false, ended: null });
  }

  /** A request ends. */
  ended(download: Download, { kind, bytes }: DownloadEnd) {
    this.#note(download, { bytes, isFirst: false, ended: kind });
  }

  /**
   * All versions of an archive that are known, the latest one first.
   *
   * @throws {Error} the store's own, if it fails and memory knows nothing either
   */
  async find(hash: string): Promise<Receipt[]> {
    await this.flush();
    const spare = await this.#spare.find(hash);
    try {
      const kept = await this.#options.store.find(hash);
      return [...kept, ...spare.filter(({ etag }) => kept.every((other) => other.etag !== etag))];
    } catch (error) {
      if (spare.length === 0) throw error;
      return spare;
    }
  }

  /** Hands everything to the store. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#work = this.#work.then(() => this.#apply());
    await this.#work;
  }

  /** Hands everything to the store, and ends its use. */
  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
    this.#options.store.close();
  }

  #note(download: Download, change: Pick<RequestUpdate, "bytes" | "isFirst" | "ended">) {
    const id = this.#ids.get(download);
    if (id === undefined) return;
    const { hash, etag, size, start, chosen } = download;
    const isFirst = change.isFirst || (this.#pending.get(id)?.isFirst ?? false);
    const version = { hash, etag, size, ...chosen && { chosen } };
    const update = { id, ...version, start, ...change, isFirst, at: Date.now() };
    this.#pending.delete(id);
    this.#pending.set(id, update);
    if (this.#pending.size > MAX_PENDING) this.#drop();
    this.#schedule();
  }

  /** The store is asked again only when it has answered. */
  #schedule() {
    if (this.#working) return;
    this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  #drop() {
    const [oldest] = this.#pending.keys();
    this.#pending.delete(oldest);
    if (!this.#dropped) this.#options.onDrop?.();
    this.#dropped = true;
  }

  async #apply() {
    const updates = [...this.#pending.values()];
    if (updates.length === 0) return;
    this.#pending = new Map();
    this.#working = true;
    const deliveries = await this.#store(updates);
    this.#working = false;
    for (const delivery of deliveries) this.#options.onDelivered?.(delivery);
    if (this.#pending.size > 0) this.#schedule();
  }

  async #store(updates: readonly RequestUpdate[]): Promise<Delivery[]> {
    try {
      const deliveries = await this.#options.store.apply(updates);
      this.#failing = this.#dropped = false;
      return deliveries;
    } catch (error) {
      if (!this.#failing) this.#options.onFailure?.(error);
      this.#failing = true;
      return await this.#spare.apply(updates);
    }
  }
}
