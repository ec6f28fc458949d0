/**
 * The listening socket, TCP or Unix: it comes back after a failure, and closes in peace.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../lib/config.ts";
import { describeError, log } from "../lib/log.ts";
import { quote } from "../lib/quote.ts";
import type { Certificate } from "./certificate.ts";

/** Pause before listening again, in milliseconds. */
const RELISTEN_MS = 250;

/** What goes wrong again and again is logged once in this time, in milliseconds. */
const TELL_MS = 5000;

/** The address is asked for so many times without a pause when another server is to have it. */
const HURRIES = 1000;

/** How long whoever has the address gets to say who he is, in milliseconds. */
const HEALTH_MS = 2000;

/** How long connections get to end after their downloads were cut, in milliseconds. */
const LAST_WORDS_MS = 1000;

/** Thrown where the service cannot start although its options are right. One line, for the user. */
export class StartError extends Error {
  /** Always `StartError`. */
  override readonly name = "StartError";
}

/** Where to listen, and with what. */
export interface Address {
  /** Address of an interface. */
  readonly hostname: string;
  /** TCP port, 0 for any free one. */
  readonly port: number;
  /** Unix socket to listen on instead, undefined for none. */
  readonly unix?: string;
  /** The option that chooses the address. @default several do, the message names the right one */
  readonly option?: string;
  /** Speak HTTPS with this certificate. @default plain HTTP */
  readonly certificate?: Certificate;
  /** What clients may not take. @default nothing */
  readonly descriptors?: Descriptors;
}

/** File descriptors that are kept back for downloads in flight. */
export interface Descriptors {
  /** Takes them again; false if there are too few for that and for new clients. */
  refill(): boolean;
  /** Lets downloads have them. */
  runOut(): void;
  /** Calls back when that happens. */
  onRunOut(listener: () => void): void;
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
  /** From now on new connections get this certificate; those that are there keep theirs. */
  renew(certificate: Certificate): void;
  /** No new connections; downloads may finish within the grace, then they are cut. */
  stop(options: StopOptions): Promise<void>;
}

type Server = Deno.HttpServer<Deno.NetAddr | Deno.UnixAddr>;

/**
 * Listens until it is stopped. An error of `accept`, as when files run out, ends a server of the
 * runtime: another one takes its place, as soon as there are descriptors again.
 *
 * @throws {StartError} if the address cannot be had
 * @throws {ConfigError} if something else than a socket is where the Unix socket is to be
 */
export async function listen(
  { hostname, port, unix, option, certificate, descriptors }: Address,
  handler: Deno.ServeHandler<Deno.Addr>,
): Promise<Listening> {
  const options = {
    automaticCompression: false,
    onListen: () => {},
    // Only bodies that fail come here, and they are logged where they fail.
    onError: () => new Response(null, { status: 500 }),
  };
  const open = (port: number, certificate?: Certificate): Server =>
    unix
      ? Deno.serve({ ...options, path: unix }, handler)
      : Deno.serve({ ...options, hostname, port, ...pemOf(certificate) }, handler);
  if (unix) await removeStaleSocket(unix);
  const server = firstServer(() => open(port, certificate), { hostname, port, unix, option });
  const { addr } = server;
  let [proven, newest] = [certificate, certificate];
  const reopen = async () => {
    if (unix) await removeStaleSocket(unix);
    const samePort = "port" in addr ? addr.port : port;
    try {
      const server = open(samePort, newest);
      proven = newest;
      return server;
    } catch (error) {
      if (newest === proven || isOfAddress(error)) throw error;
      log.error("keeping the old certificate: {why}", { why: describeError(error) });
      newest = proven;
      return open(samePort, proven);
    }
  };
  const socket = new Socket(server, { reopen, descriptors });
  return {
    url: urlOf(addr, certificate ? "https" : "http"),
    renew(certificate) {
      newest = certificate;
      socket.replace();
    },
    stop: (options) => socket.stop(options),
  };
}

/** What was found of an address. */
export type AddressState =
  /** It can be had. */
  | "free"
  /** Somebody listens there, and answers `/healthz` as this program does. */
  | "ours"
  /** Somebody listens there of whom nothing is known. */
  | "taken";

/**
 * Whether an address can be had: listens there for a moment. A Unix socket is not made, only looked
 * for.
 *
 * @throws {StartError} if it cannot be had, and not because somebody listens there
 * @throws {ConfigError} if something else than a socket is where the Unix socket is to be
 */
