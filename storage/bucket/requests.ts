/**
 * Requests to a bucket: signed, bounded in number and time, and tried again at the next endpoint.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { unlessAborted } from "../../lib/abort.ts";
import { StorageError } from "../errors.ts";
import { Answer, SilenceError } from "./answer.ts";
import type { BucketCredentials, BucketOptions } from "./client.ts";
import { brokenConnection, PassingFailure, refusal } from "./failures.ts";
import { bucketUrl, objectUrl } from "./object_url.ts";
import { Places } from "./places.ts";
import { SpareBuffers } from "./spare_buffers.ts";
import { sign, type SigningKeys } from "./signing.ts";

/** How often a request is tried again unless the options say otherwise. */
const RETRIES = 4;

/** Requests at a time unless the options say otherwise. */
const MAX_REQUESTS = 64;

/** Limits of time unless the options say otherwise, in milliseconds. */
const CONNECT_MS = 5000;
const FIRST_BYTE_MS = 10_000;
const SILENCE_MS = 20_000;

/** The wait after the first failure, of a connection and of a store that is busy, in milliseconds. */
const FIRST_WAIT_MS = { connection: 100, busy: 400, credentials: 0 } as const;

/** The longest wait that nobody asked for, in milliseconds. */
const LONGEST_WAIT_MS = 10_000;

/** An attempt that brought so many bytes was no failure of the whole: tries are counted anew. */
const PROGRESS = 1024 * 1024;

/** Milliseconds in which an endpoint that has not answered yet must take a connection. */
const PROBE_MS = 1000;

/** A connection that nobody uses is closed after this time, in milliseconds. */
const IDLE_MS = 10_000;

/** More of the body of an error is not read, in bytes. */
const MAX_ERROR_BODY = 64 * 1024;

/** Operations that are counted apart. */
export type CallKind = "list" | "head" | "get";

/** One request, before it is signed. */
export interface Call {
  /** Which operation it is. */
  readonly kind: CallKind;
  /** What an error says was being done, as in `read object`. */
  readonly action: string;
  /** Key of the object. @default the bucket itself */
  readonly key?: string;
  /** Query, encoded. @default none */
  readonly query?: string;
  /** Header fields; those of S3's own are signed, the others may be changed on the way. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** How often something is tried. */
export interface RetryOptions {
  /** Ends the attempt or the wait for the next one; the promise rejects with the reason. */
  readonly signal?: AbortSignal;
  /** Bytes that came so far, in all attempts. @default 0 */
  readonly progress?: () => number;
}

/** What was asked of a bucket so far. */
export interface BucketStats {
  /** Requests sent, of each kind, with those that failed. */
  readonly requests: Readonly<Record<CallKind, number>>;
  /** How many of them were further tries. */
  readonly retries: number;
  /** Bytes of objects that came. */
  readonly bytes: number;
  /** Requests under way. */
  readonly active: number;
}

/** Sends requests to a bucket. */
export class Requests implements Disposable {
  readonly #options: BucketOptions;
  readonly #endpoints: readonly URL[];
  readonly #client: Deno.HttpClient;
  readonly #places: Places;
  readonly #keys: SigningKeys = new Map();
  readonly #spare = new SpareBuffers();
  readonly #closing = new AbortController();
  readonly #requests: Record<CallKind, number> = { list: 0, head: 0, get: 0 };
  /** The endpoint that is used until it fails. */
  #current = 0;
  #retries = 0;
  #bytes = 0;
  #active = 0;

