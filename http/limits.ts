/**
 * How many downloads, and how many requests besides, are under way at a time: for all clients
 * together, and for each.
 *
 * @module
 */

/** Parallel requests for parts of one archive by one client that are one download. */
export const PARTS_A_DOWNLOAD = 16;

/** Which limit a request would pass: that of the whole service, or that of its client. */
export type Excess = "server" | "client";

/** Thrown where a request would pass a limit. */
export class ExcessError extends Error {
  /** Always `ExcessError`. */
  override readonly name = "ExcessError";

  /**
   * A refusal.
   *
   * @param excess the limit
   * @param what what there are too many of
   */
  constructor(readonly excess: Excess, readonly what: "downloads" | "requests") {
    super(`too many ${what}: limit of the ${excess}`);
  }
}

/** Gives back what was taken; further calls do nothing. */
export type Release = () => void;

/** What a limit is made of. */
export interface LimitOptions {
  /** At a time, all clients together. */
  readonly most: number;
  /** At a time for one client; 0 for as many as there are. @default 0 */
  readonly mostPerClient?: number;
}

/** Requests of some kind, each of which is under way until it gives its place back. */
export class RequestLimit {
  readonly #most: number;
  readonly #mostPerClient: number;
  readonly #clients = new Map<string, number>();
  #active = 0;

  /** Nothing is taken yet. */
  constructor({ most, mostPerClient = 0 }: LimitOptions) {
    this.#most = most;
    this.#mostPerClient = mostPerClient || Infinity;
  }

  /** How many are under way. */
  get active(): number {
    return this.#active;
  }

  /**
   * Which limit one more would pass; null if there is room.
   *
   * @param client whose it is; empty if nobody can tell, and then only the common limit counts
   */
  excess(client: string): Excess | null {
    const own = client === "" ? 0 : this.#clients.get(client) ?? 0;
    if (own >= this.#mostPerClient) return "client";
    return this.#active >= this.#most ? "server" : null;
  }

  /** Takes a place if there is one. */
  take(client: string): Release | Excess {
    const excess = this.excess(client);
    if (excess) return excess;
    this.#add(client, 1);
    return once(() => this.#add(client, -1));
  }

  #add(client: string, change: 1 | -1) {
    this.#active += change;
    const own = (this.#clients.get(client) ?? 0) + change;
    if (own > 0) this.#clients.set(client, own);
    else this.#clients.delete(client);
  }
}

/** Who downloads what. */
export interface DownloadKey {
  /** The client; empty if nobody can tell. */
  readonly client: string;
  /** The archive. */
  readonly hash: string;
}

/** One download: it holds its place until the last of its requests has ended. */
interface Place {
  readonly release: Release;
  requests: number;
}

/**
 * Downloads under way. A request for a part joins one of the same archive by the same client, be it
 * of the whole or of another part: programs that open several connections, and those that resume
 * before the cut is noticed, have one download.
 */
export class DownloadLimit {
  readonly #limit: RequestLimit;
  readonly #places = new Map<string, Place[]>();

  /** Nothing is taken yet. */
  constructor(options: LimitOptions) {
    this.#limit = new RequestLimit(options);
  }

  /** How many are under way. */
  get active(): number {
    return this.#limit.active;
  }

  /** Which limit one more by this client would pass, unless it joins another; null if there is room. */
  excess(client: string): Excess | null {
    return this.#limit.excess(client);
  }

  /** Takes a place if there is one, or joins a download for a part of it. */
  take(key: DownloadKey, { part }: { readonly part: boolean }): Release | Excess {
    const name = `${key.client} ${key.hash}`;
    const places = this.#places.get(name) ?? [];
    const joined = part && places.find(({ requests }) => requests < PARTS_A_DOWNLOAD);
    const place = joined || this.#open(key.client);
    if (typeof place === "string") return place;
    place.requests++;
    if (!joined) this.#places.set(name, [...places, place]);
    return once(() => this.#leave(name, place));
  }

  #open(client: string): Place | Excess {
    const release = this.#limit.take(client);
    return typeof release === "string" ? release : { release, requests: 0 };
  }

  #leave(name: string, place: Place) {
    if (--place.requests > 0) return;
    place.release();
    const others = this.#places.get(name)?.filter((other) => other !== place) ?? [];
    if (others.length > 0) this.#places.set(name, others);
    else this.#places.delete(name);
  }
}

function once(leave: Release): Release {
  let taken = true;
  return () => {
    if (taken) leave();
    taken = false;
  };
}
