/**
 * A proxy in front of an object store that counts what is asked of the store, and that fails in every
 * way in which stores and networks do.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { ObjectStore } from "./object_store.ts";

/** Unread bytes of a connection beyond which nothing more is taken from it */
const HIGH_WATER = 256 * 1024;

/** Answers that any request may get, for `Fault.answer` */
export const STORE_ERRORS = {
  internal: { status: 500, code: "InternalError" },
  slowDown: { status: 503, code: "SlowDown" },
  expired: { status: 403, code: "ExpiredToken" },
} as const;

/** What a request is about: one of the three reading operations of S3, or anything else */
export type StoreRequestKind = "list" | "head" | "get" | "other";

/** A request that came */
export interface SeenRequest {
  readonly kind: StoreRequestKind;
  /** 1 for the first one since the start or since `forget()` */
  readonly number: number;
  /** The same among those of its kind */
  readonly nth: number;
  /** Bucket and key as they are, without a first slash */
  readonly path: string;
  /** Of a listing: the prefix asked for; else empty */
  readonly prefix: string;
  /** Of a listing: 1 for its first page; else 0 */
  readonly page: number;
  /** Field values by lower-case name */
  readonly headers: ReadonlyMap<string, string>;
}

/** What becomes of one request; nothing but the store's answer where nothing is named */
export interface Fault {
  /** Milliseconds before the request goes on to the store */
  readonly delayMs?: number;
  /** The store is not asked: this is the answer */
  readonly answer?: { readonly status: number; readonly code: string };
  /**
   * How the connection fails: nothing more comes, it is reset (RST), or it is closed as at its end
   * (FIN)
   */
  readonly breaks?: "stall" | "reset" | "close";
  /**
   * Where it fails: before anything of the answer, or after so many bytes of the body
   *
   * @default "request"
   */
  readonly after?: "request" | number;
  /** Fields of the answer to replace, or to leave out where null */
  readonly headers?: Readonly<Record<string, string | null>>;
  /**
   * Bytes by which `Content-Length` is wrong. A shorter one ends the body early and in order; after a
   * longer one the connection is closed, unless `padded`
   */
  readonly lengthOff?: number;
  /**
   * Send zeros up to a `Content-Length` that is too long
   *
   * @default false
   */
  readonly padded?: boolean;
  /** Which byte of the body is another one */
  readonly flip?: number;
  /**
   * The store does not hear of a Range, and sends the whole object
   *
   * @default false
   */
  readonly ignoresRange?: boolean;
}

/** Says what becomes of a request */
export type FaultRule = (request: SeenRequest) => Fault | null | undefined;

/** A running proxy; disposal closes its connections */
export interface FaultyStore extends AsyncDisposable {
  readonly endpoint: URL;
  /** What becomes of requests from now on; null for no faults */
  rule: FaultRule | null;
  /** Requests since the start or since `forget()` */
  counts(): Readonly<Record<StoreRequestKind, number>>;
  /** How often a rule gave a fault that came to pass */
  faults(): number;
  /** Requests that are being answered, and the most that ever were at a time */
  active(): number;
  mostActive(): number;
  /** Connections that are open */
  connections(): number;
  /** All requests, in the order in which they came */
  seen(): readonly SeenRequest[];
  /** Starts counting anew */
  forget(): void;
}