export async function tryAddress(
  { hostname, port, unix, option }: Pick<Address, "hostname" | "port" | "unix" | "option">,
): Promise<AddressState> {
  if (unix !== undefined) return await tryUnix(unix);
  try {
    Deno.listen({ hostname, port }).close();
    return "free";
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      return await answersHealth(hostname, port) ? "ours" : "taken";
    }
    throw new StartError(
      `listen: ${bracketed(hostname)}:${port}: ${reasonOf(error, option)}`,
    );
  }
}

async function tryUnix(path: string): Promise<AddressState> {
  const stat = lstat(path);
  if (stat) {
    assertSocket(stat, path);
    return await isInUse(path) ? "taken" : "free";
  }
  if (lstat(dirname(resolve(path)))?.isDirectory) return "free";
  throw new StartError(
    `listen: ${quote(path)}: ${reasonOfUnix(new Deno.errors.NotFound())}`,
  );
}

/** Plain HTTP only: a certificate is seldom for the address that is asked here. */
async function answersHealth(hostname: string, port: number): Promise<boolean> {
  const host = { "0.0.0.0": "127.0.0.1", "::": "[::1]" }[hostname] ?? bracketed(hostname);
  try {
    const signal = AbortSignal.timeout(HEALTH_MS);
    const response = await fetch(`http://${host}:${port}/healthz`, { signal, redirect: "manual" });
    return await response.text() === "ok\n";
  } catch {
    return false;
  }
}

function pemOf(certificate: Certificate | undefined) {
  return certificate && { cert: certificate.cert, key: certificate.key };
}

interface SocketOptions {
  readonly reopen: () => Promise<Server>;
  readonly descriptors?: Descriptors;
}

/** One server after another on the same address. */
class Socket {
  readonly #options: SocketOptions;
  /** Servers that take no new clients any more, each until its last connection ends. */
  readonly #draining = new Set<Promise<void>>();
  #server: Server | null;
  /** Resolved when the server is told to take nobody any more: it ends only with its last client. */
  #closed = Promise.withResolvers<void>();
  /** The server ended by itself: there is nothing to close in a hurry. */
  #failed = false;
  #toldAt = -Infinity;
  #stopping = false;
  /** So many more times the address is asked for without a pause. */
  #hurries = 0;

  constructor(server: Server, options: SocketOptions) {
    this.#server = server;
    this.#options = options;
    options.descriptors?.onRunOut(() => {
      if (this.#failed) return;
      this.#tell(() =>
        log.warn("out of file descriptors, no new clients for now: raise the limit, see ulimit -n")
      );
      this.#drain();
    });
    this.#keep();
  }

  /**
   * Another server takes the place of this one at once. The runtime cannot give a server another
   * certificate, nor two servers one address: for a moment clients find nobody there.
   *
   * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/tls/tls_key.rs} `TlsKeyResolver`
   * would do without that moment, but keeps what it once found for a name
   */
  replace() {
    this.#hurries = HURRIES;
    this.#drain();
  }

