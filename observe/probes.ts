/**
 * How much of a download went out, for the client that asked for it with a random mark: this is how
 * `zipferry doctor` sees from outside how far a proxy runs ahead of its client.
 *
 * @module
 */

import type { Download, DownloadEnd } from "./observer.ts";

/** Names the mark in a request, and in the answer to it: a cache would repeat an older one. */
export const PROBE_HEADER = "zipferry-probe";

/** Names in an answer the bytes of the downloads with this mark that have ended. */
export const SENT_HEADER = "zipferry-sent";

/** Whoever wants more of them pushes out the oldest. */
const MAX_PROBES = 64;

/** The mark of a request, 32 hexadecimal digits; undefined if it has none. */
export function probeOf({ headers }: Request): string | undefined {
  const mark = headers.get(PROBE_HEADER);
  return mark !== null && /^[0-9a-f]{32}$/.test(mark) ? mark : undefined;
}

/** Downloads with a mark that have ended, of which there are at most 64. A listener. */
export class Probes {
  readonly #sent = new Map<string, number>();

  /** Nothing is known yet. */
  started() {}

  /** What was handed over until now says little: the next report may never come. */
  progressed() {}

  /** Adds up, since a proxy may have made several requests of one. */
  ended({ hash, probe }: Download, { bytes }: DownloadEnd) {
    if (probe === undefined) return;
    const key = `${hash} ${probe}`;
    this.#sent.set(key, (this.#sent.get(key) ?? 0) + bytes);
    if (this.#sent.size <= MAX_PROBES) return;
    const [oldest] = this.#sent.keys();
    this.#sent.delete(oldest);
  }

  /** Header fields for whoever has the link and the mark; none for a request without a mark. */
  fieldsFor(request: Request, hash: string): Readonly<Record<string, string>> {
    const probe = probeOf(request);
    if (probe === undefined) return {};
    const sent = this.#sent.get(`${hash} ${probe}`);
    return { [PROBE_HEADER]: probe, ...sent !== undefined && { [SENT_HEADER]: String(sent) } };
  }
}
