/**
 * Conditional requests (RFC 9110 section 13).
 *
 * @module
 */

/** What identifies one state of a resource. */
export interface Validators {
  /** Entity tag as in the header, with quotes, and `W/` if it is weak; null if there is none. */
  readonly etag: string | null;
  /** Last-Modified, in whole seconds since 1970; null if there is none. */
  readonly lastModified: number | null;
  /** False if the resource may still change without a new Last-Modified (section 8.8.2.2). */
  readonly dateIsStrong: boolean;
}

const ENTITY_TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

const MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec".split("|");
const IMF_DATE = /^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/;
const RFC850_DATE = /^[A-Z][a-z]+, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/;
const ASCTIME_DATE = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/;

/**
 * The status that ends a GET or HEAD early: 304 (not modified), 412 (precondition failed), or null
 * to continue. Conditions are evaluated in the order of section 13.2.2; those about a date do not
 * count where the resource has none (13.1.3, 13.1.4).
 */
export function evaluatePreconditions(headers: Headers, validators: Validators): 304 | 412 | null {
  const { lastModified } = validators;
  const ifMatch = headers.get("if-match");
  const unmodifiedSince = parseHttpDate(headers.get("if-unmodified-since"));
  if (ifMatch !== null) {
    if (!matches(ifMatch, validators.etag, isSameStrong)) return 412;
  } else if (isLater(lastModified, unmodifiedSince)) return 412;

  const ifNoneMatch = headers.get("if-none-match");
  const modifiedSince = parseHttpDate(headers.get("if-modified-since"));
  if (ifNoneMatch !== null) return matches(ifNoneMatch, validators.etag, isSameWeak) ? 304 : null;
  if (lastModified === null || modifiedSince === null) return null;
  return isLater(lastModified, modifiedSince) ? null : 304;
}

/**
 * True if a Range header counts (section 13.1.5): there is no If-Range, or it names exactly this
 * state, by a strong entity tag or by the exact date.
 */
export function isRangeWanted(headers: Headers, validators: Validators): boolean {
  const ifRange = headers.get("if-range");
  if (ifRange === null) return true;
  if (validators.etag !== null && isSameStrong(ifRange, validators.etag)) return true;
  const date = validators.dateIsStrong ? validators.lastModified : null;
  return date !== null && parseHttpDate(ifRange) === date;
}

/**
 * A date in any of the three forms of section 5.6.7 as seconds since 1970; null for anything else.
 */
export function parseHttpDate(text: string | null): number | null {
  if (text === null) return null;
  const imf = IMF_DATE.exec(text);
  if (imf) return toSeconds(imf[3], imf[2], imf[1], imf.slice(4));
  const rfc850 = RFC850_DATE.exec(text);
  if (rfc850) return toSeconds(fullYear(rfc850[3]), rfc850[2], rfc850[1], rfc850.slice(4));
  const asctime = ASCTIME_DATE.exec(text);
  return asctime ? toSeconds(asctime[6], asctime[1], asctime[2], asctime.slice(3, 6)) : null;
}

/** `*` matches any state; otherwise one tag of the list must match. */
function matches(list: string, etag: string | null, same: (a: string, b: string) => boolean) {
  if (list.trim() === "*") return true;
  return etag !== null && (list.match(ENTITY_TAG) ?? []).some((tag) => same(tag, etag));
}

/** True if both dates are known, and the first is the later one. */
function isLater(date: number | null, other: number | null) {
  return date !== null && other !== null && date > other;
}

/** Strong comparison: neither is weak (section 8.8.3.2). */
function isSameStrong(a: string, b: string) {
  return a === b && !a.startsWith("W/");
}

function isSameWeak(a: string, b: string) {
  return a.replace(/^W\//, "") === b.replace(/^W\//, "");
}

/** A two-digit year is at most 50 years in the future (section 5.6.7). */
function fullYear(twoDigits: string) {
  const now = new Date().getUTCFullYear();
  const year = now - now % 100 + Number(twoDigits);
  return String(year > now + 50 ? year - 100 : year);
}

function toSeconds(year: string, month: string, day: string, time: readonly string[]) {
  const [hours, minutes, seconds] = time.map(Number);
  const index = MONTHS.indexOf(month);
  if (index < 0) return null;
  return Date.UTC(Number(year), index, Number(day), hours, minutes, seconds) / 1000;
}
