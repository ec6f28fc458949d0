/**
 * Starts the servers of others: proxies, object stores, Prometheus. What they print is kept for the
 * error when they do not start.
 *
 * @module
 */

import { until } from "./process.ts";

/** How much of what it printed an error shows, in characters */
const SHOWN = 2000;

/** A server, and when it is ready */
export interface ServerOptions {
  /** What errors call it */
  readonly name: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Only `env` is its environment */
  readonly clearEnv?: boolean;
  readonly isReady: () => boolean | Promise<boolean>;
  /** Milliseconds that it may take to be ready */
  readonly within?: number;
  /**
   * How many characters of what it printed are kept, the last ones
   *
   * @default all
   */
  readonly kept?: number;
}

/** A server that runs; disposal ends it, politely */
export interface Server extends AsyncDisposable {
  readonly pid: number;
  /** Its end, once it has come and all that it printed is read */
  readonly status: Promise<Deno.CommandStatus>;
  /** What it has printed, on both outputs */
  log(): string;
  /** Ends it, unless it has ended, and waits for that */
  stop(signal: Deno.Signal): Promise<void>;
}

/**
 * Starts a server and waits until it is ready.
 *
 * @throws {Error} With what it printed, when it ends first or is not ready in time
 */
export async function startServer(command: string, options: ServerOptions): Promise<Server> {
  const { name, isReady, within = 30_000 } = options;
  const { server, running } = launch(command, options);
  try {
    await until(async () => !running() || await isReady(), `${name} is ready`, within);
    if (!running()) throw new Error(`${name} has ended`);
    return server;
  } catch (error) {
    await server.stop("SIGKILL");
    throw new Error(`start ${name}: ${server.log().trim().slice(-SHOWN)}`, { cause: error });
  }
}

function launch(command: string, { args, cwd, env, clearEnv, kept = Infinity }: ServerOptions) {
  const child = new Deno.Command(command, {
    ...{ args: [...args], cwd, env, clearEnv },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let [running, printed] = [true, ""];
  const end = Promise.all([
    child.status.finally(() => running = false),
    ...[child.stdout, child.stderr].map(async (stream) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        printed = (printed + text).slice(-kept);
      }
    }),
  ]);
  const stop = async (signal: Deno.Signal) => {
    if (running) child.kill(signal);
    await end;
  };
  const server: Server = {
    pid: child.pid,
    status: end.then(([status]) => status),
    log: () => printed,
    stop,
    [Symbol.asyncDispose]: () => stop("SIGTERM"),
  };
  return { server, running: () => running };
}
