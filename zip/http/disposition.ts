/**
 * The header field that says under which name a download is saved.
 *
 * @module
 */

/** What `encodeURIComponent` leaves as it is, but RFC 8187 section 3.2.1 does not allow. */
const NOT_ALLOWED = /['()*]/g;

/**
 * Content-Disposition of a download, with both forms of the name (RFC 6266 section 4.3), since some
 * clients know only one.
 *
 * @param name any text without a `/`
 * @param fallback for clients that know only ASCII, where `name` cannot be written in it: letters,
 * digits, `-`, `_` and `.`
 */
export function attachment(name: string, fallback: string): string {
  const plain = plainForm(name) ?? fallback;
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeExtended(name)}`;
}

/**
 * The name in ASCII, without accents; null where letters would be lost, or where some client would
 * read it otherwise: quotes, backslashes and `%` (RFC 6266 appendix D).
 */
function plainForm(name: string): string | null {
  const plain = name.normalize("NFKD").replace(/\p{M}+/gu, "");
  return /^[\x20-\x7e]+$/.test(plain) && !/["\\%/]/.test(plain) ? plain : null;
}

/** Every character that is not allowed as its UTF-8 bytes in hexadecimal digits (RFC 8187). */
function encodeExtended(text: string) {
  return encodeURIComponent(text.toWellFormed()).replace(
    NOT_ALLOWED,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
