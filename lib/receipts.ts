/**
 * What is known of the deliveries of one version of an archive, and how a request changes it. Pure:
 * the same function works in memory and on what a file keeps.
 *
 * @module
 */

import { addRange, type ByteRange, countBytes, isWhole } from "./byte_ranges.ts";

/** At most this many requests of one version are kept apart while they run. */
const MAX_OPEN = 64;

/** How far one request is. */
export interface RequestUpdate {
  /** Stands for this request, and for no other one of any process. */
  readonly id: string;
  /** The archive: the secret of its link. */
  readonly hash: string;
  /** Entity tag of the version; null if its bytes differ each time. */
  readonly etag: string | null;
  /** Bytes of the whole archive; null if only the end will tell. */
  readonly size: number | null;
  /** Whether it is of a choice of files or a part, and not of the whole archive. @default false */
  readonly chosen?: boolean;
  /** First byte that is sent. */
  readonly start: number;
  /** Bytes that were handed to the connection so far. */
  readonly bytes: number;
  /** True in the first update of a request, even if others were joined to it. */
  readonly isFirst: boolean;
  /** How the request ended; null while it runs. */
  readonly ended: "complete" | "cancelled" | "stalled" | "failed" | null;
  /** When this was so: milliseconds since 1970. */
  readonly at: number;
}

/** What is known of one version. Times are milliseconds since 1970. */
export interface Receipt {
  /** Entity tag; null if the bytes differ each time. */
  readonly etag: string | null;
  /** Bytes of all of it; null if nobody knows. */
  readonly size: number | null;
  /** Whether it is a choice of files or a part, and not the whole archive. @default false */
  readonly chosen?: boolean;
  /** How many requests there were. */
  readonly requests: number;
  /** Bytes that were handed to connections, all in all. */
  readonly bytes: number;
  /** How often every byte went out. */
  readonly deliveries: number;
  /** How many different bytes have gone out of a delivery that is not complete. */
  readonly covered: number;
  /** When somebody asked for the first time. */
  readonly firstRequest: number;
  /** When something was last heard of a request. */
  readonly lastRequest: number;
  /** When the first delivery was complete; null if none was. */
  readonly firstDelivery: number | null;
  /** When the last one was. */
  readonly lastDelivery: number | null;
}

/** A request that has not ended, or whose process ended before it. */
export interface OpenRequest {
  /** Its id. */
  readonly id: string;
  /** First byte. */
  readonly start: number;
  /** Bytes handed to the connection. */
  readonly bytes: number;
  /** How many of them belong to a delivery that was complete before. */
  readonly used: number;
}

/** The same, with what it takes to go on. */
export interface ReceiptState extends Omit<Receipt, "covered"> {
  /** What went out since the last delivery, by requests that have ended. */
  readonly ranges: readonly ByteRange[];
  /** Requests that run, the one that was heard of last at the end. */
  readonly open: readonly OpenRequest[];
}

/** What becomes of a version's receipt. */
export interface Applied {
  /** The state from now on. */
  readonly state: ReceiptState;
  /** Whether a delivery is complete with it. */
  readonly delivered: boolean;
}

/** A delivery that has just become complete. */
export interface Delivery extends Receipt {
  /** The archive: the secret of its link. */
  readonly hash: string;
}

/** Keeps receipts, in memory or in a file. */
export interface ReceiptStore {
  /** Takes updates in; the deliveries that are complete with them. All are taken in, or none. */
  apply(updates: readonly RequestUpdate[]): Promise<Delivery[]>;
  /** All versions of an archive that are known, the latest one first. */
  find(hash: string): Promise<Receipt[]>;
  /** Ends the use of the store. */
  close(): void;
}

/**
 * The receipt after an update.
 *
 * A request that sends the whole archive is a delivery of its own. Other requests add up: a delivery
 * is complete when one ends and no byte is missing, and then the next one begins with none. Requests
 * add up only under a strong entity tag, since bytes under any other may not be of the same archive.
 *
 * @param before what was known; undefined for a version that nobody has asked for
 */
