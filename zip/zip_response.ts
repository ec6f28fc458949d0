/**
 * The answer to a request for an archive.
 *
 * @module
 */

import { chooseAnswer, hasContent } from "./http/answer.ts";
import { downloadHeaders } from "./http/download_headers.ts";
import { stateResponse } from "./http/state_response.ts";
import { validatorsOf } from "./http/validators.ts";
import type { ZipPlan } from "./zip_plan.ts";

/** The name of an archive for clients that can write no other one. */
const FALLBACK_NAME = "archive.zip";

/** What an answer says besides the archive. */
export interface ZipResponseOptions {
  /** Name under which the client saves the archive. @default "archive.zip" */
  readonly filename?: string;
  /** Further header fields. They replace those of the same name. */
  readonly headers?: HeadersInit;
}

/**
 * Answers a GET or HEAD for an archive, as RFC 9110 has it: with 200 and all of it, with 206 and the
 * range that was asked for, or with 304, 412 or 416. Content-Length is exact, so that a client sees
 * how far it is, and sees that something is missing when the connection breaks. Any other method gets
 * 405.
 */
export function zipResponse(
  request: Pick<Request, "method" | "headers">,
  plan: Pick<ZipPlan, "version" | "settled" | "lastModified" | "size" | "open">,
  options: ZipResponseOptions = {},
): Response {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") {
    return new Response(null, { status: 405, headers: { "allow": "GET, HEAD" } });
  }
  const validators = validatorsOf(plan, Date.now() / 1000);
  const name = options.filename ?? FALLBACK_NAME;
  const headers = downloadHeaders({ name, fallback: FALLBACK_NAME, ...validators });
  for (const field of new Headers(options.headers)) headers.set(...field);
  const answer = chooseAnswer(request, { size: plan.size, validators, hasRanges: true });
  for (const field of Object.entries(answer.fields)) headers.set(...field);
  if (!hasContent(answer)) return stateResponse(answer.status, headers);
  const { status, range } = answer;
  const body = method === "HEAD" ? null : plan.open(range ?? undefined);
  return new Response(body, { status, headers });
}
