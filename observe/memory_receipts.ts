/**
 * Receipts in memory: until the service ends, and for a bounded number of archives.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import {
  applyUpdate,
  type Delivery,
  type Receipt,
  receiptOf,
  type ReceiptState,
  type ReceiptStore,
  type RequestUpdate,
} from "../lib/receipts.ts";

/** Versions of all archives together: some 5 MB at most. */
const MAX_VERSIONS = 10_000;

/** Versions of one archive. */
const MAX_VERSIONS_OF_ONE = 20;

/** The versions of an archive, the one that was asked for last at the end. */
type Versions = ReadonlyMap<string | null, ReceiptState>;

/** Keeps the receipts of those archives that were asked for last. */
export class MemoryReceipts implements ReceiptStore {
  readonly #archives: LRUCache<string, Versions>;

  /** At most `max` versions of archives are kept, all together. */
  constructor(max: number = MAX_VERSIONS) {
    this.#archives = new LRUCache({ maxSize: max, sizeCalculation: ({ size }) => size });
  }

  /** Takes updates in; the deliveries that are complete with them. */
  apply(updates: readonly RequestUpdate[]): Promise<Delivery[]> {
    return Promise.resolve(updates.flatMap((update) => this.#apply(update)));
  }

  /** All versions of an archive that are known, the latest one first. */
  find(hash: string): Promise<Receipt[]> {
    const versions = this.#archives.get(hash) ?? new Map();
    return Promise.resolve([...versions.values()].reverse().map(receiptOf));
  }

  /** Nothing to end. */
  close() {}

  #apply(update: RequestUpdate): Delivery[] {
    const { hash, etag } = update;
    const before = this.#archives.get(hash) ?? new Map<string | null, ReceiptState>();
    const { state, delivered } = applyUpdate(before.get(etag), update);
    const others = [...before].filter(([key]) => key !== etag);
    if (others.length >= MAX_VERSIONS_OF_ONE) others.splice(leastWanted(others), 1);
    this.#archives.set(hash, new Map([...others, [etag, state]]));
    return delivered ? [{ hash, ...receiptOf(state) }] : [];
  }
}

/** The oldest choice of files; the oldest version of all where there is none. */
function leastWanted(versions: readonly (readonly [string | null, ReceiptState])[]) {
  return Math.max(0, versions.findIndex(([, { chosen }]) => chosen));
}