/** Starts a proxy on a free port; the store has to take any name of a host */
export async function startFaultyStore(
  { endpoint }: Pick<ObjectStore, "endpoint">,
  options: {
    /**
     * Milliseconds before every request goes on to the store
     *
     * @default 0
     */
    readonly latencyMs?: number;
  } = {},
): Promise<FaultyStore> {
  const { latencyMs = 0 } = options;
  const wires = new Set<Wire>();
  let log = new RequestLog();
  let [faults, active, mostActive] = [0, 0, 0];

  const faulty = { rule: null as FaultRule | null };

  /** Answers requests of one connection until one side has closed it */
  const serve = async (client: Wire) => {
    let upstream: Wire | null = null;
    wires.add(client);
    try {
      for (let head = await client.until("\r\n\r\n"); head; head = await client.until("\r\n\r\n")) {
        const request = log.add(head);
        const fault = faulty.rule?.(request) ?? {};
        mostActive = Math.max(mostActive, ++active);
        try {
          await pause(latencyMs + (fault.delayMs ?? 0), client);
          if (!upstream?.open) upstream = open(endpoint, wires);
          let struck = 0;
          const strike = () => void (faults += ++struck === 1 ? 1 : 0);
          const outcome = await pass(head, { request, fault, client, upstream, strike });
          if (outcome === "ended") return;
          if (outcome === "unread") {
            close(upstream, wires);
            upstream = null;
          }
        } finally {
          active--;
        }
      }
    } finally {
      close(client, wires);
      if (upstream) close(upstream, wires);
    }
  };

  const serving = new Set<Promise<void>>();
  const server = createServer((socket) => {
    const done = serve(new Wire(socket)).catch(ignoreEnd).finally(() => serving.delete(done));
    serving.add(done);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  return Object.assign(faulty, {
    endpoint: new URL(`http://127.0.0.1:${port}`),
    counts: () => ({ ...log.counts }),
    faults: () => faults,
    active: () => active,
    mostActive: () => mostActive,
    connections: () => serving.size,
    seen: () => [...log.seen],
    forget() {
      log = new RequestLog();
      [faults, mostActive] = [0, active];
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const wire of wires) wire.destroy();
      await closed;
      await Promise.all(serving);
    },
  });
}

/** Requests in their order, and how many there were of each kind */
class RequestLog {
  readonly seen: SeenRequest[] = [];
  readonly counts: Record<StoreRequestKind, number> = { list: 0, head: 0, get: 0, other: 0 };
  /** Page numbers of listings, by the token that asks for them */
  readonly #pages = new Map<string, number>();
  readonly #lastPages = new Map<string, number>();

  add(head: string): SeenRequest {
    const [line, ...fields] = head.split("\r\n");
    const [method, target] = line.split(" ");
    const url = new URL(target, "http://x");
    const raw = target.split("?")[0].slice(1);
    const kind = kindOf(method, raw, url.searchParams);
    const prefix = kind === "list" ? url.searchParams.get("prefix") ?? "" : "";
    const request = {
      kind,
      number: this.seen.length + 1,
      nth: ++this.counts[kind],
      path: decodeURIComponent(raw),
      prefix,
      page: kind === "list" ? this.#pageOf(prefix, url.searchParams) : 0,
      headers: new Map(fields.map((field) => {
        const [, name, value] = /^([^:]*): *(.*)$/.exec(field) ?? ["", field, ""];
        return [name.toLowerCase(), value];
      })),
    };
    this.seen.push(request);
    return request;
  }

  /** A page that is asked for again has the number that it had */
  #pageOf(prefix: string, params: URLSearchParams): number {
    const token = params.get("continuation-token") ?? params.get("marker");
    const name = `${prefix}\n${token}`;
    const page = token === null ? 1 : this.#pages.get(name) ?? this.#lastPages.get(prefix)! + 1;
    this.#pages.set(name, page);
    this.#lastPages.set(prefix, page);
    return page;
  }
}

function kindOf(method: string, path: string, params: URLSearchParams): StoreRequestKind {
  if (!path.replace(/\/$/, "").includes("/")) {
    const other = ["policy", "location", "versions", "uploads"].some((name) => params.has(name));
    return method === "GET" && path !== "" && !other ? "list" : "other";
  }
  return method === "GET" ? "get" : method === "HEAD" ? "head" : "other";
}

/** What is between one request and its answer */
interface Exchange {
  readonly request: SeenRequest;
  readonly fault: Fault;
  readonly client: Wire;
  readonly upstream: Wire;
  /** Called when the fault comes to pass */
  strike(): void;
}

