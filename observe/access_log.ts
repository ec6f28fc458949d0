/**
 * The access log: one line for each request, when its answer is over. Never the path as it came, the
 * query or a Referer: the link is the secret.
 *
 * @module
 */

import { hideSignatures, redact } from "../lib/log.ts";
import { onceOver } from "./answers.ts";
import { knownMethod } from "./log.ts";
import type { Answer, DownloadEnd, Observer } from "./observer.ts";

/** How a line is written: as JSON, or as Apache's and nginx's `combined`. */
export type AccessFormat = "json" | "combined";

/** What is written of a request. */
export interface Access {
  /** When the request came, in milliseconds since 1970. */
  readonly time: number;
  /** Address of the client; null if there is none, as on a Unix socket. */
  readonly client: string | null;
  /** Method of the request; `other` if it is no usual word. */
  readonly method: string;
  /** Which kind of page was asked for. */
  readonly route: Answer["route"];
  /** First characters of the hash; null if no archive was asked for. */
  readonly archive: string | null;
  /** Status of the answer. */
  readonly status: number;
  /** The part that was asked for, as in `0-99/1000`; null if the whole was. */
  readonly range: string | null;
  /** Bytes of the body that were handed to the connection. */
  readonly bytes: number;
  /** From the request to the last byte. */
  readonly seconds: number;
  /** Whether the client got all of it. */
  readonly outcome: DownloadEnd["kind"];
  /** What the client calls itself, shortened; null if it does not say. */
  readonly agent: string | null;
}

/** Some clients put a whole page there. */
const MAX_AGENT = 256;

/** For a client that left before there was an answer. */
const CLIENT_LEFT = 499;

/** What could move a terminal's cursor, end a line for some reader, or turn its direction. */
const UNSEEN = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** What could end a field or a line, and all that is not ASCII. */
const UNSAFE = /[^ -~]|["\\]/gu;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Passes on a line for each request. Looks at the health that find it good are left out. */
export function accessLog(
  format: AccessFormat,
  write: (line: string) => void,
): Observer {
  const toLine = format === "json" ? jsonLine : combinedLine;
  return onceOver((answer, end) => {
    const { route, status } = answer;
    if ((route === "health" || route === "metrics") && status === 200) return;
    write(toLine(accessOf(answer, end)));
  });
}

/** What is written of a request that is over now. */
export function accessOf(answer: Answer, end?: DownloadEnd): Access {
  const { hash, status } = answer;
  const now = performance.timeOrigin + performance.now();
  const { came = now } = answer;
  return {
    time: came,
    client: answer.client ?? null,
    method: knownMethod(answer.method),
    route: answer.route,
    archive: hash === undefined ? null : redact(hash),
    status,
    range: answer.range ?? null,
    bytes: end?.bytes ?? answer.length ?? 0,
    seconds: Math.round(Math.max(now - came, 0)) / 1000,
    outcome: end?.kind ?? outcomeOf(status),
    agent: shortAgent(answer),
  };
}

function outcomeOf(status: number): Access["outcome"] {
  if (status === CLIENT_LEFT) return "cancelled";
  return status >= 500 ? "failed" : "complete";
}

/** Without the hash and a signature: a client may well call itself by the address that it fetches. */
function shortAgent({ userAgent, hash }: Answer): string | null {
  if (userAgent === undefined) return null;
  const unsigned = hideSignatures(userAgent);
  const discreet = hash ? unsigned.replaceAll(hash, redact(hash)) : unsigned;
  return discreet.length > MAX_AGENT ? `${discreet.slice(0, MAX_AGENT)}…` : discreet;
}

/** One line of JSON, with its end. */
export function jsonLine({ time, ...others }: Access): string {
  const json = JSON.stringify({ time: new Date(time).toISOString(), ...others });
  const escape = (character: string) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${json.replaceAll(UNSEEN, escape)}\n`;
}

/**
 * One line as Apache and nginx write it in their format `combined`, with its end: in ASCII, with what
 * could end a field escaped as in nginx. The runtime does not tell which version of HTTP a request
 * came with, so it is always 1.1; there never is a Referer.
 *
 * @see {@link https://httpd.apache.org/docs/2.4/logs.html#combined}
 */
export function combinedLine(access: Access): string {
  const { client, method, status, bytes, agent } = access;
  const request = `${method} ${pathOf(access)} HTTP/1.1`;
  const size = bytes > 0 ? bytes : "-";
  const what = `"${escapeField(request)}" ${status} ${size} "-" "${escapeField(agent ?? "-")}"`;
  return `${escapeField(client ?? "-")} - - [${apacheTime(access.time)}] ${what}\n`;
}

/** A path that shows what was asked for, and no secret. */
function pathOf({ route, archive }: Access) {
  if (route === "archive") return `/archive/${archive ?? ""}/`;
  if (route === "manifest") return `/archive/${archive ?? ""}/?manifest`;
  if (route === "page") return `/archive/${archive ?? ""}/?page`;
  if (route === "status") return `/archive/${archive ?? ""}/?status`;
  if (route === "list") return "/";
  return route === "health" ? "/healthz" : `/${route}`;
}

function apacheTime(time: number) {
  const date = new Date(time);
  const [year, , day, clock] = date.toISOString().split(/[-T.]/);
  return `${day}/${MONTHS[date.getUTCMonth()]}/${year}:${clock} +0000`;
}

function escapeField(text: string) {
  return text.toWellFormed().replaceAll(UNSAFE, (character) => {
    if (character === "…") return "...";
    const bytes = [...new TextEncoder().encode(character)];
    return bytes.map((byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
  });
}
