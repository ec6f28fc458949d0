/**
 * What the owner of an archive says of it, in a file beside the photos. Pure: see docs/label.md, and
 * docs/label.schema.json for its form.
 *
 * @module
 */

import { safeName, shorten } from "./names.ts";

/** A longer file is no label. Bytes. */
export const MAX_LABEL_BYTES = 64 << 10;

/** Longer texts are cut, in characters as JavaScript counts them. */
const MAX_TITLE = 200;
const MAX_NOTE = 2000;

/**
 * A longer name would have no room for what browsers add to it while they save, as in `.crdownload`.
 * Bytes of UTF-8, without the extension.
 */
const MAX_STEM_BYTES = 200;

/** What a label says. */
export interface Label {
  /** What the archive is called: on its page, and as a file. */
  readonly title?: string;
  /** A line for the visitor. */
  readonly note?: string;
  /** When the link ends, in milliseconds since 1970; `broken` if that is said and makes no sense. */
  readonly expires?: number | "broken";
  /** When it begins, in milliseconds since 1970. */
  readonly notBefore?: number;
  /** What a browser gets that follows the link: a page, or the archive at once. */
  readonly download?: "page" | "zip";
  /** A colour, as in `#8a3ffc`. */
  readonly accent?: string;
}

/** A label as it was understood. */
export interface ParsedLabel {
  /** What was understood of it. */
  readonly label: Label;
  /** What was not, in words for its owner; none of them holds a value. */
  readonly problems: readonly string[];
}

/** Which part of how many. */
export interface PartNumber {
  /** From 1 on. */
  readonly number: number;
  /** How many there are. */
  readonly count: number;
}

/** The label of an archive that has none. */
export const NO_LABEL: Label = {};

/** Text of a label. UTF-8, or UTF-16 with a byte order mark as editors on Windows write it. */
export function decodeLabel(bytes: Uint8Array<ArrayBuffer>): string {
  const [a, b] = bytes;
  const isUtf16 = a === 0xff && b === 0xfe || a === 0xfe && b === 0xff;
  const encoding = isUtf16 ? (a === 0xff ? "utf-16le" : "utf-16be") : "utf-8";
  return new TextDecoder(encoding).decode(bytes); // without the mark
}

/**
 * Reads a label. What cannot be understood is left out and told of; only a broken end keeps the
 * archive closed, since nobody can say that it is not over.
 */
export function parseLabel(text: string): ParsedLabel {
  const problems: string[] = [];
  const fields = parseObject(text);
  if (fields === null) {
    // Half of a file, or a comma too many: but if it speaks of an end, there may be one.
    const expires = NAMES_AN_END.test(text) ? { expires: "broken" as const } : {};
    return { label: expires, problems: ["is no JSON object"] };
  }
  const label: Record<string, unknown> = {};
  for (const [name, value] of fields) {
    if (name === "$schema" || value === null) continue;
    if (!Object.hasOwn(FIELDS, name)) {
      problems.push(`${JSON.stringify(name.slice(0, 40))} is no field of a label`);
      if (/^expir/i.test(name)) label.expires = "broken";
      continue;
    }
    const { read, allowed } = FIELDS[name as keyof Label];
    const understood = read(value);
    if (understood === undefined) problems.push(`${name} is not ${allowed}`);
    else if (understood !== "") label[name] ??= understood;
    if (understood === undefined && name === "expires") label.expires = "broken";
  }
  return { label, problems };
}

