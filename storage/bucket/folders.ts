/**
 * The folders of a bucket: what could be an archive, and when something in each was last uploaded.
 *
 * @module
 */

import { compareFolders, type SourceFolder } from "../source.ts";
import { folderNameOf } from "./keys.ts";
import type { ObjectStore } from "./store.ts";

/** At most this many pages, of a thousand objects each, are read for the times of folders. */
const MAX_PAGES = 20;

/** What is listed. */
export interface ListFoldersOptions {
  /** Lists the objects. */
  readonly store: ObjectStore;
  /** Key prefix of the photos folder. */
  readonly prefix: string;
  /** Ends the requests. */
  readonly signal?: AbortSignal;
}

/** Lists the first page only, since a bucket may have many: rejects if that cannot be done. */
export async function assertListable(
  { store, prefix, signal }: ListFoldersOptions,
): Promise<void> {
  for await (const _ of store.list(prefix, { delimiter: "/", maxPages: 1, signal })) return;
}

/** Names of the folders, as the common prefixes tell them. */
export async function listFolderNames(
  { store, prefix, signal }: ListFoldersOptions,
): Promise<string[]> {
  const names: string[] = [];
  for await (const { prefixes } of store.list(prefix, { delimiter: "/", signal })) {
    for (const folder of prefixes) {
      const name = folderNameOf(folder, prefix);
      if (name !== null) names.push(name);
    }
  }
  return names;
}

/**
 * Folders, newest first. In a large bucket only the first pages are looked at: folders that are not
 * reached there have no time, since to read a million keys for a list of names would cost too much.
 */
export async function listFolders(options: ListFoldersOptions): Promise<SourceFolder[]> {
  const { store, prefix, signal } = options;
  const times = new Map<string, number>();
  let pages = 0;
  for await (const { objects } of store.list(prefix, { signal, maxPages: MAX_PAGES })) {
    pages++;
    for (const { key, lastModifiedMs } of objects) {
      const name = folderNameOf(key, prefix);
      if (name !== null) times.set(name, Math.max(times.get(name) ?? -Infinity, lastModifiedMs));
    }
  }
  const names = pages < MAX_PAGES ? times.keys() : await listFolderNames(options);
  return Array.from(names, (name) => ({ name, mtimeMs: times.get(name) ?? -Infinity }))
    .sort(compareFolders);
}
