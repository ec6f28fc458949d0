/**
 * Texts that become values of options. Each function gives undefined for a text that is not allowed.
 *
 * @module
 */

import { isNetwork, splitNetworks } from "./networks.ts";

/** The longest time that most options allow. */
export const MAX_SECONDS = 3600;

/** Less per second would look like a download that stands still. */
export const MIN_RATE_BYTES = 1000;

/** True or false, by a word or by 1 and 0. */
export function parseBoolean(text: string): boolean | undefined {
  if (text === "1") return true;
  return text === "0" ? false : parseWord(text);
}

/** True or false, by true, yes, on, and their opposites, in any case. */
export function parseWord(text: string): boolean | undefined {
  if (/^(?:true|yes|on)$/i.test(text)) return true;
  return /^(?:false|no|off)$/i.test(text) ? false : undefined;
}

/** Seconds, with decimals. */
export function parseSeconds(text: string, max = MAX_SECONDS): number | undefined {
  const seconds = /^\d{1,8}(?:\.\d{1,8})?$/.test(text) ? Number(text) : NaN;
  return seconds <= max ? seconds : undefined;
}

/** Bytes: a whole number with K, M or G for powers of 1,024, as in 256M, 256MiB or 256MB. */
export function parseSize(
  text: string,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  const [, number, unit] = /^(\d{1,13})([KMGkmg]?)(?:i?B)?$/.exec(text) ?? [];
  const bytes = Number(number) * 1024 ** " KMG".indexOf((unit || " ").toUpperCase());
  return min <= bytes && bytes <= max ? bytes : undefined;
}

/**
 * Bytes per second: 0, or what {@link parseSize} takes, with decimals too. A small b would mean bits,
 * and is not allowed.
 */
export function parseRate(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,12}(?:\.\d{1,6})?)([KMGkmg]?)(?:i?B)?$/.exec(text) ?? [];
  const rate = Math.round(Number(number) * 1024 ** " KMG".indexOf((unit || " ").toUpperCase()));
  return rate === 0 || rate >= MIN_RATE_BYTES ? rate : undefined;
}

/** Networks with commas or spaces between them; `none` for none. */
export function parseNetworks(text: string): readonly string[] | undefined {
  if (text === "none") return [];
  const networks = splitNetworks(text);
  return networks.length > 0 && networks.every(isNetwork) ? networks : undefined;
}

/** Seconds of a span of time, as in 90s, 30m, 12h, 7d or 2w. */
export function parseSpan(text: string): number | undefined {
  const [, number, unit] = /^([1-9]\d{0,5})([smhdw])$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * SPAN_UNITS[unit];
}

const SPAN_UNITS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
};

/** Makes what reads a whole number from 0 on. */
export function wholeNumber(max: number): (text: string) => number | undefined {
  return (text: string) => /^\d{1,5}$/.test(text) && Number(text) <= max ? Number(text) : undefined;
}

/** A host and a port; an IPv6 address is in brackets, as in a URL. */
export function parseAddress(text: string): { hostname: string; port: number } | undefined {
  const [, ipv6, name, digits] = /^(?:\[([\da-f:.]+)\]|([\w.-]+)):(\d+)$/i.exec(text) ?? [];
  const port = digits === undefined ? undefined : wholeNumber(65535)(digits);
  return port === undefined ? undefined : { hostname: ipv6 ?? name, port };
}

/** An address by http or https, without a user name in it. */
export function webAddress(text: string): string | undefined {
  const url = URL.parse(text);
  const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password;
  return isPlain ? text : undefined;
}

/** Makes what reads one of these words. */
export function oneOf<T extends string>(...allowed: readonly T[]): (text: string) => T | undefined {
  return (text: string) => allowed.find((value) => value === text);
}
