/**
 * Which names may stand in a link, and which names files get inside an archive. Pure.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** What a folder's name must look like to be reached by a link: the alphabet of a hash. */
const HASH = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/** Windows keeps these for devices, in any case, with spaces after them and any extension. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)/i;

/** Characters that Windows refuses in a name; also all that could be a separator somewhere. */
// deno-lint-ignore no-control-regex
const REFUSED = /[\u0000-\u001f\u007f-\u009f<>:"/\\|?*]/g;

/** Files that systems leave behind in folders, and nobody wants to download. */
const JUNK = new Set(["thumbs.db", "desktop.ini", "__macosx", "@eadir"]);

/** Fewer characters than this can be guessed. */
const SHORTEST_SAFE_HASH = 16;

/** Which files go into an archive besides plain visible ones. */
export interface Selection {
  /** Let in names that start with a dot. @default false */
  readonly hidden?: boolean;
}

/** True if a link can name this folder. Windows' device names never: opening one hangs there. */
export function isHash(name: string): boolean {
  return HASH.test(name) && !DEVICE.test(name);
}

/** True if a folder's name is short enough to be guessed. */
export function isGuessable(name: string): boolean {
  return name.length < SHORTEST_SAFE_HASH;
}

/** True for a name that starts with a dot. */
export function isHidden(name: string): boolean {
  return name.startsWith(".");
}

/** True for what Windows, macOS and Synology leave behind in folders. */
export function isJunk(name: string): boolean {
  return JUNK.has(name.toLowerCase());
}

/** True if a file or folder of this name goes in. */
export function isSelected(name: string, { hidden = false }: Selection): boolean {
  return !isJunk(name) && (hidden || !isHidden(name));
}

/** True for a name that may not be valid UTF-8: the runtime shows such bytes as U+FFFD. */
export function isDamaged(name: string): boolean {
  return name.includes("\ufffd");
}

/**
 * The name that a file or folder gets in the archive: one that every system can create.
 * NFC; characters that Windows refuses become `_`, as do dots and spaces at the end; a device name
 * gets a `_` in front. Never empty, never `.` or `..`, never with a `/` or `\`.
 */
export function safeName(name: string): string {
  const safe = name
    .normalize("NFC")
    .replace(REFUSED, "_")
    .replace(/[. ]+$/, (tail) => "_".repeat(tail.length));
  return DEVICE.test(safe) ? `_${safe}` : safe;
}

/**
 * Hands out names of one folder so that no two are equal, not even where case is ignored: the second
 * gets ` (2)` before its extension.
 */
export class UniqueNames {
  readonly #taken = new Set<string>();

  /** The name itself where it is free, else the first numbered one that is. */
  claim(name: string): string {
    let free = name;
    for (let n = 2; this.#taken.has(fold(free)); n++) free = numbered(name, n);
    this.#taken.add(fold(free));
    return free;
  }
}

/** Ascending order of the names' UTF-8 bytes, which UTF-16 order is not above U+FFFF. */
export function compareUtf8(a: string, b: string): number {
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

const SURROGATE = /[\ud800-\udfff]/;

function numbered(name: string, n: number) {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? `${name.slice(0, dot)} (${n})${name.slice(dot)}` : `${name} (${n})`;
}

/** Names that are one on a disk that ignores case. */
function fold(name: string) {
  return name.toUpperCase().toLowerCase();
}