  async stop({ grace, cut }: StopOptions) {
    this.#stopping = true;
    this.#drain();
    const finished = Promise.all(this.#draining).then(() => {});
    if (await endsWithin(finished, grace)) return;
    cut();
    await endsWithin(finished, LAST_WORDS_MS);
  }

  /**
   * Takes no new clients. Downloads go on, connections without a request are closed. This works, and
   * waits for what was begun, also after an error of `accept` ended the server.
   */
  #drain({ after = 0 } = {}) {
    const server = this.#server;
    if (!server) return;
    this.#server = null;
    this.#closed.resolve();
    this.#closed = Promise.withResolvers();
    const shutdown = async () => {
      if (after > 0 && !this.#stopping) await sleep(after);
      await server.shutdown();
    };
    const drained = shutdown().catch((error) => {
      log.error("cannot close a server: {why}", { why: describeError(error) });
    }).finally(() => this.#draining.delete(drained));
    this.#draining.add(drained);
  }

  async #keep() {
    while (!this.#stopping) {
      if (this.#server) await Promise.race([this.#failure(this.#server), this.#closed.promise]);
      // It takes nobody any more; who came before may have sent a request that was not read yet.
      this.#drain({ after: RELISTEN_MS });
      while (!this.#server) {
        if (!this.#stopping) await this.#pause();
        if (this.#stopping) return;
        if (this.#options.descriptors?.refill() === false) continue;
        this.#server = await this.#tryToOpen();
        this.#failed = false;
      }
      this.#hurries = 0;
    }
    this.#drain();
  }

  /** In a hurry only until the runtime has had time to close what it was told to close. */
  async #pause() {
    if (this.#hurries === 0) return await sleep(RELISTEN_MS);
    this.#hurries--;
    await nextTurn();
  }

  /** Resolves when the server ends. */
  async #failure(server: Server) {
    try {
      await server.finished;
    } catch (error) {
      if (this.#server !== server) return; // it was told to end before
      this.#tell(() =>
        log.error("accept failed, listening again: {why}", { why: describeError(error) })
      );
      this.#failed = true;
      this.#options.descriptors?.runOut();
    }
  }

  /** Writes a line unless it did so a moment ago: whatever is short stays so for a while. */
  #tell(write: () => void) {
    const now = performance.now();
    if (now - this.#toldAt < TELL_MS) return;
    this.#toldAt = now;
    write();
  }

  async #tryToOpen(): Promise<Server | null> {
    try {
      return await this.#options.reopen();
    } catch (error) {
      if (this.#hurries > 0) return null;
      log.error("cannot listen, trying again: {why}", { why: describeError(error) });
      return null;
    }
  }
}

/** A socket that a killed process left behind would be in the way; one in use is left alone. */
async function removeStaleSocket(path: string) {
  // Not the asynchronous calls: they need a thread, and there may be none to have.
  const stat = lstat(path);
  if (!stat) return;
  assertSocket(stat, path);
  if (await isInUse(path)) {
    const name = quote(path);
    const next = "stop it, or choose another path by --unix";
    throw new StartError(`listen: another process listens on ${name}; ${next}`);
  }
  Deno.removeSync(path);
}

function assertSocket({ isSocket }: Deno.FileInfo, path: string) {
  if (isSocket) return;
  const name = quote(path);
  const next = "choose another path, or move it away";
  throw new ConfigError(`--unix: ${name} is there and is no socket; ${next}`);
}

async function isInUse(path: string) {
  return await Deno.connect({ transport: "unix", path })
    .then((connection) => (connection.close(), true), () => false);
}

function lstat(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch {
    return null;
  }
}

function firstServer(open: () => Server, { hostname, port, unix, option }: Address): Server {
  try {
    return open();
  } catch (error) {
    const where = unix ? quote(unix) : `${bracketed(hostname)}:${port}`;
    throw new StartError(
      `listen: ${where}: ${unix ? reasonOfUnix(error) : reasonOf(error, option)}`,
    );
  }
}

/** True if an address cannot be had, whatever certificate is used. */
function isOfAddress(error: unknown) {
  const { AddrInUse, AddrNotAvailable, PermissionDenied, NotCapable } = Deno.errors;
  const kinds = [AddrInUse, AddrNotAvailable, PermissionDenied, NotCapable];
  return kinds.some((kind) => error instanceof kind) || isOutOfFiles(error);
}

function isOutOfFiles(error: unknown) {
  return error instanceof Error && "code" in error && /^E[MN]FILE$/.test(String(error.code));
}

/** Why an address cannot be had, and what to do about it: which option chooses another one. */
function reasonOf(error: unknown, option?: string): string {
  const { AddrInUse, AddrNotAvailable, PermissionDenied } = Deno.errors;
  const [byPort, byName] = [option ?? "--port", option ?? "--hostname"];
  if (error instanceof AddrInUse) return `address already in use; choose another port by ${byPort}`;
  if (error instanceof AddrNotAvailable) {
    return `this machine has no such address; choose another one by ${byName}`;
  }
  if (error instanceof PermissionDenied) {
    return `not permitted; ports below 1024 may need privileges, choose another one by ${byPort}`;
  }
  if (isOutOfFiles(error)) {
    return "there are no file descriptors left; raise the limit, see ulimit -n";
  }
  return `${describeError(error)}; choose another address by ${byName}`;
}

/** The same of a Unix socket. */
function reasonOfUnix(error: unknown): string {
  const another = "choose another path by --unix";
  const { NotFound, PermissionDenied } = Deno.errors;
  if (error instanceof NotFound) return `there is no such folder; make it, or ${another}`;
  if (error instanceof PermissionDenied) {
    return `the user of this process may not write there; allow it to, or ${another}`;
  }
  return `${describeError(error)}; ${another}`;
}

function urlOf(addr: Deno.NetAddr | Deno.UnixAddr, scheme: "http" | "https") {
  if (!("port" in addr)) return `unix:${addr.path}`;
  return `${scheme}://${bracketed(addr.hostname)}:${addr.port}/`;
}

/** A host as a URL has it. */
export function bracketed(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

async function endsWithin(work: Promise<void>, milliseconds: number): Promise<boolean> {
  const timer = new AbortController();
  const patience = sleep(milliseconds, false, { signal: timer.signal }).catch(() => false);
  const ended = await Promise.race([work.then(() => true), patience]);
  timer.abort();
  return ended;
}
