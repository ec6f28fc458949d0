/**
 * Which client a request is from: the other end of the connection, or whoever a trusted proxy there
 * says it got the request from. Pure.
 *
 * @module
 */

import ipaddr from "ipaddr.js";

/** Bits of the part of an IPv6 address that one customer of a provider has at least. */
const IPV6_CLIENT_BITS = 64;

/**
 * Characters of a header field that are looked at, from its end. What is at the end was written by
 * the proxies next to the service, and a client may send any length.
 */
const MOST_CHARACTERS = 2048;

/** Names for groups of networks: see {@link trustProxies}. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  private: [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
  ],
};

/** An element of `Forwarded` in its strict grammar: no space but around the commas (RFC 7239, 4). */
const FORWARDED_PAIR = /([!#$%&'*+.^_`|~\w-]+)=([!#$%&'*+.^_`|~\w-]+|"(?:[^"\\]|\\.)*")/y;

/** Whose word is taken for where a request came from. */
export interface TrustedProxies {
  /** True for a peer whose header fields are believed; `""` is the peer of a Unix socket. */
  has(peer: string): boolean;
}

/**
 * The proxies in these networks.
 *
 * @param networks each an address, a network as in `10.0.0.0/8`, or `loopback`, `private`, or `unix`
 * for whoever connects to a Unix socket
 * @throws {Error} if one is nothing of that
 */
export function trustProxies(networks: readonly string[]): TrustedProxies {
  const ranges = networks.flatMap((network) => GROUPS[network] ?? network)
    .filter((network) => network !== "unix")
    .map(parseNetwork);
  const unix = networks.includes("unix");
  return {
    has(peer) {
      if (peer === "") return unix;
      const address = parseAddress(peer);
      return address !== null &&
        ranges.some(([network, bits]) =>
          address.kind() === network.kind() && address.match(network, bits)
        );
    },
  };
}

/**
 * The address of the client: the peer's, or behind trusted proxies the last address in
 * `X-Forwarded-For` or `Forwarded` (RFC 7239) that is not one of theirs. Where the chain ends in
 * something that is no address, such as `unknown`, it is the last trusted proxy's.
 *
 * A proxy writes one of the two fields, and passes on what the client wrote in the other. Where they
 * do not agree nobody can tell which is which, so neither is believed.
 *
 * @param peer the other end of the connection; empty for that of a Unix socket
 * @param headers of the request
 * @returns an IPv4 address, also for one that is written as IPv6; an IPv6 address in its short form
 * (RFC 5952); or empty if nothing is known but that it came by a Unix socket
 */
export function clientAddress(peer: string, headers: Headers, trusted: TrustedProxies): string {
  const nearest = normalAddress(peer) ?? peer;
  if (!trusted.has(nearest)) return nearest;
  const chains = [forwardedFor(headers), forwarded(headers)].filter((chain) => chain !== null);
  const found = chains.map((chain) => lastUntrusted(nearest, chain, trusted));
  return found.length > 0 && found.every((address) => address === found[0]) ? found[0] : nearest;
}

/**
 * What is counted as one client: an IPv4 address, or the network of an IPv6 address, since whoever
 * has one there may take any other.
 *
 * @param address as {@link clientAddress} returns it
 */
export function clientKey(address: string): string {
  const parsed = parseAddress(address);
  if (parsed?.kind() !== "ipv6") return address;
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address}/${IPV6_CLIENT_BITS}`);
  return `${network.toRFC5952String()}/${IPV6_CLIENT_BITS}`;
}

/** The first address from the end that is not trusted, or the last one before the chain ends. */
function lastUntrusted(peer: string, chain: readonly string[], trusted: TrustedProxies): string {
  let last = peer;
  for (const node of chain.toReversed()) {
    const address = addressOf(node);
    if (address === null) return last;
    last = address;
    if (!trusted.has(address)) return address;
  }
  return last;
}

/** Nodes of `X-Forwarded-For`, the client's first; null without the field. */
function forwardedFor(headers: Headers): readonly string[] | null {
  const value = headers.get("x-forwarded-for");
  if (value === null) return null;
  return value.slice(-MOST_CHARACTERS).split(",").map((node) => node.trim());
}

/** Nodes of `Forwarded`, the client's first; an element without one, or a malformed field, is `""`. */
function forwarded(headers: Headers): readonly string[] | null {
  const value = headers.get("forwarded");
  if (value === null) return null;
  // A field that is cut may begin inside of quotes, so a long one is not read at all.
  return value.length > MOST_CHARACTERS ? [""] : parseForwarded(value) ?? [""];
}

/**
 * The `for` of each element. Null unless the whole field is well-formed: an open quote of the client
 * could hide what the proxy wrote after it.
 */
function parseForwarded(value: string): string[] | null {
  const pair = new RegExp(FORWARDED_PAIR);
  const nodes = [""];
  for (let at = 0;;) {
    pair.lastIndex = at;
    const [text, name, quoted] = pair.exec(value) ?? [];
    if (text === undefined) return null;
    if (name.toLowerCase() === "for") nodes[nodes.length - 1] = unquote(quoted);
    at += text.length;
    if (at === value.length) return nodes;
    const [separator] = /^(?:;|[ \t]*,[ \t]*)/.exec(value.slice(at)) ?? [];
    if (separator === undefined) return null;
    if (separator !== ";") nodes.push("");
    at += separator.length;
  }
}

function unquote(value: string) {
  return value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, "$1") : value;
}

/** Without a port and brackets (RFC 7239 section 6); null for `unknown`, `_hidden` and nonsense. */
function addressOf(node: string): string | null {
  const [, bracketed, plain] =
    /^(?:\[([^\]]*)\]|([0-9.]+))(?::(?:\d{1,5}|_[\w.-]+))?$/.exec(node) ?? [];
  return normalAddress(bracketed ?? plain ?? node);
}

function normalAddress(text: string): string | null {
  const address = parseAddress(text);
  if (address === null) return null;
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}

/** Only four decimal parts are an IPv4 address: others read `010.1` and `127.1` in various ways. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  const [address] = text.split("%", 1); // a zone is of this machine only
  const isAddress = ipaddr.IPv4.isValidFourPartDecimal(address) ||
    address.includes(":") && ipaddr.IPv6.isValid(address);
  return isAddress ? ipaddr.process(address) : null;
}

/** Networks of IPv4 that are written as IPv6 become what the addresses in them become. */
function parseNetwork(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  if (!text.includes("/")) {
    const address = parseAddress(text);
    if (address === null) throw new Error(`read network: ${text}`);
    return [address, address.kind() === "ipv4" ? 32 : 128];
  }
  const [network, bits] = ipaddr.parseCIDR(text);
  const isMapped = network instanceof ipaddr.IPv6 && network.isIPv4MappedAddress() && bits >= 96;
  return isMapped ? [network.toIPv4Address(), bits - 96] : [network, bits];
}
