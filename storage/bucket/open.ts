/**
 * Puts a bucket's source together: credentials, client, and a first look.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { describeError, log } from "../../lib/log.ts";
import { StorageError } from "../errors.ts";
import { BucketSource, type BucketSourceOptions } from "./bucket.ts";
import { BucketClient } from "./client.ts";
import { findCredentials } from "./credentials/find.ts";
import type { Environment } from "./credentials/profile.ts";
import { assertReadable } from "./readable.ts";
import type { BucketAccess } from "./settings.ts";

/** Requests at a time, where there are file descriptors for them, and the least. */
const MAX_REQUESTS = 64;
const MIN_REQUESTS = 4;

/** Of the requests, this part may be bodies that wait for their reader. */
const WAITING_SHARE = 3 / 4;

/** The pauses of a start that waits for the store: the first, and the longest, in milliseconds. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 5000;

/** Which bucket is opened, and how. */
export interface OpenBucketOptions
  extends Omit<BucketSourceOptions, "store" | "bucket" | "prefix" | "times" | "maxOpen"> {
  /** The bucket and how it is reached. */
  readonly access: BucketAccess;
  /** Looks up an environment variable; empty counts as not set. */
  readonly env: Environment;
  /** Connections that there are file descriptors for. @default as many as it can use */
  readonly sockets?: number;
  /**
   * Milliseconds in which what may pass is tried again: a machine that starts may have no network yet.
   *
   * @default 0
   */
  readonly patience?: number;
}

/** A source, and the connections that it needs: both end together. */
export interface OpenBucket extends Disposable {
  /** The photos folder. */
  readonly source: BucketSource;
}

/**
 * Opens a photos folder in a bucket.
 *
 * @throws {ConfigError} if it cannot be listed until somebody changes a setting, or a policy
 * @throws {StorageError} if it cannot be listed now
 */
export async function openBucket(options: OpenBucketOptions): Promise<OpenBucket> {
  const { access, env, sockets = MAX_REQUESTS, patience = 0, ...others } = options;
  const { bucket, prefix, times, region } = access;
  const credentials = access.anonymous ? null : await findCredentials({ env, region, onFailure });
  const maxRequests = Math.max(MIN_REQUESTS, Math.min(MAX_REQUESTS, sockets));
  using started = new DisposableStack();
  const store = started.use(new BucketClient({ ...access, credentials, maxRequests }));
  const look = async () => {
    await credentials?.(); // what is wrong with them is told in their own words
    await assertReadable({ access, store });
  };
  await waitFor(look, patience);
  const maxOpen = Math.floor(maxRequests * WAITING_SHARE);
  const source = started.use(
    new BucketSource({ onIndexFailure, ...others, store, bucket, prefix, times, maxOpen }),
  );
  const all = started.move();
  return { source, [Symbol.dispose]: () => all.dispose() };
}

/** Tries again what may pass, for so many milliseconds. */
async function waitFor(look: () => Promise<void>, patience: number) {
  const end = performance.now() + patience;
  for (let pause = FIRST_PAUSE_MS;; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof StorageError) || performance.now() + pause > end) throw error;
      log.warn("waiting for the object store: {why}", { why: describeError(error) });
    }
    await sleep(pause);
  }
}

function onFailure(error: unknown) {
  log.warn("cannot renew now: {why}", { why: describeError(error) });
}

function onIndexFailure(error: unknown) {
  log.warn("going on without the file of --checksums: {why}", { why: describeError(error) });
}
