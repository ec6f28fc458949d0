/**
 * `Strict-Transport-Security`, for whoever asks for it.
 *
 * @module
 */

/**
 * Tells browsers to come back by HTTPS only (RFC 6797). It is for this very host: what others there
 * are below its name is not this program's business.
 *
 * @param seconds how long they remember; 0 to forget it, undefined to tell nothing
 */
export function setTransportSecurity(headers: Headers, seconds: number | undefined) {
  if (seconds !== undefined) headers.set("strict-transport-security", `max-age=${seconds}`);
}
