/**
 * Answers without content.
 *
 * @module
 */

/** Header fields that an answer without the content does not have. */
const DESCRIBES_CONTENT = [
  "content-type",
  "content-disposition",
  "content-length",
  "repr-digest",
] as const;

/**
 * An answer that only says which state there is, with the header fields of the whole: 304, 412, 416
 * (RFC 9110 sections 15.4.5, 15.5.13 and 15.5.17).
 */
export function stateResponse(status: 304 | 412 | 416, fields: Headers): Response {
  const headers = new Headers(fields);
  for (const name of DESCRIBES_CONTENT) headers.delete(name);
  return new Response(null, { status, headers });
}
