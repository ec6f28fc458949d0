/**
 * Settings of a photos folder that is in object storage: what `s3://bucket/prefix` and the options
 * beside it say.
 *
 * @module
 */

/** Where the time of a file comes from: what was stored with the object, or when it was stored. */
export type BucketTimes = "metadata" | "listing";

/** Which part of which bucket. */
export interface BucketLocation {
  /** Name of the bucket. */
  readonly bucket: string;
  /** What the keys of all archives begin with: empty, or ending in `/`. */
  readonly prefix: string;
}

/** A photos folder in a bucket, and how it is reached, as far as options say. */
export interface BucketSettings extends BucketLocation {
  /** The region that requests are signed for; undefined if no variable names one. */
  readonly region?: string;
  /** Addresses of the store, to be used in turn; none if no variable names one. */
  readonly endpoints: readonly URL[];
  /** Whether the bucket is in the path of an address, not in its host; undefined to decide by rule. */
  readonly pathStyle?: boolean;
  /** Whether requests carry no signature. */
  readonly anonymous: boolean;
  /** How often a request that failed is tried again. */
  readonly retries: number;
  /** Where the times of files come from. */
  readonly times: BucketTimes;
}

/** What a photos folder in a bucket begins with. */
const SCHEME = /^s3:/i;

/**
 * Names of variables that credentials of a bucket are found by, as the tools of AWS find them; they
 * are read for a bucket only, and are in no {@link BucketSettings}.
 */
export const CREDENTIAL_VARIABLES: readonly string[] = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_ROLE_ARN",
  "AWS_ROLE_SESSION_NAME",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_ENDPOINT_URL_STS",
  "AWS_PROFILE",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_CONFIG_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/** True if a photos folder is meant to be in a bucket. */
export function isBucketFolder(folder: string): boolean {
  return SCHEME.test(folder);
}

/** Takes `s3://bucket/prefix` apart; undefined for what is no such address. */
export function parseBucketFolder(folder: string): BucketLocation | undefined {
  const [, bucket = "", path = ""] = /^s3:\/\/([^/]*)(?:\/(.*))?$/s.exec(folder) ?? [];
  if (!isBucketName(bucket)) return undefined;
  if (path === "") return { bucket, prefix: "" };
  const segments = path.replace(/\/$/, "").split("/");
  const isPlain = segments.every((segment) => segment !== "" && !/^\.{1,2}$/.test(segment));
  return isPlain ? { bucket, prefix: `${segments.join("/")}/` } : undefined;
}

/**
 * A name by the rules of S3, and what other stores allow besides: capital letters and `_`.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
 */
function isBucketName(name: string) {
  const isAllowed = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(name);
  return isAllowed && !name.includes("..") && !/^[\d.]+$/.test(name);
}

/** True if a bucket's name can be a part of a host name, below a certificate for `*.host`. */
export function isHostLabel(bucket: string): boolean {
  return /^[a-z0-9-]+$/.test(bucket);
}

/** A path, or where a bucket is; undefined for an address of a bucket that is not well-formed. */
export function parseFolder(text: string): string | undefined {
  return isBucketFolder(text) && !parseBucketFolder(text) ? undefined : text;
}

/** What stands for the bucket, if that is no name of one; undefined if something else is wrong. */
export function badBucketName(text: string): string | undefined {
  const [, bucket] = /^s3:\/\/([^/]+)/.exec(text) ?? [];
  return bucket === undefined || isBucketName(bucket) ? undefined : bucket;
}

/** Addresses with commas between them. */
export function parseEndpoints(text: string): readonly URL[] | undefined {
  const urls = text.split(",").map(endpoint);
  return urls.every((url) => url !== undefined) ? urls : undefined;
}

/** The first address that is none; a password in it is left out. */
export function badEndpoint(text: string): string | undefined {
  return text.split(",").find((part) => !endpoint(part))?.replace(/\/\/.*@/, "//…@");
}

function endpoint(text: string) {
  const url = URL.parse(text.trim());
  const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password;
  return isPlain && !url.search && !url.hash ? url : undefined;
}

/** The name of a region, as in `eu-central-1`. */
export function parseRegion(text: string): string | undefined {
  return /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(text) ? text : undefined;
}
