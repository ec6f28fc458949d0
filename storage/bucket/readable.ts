/**
 * Whether a bucket can be listed, asked once at the start: what is wrong is told to who set it up.
 *
 * @module
 */

import { ConfigError } from "../../lib/config.ts";
import { StorageError } from "../errors.ts";
import { PassingFailure } from "./failures.ts";
import { type BucketAccess, folderName } from "./settings.ts";
import type { ObjectStore } from "./store.ts";

/** What a start asks. */
export interface ReadableOptions {
  /** The bucket and how it is reached. */
  readonly access: BucketAccess;
  /** Lists it. */
  readonly store: Pick<ObjectStore, "list">;
}

/**
 * Lists the first page of the photos folder. One that is empty is fine: nothing was uploaded yet.
 *
 * @throws {ConfigError} for what only another setting, or another policy of the bucket, puts right
 * @throws {StorageError} for what may pass: a store that cannot be reached, or is busy
 */
export async function assertReadable({ access, store }: ReadableOptions): Promise<void> {
  try {
    const pages = store.list(access.prefix, { delimiter: "/", maxPages: 1 });
    for await (const _ of pages) break;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    const hosts = access.endpoints.map(({ host }) => host).join(", ");
    const where = `--folder: ${folderName(access)} at ${hosts}`;
    const text = `${where} cannot be listed: ${adviceFor(error, access)}${error.message}`;
    if (error instanceof PassingFailure || !isSetting(error)) {
      throw new StorageError(error.code, text);
    }
    throw new ConfigError(text);
  }
}

/** True for what is the same at the next try. */
function isSetting({ code }: StorageError) {
  return ["ENODEV", "ENOENT", "EACCES", "EPROTO"].includes(code);
}

/** What to look at, where the error itself does not say it. */
function adviceFor(error: StorageError, { bucket, region, anonymous }: BucketAccess) {
  const { code, message } = error;
  if (/AuthorizationHeaderMalformed/.test(message)) {
    return `set AWS_REGION to the region of the store, which is not ${region}: `;
  }
  if (/PermanentRedirect|TemporaryRedirect/.test(message)) {
    return "the bucket is in another region or at another endpoint: ";
  }
  if (/InvalidAccessKeyId|UnrecognizedClient/.test(message)) {
    return "the store does not know the access key: ";
  }
  if (/SignatureDoesNotMatch/.test(message)) {
    return "the secret key is wrong, or something on the way changes requests: ";
  }
  if (/AccessDenied/.test(message)) {
    return anonymous
      ? "the bucket's policy lets nobody list it without credentials: "
      : `a policy has to allow s3:ListBucket on ${bucket} for this prefix, and s3:GetObject: `;
  }
  if (code === "ENODEV") return "look at the name of the bucket in --folder, and at the endpoint: ";
  if (code === "ENOENT") return "look at the endpoint, and at --s3-path-style: ";
  return adviceForPassing(error);
}

function adviceForPassing(error: StorageError) {
  if (!(error instanceof PassingFailure)) return "";
  switch (error.kind) {
    case "connection":
      return "look at the address in AWS_ENDPOINT_URL_S3, the network and the firewall: ";
    case "busy":
      return "the store is busy, try again later: ";
    case "credentials":
      return "renew the credentials: ";
  }
}
