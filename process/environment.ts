/**
 * What the surroundings of the process say: environment variables and the `.env` file.
 *
 * @module
 */

import { ConfigError } from "../lib/config.ts";
import { readCheckout } from "./checkout.ts";
import { warnOfName } from "../lib/misspelt.ts";
import { variables, wordsOfFlags } from "../lib/options.ts";
import { describeError } from "../lib/log.ts";

const COMMIT_VARIABLE = "ZIPFERRY_COMMIT";

/** What stands for many variables: ours, and those of a bucket. */
const PREFIXES = ["AWS_", "ZIPFERRY_"];

/** Read for a bucket only: where the folder of the user is, on Unix and on Windows. */
const HOME_VARIABLES = ["HOME", "USERPROFILE"];

/**
 * An environment variable, undefined if it is not set.
 *
 * @throws {ConfigError} if it must not be read: names the missing permission
 */
export function readVariable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    const names = ["PATH", ...isForBucket(name) ? HOME_VARIABLES : [], ...patterns(name)].join();
    throw new ConfigError(`${name}: may not be read, start deno with --allow-env=${names}`);
  }
}

function isForBucket(name: string) {
  return name.startsWith("AWS_") || HOME_VARIABLES.includes(name);
}

/** All variables of options, those of a bucket only where one of them is asked for. */
function patterns(asked: string) {
  const names = variables.filter((name) => isForBucket(asked) || !isForBucket(name));
  const short = names.map((name) => {
    const prefix = PREFIXES.find((prefix) => name.startsWith(prefix));
    return prefix ? `${prefix}*` : name;
  });
  return [...new Set(short)];
}

/**
 * The text of `.env` in the working directory, undefined if there is none. UTF-8 or UTF-16; what an
 * editor puts in front to tell which is dropped.
 *
 * @throws {ConfigError} if it is there and cannot be read
 */
export async function readDotenv(): Promise<string | undefined> {
  try {
    return decodeDotenv(await Deno.readFile(".env"));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotCapable) {
      // In a folder on a network of Windows the permission to read is not enough.
      const { state } = await Deno.permissions.query({ name: "read", path: ".env" });
      const flag = state === "granted" ? "--allow-all" : "--allow-read=.env";
      throw new ConfigError(`.env: may not be read, start deno with ${flag}`);
    }
    throw new ConfigError(
      `.env: cannot be read: ${describeError(error)}; let the user of this process read it, or ` +
        "start in another working directory",
    );
  }
}

/**
 * The text of a `.env` file.
 *
 * @throws {ConfigError} if it is UTF-16 without a byte order mark, or no text at all
 */
export function decodeDotenv(bytes: Uint8Array<ArrayBuffer>): string {
  const [a, b] = bytes;
  const isUtf16 = a === 0xff && b === 0xfe || a === 0xfe && b === 0xff;
  const encoding = isUtf16 ? (a === 0xff ? "utf-16le" : "utf-16be") : "utf-8";
  const text = new TextDecoder(encoding).decode(bytes); // without the mark
  if (text.includes("\0")) throw new ConfigError(".env: is not UTF-8 text; save it as UTF-8");
  return text;
}

/** What is wrong with names of variables in the environment, a line each. */
export async function misspeltVariables(): Promise<string[]> {
  const { state } = await Deno.permissions.query({ name: "env" });
  const names = state === "granted" ? Object.keys(Deno.env.toObject()) : likelyMisspellings();
  const isSet = (name: string) => {
    const { state } = Deno.permissions.querySync({ name: "env", variable: name });
    return state === "granted" && Deno.env.get(name) !== undefined;
  };
  return names.filter(isSet).flatMap((name) => warnOfName(name) ?? []);
}

/** Where the environment may not be listed, names can only be tried. */
function likelyMisspellings() {
  const ours = variables.map((name) => name.replace(/^ZIPFERRY_/, ""));
  const near = ours.flatMap((name) => [name, ...lettersDropped(name), ...lettersSwapped(name)]);
  return [...new Set([...near, ...wordsOfFlags()])].map((name) => `ZIPFERRY_${name}`);
}

function lettersDropped(name: string) {
  return [...name].map((_, i) => name.slice(0, i) + name.slice(i + 1));
}

function lettersSwapped(name: string) {
  return [...name].map((_, i) =>
    name.slice(0, i) + name.charAt(i + 1) + name[i] + name.slice(i + 2)
  );
}

/**
 * The commit that this program was made of, if whoever made an executable or an image told it; else
 * the one that is checked out where the program is. Changes since then do not show. Undefined where
 * nobody tells, or where it may not be read.
 *
 * @param root the folder of the program; undefined for an executable
 */
export async function readCommit(root?: string): Promise<string | undefined> {
  const { state } = await Deno.permissions.query({ name: "env", variable: COMMIT_VARIABLE });
  const told = state === "granted" && Deno.env.get(COMMIT_VARIABLE);
  return told || (root === undefined ? undefined : await readCheckout(root));
}
