/**
 * Which names may stand in a link, and which names files get inside an archive. Pure.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { isJunk, isUnfinished } from "./junk.ts";

/** What a folder's name must look like to be reached by a link: the alphabet of a hash. */
const HASH = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/** Windows keeps these for devices, in any case, with spaces after them and any extension. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)/i;

/**
 * Characters that Windows refuses in a name; also all that could be a separator somewhere, and the
 * controls that turn text around, with which `gpj.exe` looks like `exe.jpg`. Not the marks U+061C,
 * U+200E and U+200F: names in Arabic and Hebrew need them, and they turn no letters around.
 *
 * @see {@link https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing}
 */
// deno-lint-ignore no-control-regex
const REFUSED = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069<>:"/\\|?*]/g;

/** Nothing to be changed, unless it is the name of a device. */
const PLAIN = /^[A-Za-z0-9_](?:[A-Za-z0-9_ .()-]*[A-Za-z0-9_()-])?$/;

/** Linux, macOS and their readers of archives can create no longer name, in UTF-8. */
const MAX_NAME_BYTES = 255;

/** The file in which the owner of an archive says what it is called, and how long it is there. */
export const LABEL_FILE = ".zipferry.json";

/** Fewer characters than this can be guessed. */
const SHORTEST_SAFE_HASH = 16;

/** Which files go into an archive besides plain visible ones. */
export interface Selection {
  /** Let in names that start with a dot. @default false */
  readonly hidden?: boolean;
  /** Let in what systems and network disks leave behind. @default false */
  readonly includeJunk?: boolean;
}

/**
 * True if a link can name this folder. Windows' device names never: opening one hangs there. Junk
 * neither: a `RECYCLER` in the photos folder holds what was deleted.
 */
export function isHash(name: string): boolean {
  return HASH.test(name) && !isDevice(name) && !isJunk(name);
}

/** True if a folder's name is short enough to be guessed. */
export function isGuessable(name: string): boolean {
  return name.length < SHORTEST_SAFE_HASH;
}

/** True for a name that starts with a dot. */
export function isHidden(name: string): boolean {
  return name.startsWith(".");
}

/** True for the name of a label, in any case: some disks take no account of it. */
export function isLabel(name: string): boolean {
  return name.length === LABEL_FILE.length && name.toLowerCase() === LABEL_FILE;
}

/** True if a file or folder of this name goes in. What is still being written never does, nor a label. */
export function isSelected(
  name: string,
  { hidden = false, includeJunk = false }: Selection,
): boolean {
  if (isHidden(name) && (!hidden || isLabel(name))) return false;
  return !isUnfinished(name) && (includeJunk || !isJunk(name));
}

/**
 * True for a name that Windows keeps for a device, whatever the case and the extension. Files of such
 * names come there from other systems; newer Windows can open some of them.
 */
export function isDevice(name: string): boolean {
  return DEVICE.test(name);
}

/** True for a name by which Windows opens another file, or none: it drops dots and spaces at the end. */
export function isCutByWindows(name: string): boolean {
  return /[. ]$/.test(name);
}

/** True for a name that may not be valid UTF-8: the runtime shows such bytes as U+FFFD. */
export function isDamaged(name: string): boolean {
  return name.includes("\ufffd");
}

/**
 * The name that a file or folder gets in the archive: one that every system can create.
 * NFC; characters that Windows refuses become `_`, as do dots and spaces at the end; a device name
 * gets a `_` in front; at most 255 bytes of UTF-8. Never empty, never `.` or `..`, never with a `/`
 * or `\`.
 */
export function safeName(name: string): string {
  if (isPlain(name)) return name;
  if (name === "") return "_"; // between two separators of an object's key
  const safe = name.normalize("NFC").replace(REFUSED, "_");
  return fitNoDevice(fitNoDevice(trim(safe))); // twice, since what was cut may be the name of a device
}

/** True for most names: letters and digits with a few signs between them that no system minds. */
function isPlain(name: string) {
  return name.length <= MAX_NAME_BYTES && PLAIN.test(name) && !isDevice(name);
}

