/**
 * `zipferry sign`: makes a link for one recipient, which ends.
 *
 * @module
 */

import { signedLinkQuery } from "../handlers/signed_link.ts";
import { ConfigError, type LinkToSign } from "../lib/config.ts";
import { print } from "./terminal.ts";

/** What is signed, and with what. */
export interface SignOptions extends Omit<LinkToSign, "action"> {
  /** Secrets of the service; the first one signs. */
  readonly secrets: readonly string[];
}

/**
 * Prints the link, and nothing else, to standard output. Touches neither the photos nor the service.
 *
 * @throws {ConfigError} if there is no secret
 */
export function signCommand({ baseUrl = "", secrets: [secret], ...link }: SignOptions): number {
  if (secret === undefined) {
    throw new ConfigError("sign: needs ZIPFERRY_SECRET or --secret-file, as the service has it");
  }
  print(`${baseUrl}/archive/${link.hash}/?${signedLinkQuery({ ...link, secret })}`);
  return 0;
}
