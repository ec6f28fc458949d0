/**
 * Entity tags (RFC 9110 section 8.8.3).
 *
 * @module
 */

/** The state of a resource that a tag names. */
export interface TaggedState {
  /**
   * Names the bytes: equal as long as they are. Without quotes, and only with characters that are
   * allowed between them (`etagc`). Null if the bytes are not the same each time.
   */
  readonly version: string | null;
  /** False while the bytes could still change under the same version. */
  readonly settled: boolean;
}

/** The value of the ETag header: quoted, and weak until settled; null if there can be no tag. */
export function entityTag({ version, settled }: TaggedState): string | null {
  if (version === null) return null;
  return settled ? `"${version}"` : `W/"${version}"`;
}
