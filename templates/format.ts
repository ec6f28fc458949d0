/**
 * Numbers, sizes and dates as people read them. Pure: neither the server's locale nor its time zone
 * matters.
 *
 * @module
 */

import { type Language, messages, type PluralForms } from "./messages.ts";

/** Goes between a number and its unit, so that no line breaks there. */
const NO_BREAK_SPACE = "\u00a0";

/** What formats numbers, days and plurals of one language: it is slow to make and quick to use. */
interface Formats {
  readonly number: Intl.NumberFormat;
  readonly day: Intl.DateTimeFormat;
  readonly time: Intl.DateTimeFormat;
  readonly plural: Intl.PluralRules;
  /** One for each unit of size, each a thousand times the previous one. */
  readonly units: readonly Intl.NumberFormat[];
}

/**
 * Units of size as CLDR knows them.
 *
 * @see {@link https://tc39.es/ecma402/#table-sanctioned-single-unit-identifiers}
 */
const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

const made = new Map<Language, Formats>();

/**
 * A number of files with the noun in the right form: `1 file`, `5 файлов`.
 *
 * Plural categories are those of CLDR, through `Intl.PluralRules`.
 */
export function formatFileCount(count: number, language: Language): string {
  return formatCount(count, messages[language].files, language);
}

/** A size to the byte: `153,353 bytes`. */
export function formatExactBytes(bytes: number, language: Language): string {
  return formatCount(bytes, messages[language].bytes, language);
}

function formatCount(count: number, forms: PluralForms, language: Language) {
  const { plural, number } = formatsOf(language);
  const noun = forms[plural.select(count)] ?? forms.other;
  return number.format(count) + NO_BREAK_SPACE + noun;
}

/** A text with numbers in the place of `{name}`: `101–200 of 10,000`. */
export function formatNumbers(
  text: string,
  numbers: Readonly<Record<string, number>>,
  language: Language,
): string {
  const { number } = formatsOf(language);
  return text.replace(/\{(\w+)\}/g, (_, name) => number.format(numbers[name]));
}

/**
 * A size in bytes, rounded to three digits, in decimal units (1 kB = 1000 B): `999 B`, `1.5 MB`.
 */
export function formatBytes(bytes: number, language: Language): string {
  const { units } = formatsOf(language);
  // Round before choosing the unit: 999,999 bytes are 1 MB, not 1,000 kB.
  let value = Number(bytes.toPrecision(3));
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const parts = units[unit].formatToParts(value);
  const isUnit = ({ type }: Intl.NumberFormatPart) => type === "unit";
  const number = parts.filter((part) => !isUnit(part) && part.type !== "literal");
  // Some languages write no space here, and some one that lines break at.
  const words = [number, parts.filter(isUnit)].map((part) =>
    part.map(({ value }) => value).join("")
  );
  return words.join(NO_BREAK_SPACE);
}

/** The day of a date in UTC: `November 21, 2025`, `21 ноября 2025 г.` */
export function formatDate(date: Date, language: Language): string {
  return formatsOf(language).day.format(date);
}

/** The same with the time of day: `November 21, 2025 at 3:00 PM UTC`. */
export function formatTime(date: Date, language: Language): string {
  return formatsOf(language).time.format(date);
}

function formatsOf(language: Language): Formats {
  const known = made.get(language);
  if (known) return known;
  const formats = {
    number: new Intl.NumberFormat(language),
    day: new Intl.DateTimeFormat(language, { dateStyle: "long", timeZone: "UTC" }),
    time: new Intl.DateTimeFormat(language, {
      ...{ year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit" },
      ...{ timeZone: "UTC", timeZoneName: "short" },
    }),
    plural: new Intl.PluralRules(language),
    units: BYTE_UNITS.map((unit) =>
      // The narrow form: the short one of English is "byte", a word.
      new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "narrow" })
    ),
  };
  made.set(language, formats);
  return formats;
}
