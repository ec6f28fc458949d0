/**
 * The listener that posts events to a web address: signed, in order, and without anybody waiting.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../lib/log.ts";
import type { Delivery } from "../lib/receipts.ts";
import type { Download, DownloadEnd, Observer } from "./observer.ts";

/** At most this many events wait. */
const MAX_EVENTS = 1000;

/** How often an event is tried. */
const MAX_TRIES = 8;

/** How long one try may take, in milliseconds. */
const TRY_MS = 10_000;

/** The wait after the first try that failed, and the longest one, in milliseconds. */
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

/** What can happen. */
export type EventType = "download.started" | "download.delivered" | "download.failed";

/** One event, as the receiver gets it. Fields may be added, none changes. */
export interface WebhookEvent {
  /** The same in every try. */
  readonly id: string;
  /** What happened. */
  readonly type: EventType;
  /** When: ISO 8601, UTC. */
  readonly time: string;
  /** The archive and its version. `hash` is the secret of the link. */
  readonly archive: Pick<Download, "hash" | "etag" | "size"> & {
    /** False for a choice of files or a part: the tag and the size are those of that. */
    readonly whole: boolean;
  };
  /** The request that began or ended; not in `download.delivered`. */
  readonly request?: {
    readonly start: number;
    readonly length: number | null;
    readonly bytes?: number;
    readonly seconds?: number;
    /** Who ended it. */
    readonly reason?: "client" | "server";
  };
  /** How often this version was delivered; in `download.delivered` only. */
  readonly deliveries?: number;
}

/** Where events go, and who is told of trouble. */
export interface WebhookOptions {
  /** The receiver. */
  readonly url: string;
  /** Signs each try. */
  readonly secret: string;
  /** Told of the first event that is lost since one got through, and at the end how many were. */
  readonly onLost?: (lost: LostEvents) => void;
  /** Most events that wait. @default 1000 */
  readonly maxEvents?: number;
  /** Milliseconds to wait after the first failure. @default 1000 */
  readonly firstWait?: number;
  /** Milliseconds that a try may take. @default 10000 */
  readonly within?: number;
  /** How often an event is tried. @default 8 */
  readonly tries?: number;
}

/** Events that nobody got. */
export interface LostEvents {
  /** How many, since one got through. */
  readonly count: number;
  /** Why the last one was lost. */
  readonly why: string;
}

/** Posts events one after another. No method waits, but for `close`. */
export class Webhook implements Observer {
  readonly #options: WebhookOptions;
  readonly #queue: WebhookEvent[] = [];
  readonly #stop = new AbortController();
  #work: Promise<void> | null = null;
  #lost = 0;

  /** Takes the receiver, and who is told of what it does not get. */
  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /** How many events wait, with the one that is being sent. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Posts `download.started`. */
  started(download: Download) {
    const { start, length } = download;
    this.#post("download.started", download, { request: { start, length } });
  }

  /** Progress is no event. */
  progressed() {}

  /** Posts `download.failed` unless the request was sent to its end. */
  ended(download: Download, { kind, bytes, seconds }: DownloadEnd) {
    if (kind === "complete") return;
    const { start, length } = download;
    const reason = kind === "failed" ? "server" : "client";
    const rounded = Math.round(seconds * 1000) / 1000;
    this.#post("download.failed", download, {
      request: { start, length, bytes, seconds: rounded, reason },
    });
  }

  /** Posts `download.delivered`. */
  delivered(delivery: Delivery) {
    this.#post("download.delivered", delivery, { deliveries: delivery.deliveries });
  }

  /** Lets events that wait go out for so many milliseconds, then drops them. */
  async close(grace: number): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(new Error("the service ends")), grace);
    await this.#work;
    clearTimeout(timer);
    const count = this.#queue.length;
    if (count > 0) this.#tell(count, "the service ends");
    this.#queue.length = 0;
  }

  #post(
    type: EventType,
    { hash, etag, size, chosen = false }: Pick<Download, "hash" | "etag" | "size" | "chosen">,
    rest: Partial<WebhookEvent>,
  ) {
    const time = new Date().toISOString();
    const archive = { hash, etag, size, whole: !chosen };
    this.#queue.push({ id: crypto.randomUUID(), type, time, archive, ...rest });
    if (this.#queue.length > (this.#options.maxEvents ?? MAX_EVENTS)) this.#drop();
    this.#work ??= this.#sendAll();
  }

  /** The first one is being sent. What only says that something began is missed least. */
  #drop() {
    const started = this.#queue.findIndex(({ type }, i) => i > 0 && type === "download.started");
    this.#queue.splice(Math.max(1, started), 1);
    this.#lose("too many wait");
  }

  #lose(why: string) {
    this.#lost++;
    if (this.#lost === 1) this.#tell(1, why);
  }

  #tell(count: number, why: string) {
    this.#options.onLost?.({ count, why });
  }

  async #sendAll() {
    await Promise.resolve(); // so that there is a promise before there is none
    while (this.#queue.length > 0 && !this.#stop.signal.aborted) {
      const failure = await this.#send(this.#queue[0]);
      if (this.#stop.signal.aborted && failure) break;
      this.#queue.shift();
      if (failure) this.#lose(failure);
      else this.#recover();
    }
    this.#work = null;
  }

  /** What was told of once is told of again with its count. */
  #recover() {
    if (this.#lost > 1) this.#tell(this.#lost, "the receiver is back");
    this.#lost = 0;
  }

  /** Why an event was given up; null if it got through. */
  async #send(event: WebhookEvent): Promise<string | null> {
    const { tries = MAX_TRIES, firstWait = FIRST_WAIT_MS } = this.#options;
    for (let count = 1;; count++) {
      const failure = await this.#try(event);
      if (failure === null || count === tries || this.#stop.signal.aborted) return failure;
      const longest = Math.min(firstWait * 2 ** (count - 1), LONGEST_WAIT_MS);
      const pause = longest * (0.5 + Math.random() / 2);
      await sleep(pause, undefined, { signal: this.#stop.signal }).catch(() => {});
    }
  }

  async #try(event: WebhookEvent): Promise<string | null> {
    const body = JSON.stringify(event);
    const timeout = AbortSignal.timeout(this.#options.within ?? TRY_MS);
    try {
      const response = await fetch(this.#options.url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "user-agent": "zipferry",
          "zipferry-signature": signature(body, { secret: this.#options.secret }),
        },
        body,
        redirect: "manual",
        signal: AbortSignal.any([timeout, this.#stop.signal]),
      });
      await response.body?.cancel();
      return response.ok ? null : `status ${response.status}`;
    } catch (error) {
      return timeout.aborted ? "no answer in time" : reasonOf(error);
    }
  }
}

/** What a signature is made with, besides the body. */
export interface SignatureOptions {
  /** The key. */
  readonly secret: string;
  /** Seconds since 1970. @default the present */
  readonly time?: number;
}

/**
 * The value of the header field `zipferry-signature`: `t=TIME,v1=HEX`, with the HMAC-SHA-256
 * (RFC 2104) over the time, a dot and the body.
 */
export function signature(body: string, options: SignatureOptions): string {
  const { secret, time = Math.floor(Date.now() / 1000) } = options;
  const digest = createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
  return `t=${time},v1=${digest}`;
}

/** Messages of the runtime hold the address, and that may hold a secret of the receiver's. */
function reasonOf(error: unknown) {
  const [, known] = /(connection refused|dns error|certificate|connection reset|connection closed)/i
    .exec(describeError(error)) ?? []; // the reason is that of the cause
  return known?.toLowerCase() ?? "it cannot be reached";
}