  /** Connects with the first request. */
  constructor(options: BucketOptions) {
    const { endpoints, region, maxRequests = MAX_REQUESTS } = options;
    this.#options = options;
    this.#endpoints = endpoints.length > 0
      ? endpoints
      : [new URL(`https://s3.${region}.amazonaws.com`)];
    this.#places = new Places(maxRequests);
    this.#client = Deno.createHttpClient({
      http2: false,
      poolMaxIdlePerHost: maxRequests,
      poolIdleTimeout: IDLE_MS,
    });
  }

  /** What was asked so far. */
  get stats(): BucketStats {
    const requests = { ...this.#requests };
    return { requests, retries: this.#retries, bytes: this.#bytes, active: this.#active };
  }

  /** Counts bytes of an object. */
  count(bytes: number): void {
    this.#bytes += bytes;
  }

  /**
   * Does something until it succeeds, at most as often as the options say; only what may pass is
   * done again, and nothing is held while it waits.
   */
  async retry<T>(work: () => Promise<T>, options: RetryOptions = {}): Promise<T> {
    const { signal, progress = () => 0 } = options;
    const tries = Math.max((this.#options.retries ?? RETRIES) + 1, this.#endpoints.length);
    let [failures, renewed, before] = [0, false, progress()];
    for (;;) {
      try {
        return await work();
      } catch (error) {
        signal?.throwIfAborted();
        this.#closing.signal.throwIfAborted();
        if (!(error instanceof PassingFailure)) throw error;
        if (progress() - before >= PROGRESS) [failures, before] = [0, progress()];
        if (error.kind === "credentials" ? renewed : ++failures >= tries) {
          throw failures > 1 ? severalTimes(error, failures) : error;
        }
        renewed ||= error.kind === "credentials";
        await this.#pause(this.#waitAfter(error, failures), signal);
        this.#retries++;
      }
    }
  }

  /**
   * Sends one request. The answer is a success and has its body unread; it takes a place until it is
   * disposed of or read to its end.
   */
  async send(call: Call, signal?: AbortSignal): Promise<Answer> {
    this.#closing.signal.throwIfAborted();
    await this.#places.take(signal);
    this.#active++;
    const attempt = new Attempt(call, {
      endpoint: this.#current,
      signals: [this.#closing.signal, ...(signal ? [signal] : [])],
      release: () => {
        this.#active--;
        this.#places.release();
      },
    });
    try {
      return await this.#exchange(attempt);
    } catch (error) {
      attempt.end();
      throw this.#explain(attempt, error);
    }
  }

  /** Ends all requests and closes all connections. */
  [Symbol.dispose](): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new StorageError("ECANCELED", "read bucket: it is closed"));
    this.#client.close();
  }

  async #exchange(attempt: Attempt): Promise<Answer> {
    const { call, signal } = attempt;
    const endpoint = this.#endpoints[attempt.endpoint];
    const credentials = await this.#credentials(attempt);
    const request = await this.#sign(call, { endpoint, credentials });
    this.#requests[call.kind]++;
    const { connectTimeout = CONNECT_MS, firstByteTimeout = FIRST_BYTE_MS } = this.#options;
    using _watch = watchHead(attempt, { endpoint, connectTimeout, firstByteTimeout });
    const response = await fetch(request.url, {
      method: methodOf(call),
      headers: request.headers,
      client: this.#client,
      redirect: "manual",
      signal,
    });
    const answer = new Answer(response, {
      silenceTimeout: this.#options.silenceTimeout ?? SILENCE_MS,
      abort: (reason) => attempt.abort(reason),
      signal,
      release: () => attempt.end(),
      explain: (error) => this.#explain(attempt, error),
      spare: this.#spare,
    });
    if (response.ok) return answer;
    throw await this.#refused(call, answer, credentials?.sessionToken !== undefined);
  }

  async #refused(call: Call, answer: Answer, temporary: boolean) {
    using _ = answer;
    const { status, headers } = answer;
    const body = await answer.text(MAX_ERROR_BODY).catch(() => null) ?? "";
    const { region } = this.#options;
    return refusal(call.action, { status, headers, body, temporary, region });
  }

  async #credentials({ call, signal }: Attempt) {
    const { credentials } = this.#options;
    if (credentials === null) return null;
    try {
      return await unlessAborted(credentials(), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof StorageError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new StorageError("EACCES", `${call.action}: no credentials: ${reason}`);
    }
  }

  async #sign(
    call: Call,
    { endpoint, credentials }: { endpoint: URL; credentials: BucketCredentials | null },
  ) {
    const { bucket, pathStyle, region } = this.#options;
    const { key, query } = call;
    const where = key === undefined
      ? bucketUrl(endpoint, { bucket, pathStyle })
      : objectUrl(endpoint, { bucket, pathStyle, key });
    const url = query === undefined ? where : `${where}?${query}`;
    const fields = Object.entries(call.headers ?? {});
    const own = fields.filter(([name]) => name.startsWith("x-amz-"));
    const method = methodOf(call);
    const headers = credentials === null
      ? new Headers()
      : await sign({ method, url, headers: own, credentials, region }, this.#keys);
    for (const [name, value] of fields) headers.set(name, value);
    // Bytes as they are stored. Deno decodes nothing that was asked for by its name.
    headers.set("accept-encoding", "identity");
    return { url, headers };
  }

  /** What an error means. After one that passes, the next requests go to the next endpoint. */
  #explain(attempt: Attempt, error: unknown) {
    const failure = attempt.explain(error);
    const ofEndpoint = failure instanceof PassingFailure && failure.kind !== "credentials";
    if (ofEndpoint && attempt.endpoint === this.#current) {
      this.#current = (attempt.endpoint + 1) % this.#endpoints.length;
    }
    return failure;
  }

  /** Another endpoint is tried at once, unless the store is busy. */
  #waitAfter({ kind, retryAfter }: PassingFailure, failures: number) {
    const rounds = Math.floor((failures - 1) / this.#endpoints.length);
    const isNew = kind === "connection" && failures % this.#endpoints.length !== 0;
    if (isNew || kind === "credentials") return 0;
    const longest = Math.min(FIRST_WAIT_MS[kind] * 2 ** Math.max(rounds, 0), LONGEST_WAIT_MS);
    return Math.max(longest * (0.5 + Math.random() / 2), retryAfter);
  }

  async #pause(ms: number, signal?: AbortSignal) {
    const { signal: closing } = this.#closing;
    const either = signal ? AbortSignal.any([signal, closing]) : closing;
    await sleep(ms, undefined, { signal: either }).catch(() => either.throwIfAborted());
  }
}

