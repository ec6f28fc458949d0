/**
 * A profile of the shared files of AWS: credentials, region and endpoint under one name.
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
 *
 * @module
 */

import { join } from "node:path";
import { ConfigError } from "../../../lib/config.ts";
import { describeError } from "../../../lib/log.ts";
import { quote } from "../../../lib/quote.ts";
import { parseSections, type Sections } from "./ini.ts";

/** Looks up an environment variable; empty counts as not set. */
export type Environment = (name: string) => string | undefined;

/** What the files say under one name. */
export interface Profile {
  /** Its name. */
  readonly name: string;
  /** Whether a variable asks for this profile: it has to be there, then. */
  readonly isNamed: boolean;
  /** Its values; those of the file `credentials` win. */
  readonly values: ReadonlyMap<string, string>;
  /** Files in the usual places that may not be read. */
  readonly forbidden: readonly string[];
  /** Addresses that its `services` section gives, by service. */
  readonly serviceEndpoints: ReadonlyMap<string, string>;
}

/** One of the two files. */
interface SharedFile {
  readonly variable: "AWS_SHARED_CREDENTIALS_FILE" | "AWS_CONFIG_FILE";
  /** Undefined where nobody says where it would be. */
  readonly path: string | undefined;
  /** Whether the variable is set. */
  readonly isNamed: boolean;
}

/**
 * Reads the profile that the environment asks for, `default` if it asks for none.
 *
 * @throws {ConfigError} if a file or a profile that a variable names is not there
 */
export async function readProfile(env: Environment): Promise<Profile> {
  const named = env("AWS_PROFILE");
  const name = named ?? "default";
  const files = {
    credentials: sharedFile(env, "AWS_SHARED_CREDENTIALS_FILE"),
    config: sharedFile(env, "AWS_CONFIG_FILE"),
  };
  const forbidden: string[] = [];
  const credentials = await readSections(files.credentials, forbidden);
  const config = await readSections(files.config, forbidden);
  const own = credentials.get(name);
  const general = name === "default"
    ? config.get("profile default") ?? config.get("default")
    : config.get(`profile ${name}`);
  if (named !== undefined && !own && !general) {
    const paths = [files.credentials.path, files.config.path].filter((path) => path !== undefined);
    throw new ConfigError(
      `AWS_PROFILE: no profile ${JSON.stringify(name)} in ${paths.join(" or ") || "any file"}; ` +
        "correct the name, or add the profile there",
    );
  }
  const values = new Map([...general ?? [], ...own ?? []]);
  return {
    name,
    isNamed: named !== undefined,
    values,
    forbidden,
    serviceEndpoints: serviceEndpoints(config, values.get("services")),
  };
}

function serviceEndpoints(config: Sections, services: string | undefined) {
  const section = services === undefined ? undefined : config.get(`services ${services}`);
  const found = [...section ?? []].flatMap(([key, value]) => {
    const [, service] = /^(.*)\.endpoint_url$/.exec(key) ?? [];
    return service === undefined ? [] : [[service, value] as const];
  });
  return new Map(found);
}

function sharedFile(env: Environment, variable: SharedFile["variable"]): SharedFile {
  const named = env(variable);
  if (named !== undefined) return { variable, path: fromHome(env, named), isNamed: true };
  const home = homeFolder(env);
  const name = variable === "AWS_CONFIG_FILE" ? "config" : "credentials";
  return { variable, path: home && join(home, ".aws", name), isNamed: false };
}

/** The shell leaves `~` as it is in a value of `.env`. */
function fromHome(env: Environment, path: string) {
  const home = homeFolder(env);
  return home !== undefined && /^~[/\\]/.test(path) ? join(home, path.slice(2)) : path;
}

function homeFolder(env: Environment) {
  return env(Deno.build.os === "windows" ? "USERPROFILE" : "HOME");
}

/** Nothing if there is no such file, or one that may not be read and that nobody named. */
async function readSections(
  { variable, path, isNamed }: SharedFile,
  forbidden: string[],
): Promise<Sections> {
  if (path === undefined) return new Map();
  try {
    return parseSections(await Deno.readTextFile(path));
  } catch (error) {
    if (isNamed) {
      const why = reasonOf(error);
      const next = "correct the path, or leave the variable out";
      throw new ConfigError(
        `${variable}: ${quote(path)} cannot be read: ${why}; ${next}`,
      );
    }
    if (!(error instanceof Deno.errors.NotFound)) forbidden.push(path);
    return new Map();
  }
}

function reasonOf(error: unknown) {
  if (error instanceof Deno.errors.NotFound) return "there is none";
  if (error instanceof Deno.errors.NotCapable) return "not permitted, see --allow-read";
  return describeError(error);
}
