/**
 * Keeps the link out of what is printed: reports are pasted into forums.
 *
 * @module
 */

import { redact } from "../../lib/log.ts";

/** As many characters of a hash may stand in a report. */
const SHOWN = 4;

/**
 * A function that shortens the hash of a link, and any longer beginning of it, wherever it stands in a
 * text; and takes out the query, which may hold a signature.
 */
export function concealer(url: URL): (text: string) => string {
  const hash = hashOf(url);
  const short = redact(hash);
  const beginnings = Array.from(hash, (_, i) => hash.slice(0, hash.length - i))
    .filter(({ length }) => length > SHOWN);
  const { search } = url;
  return (text) => {
    let shown = search.length > 1 ? text.replaceAll(search, "?…") : text;
    for (const part of beginnings) {
      shown = shown.replaceAll(new RegExp(RegExp.escape(part), "gi"), short);
    }
    return shown;
  };
}

/** The last part of the path: in links of this service, the hash. */
export function hashOf({ pathname }: URL): string {
  return pathname.split("/").findLast((part) => part !== "") ?? "";
}
