/**
 * The listening socket, TCP or Unix: it comes back after a failure, and closes in peace.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../lib/config.ts";
import { describeError, log } from "../lib/log.ts";

/** Pause before listening again, in milliseconds. */
const RELISTEN_MS = 250;

/** How long connections get to end after their downloads were cut, in milliseconds. */
const LAST_WORDS_MS = 1000;

/** Thrown where the service cannot start although its options are right. One line, for the user. */
export class StartError extends Error {
  /** Always `StartError`. */
  override readonly name = "StartError";
}

/** Where to listen. */
export interface Address {
  /** Address of an interface. */
  readonly hostname: string;
  /** TCP port, 0 for any free one. */
  readonly port: number;
  /** Unix socket to listen on instead, undefined for none. */
  readonly unix?: string;
}

/** How listening ends. */
export interface StopOptions {
  /** Milliseconds that downloads get to finish. */
  readonly grace: number;
  /** Ends every download that still runs then. */
  readonly cut: () => void;
}

/** What serves now. */
export interface Listening {
  /** The address, for people: a URL, or `unix:` and a path. */
  readonly url: string;
  /** No new connections; downloads may finish within the grace, then they are cut. */
  stop(options: StopOptions): Promise<void>;
}

type Server = Deno.HttpServer<Deno.NetAddr | Deno.UnixAddr>;

/**
 * Listens until it is stopped. An error of `accept`, as when files run out, ends a server of the
 * runtime: another one takes its place.
 *
 * @throws {StartError} if the address cannot be had
 * @throws {ConfigError} if something else than a socket is where the Unix socket is to be
 */
export async function listen(
  { hostname, port, unix }: Address,
  handler: Deno.ServeHandler<Deno.Addr>,
): Promise<Listening> {
  const options = {
    automaticCompression: false,
    onListen: () => {},
    // Only bodies that fail come here, and they are logged where they fail.
    onError: () => new Response(null, { status: 500 }),
  };
  const open = (port: number): Server =>
    unix
      ? Deno.serve({ ...options, path: unix }, handler)
      : Deno.serve({ ...options, hostname, port }, handler);
  if (unix) await removeStaleSocket(unix);
  const server = firstServer(() => open(port));
  const { addr } = server;
  const socket = new Socket(server, async () => {
    if (unix) await removeStaleSocket(unix);
    return open("port" in addr ? addr.port : port);
  });
  return { url: urlOf(addr), stop: (options) => socket.stop(options) };
}

/** One server after another on the same address. */
class Socket {
  readonly #open: () => Promise<Server>;
  #server: Server;
  #stopping = false;

  constructor(server: Server, open: () => Promise<Server>) {
    this.#server = server;
    this.#open = open;
    this.#keep();
  }

  async stop({ grace, cut }: StopOptions) {
    this.#stopping = true;
    const finished = this.#server.shutdown();
    if (await endsWithin(finished, grace)) return;
    cut();
    await endsWithin(finished, LAST_WORDS_MS);
  }

  async #keep() {
    while (!this.#stopping) {
      await this.#server.finished.catch((error) => {
        log.error("accept failed, listening again: {why}", { why: describeError(error) });
      });
      for (let server = null; !server;) {
        if (!this.#stopping) await sleep(RELISTEN_MS);
        if (this.#stopping) return;
        server = await this.#tryToOpen();
        this.#server = server ?? this.#server;
      }
    }
  }

  async #tryToOpen(): Promise<Server | null> {
    try {
      return await this.#open();
    } catch (error) {
      log.error("cannot listen, trying again: {why}", { why: describeError(error) });
      return null;
    }
  }
}

/** A socket that a killed process left behind would be in the way; one in use is left alone. */
async function removeStaleSocket(path: string) {
  const name = JSON.stringify(path);
  const stat = await Deno.lstat(path).catch(() => null);
  if (!stat) return;
  if (!stat.isSocket) throw new ConfigError(`--unix: ${name} is there and is no socket`);
  const inUse = await Deno.connect({ transport: "unix", path })
    .then((connection) => (connection.close(), true), () => false);
  if (inUse) throw new StartError(`listen: another process listens on ${name}`);
  await Deno.remove(path);
}

function firstServer(open: () => Server): Server {
  try {
    return open();
  } catch (error) {
    throw new StartError(`listen: ${describeError(error)}`);
  }
}

function urlOf(addr: Deno.NetAddr | Deno.UnixAddr) {
  if (!("port" in addr)) return `unix:${addr.path}`;
  const host = addr.hostname.includes(":") ? `[${addr.hostname}]` : addr.hostname;
  return `http://${host}:${addr.port}/`;
}

async function endsWithin(work: Promise<void>, milliseconds: number): Promise<boolean> {
  return await Promise.race([work.then(() => true), sleep(milliseconds, false)]);
}
