/**
 * A server that answers as a script says, whole or not: for what no real store can be made to do.
 *
 * @module
 */

import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** A request as it came */
export interface ScriptedRequest {
  /** 1 for the first */
  readonly number: number;
  /** 1 for the first connection */
  readonly connection: number;
  readonly method: string;
  /** As on the request line */
  readonly target: string;
  readonly headers: Headers;
}

/** What is sent back */
export interface ScriptedReply {
  /** @default 200 */
  readonly status?: number;
  /** A field that is null is left out, `content-length` too */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** @default empty */
  readonly body?: string | Uint8Array;
  /**
   * Send only so many bytes of the body, or nothing of the answer at all
   *
   * @default all
   */
  readonly cut?: number | "everything";
  /**
   * What becomes of the connection then: it is open for the next request, or is closed, or reset, or
   * nothing more is ever sent
   *
   * @default "keep"
   */
  readonly then?: "keep" | "close" | "reset" | "stall";
}

/** A running server; disposal closes its connections */
export interface ScriptedStore extends AsyncDisposable {
  readonly url: URL;
  readonly requests: readonly ScriptedRequest[];
  /** Connections that are open now, and that ever were at a time */
  open(): number;
  mostOpen(): number;
}

/** Starts a server on a free port */
export async function scriptStore(
  reply: (request: ScriptedRequest) => ScriptedReply | Promise<ScriptedReply>,
): Promise<ScriptedStore> {
  const requests: ScriptedRequest[] = [];
  const sockets = new Set<Socket>();
  let [connections, mostOpen] = [0, 0];

  const server = createServer((socket) => {
    const connection = ++connections;
    sockets.add(socket);
    mostOpen = Math.max(mostOpen, sockets.size);
    let received = "";
    let work = Promise.resolve();
    socket.on("data", (bytes) => {
      received += bytes.toString("latin1");
      for (let end; (end = received.indexOf("\r\n\r\n")) >= 0;) {
        const request = parse(received.slice(0, end), { number: requests.length + 1, connection });
        received = received.slice(end + 4);
        requests.push(request);
        work = work.then(async () => send(socket, { request, reply: await reply(request) }));
      }
    });
    socket.on("error", () => {}); // it is closed as well
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  return {
    url: new URL(`http://127.0.0.1:${port}`),
    requests,
    open: () => sockets.size,
    mostOpen: () => mostOpen,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function parse(
  head: string,
  place: { readonly number: number; readonly connection: number },
): ScriptedRequest {
  const [line, ...fields] = head.split("\r\n");
  const [method, target] = line.split(" ");
  const headers = fields.map((field): [string, string] => {
    const colon = field.indexOf(":");
    return [field.slice(0, colon), field.slice(colon + 1).trim()];
  });
  return { ...place, method, target, headers: new Headers(headers) };
}

function send(
  socket: Socket,
  { request, reply }: { readonly request: ScriptedRequest; readonly reply: ScriptedReply },
): void {
  const { status = 200, headers = {}, cut, then = "keep" } = reply;
  const body = typeof reply.body === "string"
    ? new TextEncoder().encode(reply.body)
    : reply.body ?? new Uint8Array();
  const fields = Object.entries({ "content-length": `${body.length}`, ...headers })
    .flatMap(([name, value]) => value === null ? [] : `${name}: ${value}\r\n`);
  if (socket.destroyed) return;
  if (cut !== "everything") {
    socket.write(`HTTP/1.1 ${status} Status\r\n${fields.join("")}\r\n`);
    if (request.method !== "HEAD") socket.write(body.subarray(0, cut));
  }
  if (then === "close") socket.end();
  // A reset overtakes what is still in the sender's own buffer: it follows when that is empty.
  if (then === "reset") socket.write("", () => setTimeout(() => socket.resetAndDestroy(), 20));
}
