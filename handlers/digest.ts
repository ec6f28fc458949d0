/**
 * The SHA-256 of a whole archive, where the source keeps it.
 *
 * @module
 */

import type { Archive } from "../engines/engine.ts";
import type { Listing } from "../storage/listing.ts";
import type { FileSource } from "../storage/source.ts";

/** An archive, and where it is from. */
export interface DigestedArchive {
  /** Its folder. */
  readonly listing: Listing;
  /** What was made of it. */
  readonly prepared: Pick<Archive, "version">;
  /** Where digests are kept. @default nowhere */
  readonly source?: Pick<FileSource, "digests">;
}

/**
 * The SHA-256 as 64 hexadecimal digits; null if it is not known. Only of bytes that have a strong
 * entity tag: others may be different the next time.
 */
export async function digestOf(
  { listing, prepared: { version }, source }: DigestedArchive,
): Promise<string | null> {
  const { hash, settled } = listing;
  if (!source?.digests || version === null || !settled) return null;
  return await source.digests.recall({ hash, version });
}
