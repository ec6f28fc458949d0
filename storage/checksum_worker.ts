/**
 * The thread that reads and writes the file of `--checksums` for a source that has no threads of its
 * own. It opens the file for each task: so a file that was deleted is made anew.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { ChecksumIndex, type DigestCall, type IndexKey, type IndexRow } from "./checksum_index.ts";

/** What the thread is asked for: one of the three. */
export interface ChecksumCall {
  /** Path of the file, which is made if there is none. */
  readonly path: string;
  /** Files to look up. */
  readonly keys?: readonly IndexKey[];
  /** CRC-32 values to keep, or to forget. */
  readonly rows?: readonly IndexRow[];
  /** What to do with digests. */
  readonly digests?: DigestCall;
}

/** Its answer: what it knows of each key, or why it knows nothing. */
export type ChecksumAnswer =
  | { readonly values: readonly (number | null)[] }
  | { readonly digest: string | null }
  | { readonly message: string };

function answer({ path, keys = [], rows, digests }: ChecksumCall): ChecksumAnswer {
  try {
    using index = new ChecksumIndex(path);
    if (digests) return { digest: index.digests(digests) };
    if (rows) index.remember(rows);
    return { values: index.recall(keys) };
  } catch (error) {
    return { message: error instanceof Error ? error.message : String(error) };
  }
}

self.onmessage = ({ data }: MessageEvent<ChecksumCall>) => self.postMessage(answer(data));
