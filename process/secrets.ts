/**
 * Secrets of the operator: from a variable, or from a file that only the service can read.
 *
 * @module
 */

import { ConfigError } from "../lib/config.ts";
import { quote } from "../lib/quote.ts";

/** A shorter one could be guessed. */
const MIN_LENGTH = 16;

/** One that is in use, and one that takes its place or that it takes the place of. */
const MAX_SECRETS = 2;

/** Where a secret may come from. Neither it nor a part of it is ever in a message. */
export interface SecretSources {
  /** The variable that may hold it. */
  readonly variable: string;
  /** What the variable holds; undefined if it is not set. */
  readonly value?: string;
  /** The flag that may name a file. */
  readonly flag: string;
  /** The file; undefined if none is named. */
  readonly file?: string;
}

/**
 * The secret, without the white space around it; undefined if there is none.
 *
 * @throws {ConfigError} if both are given, the file cannot be read, or the secret is too short or
 * not made of visible ASCII characters
 */
export async function readSecret(sources: SecretSources): Promise<string | undefined> {
  const given = await readGiven(sources);
  return given && checkSecret(given.text, given.where);
}

/**
 * Secrets of which each is good, in their order: while one takes the place of another, both are
 * there, with a comma, a space or a line break between them. Empty if there is none.
 *
 * @throws {ConfigError} as {@link readSecret}, and if there are more than two or none in what is given
 */
export async function readSecretPair(sources: SecretSources): Promise<string[]> {
  const given = await readGiven(sources);
  if (!given) return [];
  const secrets = given.text.split(/[\s,]+/).filter((text) => text !== "");
  if (secrets.length > MAX_SECRETS) {
    throw new ConfigError(
      `${given.where}: ${secrets.length} secrets; at most two are allowed, leave the one for new links first`,
    );
  }
  return (secrets.length > 0 ? secrets : [""]).map((text) => checkSecret(text, given.where));
}

async function readGiven({ variable, value, flag, file }: SecretSources) {
  if (value !== undefined && file !== undefined) {
    throw new ConfigError(`${variable} and ${flag}: only one of them is allowed; leave one out`);
  }
  if (value !== undefined) return { text: value, where: variable };
  return file === undefined ? undefined : { text: await readText(file, flag), where: flag };
}

function checkSecret(text: string, where: string) {
  const secret = text.trim();
  if (secret.length < MIN_LENGTH) {
    throw new ConfigError(`${where}: too short; use ${MIN_LENGTH} characters or more, at random`);
  }
  if (!/^[\x21-\x7e]+$/.test(secret)) {
    throw new ConfigError(`${where}: has characters that are not allowed; use visible ASCII`);
  }
  return secret;
}

async function readText(file: string, flag: string) {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    const why = error instanceof Error ? error.name : String(error);
    const next = "name a file that the user of this process may read";
    throw new ConfigError(`${flag}: ${quote(file)}: cannot be read (${why}); ${next}`);
  }
}