/** The name of that field, also without quotes, or in those that word processors write. */
const NAMES_AN_END = /(?:^|[{,"'`“”„«»‘’‚])\s*expir/im;

/** The fields of a JSON object; null if the text is none. */
function parseObject(text: string): [string, unknown][] | null {
  try {
    const data: unknown = JSON.parse(text.replace(/^\ufeff/, ""));
    const isObject = typeof data === "object" && data !== null && !Array.isArray(data);
    return isObject ? Object.entries(data) : null;
  } catch {
    return null;
  }
}

/** How each field is read: undefined for a value that is not allowed. */
const FIELDS: {
  readonly [K in keyof Required<Label>]: {
    readonly allowed: string;
    readonly read: (value: unknown) => Label[K] | undefined;
  };
} = {
  title: { allowed: "a text in UTF-8", read: (value) => readText(value, MAX_TITLE) },
  note: { allowed: "a text in UTF-8", read: (value) => readText(value, MAX_NOTE) },
  expires: {
    allowed: "a date such as 2027-01-31, or a time such as 2027-01-31T18:00:00+03:00",
    read: (value) => readTime(value, DAY_MS),
  },
  notBefore: {
    allowed: "a date such as 2027-01-31, or a time such as 2027-01-31T18:00:00+03:00",
    read: (value) => readTime(value, 0),
  },
  download: {
    allowed: "page or zip",
    read: (value) => value === "page" || value === "zip" ? value : undefined,
  },
  accent: {
    allowed: "a colour such as #8a3ffc",
    read: (value) =>
      typeof value === "string" && /^#[\da-f]{6}$/i.test(value) ? value.toLowerCase() : undefined,
  },
};

/** A text on one line; what the runtime shows in the place of bytes that are no UTF-8 is none. */
function readText(value: unknown, max: number): string | undefined {
  if (typeof value !== "string" || !value.isWellFormed() || value.includes("\ufffd")) {
    return undefined;
  }
  // deno-lint-ignore no-control-regex
  const line = value.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
  return line.normalize("NFC").slice(0, max).replace(/[\ud800-\udbff]$/, "").trim();
}

const DAY_MS = 86_400_000;

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;

const TIME = new RegExp(
  /^(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?/.source +
    /([Zz]|([+-])(\d\d)(?::?(\d\d))?)$/.source,
);

/**
 * A time in milliseconds since 1970 (RFC 3339 section 5.6; a zone also as `+0300`, which PHP writes by
 * `DATE_ISO8601`). Of a date, the beginning of the day in
 * UTC and as much later as is said: what ends on a day has all of it.
 */
function readTime(value: unknown, afterDate: number): number | undefined {
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  const day = readDay(text);
  if (day !== undefined) return day + afterDate;
  const [whole, date = "", hour, minute, second, fraction = "", , sign, offHour, offMinute] =
    TIME.exec(text) ?? [];
  const start = readDay(date);
  if (whole === undefined || start === undefined) return undefined;
  const [h, m, s, oh, om] = [hour, minute, second, offHour ?? 0, offMinute ?? 0].map(Number);
  if (h > 23 || m > 59 || s > 60 || oh > 23 || om > 59) return undefined;
  const offset = (oh * 60 + om) * (sign === "-" ? -1 : 1);
  const seconds = (h * 60 + m - offset) * 60 + s;
  return start + seconds * 1000 + Math.floor(Number(`0${fraction}`) * 1000);
}

/** The beginning of a day in UTC; undefined for a day that no month has. */
function readDay(text: string): number | undefined {
  const [whole, year, month, day] = DATE.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  return date.toISOString().startsWith(whole) ? date.getTime() : undefined;
}

/**
 * The name of the file that a title becomes, one that every system can create: see {@link safeName}.
 * Null if nothing of the title can stand in a name.
 */
export function fileNameOf(title: string): string | null {
  const stem = title.replace(/\.zip$/i, "").replace(/^[.\s]+/, "");
  const safe = shorten(safeName(stem), MAX_STEM_BYTES).trim();
  return /^[_\s]*$/.test(safe) ? null : safeName(`${safe}.zip`);
}

/** The name of the file of one part of several: `Wedding (2 of 5).zip`. */
export function partFileName(name: string, { number, count }: PartNumber): string {
  return `${name.replace(/\.zip$/i, "")} (${number} of ${count}).zip`;
}

/** The same in characters that every client can write: `photos-7rQx1a2b-2-of-5.zip`. */
export function plainPartFileName(name: string, { number, count }: PartNumber): string {
  return `${name.replace(/\.zip$/i, "")}-${number}-of-${count}.zip`;
}

/** The name of the file of an archive without a title, in characters that every client can write. */
export function plainFileName(hash: string): string {
  return `photos-${hash.slice(0, 8)}.zip`;
}