/** Which connections go on after a request: both, only the client's (`unread`), or none */
type Outcome = "answered" | "unread" | "ended";

async function pass(head: string, exchange: Exchange): Promise<Outcome> {
  const { request, fault, client, upstream, strike } = exchange;
  const { breaks, after = "request" } = fault;
  if (fault.answer) {
    strike();
    await client.write(errorAnswer(fault.answer, request));
    return "answered";
  }
  if (breaks && after === "request") return await end(breaks, exchange);

  const ranged = fault.ignoresRange && request.headers.has("range");
  if (ranged) strike();
  await upstream.write(`${ranged ? head.replace(/\r\nrange:[^\r]*/i, "") : head}\r\n\r\n`);
  const length = Number(request.headers.get("content-length") ?? 0);
  const upload = { from: client, to: upstream, length, flip: Infinity };
  if (!await relay(upload)) return "ended";
  const answer = await upstream.until("\r\n\r\n");
  if (answer === null) return "ended";
  const { lines, body } = await headOf(answer, exchange);
  if (fault.headers || fault.lengthOff) strike();
  await client.write(`${lines.join("\r\n")}\r\n\r\n`);
  if (body.text) await client.write(body.text);

  const [declared, sent] = [body.length + (fault.lengthOff ?? 0), body.text.length];
  const stop = Math.min(breaks ? Number(after) : Infinity, declared, body.length);
  const { flip = Infinity } = fault;
  if (flip < stop) strike();
  const range = { from: upstream, to: client, length: stop - sent, flip };
  if (stop > sent && !await relay(range)) return "ended";
  if (breaks && Number(after) <= Math.min(declared, body.length)) {
    return await end(breaks, exchange);
  }
  if (request.kind === "head" || declared === body.length) return "answered";
  if (declared < body.length) return "unread";
  if (!fault.padded) return await end("close", exchange);
  await client.write(new Uint8Array(declared - body.length));
  return "answered";
}

/** The head of an answer as it goes on, and the body that is still to come or was taken already */
async function headOf(answer: string, { request, fault, upstream }: Exchange) {
  const [line, ...fields] = answer.split("\r\n");
  const named = (name: string) => fields.find((one) => one.toLowerCase().startsWith(`${name}:`));
  const chunked = /chunked/i.test(named("transfer-encoding") ?? "");
  const bodiless = request.kind === "head" || / (204|304) /.test(`${line} `);
  const text = chunked && !bodiless ? await takeChunks(upstream) : new Uint8Array();
  const told = Number(named("content-length")?.split(":")[1] ?? text.length);
  const headers: Record<string, string | null> = {
    ...chunked && { "transfer-encoding": null, "content-length": `${text.length}` },
    ...fault.lengthOff && { "content-length": `${told + fault.lengthOff}` },
    ...fault.headers,
  };
  const kept = fields.filter((one) => !Object.keys(headers).includes(nameOf(one)));
  const added = Object.entries(headers).filter(([, value]) => value !== null);
  return {
    lines: [line, ...kept, ...added.map(([name, value]) => `${name}: ${value}`)],
    body: { length: bodiless ? 0 : chunked ? text.length : told, text },
  };
}

function nameOf(field: string): string {
  return field.split(":")[0].toLowerCase();
}

/** Moves bytes; false when the one side has no more, or the other takes no more */
async function relay(range: {
  readonly from: Wire;
  readonly to: Wire;
  readonly length: number;
  readonly flip: number;
}): Promise<boolean> {
  const { from, to, length, flip } = range;
  for (let moved = 0; moved < length;) {
    const chunk = await from.take(length - moved);
    if (chunk === null) return false;
    if (flip >= moved && flip < moved + chunk.length) chunk[flip - moved] ^= 0xff;
    moved += chunk.length;
    await to.write(chunk);
  }
  return true;
}

