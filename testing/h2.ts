/**
 * HTTP/2 without TLS by hand: a client that asks for much and reads nothing.
 *
 * @module
 */

const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Types of frames (RFC 9113 section 6) */
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const WINDOW_UPDATE = 8;

/** END_STREAM and END_HEADERS */
const WHOLE_REQUEST = 0x5;
const INITIAL_WINDOW_SIZE = 4;
const MOST = 2 ** 31 - 1;
const DEFAULT_WINDOW = 65_535;
const CANCEL = 8;

/** How much the server may send to a client that reads nothing */
export interface StalledOptions {
  /**
   * Allow as much as the protocol can say, so that the server's own buffers fill; else 64 KiB in all
   *
   * @default false
   */
  readonly wide?: boolean;
}

/** Connections of HTTP/2 from which nothing is ever read; disposal closes it */
export class StalledConnection implements Disposable {
  readonly #connection: Deno.Conn;
  #streams = 0;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Connects to a port of 127.0.0.1 */
  static async open(port: number, { wide = false }: StalledOptions = {}) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const opened = new StalledConnection(connection);
    await opened.#send(PREFACE);
    await opened.#send(
      frame(SETTINGS, wide ? [...uint16(INITIAL_WINDOW_SIZE), ...uint32(MOST)] : []),
    );
    if (wide) await opened.#send(frame(WINDOW_UPDATE, uint32(MOST - DEFAULT_WINDOW)));
    return opened;
  }

  /** Asks for a path, as often as said; the number of the last stream */
  async ask(path: string, times = 1): Promise<number> {
    const fields = [[":method", "GET"], [":scheme", "http"], [":authority", "x"], [":path", path]];
    const block = fields.flatMap(([name, value]) => [0, ...literal(name), ...literal(value)]);
    for (let i = 0; i < times; i++) {
      const stream = 2 * this.#streams++ + 1;
      await this.#send(frame(HEADERS, block, { flags: WHOLE_REQUEST, stream }));
    }
    return 2 * this.#streams - 1;
  }

  /** Gives a request up */
  async reset(stream: number) {
    await this.#send(frame(RST_STREAM, uint32(CANCEL), { stream }));
  }

  [Symbol.dispose]() {
    this.#connection.close();
  }

  async #send(bytes: Uint8Array) {
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.#connection.write(bytes.subarray(sent));
    }
  }
}

/** One frame (RFC 9113 section 4.1) */
function frame(type: number, payload: readonly number[], { flags = 0, stream = 0 } = {}) {
  const length = uint32(payload.length).slice(1);
  return Uint8Array.from([...length, type, flags, ...uint32(stream), ...payload]);
}

/** A string as it is, not compressed (RFC 7541 section 5.2) */
function literal(text: string) {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > 126) throw new RangeError(`write header field: too long: ${text}`);
  return [bytes.length, ...bytes];
}

function uint16(value: number) {
  return [value >> 8, value & 0xff];
}

function uint32(value: number) {
  return [...uint16(value >>> 16), ...uint16(value & 0xffff)];
}
