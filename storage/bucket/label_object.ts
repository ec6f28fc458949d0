/**
 * The label of an archive in a bucket.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import { StorageError } from "../errors.ts";
import { decodeLabel, MAX_LABEL_BYTES } from "../label.ts";
import type { ObjectFacts } from "./client.ts";
import type { ObjectStore } from "./store.ts";

/** What is remembered of labels takes no more than so many bytes, as their objects are long. */
const MAX_KEPT_BYTES = 1 << 20;

/** A label that is replaced while it is read is read again, at most so often. */
const ATTEMPTS = 3;

/**
 * Labels as they are now. Each look is a HeadObject; GetObject follows only where the object is not the
 * one that was read before.
 */
export class LabelObjects {
  readonly #store: ObjectStore;
  readonly #kept = new LRUCache<string, { readonly etag: string; readonly text: string }>({
    maxSize: MAX_KEPT_BYTES,
    sizeCalculation: ({ text }) => text.length + 1,
  });

  /** Asks for nothing yet. */
  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /**
   * Text of the label under a key; null if there is none.
   *
   * @throws {StorageError} `EFBIG` if it is too long, `ESTALE` if it is replaced again and again
   */
  async read(key: string, signal?: AbortSignal): Promise<string | null> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#readOnce(key, signal);
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        if (error.code === "ENOENT") return null;
        if (error.code !== "ESTALE" || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async #readOnce(key: string, signal?: AbortSignal): Promise<string> {
    const facts = await this.#store.head(key, { signal });
    if (facts.size > MAX_LABEL_BYTES) {
      throw new StorageError("EFBIG", `read label: EFBIG: more than ${MAX_LABEL_BYTES} bytes`);
    }
    const kept = this.#kept.get(key);
    if (kept?.etag === facts.etag) return kept.text;
    const text = await this.#download(facts, signal);
    this.#kept.set(key, { etag: facts.etag, text });
    return text;
  }

  async #download(facts: ObjectFacts, signal?: AbortSignal): Promise<string> {
    const into = new Uint8Array(facts.size);
    if (facts.size > 0) await this.#store.read(facts, { offset: 0, into, signal });
    return decodeLabel(into);
  }
}
