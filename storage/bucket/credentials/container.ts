/**
 * Credentials that the surroundings of a container give, by an address: tasks of Amazon ECS and Pod
 * Identity of Amazon EKS.
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 *
 * @module
 */

import { ConfigError } from "../../../lib/config.ts";
import { describeError } from "../../../lib/log.ts";
import { quote } from "../../../lib/quote.ts";
import { ask } from "./ask.ts";
import { checkPart, ending, failure, lasting, type Lease } from "./lease.ts";
import type { Environment } from "./profile.ts";

const FROM = "the address for the container";

/** Where an address without a host belongs to. */
const ECS_HOST = "http://169.254.170.2";

/** What may be asked by plain HTTP: this machine, ECS, and EKS by IPv4 and IPv6. */
const PLAIN_HOSTS =
  /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|169\.254\.170\.2|169\.254\.170\.23|\[fd00:ec2::23\])$/;

/** Who is asked, and how. */
export interface ContainerAddress {
  /** Their address. */
  readonly url: URL;
  /** What they want to be shown. @default nothing */
  readonly token?: string;
  /** The file that it is in, which is read each time. @default none */
  readonly tokenFile?: string;
}

/**
 * The address that the environment names, null if it names none.
 *
 * @throws {ConfigError} if nobody should be asked there: credentials would come over the network
 * unprotected
 */
export function containerAddress(env: Environment): ContainerAddress | null {
  const url = addressIn(env);
  if (!url) return null;
  return {
    url,
    token: env("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    tokenFile: env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
  };
}

function addressIn(env: Environment): URL | null {
  const relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (relative !== undefined) {
    const url = URL.parse(`${ECS_HOST}${relative}`);
    if (relative.startsWith("/") && url) return url;
    throw new ConfigError("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: is not allowed; use a path");
  }
  const full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (full === undefined) return null;
  const url = URL.parse(full);
  const isSafe = url?.protocol === "https:" ||
    url?.protocol === "http:" && PLAIN_HOSTS.test(url.hostname);
  if (url && isSafe) return url;
  throw new ConfigError(
    "AWS_CONTAINER_CREDENTIALS_FULL_URI: is not allowed; use an address by https, or by http on " +
      "this machine or one of 169.254.170.2, 169.254.170.23 and [fd00:ec2::23]",
  );
}

/**
 * Credentials of the container.
 *
 * @throws {StorageError} if the token cannot be read, or the address does not give any
 */
export async function askContainer(address: ContainerAddress, now: () => number): Promise<Lease> {
  const token = await readToken(address);
  const headers = new Headers({ accept: "application/json" });
  if (token !== undefined) headers.set("authorization", token);
  const text = await ask({
    from: FROM,
    url: address.url,
    init: { headers },
    errorCode: (text) => textIn(parseObject(text) ?? {}, "code", "Code"),
  });
  const answer = parseObject(text);
  if (!answer) throw failure(`${FROM}: the answer is not JSON`);
  return leaseOf(answer, now());
}

function leaseOf(answer: Readonly<Record<string, unknown>>, now: number): Lease {
  const part = (key: string) => {
    const text = textIn(answer, key);
    if (text === undefined) throw failure(`${FROM}: the answer has no ${key}`);
    return checkPart({ name: `${FROM}: ${key}`, text });
  };
  const [accessKeyId, secretAccessKey] = [part("AccessKeyId"), part("SecretAccessKey")];
  if (answer.Token === undefined) return lasting({ accessKeyId, secretAccessKey });
  const credentials = { accessKeyId, secretAccessKey, sessionToken: part("Token") };
  const endMs = Date.parse(textIn(answer, "Expiration") ?? "");
  return ending(credentials, { now, endMs, from: FROM });
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function textIn(answer: Readonly<Record<string, unknown>>, ...keys: string[]) {
  return keys.map((key) => answer[key]).find((value) => typeof value === "string");
}

/** The file wins. */
async function readToken({ token, tokenFile }: ContainerAddress): Promise<string | undefined> {
  if (tokenFile === undefined) return token && checkToken(token);
  try {
    return checkToken(await Deno.readTextFile(tokenFile));
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound ? "there is none" : describeError(error);
    throw failure(`the file of the token, ${quote(tokenFile)}, cannot be read: ${why}`);
  }
}

/** It must not be able to add lines to a request. */
function checkToken(text: string) {
  const token = text.trim();
  if (/^[\x20-\x7e]+$/.test(token)) return token;
  throw failure("the token for the container is empty or has characters that are not allowed");
}
