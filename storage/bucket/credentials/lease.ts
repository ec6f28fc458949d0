/**
 * Credentials and how long they hold.
 *
 * @module
 */

import { ConfigError } from "../../../lib/config.ts";
import { StorageError } from "../../errors.ts";

/** The code of the error for credentials that cannot be had now. */
const NO_CREDENTIALS = "ECREDENTIALS";

/** What requests are signed with. */
export interface Credentials {
  /** Public part. */
  readonly accessKeyId: string;
  /** Secret part. */
  readonly secretAccessKey: string;
  /** Comes with credentials that end. */
  readonly sessionToken?: string;
}

/** Credentials that may end. Times are in milliseconds since 1970. */
export interface Lease {
  /** What requests are signed with. */
  readonly credentials: Credentials;
  /** When others should be asked for. */
  readonly renewMs: number;
  /** When they end; `Infinity` for never. */
  readonly endMs: number;
}

/** Gets credentials from where they are given. */
export type LoadLease = () => Promise<Lease>;

/** Credentials that end are renewed so long before, in milliseconds. */
const RENEW_BEFORE_MS = 5 * 60_000;

/** Credentials that nobody says an end of. */
export function lasting(credentials: Credentials, renewMs = Infinity): Lease {
  return { credentials, renewMs, endMs: Infinity };
}

/**
 * Credentials that end, to be renewed five minutes before, or at half of their time if that is less.
 *
 * @throws {StorageError} if they have ended already
 */
export function ending(
  credentials: Credentials,
  { now, endMs, from }: { readonly now: number; readonly endMs: number; readonly from: string },
): Lease {
  if (Number.isNaN(endMs)) throw failure(`${from}: the answer does not tell when they end`);
  if (endMs <= now) throw failure(`${from}: they have ended already, by the clock of this machine`);
  return { credentials, endMs, renewMs: endMs - Math.min(RENEW_BEFORE_MS, (endMs - now) / 2) };
}

/** What nobody has to change a setting for: it may well succeed later. */
export function failure(why: string): StorageError {
  return new StorageError(NO_CREDENTIALS, `credentials of the bucket: ${why}`);
}

/** A part of credentials, from a setting. It is never in a message. */
export interface GivenPart {
  /** The name of the setting. */
  readonly name: string;
  /** Its text. */
  readonly text: string;
}

/**
 * A part of credentials without the white space around it.
 *
 * @throws {ConfigError} if it is not made of visible ASCII characters
 */
export function checkPart({ name, text }: GivenPart): string {
  const part = text.trim();
  if (/^[\x21-\x7e]+$/.test(part)) return part;
  throw new ConfigError(
    `${name}: is empty or has characters that are not allowed; use visible ASCII`,
  );
}
