/**
 * What went wrong with a request, and whether it may go better another time.
 *
 * @see {@link https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html}
 *
 * @module
 */

import { describeError } from "../../lib/log.ts";
import { StorageError } from "../errors.ts";
import type { AnswerHead } from "./object_answer.ts";
import { parseXml, textOf } from "./xml.ts";

/** The longest wait that a store may ask for with Retry-After, in milliseconds. */
export const MAX_RETRY_AFTER_MS = 20_000;

/** S3 refuses a request whose time is further from its own, in milliseconds. */
const MAX_SKEW_MS = 15 * 60_000;

/** Codes of credentials that have ended. */
const EXPIRED = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"];

/** Statuses that pass: of a store, or of a gateway before it, that is busy or being restarted. */
const PASSING = [429, 500, 502, 503, 504];

/** What makes a failure one that passes. */
export type FailureKind = "connection" | "busy" | "credentials";

/** How a failure is told. */
export interface FailureOptions {
  /** What it was: of the connection, of a store that is busy, or of credentials that have ended. */
  readonly kind: FailureKind;
  /** The store asks for a wait of so many milliseconds. @default 0 */
  readonly retryAfter?: number;
  /** System error code. @default "EIO" */
  readonly code?: string;
}

/** A failure after which the same request may succeed. */
export class PassingFailure extends StorageError {
  /** What it was. */
  readonly kind: FailureKind;
  /** The store asks for a wait of so many milliseconds. */
  readonly retryAfter: number;

  /** Takes a message for the log. */
  constructor(message: string, { kind, retryAfter = 0, code = "EIO" }: FailureOptions) {
    super(code, message);
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

/** An answer that is no success, and what is known besides. */
export interface RefusedAnswer extends AnswerHead {
  /** The body, empty if there is none. */
  readonly body: string;
  /** True if the request was signed with credentials that end. */
  readonly temporary: boolean;
  /** The region that was signed for. */
  readonly region: string;
}

/** The error for an answer that is no success. Its message names neither key nor bucket. */
export function refusal(action: string, answer: RefusedAnswer): StorageError {
  const { status, headers } = answer;
  const code = codeIn(answer.body);
  const said = code === "" ? `status ${status}` : `status ${status} ${code}`;
  const fail = (code: string, text: string) => new StorageError(code, `${action}: ${text}`);
  if (PASSING.includes(status)) {
    const retryAfter = waitOf(headers.get("retry-after"));
    return new PassingFailure(`${action}: ${said}`, { kind: "busy", retryAfter });
  }
  if (EXPIRED.includes(code) || isUntold(answer, code)) {
    const text = `${action}: ${said}${skewOf(headers, code)}`;
    return new PassingFailure(text, { kind: "credentials", code: "EACCES" });
  }
  const region = regionOf(answer);
  if (region) return fail("EACCES", `the bucket is in region ${region}, not ${answer.region}`);
  if (status === 412 || status === 416) return fail("ESTALE", `it has changed: ${said}`);
  if (code === "NoSuchBucket") return fail("ENODEV", `there is no such bucket: ${said}`);
  if (status === 404) return fail("ENOENT", `there is none: ${said}`);
  if (status === 401 || status === 403) return fail("EACCES", `${said}${skewOf(headers, code)}`);
  return fail("EPROTO", said);
}

/** The error for a request without a whole answer; the runtime's own message holds the key. */
export function brokenConnection(action: string, error: unknown): PassingFailure {
  const message = describeError(error); // the reason is that of the cause
  const [, known] =
    /(connection refused|dns error|certificate|reset|unreachable|closed|error reading)/i
      .exec(message) ?? [];
  const what = known === undefined ? "the connection broke" : WORDS[known.toLowerCase()];
  return new PassingFailure(`${action}: ${what}`, { kind: "connection" });
}

const WORDS: Readonly<Record<string, string>> = {
  "connection refused": "connection refused",
  "dns error": "the name of the store cannot be resolved",
  "certificate": "the store's certificate is not accepted",
  "reset": "the connection was reset",
  "unreachable": "the store cannot be reached",
  "closed": "the connection was closed",
  "error reading": "the body broke off",
};

/** The error code in a body, empty if there is none. HeadObject has none. */
function codeIn(body: string) {
  try {
    const code = textOf(parseXml(body), "Code") ?? "";
    return /^[A-Za-z][A-Za-z0-9.]{0,63}$/.test(code) ? code : "";
  } catch {
    return ""; // a page of a proxy
  }
}

/** Answers of HeadObject have no body: one with credentials that end may mean that they have. */
function isUntold({ status, temporary, headers }: RefusedAnswer, code: string) {
  if (code !== "" || headers.has("x-amz-bucket-region")) return false;
  return temporary && (status === 400 || status === 403);
}

/** Where the bucket is, if the store says so and it is elsewhere. */
function regionOf({ status, headers, region }: RefusedAnswer) {
  const told = headers.get("x-amz-bucket-region") ?? "";
  const elsewhere = status === 400 || (status >= 300 && status < 400);
  return elsewhere && /^[a-z0-9-]{1,40}$/.test(told) && told !== region ? told : null;
}

/** Names the clock where it is the reason; HeadObject tells no code, but every answer has a date. */
function skewOf(headers: Headers, code: string) {
  const skew = Date.now() - Date.parse(headers.get("date") ?? "");
  if (code !== "RequestTimeTooSkewed" && !(Math.abs(skew) > MAX_SKEW_MS)) return "";
  const apart = Number.isNaN(skew) ? "" : ` by ${Math.round(Math.abs(skew) / 1000)} s`;
  return `: the clock of this machine differs from the store's${apart}`;
}

/** Milliseconds that a Retry-After asks for (RFC 9110, section 10.2.3), within bounds. */
function waitOf(field: string | null) {
  if (field === null) return 0;
  const ms = /^\d{1,9}$/.test(field) ? Number(field) * 1000 : Date.parse(field) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}
