/**
 * Finds the credentials of a bucket where the tools of AWS find them: variables, web identity, the
 * shared files, the address for a container, in this order.
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 *
 * @module
 */

import { parseEndpoints } from "../../../lib/bucket.ts";
import { ConfigError } from "../../../lib/config.ts";
import { askContainer, containerAddress } from "./container.ts";
import { checkPart, type Credentials, lasting, type Lease, type LoadLease } from "./lease.ts";
import { type Environment, type Profile, readProfile } from "./profile.ts";
import { type RenewalOptions, renewing } from "./renewal.ts";
import { assumeRole, stsEndpoint, type WebIdentity } from "./web_identity.ts";

/** Files whose credentials have no end are read again after this time, in milliseconds. */
const READ_AGAIN_MS = 60_000;

/** Ways to credentials in a profile that this program does not go. */
const NOT_SUPPORTED = [
  "credential_process",
  "credential_source",
  "login_session",
  "source_profile",
  "sso_session",
  "sso_start_url",
];

/** Where credentials are looked for. */
export interface CredentialsOptions extends RenewalOptions {
  /** Looks up an environment variable; empty counts as not set. */
  readonly env: Environment;
  /** The region, for the address of AWS STS. @default none is known */
  readonly region?: string;
}

/**
 * Makes a function that gives the credentials, and renews them before they end.
 *
 * @throws {ConfigError} if there are none, or what should lead to them cannot be used
 */
export async function findCredentials(
  options: CredentialsOptions,
): Promise<() => Promise<Credentials>> {
  return renewing(await findSource(options), options);
}

async function findSource(options: CredentialsOptions): Promise<LoadLease> {
  const { env, now = Date.now } = options;
  const keys = keysIn(env);
  if (keys) return () => Promise.resolve(lasting(keys));
  const identity = webIdentityIn(options);
  if (identity) return () => assumeRole(identity, now);
  const profile = await readProfile(env);
  const inProfile = sourceIn(profile, options);
  if (inProfile) return inProfile;
  const address = containerAddress(env);
  if (address) return () => askContainer(address, now);
  throw new ConfigError(nothingFound(profile));
}

/** The credentials that stand in variables. */
function keysIn(env: Environment): Credentials | undefined {
  const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const;
  const [id, secret] = names.map(env);
  if (id === undefined && secret === undefined) return undefined;
  if (id === undefined || secret === undefined) {
    const [given, missing] = id === undefined ? [names[1], names[0]] : names;
    throw new ConfigError(`${given}: needs ${missing} too`);
  }
  const token = env("AWS_SESSION_TOKEN");
  return credentialsOf({ names: [...names, "AWS_SESSION_TOKEN"], id, secret, token });
}

function credentialsOf({ names, id, secret, token }: {
  readonly names: readonly string[];
  readonly id: string;
  readonly secret: string;
  readonly token: string | undefined;
}): Credentials {
  const keys = {
    accessKeyId: checkPart({ name: names[0], text: id }),
    secretAccessKey: checkPart({ name: names[1], text: secret }),
  };
  return token === undefined
    ? keys
    : { ...keys, sessionToken: checkPart({ name: names[2], text: token }) };
}

/** The role that variables name. */
function webIdentityIn(options: CredentialsOptions): WebIdentity | undefined {
  const { env } = options;
  const tokenFile = env("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (tokenFile === undefined) return undefined;
  const roleArn = env("AWS_ROLE_ARN");
  if (roleArn === undefined) {
    throw new ConfigError("AWS_WEB_IDENTITY_TOKEN_FILE: needs AWS_ROLE_ARN too");
  }
  const sessionName = env("AWS_ROLE_SESSION_NAME");
  return { tokenFile, roleArn, sessionName, endpoint: endpointOfSts(options) };
}

/** As for the bucket, an address for one service wins over one for all. */
function endpointOfSts({ env, region }: CredentialsOptions, profile?: Profile): URL {
  const given = [
    ["AWS_ENDPOINT_URL_STS", env("AWS_ENDPOINT_URL_STS")],
    ["AWS_ENDPOINT_URL", env("AWS_ENDPOINT_URL")],
    ["endpoint_url of sts", profile?.serviceEndpoints.get("sts")],
    ["endpoint_url", profile?.values.get("endpoint_url")],
  ] as const;
  const [name, text] = given.find(([, text]) => text !== undefined) ?? [];
  if (text === undefined) return stsEndpoint(region ?? "us-east-1");
  const [endpoint] = parseEndpoints(text) ?? [];
  if (endpoint) return endpoint;
  throw new ConfigError(`${name}: is not allowed; use an http or https address`);
}

/** The source that a profile leads to, undefined if it leads to none. */
function sourceIn(profile: Profile, options: CredentialsOptions): LoadLease | undefined {
  const { env, now = Date.now } = options;
  const { values } = profile;
  if (keysOf(profile)) return () => readKeys(env, now);
  const [tokenFile, roleArn] = [values.get("web_identity_token_file"), values.get("role_arn")];
  if (tokenFile !== undefined && roleArn !== undefined) {
    const sessionName = values.get("role_session_name");
    const endpoint = endpointOfSts(options, profile);
    return () => assumeRole({ tokenFile, roleArn, sessionName, endpoint }, now);
  }
  if (profile.isNamed) throw new ConfigError(nothingFound(profile));
  return undefined;
}

/** Reads the files again: another program may have renewed what they hold. */
async function readKeys(env: Environment, now: () => number): Promise<Lease> {
  const profile = await readProfile(env);
  const keys = keysOf(profile);
  if (!keys) throw new ConfigError(nothingFound(profile));
  return lasting(keys, now() + READ_AGAIN_MS);
}

function keysOf({ name, values }: Profile): Credentials | undefined {
  const names = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
  const [id, secret, token] = names.map((key) => values.get(key));
  if (id === undefined && secret === undefined) return undefined;
  const described = names.map((key) => `${key} of profile ${JSON.stringify(name)}`);
  if (id !== undefined && secret !== undefined) {
    return credentialsOf({ names: described, id, secret, token });
  }
  const [given, missing] = id === undefined ? [1, 0] : [0, 1];
  throw new ConfigError(`${described[given]}: needs ${names[missing]} too`);
}

function nothingFound({ name, isNamed, values, forbidden }: Profile) {
  const found = NOT_SUPPORTED.find((key) => values.has(key));
  const ways =
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile with aws_access_key_id and " +
    "aws_secret_access_key, web identity, or the credentials of a container";
  if (found !== undefined) {
    return `profile ${JSON.stringify(name)}: ${found} is not supported; use ${ways}`;
  }
  const where = isNamed ? `profile ${JSON.stringify(name)}` : "--folder s3://";
  const unread = forbidden.length > 0 ? ` (${forbidden.join(", ")} cannot be read)` : "";
  return `${where}: no credentials${unread}; give ${ways}, or --s3-anonymous`;
}