/** Where an attempt is sent, who may end it, and who is told that it has ended. */
interface AttemptOptions {
  readonly endpoint: number;
  readonly signals: readonly AbortSignal[];
  readonly release: () => void;
}

/** One try of a request: what ends it, and what it holds. */
class Attempt {
  readonly call: Call;
  /** Which endpoint it is sent to. */
  readonly endpoint: number;
  readonly #controller = new AbortController();
  readonly #signals: readonly AbortSignal[];
  readonly #release: () => void;
  #ended = false;

  constructor(call: Call, { endpoint, signals, release }: AttemptOptions) {
    this.call = call;
    this.endpoint = endpoint;
    this.#signals = signals;
    this.#release = release;
    for (const signal of signals) signal.addEventListener("abort", this.#leave, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Closes the socket. */
  abort(reason: Error) {
    this.#controller.abort(reason);
  }

  /** Gives the place back. */
  end() {
    if (this.#ended) return;
    this.#ended = true;
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#leave);
    this.#release();
  }

  /** The reason of whoever left, a time-out, or what the runtime's error means. */
  explain(error: unknown): unknown {
    for (const signal of this.#signals) if (signal.aborted) return signal.reason;
    if (error instanceof StorageError) return error;
    const { reason } = this.signal;
    if (reason instanceof PassingFailure) return reason;
    if (reason instanceof SilenceError) return timedOut(this.call, "the body stopped coming");
    return brokenConnection(this.call.action, error);
  }

  #leave = () => {
    const signal = this.#signals.find(({ aborted }) => aborted);
    this.#controller.abort(signal?.reason);
  };
}

/** Where an attempt is sent, and how long its answer may take, in milliseconds. */
interface HeadLimits {
  readonly endpoint: URL;
  readonly connectTimeout: number;
  readonly firstByteTimeout: number;
}

/**
 * Aborts an attempt whose answer does not begin in time.
 *
 * `fetch` does not tell when its connection stands. So when the time for that is over without an
 * answer, another connection is tried: an endpoint that takes none within a second takes none.
 */
function watchHead(attempt: Attempt, limits: HeadLimits): Disposable {
  const { endpoint, connectTimeout, firstByteTimeout } = limits;
  let timer = setTimeout(async () => {
    timer = setTimeout(() => attempt.abort(timedOut(attempt.call, "no answer")), firstByteTimeout);
    const taken = await takesConnections(endpoint);
    if (!taken && !over) attempt.abort(timedOut(attempt.call, "no connection"));
  }, connectTimeout);
  let over = false;
  return {
    [Symbol.dispose]: () => {
      over = true;
      clearTimeout(timer);
    },
  };
}

async function takesConnections({ hostname, protocol, port }: URL) {
  const defaultPort = protocol === "https:" ? 443 : 80;
  try {
    const connection = await Deno.connect({
      hostname: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: port === "" ? defaultPort : Number(port),
      signal: AbortSignal.timeout(PROBE_MS),
    });
    connection.close();
    return true;
  } catch {
    return false;
  }
}

function methodOf({ kind }: Call) {
  return kind === "head" ? "HEAD" : "GET";
}

function timedOut({ action }: Call, what: string) {
  const text = `${action}: ${what} in time`;
  return new PassingFailure(text, { kind: "connection", code: "ETIMEDOUT" });
}

/** The same failure, with how often it was met. */
function severalTimes({ kind, code, message }: PassingFailure, tries: number) {
  return new PassingFailure(`${message}, ${tries} tries`, { kind, code });
}
