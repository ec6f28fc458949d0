/**
 * How many downloads at a time there are to be, and what each takes.
 *
 * @module
 */

import type { Config } from "../lib/config.ts";

/** Downloads at a time, where nothing else is said. */
const MAX_DOWNLOADS = 256;

/** With the zip engine each takes much of a core: this many for each. */
const MAX_DOWNLOADS_A_CORE = 4;

/** Descriptors that a download holds: its connection, and the three pipes of the program zip. */
export const DESCRIPTORS = { store: 1, zip: 4 } as const;

/** Downloads at a time, as far as the settings go. */
export function wantedDownloads({ engine, maxDownloads }: Config): number {
  const usual = engine === "zip"
    ? MAX_DOWNLOADS_A_CORE * navigator.hardwareConcurrency
    : MAX_DOWNLOADS;
  return maxDownloads ?? usual;
}
