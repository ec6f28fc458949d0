/**
 * `zipferry warm`: works out the CRC-32 values ahead of the first download, and with `--digest` the
 * SHA-256 of whole archives.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Archive, Engine } from "../engines/engine.ts";
import { createStoreEngine } from "../engines/store.ts";
import { describeError } from "../lib/log.ts";
import type { Checksums } from "../storage/checksums.ts";
import { StorageError } from "../storage/errors.ts";
import { Settling } from "../storage/settling.ts";
import type { DigestKeeper, FileSource } from "../storage/source.ts";
import { type UpkeepOptions, warm } from "../storage/upkeep.ts";
import { type ArchivesOptions, workThrough } from "./archives.ts";
import { print, printFiles } from "./terminal.ts";

/** A digest counts for bytes that nobody changes any more: so long, in milliseconds. */
const QUIET_MS = 2000;

/** A CRC-32 that was kept may prove wrong; the second time it was worked out anew. */
const ATTEMPTS = 2;

/** What is to be worked out. */
export interface WarmOptions extends Omit<ArchivesOptions, "command"> {
  /** Whether the SHA-256 of each archive is as well. @default false */
  readonly digest?: boolean;
}

/** Fills the file of `--checksums`. The exit code is 1 if a file or an archive could not be read. */
export async function warmCommand({ digest, ...options }: WarmOptions): Promise<number> {
  const { failed, undigested } = await workThrough(
    { ...options, command: "warm" },
    async (work) => {
      const failed = await warm(work);
      return { failed, undigested: digest ? await warmDigests(work) : [] };
    },
  );
  printFiles("cannot be read", failed);
  for (const { hash, why } of undigested) print(`no SHA-256: ${JSON.stringify(hash)}: ${why}`);
  return failed.length + undigested.length > 0 ? 1 : 0;
}

interface Undigested {
  readonly hash: string;
  readonly why: string;
}

interface DigestWork {
  readonly source: FileSource;
  readonly checksums: Checksums;
  readonly digests: DigestKeeper;
  readonly settling: Settling;
  readonly engine: Engine;
  /** Told how many bytes of an archive were read on. */
  readonly onBytes: (bytes: number) => void;
}

/** Works out the digest of every archive of which none is kept; returns those that failed. */
async function warmDigests(options: UpkeepOptions): Promise<readonly Undigested[]> {
  const { source, checksums, hashes, onProgress } = options;
  const { digests } = source;
  if (!digests) throw new StorageError("EINDEX", "the file of --checksums cannot keep digests");
  const engine = createStoreEngine({ source, checksums });
  const settling = new Settling(source, { quiet: QUIET_MS });
  const total = onProgress ? await totalOf(hashes, { source, engine }) : 0;
  let done = 0;
  const onBytes = (bytes: number) => onProgress?.({ done: Math.min(done += bytes, total), total });
  const failed: Undigested[] = [];
  for (const hash of hashes) {
    try {
      await warmDigest(hash, { source, checksums, digests, settling, engine, onBytes });
    } catch (error) {
      if (error instanceof StorageError && error.code === "EINDEX") throw error;
      failed.push({ hash, why: describeError(error, hash) });
    }
  }
  return failed;
}

async function totalOf(
  hashes: readonly string[],
  { source, engine }: Pick<DigestWork, "source" | "engine">,
): Promise<number> {
  let total = 0;
  for (const hash of hashes) {
    const listing = await source.list(hash).catch(() => null);
    total += listing ? engine.prepare(listing).size ?? 0 : 0;
  }
  return total;
}

/** An archive that is gone by now has no digest, and that is no failure. */
async function warmDigest(hash: string, work: DigestWork): Promise<void> {
  const { source, digests, settling, engine, onBytes } = work;
  const listing = await settling.list(hash);
  if (!listing) return;
  const archive = engine.prepare(listing);
  const { version, size } = archive;
  if (version === null || !listing.settled) throw new Error("its times tell no state from another");
  if (await digests.recall({ hash, version })) return onBytes(size ?? 0);
  const sha256 = await digestOf(archive, work);
  const after = await source.list(hash);
  if (!after?.settled || engine.prepare(after).version !== version) {
    throw new Error("changed while it was read");
  }
  await digests.remember({ hash, version, sha256 });
}

async function digestOf(
  archive: Archive,
  { checksums, onBytes }: Pick<DigestWork, "checksums" | "onBytes">,
): Promise<string> {
  for (let attempt = 1;; attempt++) {
    const sha256 = createHash("sha256");
    try {
      for await (const bytes of await archive.open()) {
        sha256.update(bytes);
        onBytes(bytes.length);
      }
      return sha256.digest("hex");
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await checksums.flush(); // so that the source forgets what proved wrong
    }
  }
}
