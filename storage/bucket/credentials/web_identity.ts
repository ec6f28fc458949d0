/**
 * Credentials for a token that somebody else vouches for, as Kubernetes on AWS puts it into a file
 * (IAM roles for service accounts): AssumeRoleWithWebIdentity of AWS STS, or of a store that has it.
 *
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 *
 * @module
 */

import { describeError } from "../../../lib/log.ts";
import { quote } from "../../../lib/quote.ts";
import { ask } from "./ask.ts";
import { checkPart, ending, failure, type Lease } from "./lease.ts";

const ACTION = "AssumeRoleWithWebIdentity";

/** The name of the session where nobody gives one: it is in the log of AWS. */
const SESSION_NAME = "zipferry";

/** Which role is taken, and how. */
export interface WebIdentity {
  /** File with the token; it is read for each request, since it is renewed too. */
  readonly tokenFile: string;
  /** ARN of the role. */
  readonly roleArn: string;
  /** Name of the session. @default "zipferry" */
  readonly sessionName?: string;
  /** Address of the service. */
  readonly endpoint: URL;
}

/** The address of AWS STS in a region. */
export function stsEndpoint(region: string): URL {
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  return new URL(`https://sts.${region}.${domain}/`);
}

/**
 * Credentials of the role.
 *
 * @throws {StorageError} if the token cannot be read, or the service does not give any
 */
export async function assumeRole(identity: WebIdentity, now: () => number): Promise<Lease> {
  const token = await readToken(identity.tokenFile);
  const body = new URLSearchParams({
    Action: ACTION,
    Version: "2011-06-15",
    RoleArn: identity.roleArn,
    RoleSessionName: identity.sessionName ?? SESSION_NAME,
    WebIdentityToken: token,
  });
  const text = await ask({
    from: ACTION,
    url: identity.endpoint,
    init: { method: "POST", body, headers: { accept: "text/xml" } },
    errorCode: (text) => elementIn(text, "Code"),
  });
  const part = (name: string) => checkPart({ name: `${ACTION}: ${name}`, text: need(text, name) });
  const credentials = {
    accessKeyId: part("AccessKeyId"),
    secretAccessKey: part("SecretAccessKey"),
    sessionToken: part("SessionToken"),
  };
  const endMs = Date.parse(need(text, "Expiration"));
  return ending(credentials, { now: now(), endMs, from: ACTION });
}

function need(text: string, name: string) {
  const value = elementIn(text, name);
  if (value === undefined) throw failure(`${ACTION}: the answer has no ${name}`);
  return value;
}

/** The text of the first element of that name. What is looked for here has no entities in it. */
function elementIn(text: string, name: string) {
  return new RegExp(`<${name}>\\s*([^<&]*?)\\s*</${name}>`).exec(text)?.[1];
}

async function readToken(path: string) {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound ? "there is none" : describeError(error);
    throw failure(`the file of the token, ${quote(path)}, cannot be read: ${why}`);
  }
}
