/**
 * A certificate that is renewed while the service runs.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { describeError, log } from "../lib/log.ts";
import {
  type Certificate,
  type CertificateFiles,
  describeEnd,
  readCertificate,
} from "./certificate.ts";

/**
 * The files are read this often, in milliseconds. Watching them is no better: programs that renew
 * replace symlinks, or whole folders, and a watch stays with what was there.
 */
const EVERY_MS = 10_000;

/** That a certificate ends soon is said once in this time, in milliseconds. */
const REMIND_MS = 86_400_000;

/** What is watched, and who is told. */
export interface RenewalOptions {
  /** Where a renewed certificate is put. */
  readonly files: CertificateFiles;
  /** The one in use. */
  readonly current: Certificate;
  /** Takes another one into use. */
  readonly onRenewed: (certificate: Certificate) => void;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** Milliseconds between two looks. @default 10000 */
  readonly every?: number;
}

/**
 * Looks for another certificate until the signal says to stop. Files that cannot be used change
 * nothing: they are told of once if they stay so, since both files are seldom replaced at the same
 * moment.
 */
export async function watchCertificate(options: RenewalOptions): Promise<void> {
  const { files, signal, every = EVERY_MS } = options;
  let { current } = options;
  let [problem, told] = ["", ""];
  let remindAt = performance.now() + REMIND_MS;
  while (await passes(every, signal)) {
    try {
      const found = await readCertificate(files);
      [problem, told] = ["", ""];
      if (found.cert !== current.cert || found.key !== current.key) {
        current = found;
        options.onRenewed(found);
      }
    } catch (error) {
      const why = describeError(error);
      const lasts = why === problem;
      if (lasts && why !== told) log.error("keeping the old certificate: {why}", { why });
      if (lasts) told = why;
      problem = why;
    }
    if (performance.now() < remindAt) continue;
    remindAt += REMIND_MS;
    const end = describeEnd(files.cert, current.validTo);
    if (end) log.warn("{text}", { text: end });
  }
}

/** False when the wait was broken off. */
async function passes(milliseconds: number, signal: AbortSignal) {
  return await sleep(milliseconds, true, { signal, ref: false }).catch(() => false);
}