/** A chunked body (RFC 9112, section 7.1) without its framing */
async function takeChunks(from: Wire): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  while (true) {
    const size = parseInt(await from.until("\r\n") ?? "0", 16);
    for (let left = size; left > 0;) {
      const part = await from.take(left);
      if (part === null) throw new EndError();
      parts.push(part);
      left -= part.length;
    }
    await from.until("\r\n");
    if (size === 0) return Buffer.concat(parts);
  }
}

async function end(how: NonNullable<Fault["breaks"]>, exchange: Exchange): Promise<"ended"> {
  const { client, strike } = exchange;
  strike();
  if (how === "stall") await client.ended;
  else if (how === "reset") client.reset();
  else await client.finish();
  return "ended";
}

function errorAnswer({ status, code }: NonNullable<Fault["answer"]>, request: SeenRequest): string {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code>` +
    `<Message>${code} by the proxy</Message><RequestId>${request.number}</RequestId></Error>`;
  const head = [
    `HTTP/1.1 ${status} ${code}`,
    "Content-Type: application/xml",
    `Content-Length: ${body.length}`,
  ];
  return `${head.join("\r\n")}\r\n\r\n${request.kind === "head" ? "" : body}`;
}

/** Waits, but no longer than somebody is there */
async function pause(ms: number, client: Wire): Promise<void> {
  if (ms === 0) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const time = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([time, client.ended]);
  clearTimeout(timer);
}

function open(endpoint: URL, wires: Set<Wire>): Wire {
  const wire = new Wire(connect(Number(endpoint.port), endpoint.hostname));
  wires.add(wire);
  return wire;
}

function close(wire: Wire, wires: Set<Wire>): void {
  wire.destroy();
  wires.delete(wire);
}

/** A connection has ended under whoever still had something to say or to hear */
class EndError extends Error {}

function ignoreEnd(error: unknown): void {
  if (!(error instanceof EndError)) throw error;
}

/** One connection, taken by the line or by the byte */
class Wire {
  /** Resolves when the other side has said its last, or the connection is gone */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  #unread: Buffer = Buffer.alloc(0);
  #over = false;
  #wake = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.#unread = this.#unread.length > 0 ? Buffer.concat([this.#unread, chunk]) : chunk;
      if (this.#unread.length > HIGH_WATER) socket.pause();
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      const over = () => {
        this.#over = true;
        resolve();
        this.#wake();
      };
      socket.on("end", over).on("close", over).on("error", over);
    });
  }

  get open(): boolean {
    return !this.#over && !this.#socket.destroyed;
  }

  /** Everything before `mark`, which is dropped; null when the connection ends first */
  async until(mark: string): Promise<string | null> {
    for (let end = this.#unread.indexOf(mark);; end = this.#unread.indexOf(mark)) {
      if (end >= 0) {
        const text = this.#unread.toString("latin1", 0, end);
        this.#unread = this.#unread.subarray(end + mark.length);
        return text;
      }
      if (!await this.#more()) return null;
    }
  }

  /** Some bytes, at most so many; null at the end */
  async take(most: number): Promise<Buffer | null> {
    while (this.#unread.length === 0) if (!await this.#more()) return null;
    const part = this.#unread.subarray(0, most);
    this.#unread = this.#unread.subarray(part.length);
    this.#socket.resume();
    return part;
  }

  /** @throws {EndError} When the connection has ended */
  async write(content: Uint8Array | string): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed) throw new EndError();
    if (socket.write(content, "latin1") || socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off("drain", done).off("close", done);
        resolve();
      };
      socket.on("drain", done).on("close", done);
    });
  }

  /** Says the last, once everything is sent, and waits until the other side has gone */
  async finish(): Promise<void> {
    this.#socket.end();
    await this.ended;
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Waits for more than there is; false at the end */
  async #more(): Promise<boolean> {
    const had = this.#unread.length;
    while (this.#unread.length === had && !this.#over) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#unread.length > had;
  }
}
