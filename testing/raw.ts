/**
 * HTTP/1.1 by hand: exactly these bytes out, and what came back with nothing repaired.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

const HEAD_END = "\r\n\r\n";

/** How a request is sent and how much of the answer is awaited */
export interface ExchangeOptions {
  /**
   * Close the connection once this many bytes of the body have arrived; the response is then not
   * complete
   *
   * @default Infinity
   */
  readonly stopAfter?: number;
  /** Told how many bytes of the body have arrived; nothing more is received until it is done */
  readonly onBody?: (received: number) => void | Promise<void>;
  /**
   * Milliseconds for the whole exchange
   *
   * @default 20000
   */
  readonly within?: number;
}

/** One response, whole or not */
export interface RawResponse {
  /** 0 when the connection ended before the head did */
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  /** The head as it came, one character a byte, without the empty line */
  readonly raw: string;
  /** The body with chunked framing taken off */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Whether the response reached the end it announced */
  readonly complete: boolean;
}

/**
 * Sends bytes on one connection to 127.0.0.1 and reads one response: to its `Content-Length`, its
 * last chunk, or the end of the connection. A reset counts as such an end, but never as a complete
 * response. Interim (1xx) responses are passed over.
 *
 * @throws {Error} When nothing ends the response in time
 */
export async function exchange(
  port: number,
  request: string | Uint8Array,
  options: ExchangeOptions = {},
): Promise<RawResponse> {
  const { within = 20_000, stopAfter = Infinity, onBody = () => {} } = options;
  const bytes = Buffer.from(request);
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    connection.close();
  }, within);
  const sending = send(connection, bytes);
  try {
    const incoming = new Incoming(connection);
    const head = bytes.toString("latin1", 0, 5) === "HEAD ";
    const response = await receive(incoming, head, { stopAfter, onBody });
    if (late) throw new Error(`read response: not over after ${within} ms`);
    return response;
  } finally {
    clearTimeout(timer);
    if (!late) connection.close(); // also ends a write that nobody reads
    await sending;
  }
}

/**
 * A client that reads the beginning of an answer, which has to be 200, and nothing more; to be closed
 * by the caller.
 */
export async function beginAndStall(port: number, path: string): Promise<Deno.Conn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`));
  const buffer = new Uint8Array(1000);
  const count = await connection.read(buffer);
  assert.match(new TextDecoder().decode(buffer.subarray(0, count ?? 0)), /^HTTP\/1\.1 200 /);
  return connection;
}

/** A server may answer and close without reading it all: what it answered is the result */
async function send(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  try {
    for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
  } catch {
    return;
  }
}

async function receive(
  incoming: Incoming,
  headOnly: boolean,
  limits: Limits,
): Promise<RawResponse> {
  let raw: string | null;
  let status = 0;
  do {
    raw = await incoming.until(HEAD_END);
    status = Number(raw?.split(" ", 2)[1] ?? 0);
  } while (status >= 100 && status < 200);

  const headers = new Headers();
  const [statusLine, ...fields] = raw?.split("\r\n") ?? [""];
  for (const field of fields) {
    const colon = field.indexOf(":");
    headers.append(field.slice(0, colon), field.slice(colon + 1).trim());
  }
  const statusText = statusLine.split(" ").slice(2).join(" ");

  const body: Uint8Array<ArrayBuffer>[] = [];
  const take = (length: number) => incoming.take(length, body, limits);
  let complete: boolean;
  if (raw === null) complete = false;
  else if (headOnly || status === 204 || status === 304) complete = true;
  else if (/^chunked$/i.test(headers.get("transfer-encoding") ?? "")) {
    complete = await chunks(incoming, take);
  } else if (headers.has("content-length")) {
    complete = await take(Number(headers.get("content-length")));
  } else complete = !(await take(Infinity)) && incoming.ended === "closed";
  return {
    status,
    statusText,
    headers,
    raw: raw ?? "",
    body: new Uint8Array(await new Blob(body).arrayBuffer()),
    complete,
  };
}

/** Takes the framing off (RFC 9112, section 7.1) and tells whether the last chunk came */
async function chunks(
  incoming: Incoming,
  take: (length: number) => Promise<boolean>,
): Promise<boolean> {
  while (true) {
    const size = await incoming.until("\r\n");
    if (size === null || !/^[0-9a-f]+ *(;|$)/i.test(size)) return false;
    const length = parseInt(size, 16);
    if (length > 0 && !(await take(length))) return false;
    let rest = await incoming.until("\r\n"); // ends the data, or is the first trailer field
    if (length > 0 && rest !== "") return false;
    while (rest) rest = await incoming.until("\r\n");
    if (length === 0) return rest === "";
  }
}

type Limits = Required<Pick<ExchangeOptions, "stopAfter" | "onBody">>;

/** The receiving side of a connection, taken by the line or by the byte */
class Incoming {
  /** How the connection ended, once it has */
  ended: "closed" | "cut" | null = null;
  #connection: Deno.Conn;
  #buffer = new Uint8Array(65536);
  #unread = Buffer.alloc(0);
  #taken = 0;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Everything before `mark`, which is dropped; null when the connection ends first */
  async until(mark: string): Promise<string | null> {
    let end: number;
    while ((end = this.#unread.indexOf(mark)) < 0) {
      const chunk = await this.#read();
      if (chunk === null) return null;
      this.#unread = Buffer.concat([this.#unread, chunk]);
    }
    const text = this.#unread.toString("latin1", 0, end);
    this.#unread = this.#unread.subarray(end + mark.length);
    return text;
  }

  /** Moves bytes to `into`; false when the connection, or the most wanted in all, ends first */
  async take(length: number, into: Uint8Array<ArrayBuffer>[], limits: Limits): Promise<boolean> {
    const { stopAfter: most, onBody } = limits;
    while (length > 0 && this.#taken < most) {
      const chunk = this.#unread.length > 0 ? this.#unread : await this.#read();
      if (chunk === null) return false;
      const part = chunk.subarray(0, Math.min(length, most - this.#taken));
      this.#unread = chunk.subarray(part.length);
      this.#taken += part.length;
      length -= part.length;
      into.push(part);
      await onBody(this.#taken);
    }
    return length === 0 && this.#taken < most;
  }

  async #read() {
    try {
      const count = await this.#connection.read(this.#buffer);
      if (count !== null) return Buffer.from(this.#buffer.subarray(0, count));
      this.ended = "closed";
    } catch {
      this.ended = "cut"; // reset by the server, or closed by the timer
    }
    return null;
  }
}
