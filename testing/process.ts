/**
 * The program as users run it: a process of its own, with the permissions of `deno task start`.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CONFIG, mayRead, type Task, taskFlags } from "./task.ts";
import { run } from "./tools.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const LISTENING = /^Listening on (https?:\/\/\S+:(\d+)\/|unix:\S+)\r?\n/m;

/** What `deno` needs to find its own cache when the environment is cleared */
const CACHE = ["DENO_DIR", "HOME", "XDG_CACHE_HOME", "USERPROFILE", "LOCALAPPDATA", "SYSTEMROOT"];

/** How the program is started */
export interface ProgramOptions {
  /** Environment variables on top of the inherited ones, which never hold the program's settings */
  readonly env?: Readonly<Record<string, string>>;
  /** @default the root folder of the project */
  readonly cwd?: string;
  /**
   * Inherit only what `deno` needs to find its cache: not even `PATH`
   *
   * @default false
   */
  readonly clearEnv?: boolean;
  /**
   * Whether `start` asks for a free port; else the arguments or the environment have to name one
   *
   * @default true
   */
  readonly anyPort?: boolean;
  /**
   * Seconds that `start` asks for with `--settle`; null for the program's own default
   *
   * @default 0, so that a test need not wait for files that it has just made
   */
  readonly settle?: number | null;
  /**
   * Flags of `deno run`
   *
   * @default those of `deno task start`
   */
  readonly flags?: readonly string[];
  /**
   * What runs the program: `deno`, and what stands before it if that is another system's
   *
   * @default the `deno` that runs the tests
   */
  readonly deno?: readonly string[];
  /** A command that runs the program, such as `["strace", "-f"]` */
  readonly prefix?: readonly string[];
  /**
   * Absolute path of the script to run
   *
   * @default main.ts of the project
   */
  readonly main?: string;
  /**
   * The task of `deno.json` whose permissions the program gets
   *
   * @default "start"
   */
  readonly task?: Task;
  /**
   * Milliseconds until the program has to listen (`start`) or end (`runToEnd`)
   *
   * @default 30000
   */
  readonly within?: number;
}

/** A running program; disposal kills it when it is still there and awaits its end */
export interface Program extends AsyncDisposable {
  /** Origin with a slash at its end, or `unix:` and a path, as the program printed it */
  readonly url: string;
  /** NaN on a Unix socket */
  readonly port: number;
  /** Of the program itself, also behind a prefix */
  readonly pid: number;
  /** The process that was started: the prefix when there is one, else the program */
  readonly child: Deno.ChildProcess;
  /** What the program has printed so far */
  stdout(): string;
  stderr(): string;
  /** Resolves when the process has ended and all of its output is in `stdout()` and `stderr()` */
  readonly status: Promise<Deno.CommandStatus>;
  /**
   * Sends a signal to the program itself
   *
   * @throws {Deno.errors.NotFound} When it has ended
   */
  kill(signal: Deno.Signal): void;
}

/**
 * Starts the program, on a free port, and waits until it says that it listens.
 *
 * @throws {Error} With its standard error, when it ends first or does not listen in time
 */
