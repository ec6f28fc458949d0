/**
 * What a bucket is reached with, all questions answered: where options say nothing, the profile of the
 * shared files of AWS or a rule does.
 *
 * @module
 */

import {
  badEndpoint,
  type BucketSettings,
  isHostLabel,
  parseEndpoints,
  parseRegion,
} from "../../lib/bucket.ts";
import { ConfigError } from "../../lib/config.ts";
import { type Environment, type Profile, readProfile } from "./credentials/profile.ts";
import { bucketUrl } from "./object_url.ts";

/** Most stores that are not AWS go by this region, or by none. */
const USUAL_REGION = "us-east-1";

/** Settings without an open question. */
export interface BucketAccess extends BucketSettings {
  /** The region that requests are signed for. */
  readonly region: string;
  /** Whether the bucket is in the path of an address, not in its host. */
  readonly pathStyle: boolean;
}

/**
 * Answers what the options leave open.
 *
 * @throws {ConfigError} if nobody names the region, or a profile cannot be used
 */
export async function completeSettings(
  settings: BucketSettings,
  env: Environment,
): Promise<BucketAccess> {
  const isComplete = settings.region !== undefined && settings.endpoints.length > 0;
  const profile = isComplete ? undefined : await readProfile(env);
  const given = settings.endpoints.length > 0 ? settings.endpoints : endpointsIn(profile);
  const region = settings.region ?? regionIn(profile) ?? usualRegion(given);
  const style = settings.pathStyle ?? styleIn(profile);
  return {
    ...settings,
    region,
    endpoints: given.length > 0 ? given : [amazonEndpoint(region)],
    pathStyle: style ?? (given.length > 0 || !isHostLabel(settings.bucket)),
  };
}

/** Where the bucket is: for each endpoint the address that its requests begin with. */
export function bucketUrls({ endpoints, ...bucket }: BucketAccess): URL[] {
  return endpoints.map((endpoint) => new URL(bucketUrl(endpoint, bucket)));
}

/** The photos folder in one spelling, without a slash at its end. */
export function folderName({ bucket, prefix }: BucketSettings): string {
  return `s3://${bucket}/${prefix}`.replace(/\/$/, "");
}

function amazonEndpoint(region: string) {
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  return new URL(`https://s3.${region}.${domain}`);
}

function usualRegion(endpoints: readonly URL[]) {
  if (endpoints.length > 0) return USUAL_REGION;
  throw new ConfigError(
    "--folder s3://: set AWS_REGION to the region of the bucket, or AWS_ENDPOINT_URL_S3 to the " +
      "address of a store other than AWS",
  );
}

function regionIn(profile: Profile | undefined): string | undefined {
  const text = profile?.values.get("region");
  if (!profile || text === undefined) return undefined;
  const region = parseRegion(text);
  if (region !== undefined) return region;
  throw new ConfigError(
    `region ${ofName(profile)}: ${JSON.stringify(text)} is not allowed; use a name such as ` +
      "eu-central-1",
  );
}

function endpointsIn(profile: Profile | undefined): readonly URL[] {
  const text = profile?.serviceEndpoints.get("s3") ?? profile?.values.get("endpoint_url");
  if (!profile || text === undefined) return [];
  const urls = parseEndpoints(text);
  if (urls) return urls;
  throw new ConfigError(
    `endpoint_url ${ofName(profile)}: ${
      JSON.stringify(badEndpoint(text))
    } is not allowed; use an ` +
      "http or https address without a user name",
  );
}

/** As the tools of AWS have it, `auto` is the rule. */
function styleIn(profile: Profile | undefined): boolean | undefined {
  return { path: true, virtual: false }[profile?.values.get("s3.addressing_style") ?? ""];
}

function ofName({ name }: Profile) {
  return `of profile ${JSON.stringify(name)}`;
}
