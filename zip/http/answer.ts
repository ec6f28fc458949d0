/**
 * Which of its answers a GET or HEAD gets: the whole, a range of it, or only the state there is. Pure.
 *
 * @module
 */

import { evaluatePreconditions, isRangeWanted, type Validators } from "./preconditions.ts";
import { type ByteRange, parseRange } from "./range.ts";

/** What a request is answered from, before a byte of it is made. */
export interface Representation {
  /** Bytes of the whole; null if only the end will tell. */
  readonly size: number | null;
  /** What its state is called. */
  readonly validators: Validators;
  /** False if its bytes are not the same each time, so that no part of them can be asked for. */
  readonly hasRanges: boolean;
}

/** An answer that has content: all of it with 200, a range with 206. */
export interface ContentAnswer {
  /** The status. */
  readonly status: 200 | 206;
  /** Which bytes to send; null for all. */
  readonly range: ByteRange | null;
  /** How many bytes that are; null if only the end will tell. */
  readonly length: number | null;
  /** Content-Length and Content-Range, as far as they are known. */
  readonly fields: Readonly<Record<string, string>>;
}

/** An answer that only says which state there is: not modified, or refused. */
export interface StateAnswer {
  /** The status. */
  readonly status: 304 | 412 | 416;
  /** Content-Range with 416. */
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * Chooses the answer to a GET or HEAD: first its conditions count (RFC 9110 section 13.2.2), then its
 * range (section 14.2), which HEAD has none of.
 */
export function chooseAnswer(
  { method, headers }: Pick<Request, "method" | "headers">,
  { size, validators, hasRanges }: Representation,
): ContentAnswer | StateAnswer {
  const early = evaluatePreconditions(headers, validators);
  if (early !== null) return { status: early, fields: {} };
  if (size === null) return { status: 200, range: null, length: null, fields: {} };

  const isRange = hasRanges && method === "GET" && isRangeWanted(headers, validators);
  const range = isRange ? parseRange(headers.get("range"), size) : null;
  if (range === "unsatisfiable") {
    return { status: 416, fields: { "content-range": `bytes */${size}` } };
  }
  if (range === null) {
    return { status: 200, range, length: size, fields: { "content-length": String(size) } };
  }
  const length = range.end - range.start;
  const contentRange = `bytes ${range.start}-${range.end - 1}/${size}`;
  const fields = { "content-range": contentRange, "content-length": String(length) };
  return { status: 206, range, length, fields };
}

/** Whether an answer has content, to be sent or, with HEAD, to be told of. */
export function hasContent(answer: ContentAnswer | StateAnswer): answer is ContentAnswer {
  return answer.status === 200 || answer.status === 206;
}
