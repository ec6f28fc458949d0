/**
 * Which requests are let in at all, before anything is done for them.
 *
 * @module
 */

import { clientAddress, clientKey, trustProxies } from "../http/client_address.ts";
import { ConnectionLimit } from "../http/connection_limit.ts";
import {
  DownloadLimit,
  type Excess,
  ExcessError,
  type Release,
  RequestLimit,
} from "../http/limits.ts";
import { log } from "../lib/log.ts";

/**
 * Requests that one connection may have under way at a time. HTTP/1.1 has one. With HTTP/2, which the
 * runtime always offers, a connection has up to 200, each with the memory of a download, and there is
 * no option for less.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/http/http_next.rs#L4845-L4869}
 */
const REQUESTS_PER_CONNECTION = 8;

/** The warning about refused requests is not repeated for this long, in milliseconds. */
const QUIET_MS = 60_000;

/** Requests that are no downloads, at a time: HEAD, manifests, the list. */
const MOST_QUESTIONS = 256;

/** At least this many requests that may become downloads are looked into at a time. */
const LEAST_OPENINGS = 256;

/** One client has at most this part of the places for requests that are no downloads yet. */
const CLIENT_SHARE = 2;

/** How much is served at a time. */
export interface LimitsOptions {
  /** Downloads at a time. @default as many as come */
  readonly maxDownloads?: number;
  /** Downloads at a time by one client; 0 for as many as there are. @default 0 */
  readonly maxPerClient?: number;
  /** Networks of proxies that are believed: see {@link trustProxies}. @default none */
  readonly trustProxy?: readonly string[];
}

/** What one request may take. */
export interface Admission {
  /** Throws an {@link ExcessError} if there is no room for another download of this client. */
  expectRoom(): void;
  /**
   * Takes the place of a download.
   *
   * @throws {ExcessError} if there is none
   */
  download(hash: string, options: { readonly part: boolean }): Release;
  /**
   * Takes a place for what comes before a download: the folder is listed.
   *
   * @throws {ExcessError} if there is none
   */
  opening(): Release;
  /**
   * Takes a place for a request that never becomes a download.
   *
   * @throws {ExcessError} if there is none
   */
  question(): Release;
}

/** The limits of a service: three that do not share places, so that none can starve another. */
export class Limits {
  readonly #downloads: DownloadLimit;
  readonly #openings: RequestLimit;
  readonly #questions = shared(MOST_QUESTIONS);
  readonly #trusted;
  readonly #most: number;

  /** Nothing is under way yet. */
  constructor(options: LimitsOptions) {
    const { maxDownloads = Infinity, maxPerClient = 0, trustProxy = [] } = options;
    this.#most = maxDownloads;
    this.#downloads = new DownloadLimit({ most: maxDownloads, mostPerClient: maxPerClient });
    // One client may ask for as many downloads at once as there may be: all could be behind a proxy.
    this.#openings = shared(CLIENT_SHARE * Math.max(maxDownloads, LEAST_OPENINGS));
    this.#trusted = trustProxies(trustProxy);
  }

  /** True if there is no room for another download. */
  get full(): boolean {
    return this.#downloads.active >= this.#most;
  }

  /** Address of the client, empty if it has none. @param peer address of the other end */
  address(headers: Headers, peer: string): string {
    return clientAddress(peer, headers, this.#trusted);
  }

  /** What a request may take. @param address of its client, empty if it has none */
  of(address: string): Admission {
    const client = clientKey(address);
    return {
      expectRoom: () => assertRoom(this.#downloads.excess(client), "downloads"),
      download: (hash, options) =>
        taken(this.#downloads.take({ client, hash }, options), "downloads"),
      opening: () => taken(this.#openings.take(client), "requests"),
      question: () => taken(this.#questions.take(client), "requests"),
    };
  }
}

function shared(most: number) {
  return new RequestLimit({ most, mostPerClient: Math.ceil(most / CLIENT_SHARE) });
}

function taken(result: Release | Excess, what: ExcessError["what"]): Release {
  if (typeof result === "string") throw new ExcessError(result, what);
  return result;
}

function assertRoom(excess: Excess | null, what: ExcessError["what"]) {
  if (excess) throw new ExcessError(excess, what);
}

/** Makes what is asked once a request: whether its connection may have another one under way. */
export function limitConnections(): (info: Deno.ServeHandlerInfo) => boolean {
  const limit = new ConnectionLimit(REQUESTS_PER_CONNECTION);
  let quietUntil = -Infinity;
  return ({ remoteAddr, completed }) => {
    // A Unix socket tells no connection from another; but only those who may open it are there.
    if (!("hostname" in remoteAddr)) return true;
    if (limit.admit(`${remoteAddr.hostname} ${remoteAddr.port}`, completed)) return true;
    if (performance.now() < quietUntil) return false;
    quietUntil = performance.now() + QUIET_MS;
    const most = REQUESTS_PER_CONNECTION;
    log.warn(
      "refused with 429: one connection has {most} requests under way; " +
        "a proxy should speak HTTP/1.1 to the service",
      { most },
    );
    return false;
  };
}
