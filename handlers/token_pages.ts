/**
 * What whoever has not got the admin token is answered with: the same at every address, so that it tells
 * nothing of what is there.
 *
 * @module
 */

import { pageResponse, unauthorizedResponse } from "../http/headers.ts";
import { type Brand, chooseLanguage, errorPage, pagePolicy } from "../templates/mod.ts";

/** When to try the token again, in seconds. */
const ATTEMPT_SECONDS = 60;

/** Asks for the token. */
export function askForToken(request: Request, brand: Brand | undefined): Response {
  const { html, fields } = pageOf(request, { status: 401, brand });
  return unauthorizedResponse(html, fields);
}

/** Refuses whoever gave a wrong one too often. */
export function refuseAttempts(request: Request, brand: Brand | undefined): Response {
  const { html, fields } = pageOf(request, { status: 429, brand });
  const headers = { "retry-after": String(ATTEMPT_SECONDS) };
  return pageResponse(html, { ...fields, headers });
}

function pageOf(
  { headers }: Request,
  { status, brand }: { readonly status: 401 | 429; readonly brand: Brand | undefined },
) {
  const language = chooseLanguage(headers.get("accept-language"), brand);
  const html = errorPage({ language, status, brand });
  return { html, fields: { status, language, csp: pagePolicy({ brand }) } };
}
