/**
 * Networks as a setting names them.
 *
 * @module
 */

import ipaddr from "ipaddr.js";

/** Words for some networks; `unix` is whoever connects to a Unix socket. */
const WORDS = ["loopback", "private", "unix"];

/** The networks in a list with commas or spaces between them. */
export function splitNetworks(text: string): string[] {
  return text.split(/[\s,]+/).filter((part) => part !== "");
}

/** True for an address, a network as in `10.0.0.0/8`, and a word for networks. */
export function isNetwork(text: string): boolean {
  if (WORDS.includes(text)) return true;
  const [, address, bits] = /^([\d.]+|[\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  if (address === undefined) return false;
  const isIPv4 = ipaddr.IPv4.isValidFourPartDecimal(address);
  if (!isIPv4 && !(address.includes(":") && ipaddr.IPv6.isValid(address))) return false;
  return bits === undefined || Number(bits) <= (isIPv4 ? 32 : 128);
}
