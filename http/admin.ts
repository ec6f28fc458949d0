/**
 * Whether a request has the administrator's token (RFC 7617, RFC 6750).
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";

/**
 * True if the field `Authorization` has the token: as `Bearer`, or as the password of `Basic` with
 * any user name. The comparison takes as long for any wrong one.
 */
export function hasToken(authorization: string | null, token: string): boolean {
  const [, scheme, credentials] = /^(\S+) +(\S+)$/.exec(authorization ?? "") ?? [];
  const given = /^bearer$/i.test(scheme)
    ? credentials
    : /^basic$/i.test(scheme)
    ? passwordOf(credentials)
    : null;
  return given !== null && timingSafeEqual(digest(given), digest(token));
}

/** Everything after the first colon. */
function passwordOf(credentials: string) {
  const text = Buffer.from(credentials, "base64").toString();
  const colon = text.indexOf(":");
  return colon < 0 ? null : text.slice(colon + 1);
}

/** Equal lengths, whatever was given. */
function digest(text: string) {
  return createHash("sha256").update(text).digest();
}
