/**
 * A log record as a line for people: time, level, archive, what, how much.
 *
 * @module
 */

/** What could move a terminal's cursor, end a line, or turn its direction. */
// deno-lint-ignore no-control-regex
const UNSEEN = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Properties that are numbers of bytes. */
const BYTES = ["size", "start", "length", "bytes"];

/** The part of a record of LogTape that a line is made of. */
export interface LineRecord {
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** In lower case. */
  readonly level: string;
  /** Text, value, text and so on. */
  readonly message: readonly unknown[];
  /** Named values, some of which are in the message. */
  readonly properties: Record<string, unknown>;
}

/** One line, with its end. */
export function formatLine({ timestamp, level, message, properties }: LineRecord): string {
  const time = new Date(timestamp).toTimeString().slice(0, 8);
  const { archive, ...others } = properties;
  const text = message.map((part, i) => i % 2 === 0 ? visible(`${part}`) : show("", part));
  // What the message holds already is not told twice.
  const inMessage = message.filter((_, i) => i % 2 === 1);
  const rest = Object.entries(others)
    .filter(([, value]) => value !== null && value !== undefined && !inMessage.includes(value))
    .map(([name, value]) => `${visible(name)} ${show(name, value)}`);
  const start = [time, level.toUpperCase().padEnd(7), visible(`${archive ?? ""}`).padEnd(5)];
  const what = rest.length > 0 ? `${text.join("")} (${rest.join(", ")})` : text.join("");
  return `${start.join(" ")} ${what}\n`;
}

function show(name: string, value: unknown): string {
  if (typeof value === "number" && BYTES.includes(name)) return formatBytes(value);
  if (typeof value === "number" && name === "seconds") return `${value.toFixed(1)} s`;
  if (Array.isArray(value)) return value.map((item) => show("", item)).join(", ");
  return visible(typeof value === "string" ? value : JSON.stringify(value) ?? String(value));
}

/** In units of 1000, as file managers show them. */
function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

function visible(text: string): string {
  return text.toWellFormed().replaceAll(
    UNSEEN,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
