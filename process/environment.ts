/**
 * What the surroundings of the process say: environment variables and the `.env` file.
 *
 * @module
 */

import { ConfigError, variables } from "../lib/config.ts";
import { describeError } from "../lib/log.ts";

const COMMIT_VARIABLE = "ZIPFERRY_COMMIT";

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
    const names = ["PATH", ...variables].join();
    throw new ConfigError(`${name}: may not be read, start deno with --allow-env=${names}`);
  }
}

/**
 * The text of `.env` in the working directory, undefined if there is none.
 *
 * @throws {ConfigError} if it is there and cannot be read
 */
export async function readDotenv(): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(".env");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotCapable) {
      throw new ConfigError(".env: may not be read, start deno with --allow-read=.env");
    }
    throw new ConfigError(`.env: cannot be read: ${describeError(error)}`);
  }
}

/** The commit that this program was made of, if whoever made an executable or an image told it. */
export async function readCommit(): Promise<string | undefined> {
  const { state } = await Deno.permissions.query({ name: "env", variable: COMMIT_VARIABLE });
  return state === "granted" ? Deno.env.get(COMMIT_VARIABLE) : undefined;
}
