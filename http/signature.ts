/**
 * Signed links: whoever knows a secret can make one for a recipient, with an end. Pure; the form is
 * told in docs/signing.md, with vectors for other languages.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { LinkSignature } from "./query.ts";

/** What a link is signed for. */
export interface SignedLink {
  /** The archive. */
  readonly hash: string;
  /** When the link ends, in seconds since 1970. */
  readonly expires: number;
  /** Names of the files and folders that it is for, in any order; empty for all of the archive. */
  readonly files: readonly string[];
}

/** Which form of the text is signed: another form would have another name. */
const FORM = "zipferry-link-v1";

/** The only characters that no name in an archive can have and that would make another text. */
const LINE_END = /[\r\n\0]/;

/**
 * The text that is signed: the form, the hash, the end and the names, each with a line feed after it.
 * Names are in Unicode's form NFC, as in the archive, in the order of their UTF-8 bytes, each once.
 *
 * @throws {RangeError} for a name that no archive can have
 */
export function canonicalText({ hash, expires, files }: SignedLink): string {
  const names = [...new Set(files.map((name) => name.normalize("NFC")))];
  if (names.some((name) => LINE_END.test(name))) {
    throw new RangeError("sign link: a name with a line break in it");
  }
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return [FORM, hash, expires, ...names].map((line) => `${line}\n`).join("");
}

/**
 * The signature of a link: HMAC-SHA-256 (RFC 2104) of its text, in base64url without padding (RFC 4648
 * section 5), which are 43 characters.
 */
export function signLink(link: SignedLink, secret: string): string {
  return createHmac("sha256", secret).update(canonicalText(link)).digest("base64url");
}

/** The query of a signed link, without a question mark. */
export function signedQuery(link: SignedLink, secret: string): string {
  const files = link.files.map((name) => `file=${encodeURIComponent(name.normalize("NFC"))}`);
  return [...files, `expires=${link.expires}`, `signature=${signLink(link, secret)}`].join("&");
}

/** What a request shows of a link. */
export interface GivenLink extends Omit<SignedLink, "expires"> {
  /** Its end. */
  readonly signature: LinkSignature;
}

/**
 * True if one of the secrets signed the link: for these very files, or for all of the archive. Takes
 * as long for any signature, right or wrong, and whichever secret it is.
 */
export function isSigned(
  { hash, files, signature }: GivenLink,
  secrets: readonly string[],
): boolean {
  if (files.some((name) => LINE_END.test(name))) return false;
  const { expires, value } = signature;
  let isRight = false;
  for (const secret of secrets) {
    for (const signed of [files, []]) {
      const right = signLink({ hash, expires, files: signed }, secret);
      if (isEqual(value, right)) isRight = true;
    }
  }
  return isRight;
}

/** How long a text is may show; what is in it may not. */
function isEqual(given: string, right: string) {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
