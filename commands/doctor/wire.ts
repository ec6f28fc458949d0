/**
 * A client for HTTP/1.1 that shows what really came: `fetch` unpacks bodies and hides their length,
 * and reads ahead. Here a byte is read only when it is wanted.
 *
 * @module
 */

/** An answer without its end is one after so many bytes of header fields. */
const MAX_HEAD_BYTES = 64 << 10;

const READ_BYTES = 64 << 10;

/** What is asked, of whom. */
export interface Question {
  /** Where to. */
  readonly url: URL;
  /** Method. @default "GET" */
  readonly method?: string;
  /** Header fields besides Host, User-Agent, Accept, Accept-Encoding and Connection. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Certificates in PEM that are trusted besides the usual ones. @default none */
  readonly caCerts?: readonly string[];
  /** Milliseconds for the whole exchange. */
  readonly within: number;
}

/** The head of an answer. */
export interface Head {
  /** As in `1.1`. */
  readonly version: string;
  /** Status code. */
  readonly status: number;
  /** Header fields, as they came. */
  readonly headers: Headers;
  /** Milliseconds from the request to the last byte of the head. */
  readonly elapsed: number;
}

/** An answer that is being read; disposal closes its connection. */
export interface Answer extends Head, Disposable {
  /**
   * The next bytes of the body, without the framing of chunks: this many, or fewer at its end.
   *
   * @throws {Error} if the connection breaks, ends too early or takes too long
   */
  read(length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Thrown if a server says nothing in time, or something that is no HTTP. */
export class WireError extends Error {
  /** Always `WireError`. */
  override readonly name = "WireError";
}

/**
 * Asks on a connection of its own, and reads the head of the answer.
 *
 * @throws {Error} if there is no connection, or no answer on it: see {@link WireError}
 */
export async function ask(question: Question): Promise<Answer> {
  const { url, method = "GET", within } = question;
  const signal = AbortSignal.timeout(within);
  const started = performance.now();
  const connection = await timely(connect(question, signal), signal);
  const close = () => closeQuietly(connection);
  signal.addEventListener("abort", close, { once: true });
  const end = () => {
    signal.removeEventListener("abort", close);
    close();
  };
  try {
    await writeAll(connection, new TextEncoder().encode(requestText(question)));
    const incoming = new Incoming(connection, signal);
    const head = await readHead(incoming);
    const length = lengthOf(head, method);
    const body = length === "chunked" ? new Chunks(incoming) : new Plain(incoming, length);
    return {
      ...head,
      elapsed: performance.now() - started,
      read: (length) => body.read(length),
      [Symbol.dispose]: end,
    };
  } catch (error) {
    end();
    throw signal.aborted ? new WireError(`no answer from ${url.host} in time`) : error;
  }
}

async function connect({ url, caCerts = [] }: Question, signal: AbortSignal): Promise<Deno.Conn> {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const secure = url.protocol === "https:";
  const port = Number(url.port || (secure ? 443 : 80));
  const connection = await Deno.connect({ hostname, port, signal });
  if (!secure) return connection;
  const tls = await Deno.startTls(connection, {
    hostname,
    caCerts: [...caCerts],
    alpnProtocols: ["http/1.1"],
  });
  await tls.handshake();
  return tls;
}

/** The result, unless the time is over before: a handshake has no signal of its own. */
async function timely(connecting: Promise<Deno.Conn>, signal: AbortSignal): Promise<Deno.Conn> {
  const late = Promise.withResolvers<never>();
  const give = () => late.reject(new WireError("no connection in time"));
  signal.addEventListener("abort", give, { once: true });
  try {
    return await Promise.race([connecting, late.promise]);
  } catch (error) {
    connecting.then(closeQuietly, () => {});
    if (signal.aborted) throw new WireError("no connection in time");
    throw error;
  } finally {
    signal.removeEventListener("abort", give);
  }
}

function requestText({ url, method = "GET", headers = {} }: Question) {
  const fields = {
    "Host": url.host,
    "User-Agent": "zipferry-doctor",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Connection": "close",
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array) {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** The first answer that is no interim one (RFC 9110 section 15.2). */
async function readHead(incoming: Incoming): Promise<Omit<Head, "elapsed">> {
  while (true) {
    const [first, ...lines] = (await incoming.until("\r\n\r\n")).split("\r\n");
    const [, version, status] = /^HTTP\/(\d(?:\.\d)?) (\d{3})\b/.exec(first) ?? [];
    if (version === undefined) throw new WireError("the answer is no HTTP");
    if (status.startsWith("1")) continue;
    const headers = new Headers();
    for (const line of lines) {
      const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
      if (name !== undefined) headers.append(name, value);
    }
    return { version, status: Number(status), headers };
  }
}

/** How the end of a body is known (RFC 9112 section 6.3): `Infinity` is the end of the connection. */
function lengthOf({ status, headers }: Omit<Head, "elapsed">, method: string) {
  if (method === "HEAD" || status === 204 || status === 304) return 0;
  if (/\bchunked$/i.test(headers.get("transfer-encoding") ?? "")) return "chunked";
  const length = headers.get("content-length");
  return length !== null && /^\d+$/.test(length) ? Number(length) : Infinity;
}

/** What arrives, taken only when it is wanted. */
class Incoming {
  readonly #connection: Deno.Conn;
  readonly #signal: AbortSignal;
  #unread: Uint8Array<ArrayBuffer> = new Uint8Array();

  constructor(connection: Deno.Conn, signal: AbortSignal) {
    this.#connection = connection;
    this.#signal = signal;
  }

  /** Up to this many bytes; none at the end of the connection. */
  async some(most: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#unread.length === 0 && !await this.#fill()) return this.#unread;
    const part = this.#unread.subarray(0, most);
    this.#unread = this.#unread.subarray(part.length);
    return part;
  }

  /** The text before a mark, one character a byte; the mark is dropped. */
  async until(mark: string): Promise<string> {
    let text = "";
    while (!text.includes(mark)) {
      if (text.length > MAX_HEAD_BYTES) throw new WireError("the answer is no HTTP");
      const part = await this.some(READ_BYTES);
      if (part.length === 0) throw new WireError("the connection ended before the answer");
      text += latin1(part);
    }
    const at = text.indexOf(mark);
    const rest = Uint8Array.from(text.slice(at + mark.length), (letter) => letter.charCodeAt(0));
    const joined = new Uint8Array(rest.length + this.#unread.length);
    joined.set(rest);
    joined.set(this.#unread, rest.length);
    this.#unread = joined;
    return text.slice(0, at);
  }

  async #fill() {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      const count = await this.#connection.read(buffer);
      if (count !== null) this.#unread = buffer.subarray(0, count);
      return count !== null;
    } catch (error) {
      if (this.#signal.aborted) throw new WireError("the answer took too long");
      throw error;
    }
  }
}

/** Characters of the same codes: unlike the encoding of that name, which is windows-1252 on the web. */
function latin1(bytes: Uint8Array) {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** A body of a known length, or to the end of the connection. */
class Plain {
  readonly #incoming: Incoming;
  #left: number;

  constructor(incoming: Incoming, length: number) {
    this.#incoming = incoming;
    this.#left = length;
  }

  async read(length: number) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let wanted = Math.min(length, this.#left); wanted > 0;) {
      const part = await this.#incoming.some(wanted);
      if (part.length === 0) {
        if (this.#left !== Infinity) throw new WireError("the connection ended too early");
        break;
      }
      parts.push(part);
      wanted -= part.length;
      this.#left -= part.length;
    }
    return join(parts);
  }
}

/** A body in chunks (RFC 9112 section 7.1), without their framing. */
class Chunks {
  readonly #incoming: Incoming;
  #left = 0;
  #begun = false;
  #ended = false;

  constructor(incoming: Incoming) {
    this.#incoming = incoming;
  }

  async read(length: number) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let wanted = length; wanted > 0;) {
      if (this.#left === 0 && !await this.#next()) break;
      const part = await this.#incoming.some(Math.min(wanted, this.#left));
      if (part.length === 0) throw new WireError("the connection ended too early");
      parts.push(part);
      wanted -= part.length;
      this.#left -= part.length;
    }
    return join(parts);
  }

  async #next() {
    if (this.#ended) return false;
    if (this.#begun) await this.#incoming.until("\r\n");
    this.#begun = true;
    const size = await this.#incoming.until("\r\n");
    if (!/^[0-9a-f]{1,12}\s*(;|$)/i.test(size)) throw new WireError("a chunk has no size");
    this.#left = parseInt(size, 16);
    this.#ended = this.#left === 0;
    return !this.#ended;
  }
}

function join(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function closeQuietly(connection: Deno.Conn) {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed before
  }
}
