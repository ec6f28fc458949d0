/**
 * Puts a bucket's source together: credentials, client, and a first look.
 *
 * @module
 */

import { describeError, log } from "../../lib/log.ts";
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

/** Which bucket is opened, and how. */
export interface OpenBucketOptions
  extends Omit<BucketSourceOptions, "store" | "bucket" | "prefix" | "times" | "maxOpen"> {
  /** The bucket and how it is reached. */
  readonly access: BucketAccess;
  /** Looks up an environment variable; empty counts as not set. */
  readonly env: Environment;
  /** Connections that there are file descriptors for. @default as many as it can use */
  readonly sockets?: number;
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
  const { access, env, sockets = MAX_REQUESTS, ...others } = options;
  const { bucket, prefix, times, region } = access;
  const credentials = access.anonymous ? null : await findCredentials({ env, region, onFailure });
  await credentials?.(); // what is wrong with them is told in their own words
  const maxRequests = Math.max(MIN_REQUESTS, Math.min(MAX_REQUESTS, sockets));
  using started = new DisposableStack();
  const store = started.use(new BucketClient({ ...access, credentials, maxRequests }));
  await assertReadable({ access, store });
  const maxOpen = Math.floor(maxRequests * WAITING_SHARE);
  const source = started.use(
    new BucketSource({ onIndexFailure, ...others, store, bucket, prefix, times, maxOpen }),
  );
  const all = started.move();
  return { source, [Symbol.dispose]: () => all.dispose() };
}

function onFailure(error: unknown) {
  log.warn("cannot renew now: {why}", { why: describeError(error) });
}

function onIndexFailure(error: unknown) {
  log.warn("going on without the file of --checksums: {why}", { why: describeError(error) });
}
