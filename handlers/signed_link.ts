/**
 * Links that are signed and end: for whoever asks for one at the terminal, and for the list at `/`.
 *
 * @module
 */

import { signedQuery } from "../http/signature.ts";

/** What a link is for. */
export interface SignedLinkOptions {
  /** The archive. */
  readonly hash: string;
  /** Seconds for which the link is good. */
  readonly ttl: number;
  /** Names of files and folders that it is for; empty for all. */
  readonly files: readonly string[];
  /** Signs it. */
  readonly secret: string;
  /** Milliseconds since 1970. @default the system's clock */
  readonly now?: () => number;
}

/** The query of a link, without a question mark. */
export function signedLinkQuery(
  { ttl, secret, now = Date.now, ...link }: SignedLinkOptions,
): string {
  return signedQuery({ ...link, expires: Math.ceil(now() / 1000) + ttl }, secret);
}
