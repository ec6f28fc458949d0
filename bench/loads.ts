/**
 * Loads: a folder, and how servers get it. A load is a letter of `folders.ts`: one client, and a
 * server that has sent this folder before. What differs from that follows after colons. `cold`
 * starts a new server for each download and warms it up with another folder; a number is the number
 * of clients.
 *
 * @module
 */

import { workloads } from "./folders.ts";

/** What is measured unless `--loads` says otherwise. */
export const DEFAULT_LOADS = "P,P:cold,P:8,P:64,V,T,T:cold,H";

/** One workload, and how the servers get it. */
export interface Load {
  readonly name: string;
  readonly letter: string;
  readonly clients: number;
  /** No CRC-32 is known. */
  readonly cold: boolean;
}

/**
 * Reads the name of a load.
 *
 * @throws {RangeError} if there is no such folder
 */
export function parseLoad(name: string): Load {
  const [letter, ...how] = name.split(":");
  if (!Object.hasOwn(workloads, letter)) {
    throw new RangeError(`--loads: ${letter}: allowed are ${Object.keys(workloads).join()}`);
  }
  const clients = Number(how.find((word) => /^\d+$/.test(word)) ?? 1);
  return { name, letter, clients, cold: how.includes("cold") };
}

/** A load in words. */
export function describeLoad(name: string): string {
  const { letter, clients, cold } = parseLoad(name);
  const how = clients === 1 ? "one client" : `${clients} clients`;
  return `${workloads[letter].title}, ${how}${cold ? ", no CRC-32 known" : ""}`;
}
