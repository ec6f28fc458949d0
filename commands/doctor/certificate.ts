/**
 * What a server shows of itself before anything is asked: the TLS version, the certificate, and
 * whether it offers HTTP/2.
 *
 * @module
 */

import { connect, type TLSSocket } from "node:tls";
import { isIP } from "node:net";

/** What a handshake showed. */
export interface Handshake {
  /** As in `TLSv1.3`. */
  readonly protocol: string;
  /** The chosen protocol, as in `h2`; undefined if the server named none. */
  readonly alpn?: string;
  /** When the certificate ends, in milliseconds since 1970; NaN if it does not tell. */
  readonly expires: number;
  /** Why it is not trusted, as in `CERT_HAS_EXPIRED`; undefined if it is. */
  readonly distrust?: string;
}

/** How it is looked at. */
export interface HandshakeOptions {
  /** Certificates in PEM that are trusted besides the usual ones. @default none */
  readonly caCerts?: readonly string[];
  /** Milliseconds until it is given up. */
  readonly within: number;
}

/**
 * Makes a connection, looks at the certificate and closes it. Nothing is sent on it: whoever shows a
 * wrong certificate does not get to see a link.
 *
 * @throws {Error} if there is no handshake at all
 */
export async function shakeHands(url: URL, options: HandshakeOptions): Promise<Handshake> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const { caCerts = [], within } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Handshake>();
  const socket: TLSSocket = connect({
    host,
    port: Number(url.port || 443),
    ...isIP(host) === 0 && { servername: host },
    ...caCerts.length > 0 && { ca: [...caCerts] },
    ALPNProtocols: ["h2", "http/1.1"],
    rejectUnauthorized: false,
  }, () => resolve(describe(socket)));
  socket.once("error", reject);
  const timer = setTimeout(() => reject(new Error("no TLS handshake in time")), within);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.once("error", () => {});
    socket.destroy();
  }
}

function describe(socket: TLSSocket): Handshake {
  const { valid_to: end } = socket.getPeerCertificate();
  const { authorized, authorizationError: why, alpnProtocol } = socket;
  return {
    protocol: socket.getProtocol() ?? "unknown",
    alpn: alpnProtocol || undefined,
    expires: end ? Date.parse(end) : NaN,
    distrust: authorized ? undefined : codeOf(why),
  };
}

function codeOf(why: unknown): string {
  if (typeof why === "object" && why !== null && "code" in why) return String(why.code);
  return String(why ?? "unknown");
}