export async function start(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Program> {
  const port = options.anyPort ?? true ? ["--port", "0"] : [];
  const settle = options.settle === null ? [] : ["--settle", String(options.settle ?? 0)];
  const command = commandLine([...port, ...settle, ...args], options);
  const child = new Deno.Command(command.name, {
    ...command,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  const listening = Promise.withResolvers<RegExpExecArray | null>();
  const stdout = collect(child.stdout, (text) => {
    const line = LISTENING.exec(text);
    if (line !== null) listening.resolve(line);
    return line === null;
  });
  const stderr = collect(child.stderr, () => false);
  let running = true;
  const status = child.status.then(async (status) => {
    running = false;
    await Promise.all([stdout.end, stderr.end]);
    listening.resolve(null);
    return status;
  });
  const find = () => options.prefix ? behindPrefix(child.pid) : child.pid;
  const end = () => {
    try {
      if (running) Deno.kill(find(), "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // ended a moment ago
    }
  };

  const timer = setTimeout(end, options.within ?? 30_000);
  const line = await listening.promise;
  clearTimeout(timer);
  if (line === null) {
    const { code } = await status;
    throw new Error(`start program: exit code ${code}\n${stderr.text()}${stdout.text()}`);
  }

  const pid = find();
  return {
    url: line[1],
    port: Number(line[2]),
    pid,
    child,
    stdout: stdout.text,
    stderr: stderr.text,
    status,
    kill(signal) {
      if (!running) throw new Deno.errors.NotFound(`send ${signal}: the program has ended`);
      Deno.kill(pid, signal);
    },
    async [Symbol.asyncDispose]() {
      end();
      await status;
    },
  };
}

/** Runs the program to its end, as for `--help` or a bad option; no port is added */
export async function runToEnd(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = commandLine(args, options);
  const within = options.within ?? 30_000;
  const { code, stdout, stderr } = await run(command.name, command.args, { ...command, within });
  return { code, stdout: new TextDecoder().decode(stdout), stderr };
}

/**
 * What a process holds open, sorted, by `/proc/PID/fd`: paths, and names such as `socket:[42]`
 * unless only `files` are asked for.
 */
export function openFiles(pid: number, options: { readonly files?: boolean } = {}): string[] {
  const names = [...Deno.readDirSync(`/proc/${pid}/fd`)]
    .map(({ name }) => link(`/proc/${pid}/fd/${name}`))
    .filter((name) => name !== null);
  return names.filter((name) => !options.files || name.startsWith("/")).sort();
}

/** Process ids of the children of a process, zombies included, by `/proc` */
export function childrenOf(pid: number): number[] {
  return [...Deno.readDirSync("/proc")]
    .map(({ name }) => Number(name))
    .filter((id) => id > 0 && parentOf(id) === pid);
}

/**
 * Polls a condition until it holds.
 *
 * @throws {Error} With the message, when it does not hold within so many milliseconds (default 5000)
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  message: string,
  within = 5000,
): Promise<void> {
  const deadline = performance.now() + within;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`wait ${within} ms: ${message}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * Waits until the program has said so on its standard error: a line that was written before an
 * answer may be read after it, as the two come by different ways
 */
export function said(program: Pick<Program, "stderr">, line: RegExp): Promise<void> {
  return until(() => line.test(program.stderr()), `the program says ${line}`);
}

/** Resident memory of a running program in bytes (proc(5)) */
export function memoryOf({ pid }: Pick<Program, "pid">): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)![1]) * 1024;
}

function commandLine(args: readonly string[], options: ProgramOptions) {
  const flags = options.flags ?? taskFlags(options.task ?? "start");
  const script = options.main ? [`--config=${CONFIG}`, options.main] : [join(ROOT, "main.ts")];
  const deno = [...options.deno ?? [Deno.execPath()], "run", ...flags, ...script];
  const words = [...options.prefix ?? [], ...deno, ...args];
  return {
    name: words[0],
    args: words.slice(1),
    cwd: options.cwd ?? ROOT,
    env: { ...inherited(options.clearEnv), NO_COLOR: "1", ...options.env },
    clearEnv: true,
  };
}

/** Settings in the environment of whoever runs the tests must not reach the program */
function inherited(clear = false): Record<string, string> {
  const keep = (name: string) =>
    CACHE.includes(name.toUpperCase()) || !clear && (name === "PATH" || !mayRead(name));
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => keep(name)),
  );
}

/** Reads a stream to its end; `heed` sees the text so far until it returns false */
function collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>, heed: (text: string) => boolean) {
  let text = "";
  let heeding = true;
  const end = (async () => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      heeding = heeding && heed(text);
    }
  })();
  return { text: () => text, end };
}

/** strace stays the parent of what it runs, while env and prlimit become it */
function behindPrefix(pid: number): number {
  const deno = Deno.realPathSync(Deno.execPath());
  const isDeno = (id: number) => link(`/proc/${id}/exe`) === deno;
  return [pid, ...childrenOf(pid)].find(isDeno) ?? pid;
}

function parentOf(pid: number): number | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]); // the name may hold anything
  } catch {
    return null; // ended meanwhile
  }
}

function link(path: string): string | null {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return null; // closed or ended meanwhile
  }
}

/** The service looks at its own memory now and then: less is no download. Bytes between two looks. */
const IDLE_BYTES = 4096;

/** So many looks one after the other that see nothing are a while. */
const QUIET_LOOKS = 30;

/** Makes what tells, look by look, whether a program has read and written nothing for a while. */
export function quietness(program: Program): () => boolean {
  let [before, unchanged] = [0, 0];
  return () => {
    const now = bytesMovedBy(program);
    unchanged = now - before < IDLE_BYTES ? unchanged + 1 : 0;
    before = now;
    return unchanged >= QUIET_LOOKS;
  };
}

/** Bytes that a process has read and written so far, by all its calls: proc(5), `io` */
function bytesMovedBy({ pid }: Program): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/io`);
  return [...text.matchAll(/^[rw]char: (\d+)$/gm)].reduce(
    (sum, [, bytes]) => sum + Number(bytes),
    0,
  );
}
