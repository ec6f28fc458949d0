/**
 * Programs of other people that tests lean on: finding them, running them, and registering a test
 * that needs them.
 *
 * @module
 */

import { delimiter, join } from "node:path";

/** Longer than any program takes that ends at all, in milliseconds */
const PATIENCE_MS = 300_000;

/** On Windows as Wine makes it, which ends connections in peace that Windows would reset */
export const UNDER_WINE: boolean = Deno.build.os === "windows" &&
  Deno.env.get("WINEPREFIX") !== undefined;

const found = new Map<string, string | null>();

/** How a program is run */
export interface RunOptions {
  /** Working folder */
  readonly cwd?: string;
  /**
   * What the program reads on its standard input
   *
   * @default nothing, the input is at its end from the start
   */
  readonly stdin?: Uint8Array<ArrayBuffer> | string | ReadableStream<Uint8Array>;
  /** Environment variables on top of the inherited ones; `LC_ALL` is `C.UTF-8` unless named here */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Inherit no environment variables
   *
   * @default false
   */
  readonly clearEnv?: boolean;
  /**
   * `"null"` throws the standard output away instead of holding it in memory
   *
   * @default "piped"
   */
  readonly stdout?: "piped" | "null";
  /** Milliseconds after which the program is killed, which shows as code 137, on Windows as 1 */
  readonly within?: number;
}

/** What a program left behind */
export interface RunResult {
  /** Exit code; 128 + n when signal n ended the program */
  readonly code: number;
  readonly stdout: Uint8Array<ArrayBuffer>;
  readonly stderr: string;
}

/**
 * Absolute path of a program on `PATH`, or where `go install` puts what it builds; `null` when there
 * is none
 */
export function tool(name: string): string | null {
  let path = found.get(name);
  if (path === undefined) {
    path = search(name);
    found.set(name, path);
  }
  return path;
}

/**
 * Throws when a program is not on `PATH`.
 *
 * @throws {Error} Naming the first one that is missing
 */
export function need(tools: readonly string[]): void {
  const missing = tools.find((name) => tool(name) === null);
  if (missing !== undefined) throw new Error(`find tool: ${missing} is not on PATH`);
}

/** Whether a missing tool is a failure (`CI=true`) rather than a reason to skip */
export function strict(): boolean {
  return Deno.env.get("CI") === "true";
}

/**
 * Registers a test that needs programs. Without one of them the test is skipped, and its name says
 * why; with `CI=true` it fails instead.
 */
export function testWith(
  tools: readonly string[],
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  const missing = tools.filter((program) => tool(program) === null);
  if (missing.length === 0) Deno.test(name, fn);
  else if (strict()) Deno.test(name, () => need(missing));
  else Deno.test({ name: `${name} (skipped: no ${missing.join(", ")})`, ignore: true, fn });
}

/** The program `zip` as a test needs it that has other names than ASCII, or symlinks. */
export const FULL_ZIP: string = Deno.build.os === "windows"
  ? "zip that takes all names and stores symlinks"
  : "zip";

/** Registers a test that needs /proc, or names and files that only Linux has, and programs. */
export function testOnLinux(
  tools: readonly string[],
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  if (Deno.build.os === "linux") return testWith(tools, name, fn);
  Deno.test({ name: `${name} (skipped: Linux only)`, ignore: true, fn });
}

/** Registers a test that ends a program by a signal: Windows has none, and kills it instead. */
export function testWithSignals(
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  if (Deno.build.os !== "windows") return Deno.test(name, fn);
  Deno.test({ name: `${name} (skipped: Windows has no signals)`, ignore: true, fn });
}

/** Runs a program to its end; any exit code is a result, not an error */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: options.cwd,
    env: { LC_ALL: "C.UTF-8", ...options.env },
    clearEnv: options.clearEnv,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: options.stdout ?? "piped",
    stderr: "piped",
  }).spawn();
  const timer = options.within && setTimeout(() => end(child), options.within);
  try {
    const [status, stdout, stderr] = await Promise.all([
      child.status,
      options.stdout === "null" ? new Uint8Array() : new Response(child.stdout).bytes(),
      new Response(child.stderr).text(),
      options.stdin !== undefined && feed(child.stdin, options.stdin),
    ]);
    return { code: status.code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

function end(child: Deno.ChildProcess) {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // ended, while a child of its own holds the pipes
  }
}

/**
 * Runs a program that has to exit with 0, and gives what it printed on its standard output.
 *
 * @throws {Error} With the exit code, and the end of what it printed otherwise; also when it takes
 * longer than five minutes and `within` is not given
 */
export async function accept(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, ...output } = await run(command, args, { within: PATIENCE_MS, ...options });
  const stdout = new TextDecoder().decode(output.stdout);
  if (code === 0) return stdout;
  const said = `${stdout}${output.stderr}`.trim().slice(-4000);
  throw new Error(`run ${command}: exit code ${code}\n${said}`);
}

function search(name: string): string | null {
  const windows = Deno.build.os === "windows";
  for (const folder of [...Deno.env.get("PATH")?.split(delimiter) ?? [], ...goFolders()]) {
    const path = join(folder, windows ? `${name}.exe` : name);
    const info = folder === "" ? null : stat(path);
    if (info?.isFile && (windows || (info.mode ?? 0) & 0o111)) return path;
  }
  return null;
}

/** Where Go installs programs, by its own variables or by default */
function goFolders(): string[] {
  const [bin, path, home] = ["GOBIN", "GOPATH", "HOME"].map((name) => Deno.env.get(name) ?? "");
  const workspaces = path !== "" ? path.split(delimiter) : home !== "" ? [join(home, "go")] : [];
  return bin !== "" ? [bin] : workspaces.map((workspace) => join(workspace, "bin"));
}

function stat(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch {
    return null; // absent, or in a folder that may not be looked into
  }
}

async function feed(
  stdin: WritableStream<Uint8Array>,
  content: NonNullable<RunOptions["stdin"]>,
): Promise<void> {
  const source = content instanceof ReadableStream ? content : new Response(content).body!;
  try {
    await source.pipeTo(stdin);
  } catch (error) {
    // A program may end before it has read everything; its exit code tells what that means.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
