/**
 * Makes the executables: one for each system and processor, with their checksums beside them.
 *
 * ```sh
 * deno task compile
 * deno task compile --target x86_64-unknown-linux-gnu --output dist
 * ```
 *
 * `deno compile` downloads the runtime of each target unless `DENORT_BIN` names one; that variable
 * is passed on as it is.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import project from "../deno.json" with { type: "json" };
import { taskFlags } from "../testing/task.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** What an executable is called for each target that is made. */
export const TARGETS: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "linux-x64",
  "aarch64-unknown-linux-gnu": "linux-arm64",
  "x86_64-pc-windows-msvc": "windows-x64.exe",
  "aarch64-pc-windows-msvc": "windows-arm64.exe",
  "x86_64-apple-darwin": "macos-x64",
  "aarch64-apple-darwin": "macos-arm64",
};

/**
 * The task of `deno.json` whose permissions and other flags an executable gets. It is the one that may write: one
 * executable has to serve, and to keep checksums and listen on a Unix socket where it is told to.
 */
export const TASK = "start:checksums";

/**
 * The task for Windows, where the runtime opens the shares of a network with all permissions only. The
 * program gives them back at its start unless the photos are on a share.
 */
export const WINDOWS_TASK = "start:network";

/** Deno lets a program import code from some hosts unless told otherwise. */
const HARDENING = ["--deny-import"];

/** Tells a running program which commit it was made of. */
const COMMIT_VARIABLE = "ZIPFERRY_COMMIT";

const CHECKSUMS = "SHA256SUMS";

/** Thrown for what the user can put right. One line. */
class CompileError extends Error {}

interface Options {
  readonly targets: readonly string[];
  /** Absolute path of the folder for the executables. */
  readonly output: string;
}

/** Compiles what the command line asks for. */
async function main() {
  const { targets, output } = readOptions(Deno.args);
  await Deno.mkdir(output, { recursive: true });
  await removeIfThere(join(output, CHECKSUMS)); // it would be wrong from the first target on
  const variables = await Deno.makeTempFile({ prefix: "zipferry-", suffix: ".env" });
  try {
    await Deno.writeTextFile(variables, `${COMMIT_VARIABLE}=${await findCommit()}\n`);
    for (const target of targets) {
      await compile(target, join(output, executableName(target)), variables);
    }
  } finally {
    await Deno.remove(variables);
  }
  console.log(await writeChecksums(output));
}

function readOptions(args: readonly string[]): Options {
  const { target, output } = parse(args);
  if (target !== undefined && !Object.hasOwn(TARGETS, target)) {
    const allowed = Object.keys(TARGETS).join(", ");
    throw new CompileError(`--target: ${JSON.stringify(target)} is none of ${allowed}`);
  }
  if (output === "") throw new CompileError("--output: give a folder");
  return { targets: target ? [target] : Object.keys(TARGETS), output: resolve(output) };
}

function parse(args: readonly string[]) {
  try {
    const options = {
      target: { type: "string" },
      output: { type: "string", default: join(ROOT, "dist") },
    } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CompileError(`${error.message.split("\n")[0]}; --target and --output are known`);
  }
}

function executableName(target: string) {
  return `zipferry-${project.version}-${TARGETS[target]}`;
}

async function compile(target: string, path: string, variables: string) {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--frozen",
      "--no-code-cache",
      "--exclude-unused-npm",
      ...(target.includes("windows")
        ? taskFlags(WINDOWS_TASK)
        : [...taskFlags(TASK), ...HARDENING]),
      `--env-file=${variables}`,
      `--target=${target}`,
      `--output=${path}`,
      "main.ts",
    ],
    cwd: ROOT,
    stdin: "null",
  }).spawn().status;
  if (code !== 0) throw new CompileError(`${target}: deno compile failed with exit code ${code}`);
}

/** The commit that is checked out, with `-dirty` behind it if files of it were changed. */
async function findCommit(): Promise<string> {
  const given = Deno.env.get(COMMIT_VARIABLE);
  if (given) return given;
  try {
    const args = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"];
    const git = new Deno.Command("git", { args, cwd: ROOT, stderr: "null" });
    const { success, stdout } = await git.output();
    return success ? new TextDecoder().decode(stdout).trim() : "unknown";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "unknown"; // there is no git
    throw error;
  }
}

/** Writes the checksums of all executables in the folder, as `sha256sum --check` reads them. */
async function writeChecksums(folder: string): Promise<string> {
  const names = Object.values(TARGETS).map((suffix) => `zipferry-${project.version}-${suffix}`);
  const there = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const lines = names.filter((name) => there.includes(name)).sort().map((name) => {
    const hash = createHash("sha256").update(Deno.readFileSync(join(folder, name)));
    return `${hash.digest("hex")}  ${name}`;
  });
  const text = lines.join("\n");
  await Deno.writeTextFile(join(folder, CHECKSUMS), `${text}\n`);
  return text;
}

async function removeIfThere(path: string) {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(`compile: ${error.message}`);
    Deno.exit(1);
  }
}