export function applyUpdate(before: ReceiptState | undefined, update: RequestUpdate): Applied {
  const old = before ?? emptyState(update);
  const earlier = old.open.find(({ id }) => id === update.id);
  const others = old.open.filter((one) => one !== earlier);
  const used = earlier?.used ?? 0;
  const { chosen: _, ...same } = old;
  const state: ReceiptState = {
    ...same,
    // What was a choice may be all that is left of the archive by now.
    ...update.chosen && { chosen: true },
    requests: old.requests + (update.isFirst ? 1 : 0),
    bytes: old.bytes + Math.max(0, update.bytes - (earlier?.bytes ?? 0)),
    lastRequest: Math.max(old.lastRequest, update.at),
  };
  if (update.ended === null) {
    const { id, start, bytes } = update;
    const open = [...others, { id, start, bytes, used }];
    return { state: bounded({ ...state, open }), delivered: false };
  }
  const ended = { ...state, open: others };
  return isAllOfIt(update)
    ? { state: withDelivery(ended, update.at), delivered: true }
    : withPart(ended, { ...update, used });
}

/** What others may see of a state. */
export function receiptOf(state: ReceiptState): Receipt {
  const { ranges: _ranges, open: _open, ...receipt } = state;
  return { ...receipt, covered: countBytes(allRanges(state)) };
}

function emptyState({ etag, size, at }: RequestUpdate): ReceiptState {
  return {
    etag,
    size,
    requests: 0,
    bytes: 0,
    deliveries: 0,
    firstRequest: at,
    lastRequest: at,
    firstDelivery: null,
    lastDelivery: null,
    ranges: [],
    open: [],
  };
}

function isAllOfIt({ start, bytes, size, ended }: RequestUpdate) {
  return ended === "complete" && start === 0 && (size === null || bytes === size);
}

function withDelivery(state: ReceiptState, at: number): ReceiptState {
  const { deliveries, firstDelivery, lastDelivery } = state;
  return {
    ...state,
    deliveries: deliveries + 1,
    firstDelivery: Math.min(firstDelivery ?? at, at),
    lastDelivery: Math.max(lastDelivery ?? at, at),
  };
}

/** A request that failed after its last byte was reset: what it sent is not counted as the end. */
function withPart(state: ReceiptState, part: RequestUpdate & { readonly used: number }): Applied {
  const { start, used, at, size, etag, ended } = part;
  if (size === null || !isStrong(etag)) return { state, delivered: false };
  const isReset = ended === "failed" || ended === "stalled";
  const end = isReset ? Math.min(start + part.bytes, size - 1) : start + part.bytes;
  const added = { ...state, ranges: addRange(state.ranges, { start: start + used, end }) };
  if (!isWhole(allRanges(added), size)) return { state: added, delivered: false };
  const open = added.open.map((one) => ({ ...one, used: one.bytes }));
  return { state: withDelivery({ ...added, ranges: [], open }, at), delivered: true };
}

function allRanges({ ranges, open, etag }: ReceiptState) {
  if (!isStrong(etag)) return [...ranges];
  return open.reduce((all, one) => addRange(all, rangeOf(one)), [...ranges]);
}

/** Where too many run, the oldest one counts as ended; should it go on, it is taken in again. */
function bounded(state: ReceiptState): ReceiptState {
  const [oldest, ...others] = state.open;
  if (others.length < MAX_OPEN) return state;
  const ranges = isStrong(state.etag) ? addRange(state.ranges, rangeOf(oldest)) : state.ranges;
  return { ...state, ranges, open: others };
}

function rangeOf({ start, bytes, used }: OpenRequest): ByteRange {
  return { start: start + used, end: start + bytes };
}

function isStrong(etag: string | null) {
  return etag?.startsWith('"') ?? false;
}
