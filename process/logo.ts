/**
 * The logo of a site: read once, checked, and served from memory.
 *
 * @module
 */

import { ConfigError } from "../lib/config.ts";
import { quote } from "../lib/quote.ts";

/** A longer file would slow the pages down. Bytes. */
const MAX_BYTES = 256 << 10;

/** Larger pictures take memory of every visitor, however small the file. Pixels. */
const MAX_PIXELS = 4096;

/** A logo. */
export interface Logo {
  /** The file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its media type. */
  readonly type: "image/png" | "image/svg+xml";
}

/**
 * Reads a logo.
 *
 * @throws {ConfigError} if it cannot be read, is too long, or is no PNG or SVG that is safe to show
 */
export async function readLogo(file: string): Promise<Logo> {
  const bytes = await readBytes(file);
  if (bytes.length > MAX_BYTES) throw wrong(file, `longer than ${MAX_BYTES >> 10} KiB`);
  const problem = isPng(bytes) ? problemOfPng(bytes) : problemOfSvg(bytes);
  if (problem !== null) throw wrong(file, problem);
  return { bytes, type: isPng(bytes) ? "image/png" : "image/svg+xml" };
}

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

function isPng(bytes: Uint8Array) {
  return PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/** Null for a PNG with a header and an end (PNG specification, third edition, sections 5.2 and 11.2). */
function problemOfPng(bytes: Uint8Array<ArrayBuffer>) {
  const text = (at: number) => new TextDecoder("latin1").decode(bytes.subarray(at, at + 4));
  if (bytes.length < 45 || text(12) !== "IHDR") return "a PNG without a header";
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (width === 0 || height === 0 || width > MAX_PIXELS || height > MAX_PIXELS) {
    return `a PNG of ${width} × ${height} pixels; use at most ${MAX_PIXELS} each way`;
  }
  return text(bytes.length - 8) === "IEND" ? null : "a PNG that is cut off";
}

/** What an SVG may not have: nothing runs in it as a picture, but somebody might open it alone. */
const NOT_IN_SVG: readonly (readonly [RegExp, string])[] = [
  [/<!(?:DOCTYPE|ENTITY)/i, "a document type"],
  [/<(?:\w+:)?script/i, "a script"],
  [/<(?:\w+:)?foreignObject/i, "foreign content"],
  [/\son\w+\s*=/i, "an event handler"],
  [
    /(?:href|src)\s*=\s*["']?\s*(?!["']?#|["']?data:image\/(?:png|jpeg);)/i,
    "a reference to elsewhere",
  ],
  [/url\(\s*["']?(?!#)/i, "a reference to elsewhere"],
  [/@import/i, "a reference to elsewhere"],
  [/javascript:/i, "a script"],
];

function problemOfSvg(bytes: Uint8Array<ArrayBuffer>) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "neither PNG nor SVG";
  }
  const start = text.replace(/^\s*<\?xml[^>]*\?>/, "").replace(/^(?:\s|<!--[^]*?-->)+/, "");
  const [, found] = NOT_IN_SVG.find(([pattern]) => pattern.test(text)) ?? [];
  if (found !== undefined) return `an SVG with ${found}, which is not allowed; use one without`;
  if (!/^<svg[\s>]/.test(start)) return "neither PNG nor SVG";
  if (!start.includes('"http://www.w3.org/2000/svg"')) return "an SVG without its namespace";
  return /<\/svg>\s*$/.test(text) ? null : "an SVG that is cut off";
}

async function readBytes(file: string) {
  try {
    return await Deno.readFile(file);
  } catch (error) {
    const why = error instanceof Error ? error.name : String(error);
    throw wrong(file, `cannot be read (${why})`);
  }
}

function wrong(file: string, why: string) {
  const advice = /\buse\b/.test(why)
    ? ""
    : `; use a PNG or SVG file of at most ${MAX_BYTES >> 10} KiB`;
  return new ConfigError(`--logo: ${quote(file)}: ${why}${advice}`);
}
