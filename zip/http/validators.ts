/**
 * What the state of a resource is called at a moment (RFC 9110 section 8.8). Pure.
 *
 * @module
 */

import { entityTag, type TaggedState } from "./entity_tag.ts";
import type { Validators } from "./preconditions.ts";

/** Within a date's second, and the one that a clock may be off, there may be two states. */
const STRONG_DATE_SECONDS = 1;

/** A state, and the date of its last change. */
export interface DatedState extends TaggedState {
  /** In whole seconds since 1970; null if no date tells of every change. */
  readonly lastModified: number | null;
}

/**
 * The validators of a state. A date in the future is none (section 8.8.2.1): the present in its place
 * would be another one with every request.
 *
 * @param now seconds since 1970
 */
export function validatorsOf(state: DatedState, now: number): Validators {
  const { settled, lastModified } = state;
  const isPast = lastModified !== null && lastModified <= Math.floor(now);
  return {
    etag: entityTag(state),
    lastModified: isPast ? lastModified : null,
    dateIsStrong: isPast && settled && lastModified + STRONG_DATE_SECONDS < Math.floor(now),
  };
}
