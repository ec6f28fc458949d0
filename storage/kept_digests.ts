/**
 * SHA-256 values of whole archives that a source keeps. Whoever serves only looks them up: nothing is
 * worked out, and no download waits for long.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import type { DigestCall } from "./checksum_index.ts";
import type { ArchiveDigest, ArchiveVersion, DigestKeeper } from "./source.ts";

/** What was found, or not found, is not asked for again so long, in milliseconds. */
const FRESH_MS = 10_000;

/** A request waits no longer than this for an answer, in milliseconds. */
const PATIENCE_MS = 250;

/** At most this many answers are remembered. */
const MAX_REMEMBERED = 10_000;

/** Where digests are kept. */
export interface KeptDigestsOptions {
  /** Address of the photos folder, ending in `/`. */
  readonly address: string;
  /** Asks the file; rejects if it cannot be used. */
  readonly ask: (call: DigestCall) => Promise<string | null>;
  /** How long an answer counts, in milliseconds. @default 10000 */
  readonly fresh?: number;
  /** How long a request waits for one, in milliseconds. @default 250 */
  readonly patience?: number;
}

/** The digests of the archives of one photos folder. */
export class KeptDigests implements DigestKeeper {
  readonly #address: string;
  readonly #ask: KeptDigestsOptions["ask"];
  readonly #patience: number;
  readonly #answers: LRUCache<string, Promise<string | null>>;

  /** Asks for nothing yet. */
  constructor(options: KeptDigestsOptions) {
    this.#address = options.address;
    this.#ask = options.ask;
    this.#patience = options.patience ?? PATIENCE_MS;
    this.#answers = new LRUCache({
      max: MAX_REMEMBERED,
      ttl: options.fresh ?? FRESH_MS,
      ttlResolution: 0, // it would keep a timer
    });
  }

  /** The digest of that version; null if it is not known, or the file does not answer in time. */
  async recall({ hash, version }: ArchiveVersion): Promise<string | null> {
    const key = `${hash}:${version}`;
    let answer = this.#answers.get(key);
    if (!answer) {
      answer = this.#ask({ find: { archive: this.#address + hash, version } }).catch(() => null);
      this.#answers.set(key, answer);
    }
    const waiting = new AbortController();
    const late = sleep(this.#patience, null, { signal: waiting.signal }).catch(() => null);
    return await Promise.race([answer, late]).finally(() => waiting.abort());
  }

  /**
   * Keeps a digest in place of what is kept of the archive.
   *
   * @throws {StorageError} `EINDEX` if the file cannot be used
   */
  async remember({ hash, version, sha256 }: ArchiveDigest): Promise<void> {
    await this.#ask({ keep: { archive: this.#address + hash, version, sha256 } });
    this.#answers.set(`${hash}:${version}`, Promise.resolve(sha256));
  }

  /**
   * Forgets digests of archives, whatever the version: one of their files is not what it seemed.
   *
   * @throws {StorageError} `EINDEX` if the file cannot be used
   */
  async forget(hashes: readonly string[]): Promise<void> {
    if (hashes.length === 0) return;
    for (const key of [...this.#answers.keys()]) {
      if (hashes.some((hash) => key.startsWith(`${hash}:`))) this.#answers.delete(key);
    }
    await this.#ask({ forget: hashes.map((hash) => this.#address + hash) });
  }
}

/** The archives in which a CRC-32 turned out to be wrong. */
export function archivesToForget(
  values: readonly { readonly file: { readonly hash: string }; readonly crc32: number | null }[],
): string[] {
  const wrong = values.filter(({ crc32 }) => crc32 === null);
  return [...new Set(wrong.map(({ file }) => file.hash))];
}
