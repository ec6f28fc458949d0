/**
 * The folders of the photos folder on their way from a thread. In columns: ten thousand objects would
 * hold up the thread that receives them for ten milliseconds.
 *
 * @module
 */

import type { SourceFolder } from "../source.ts";

/** Stands between two names; no name can hold it. */
const SEPARATOR = "\0";

/** Folders in columns. */
export interface PackedFolders {
  /** Their names, with a zero between two. */
  readonly names: string;
  /** Their times in milliseconds since 1970. */
  readonly times: Float64Array<ArrayBuffer>;
}

/** Packs folders, in their order. */
export function packFolders(folders: readonly SourceFolder[]): PackedFolders {
  return {
    names: folders.map(({ name }) => name).join(SEPARATOR),
    times: Float64Array.from(folders, ({ mtimeMs }) => mtimeMs),
  };
}

/** The folders that were packed. */
export function unpackFolders({ names, times }: PackedFolders): SourceFolder[] {
  if (times.length === 0) return [];
  return names.split(SEPARATOR).map((name, i) => ({ name, mtimeMs: times[i] }));
}