function fitNoDevice(name: string) {
  return fit(isDevice(name) ? `_${name}` : name);
}

/** Windows drops dots and spaces at the end. */
function trim(name: string) {
  return name.replace(/[. ]+$/, (tail) => "_".repeat(tail.length));
}

/**
 * Hands out names of one folder so that no two are equal, not even where case is ignored: the second
 * gets ` (2)` before its extension.
 */
export class UniqueNames {
  readonly #taken = new Set<string>();
  /** The number to try next for a name that was claimed before; all below are taken. */
  readonly #numbers = new Map<string, number>();

  /** The name itself where it is free, else the first numbered one that is. At most 255 bytes. */
  claim(name: string): string {
    let key = fold(name);
    if (!this.#taken.has(key)) {
      this.#taken.add(key);
      return name;
    }
    const original = key;
    let n = this.#numbers.get(original) ?? 2;
    let free;
    do {
      free = fit(name, ` (${n++})`);
      key = fold(free);
    } while (this.#taken.has(key));
    this.#numbers.set(original, n);
    this.#taken.add(key);
    return free;
  }
}

/** A comparison of names. */
export type Compare = (a: string, b: string) => number;

/**
 * Ascending order of these names' UTF-8 bytes. Looks at them once, so that ten thousand are sorted
 * fast: only above U+FFFF that order is not the one of UTF-16.
 */
export function utf8Order(names: readonly string[]): Compare {
  return names.some((name) => SURROGATE.test(name)) ? compareBytes : compareUnits;
}

const SURROGATE = /[\ud800-\udfff]/;

function compareUnits(a: string, b: string) {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareBytes(a: string, b: string) {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** What the user sees as one character: a name is never cut inside of it. */
const graphemes = new Intl.Segmenter("und");

/** A name with an addition before its extension, and as much before that as 255 bytes allow. */
function fit(name: string, addition = "") {
  const dot = name.lastIndexOf(".");
  const stem = dot > 0 ? name.slice(0, dot) : name;
  const tail = addition + name.slice(stem.length);
  if (3 * (stem.length + tail.length) <= MAX_NAME_BYTES) return stem + tail;
  const short = shorten(stem, MAX_NAME_BYTES - Buffer.byteLength(tail));
  if (short !== "") return trim(short + tail);
  // What follows the last dot is no extension: it takes up the whole name.
  return trim(shorten(name, MAX_NAME_BYTES - Buffer.byteLength(addition)) + addition);
}

/** The longest beginning of a text that has at most this many bytes of UTF-8, in whole characters. */
export function shorten(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const characters = [...graphemes.segment(text)].map(({ segment }) => segment);
  // One character may be longer than a name, by hundreds of accents.
  return takeBytes(characters, bytes) || takeBytes([...text], bytes);
}

/** As many of the parts as have at most this many bytes together. */
function takeBytes(parts: readonly string[], bytes: number) {
  let left = bytes;
  const end = parts.findIndex((part) => (left -= Buffer.byteLength(part)) < 0);
  return parts.slice(0, end).join("");
}

/** Characters that some disks leave out of account when they compare names. */
const IGNORED = /\p{Default_Ignorable_Code_Point}/gu;

/**
 * Names that are one on some disk that ignores case: with Unicode's full case folding, in which `ß`,
 * `ẞ` and `SS` are one, `ﬁ` and `FI` too, and all forms of sigma. JavaScript has no such function;
 * what folds to the same has the same capitals once it is in small letters. The test goes through all
 * of Unicode. That `ı` and `i` are one here as well does no harm.
 *
 * @see {@link https://www.unicode.org/Public/UCD/latest/ucd/CaseFolding.txt}
 */
function fold(name: string) {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(name)) return name.toUpperCase();
  const bare = name.normalize("NFD").replace(IGNORED, "");
  return bare.toLowerCase().toUpperCase().normalize("NFD");
}
