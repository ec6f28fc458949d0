/**
 * What all downloads of one list of entries have in common.
 *
 * @module
 */

import { EntryChecksums } from "./entry_checksums.ts";
import { type Plan, planArchive } from "./plan.ts";
import type { Entry } from "./records.ts";

/** A plan, and the CRC-32 values that were learned while it was sent. */
export class SharedPlan<E extends Entry = Entry> {
  /** Where everything goes. */
  readonly plan: Plan<E>;
  /** For the streams that begin now. */
  checksums: EntryChecksums;

  /**
   * Nothing is known yet.
   *
   * @throws {RangeError} if a name has more than 65,535 bytes
   */
  constructor(entries: readonly E[]) {
    this.plan = planArchive(entries);
    this.checksums = new EntryChecksums(entries.length);
  }

  /** For those who come after a value proved wrong. */
  forgetChecksums() {
    this.checksums = new EntryChecksums(this.plan.entries.length);
  }
}
