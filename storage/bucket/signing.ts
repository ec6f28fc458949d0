/**
 * AWS Signature Version 4.
 *
 * @see {@link https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html}
 *
 * @module
 */

import { AwsV4Signer } from "aws4fetch";
import { createHmac, hash } from "node:crypto";
import type { BucketCredentials } from "./client.ts";

/** Signing keys are kept for as many credentials, regions and days. */
const MAX_KEYS = 16;

/** What is signed. */
export interface SignedRequest {
  /** HTTP method. */
  readonly method: string;
  /** The whole URL, encoded. */
  readonly url: string;
  /** Header fields to sign, besides those that the signature itself needs. */
  readonly headers: readonly (readonly [string, string])[];
  /** What it is signed with. */
  readonly credentials: BucketCredentials;
  /** Region of the bucket. */
  readonly region: string;
}

/** Keys that signatures are made with; each serves for a day. */
export type SigningKeys = Map<string, Uint8Array>;

/** The header fields of a request without a body, with its signature. */
export async function sign(request: SignedRequest, keys: SigningKeys): Promise<Headers> {
  const { method, url, headers, credentials, region } = request;
  const fields = headers.map(([name, value]): [string, string] => [name, value]);
  const options = { method, url, headers: fields, ...credentials, region, service: "s3" };
  return (await new Signer(options, keys).sign()).headers;
}

/**
 * The library writes the string to sign. Its own hashes go through WebCrypto, which hands each to
 * another thread: five times the cost of a request for a small object otherwise.
 */
class Signer extends AwsV4Signer {
  readonly #keys: SigningKeys;

  constructor(options: ConstructorParameters<typeof AwsV4Signer>[0], keys: SigningKeys) {
    super(options);
    this.#keys = keys;
  }

  override async signature(): Promise<string> {
    const text = await this.stringToSign();
    return createHmac("sha256", this.#key()).update(text).digest("hex");
  }

  override async stringToSign(): Promise<string> {
    const digest = hash("sha256", await this.canonicalString());
    return ["AWS4-HMAC-SHA256", this.datetime, this.credentialString, digest].join("\n");
  }

  #key() {
    const name = `${this.secretAccessKey} ${this.credentialString}`;
    const known = this.#keys.get(name);
    if (known) return known;
    if (this.#keys.size >= MAX_KEYS) this.#keys.clear();
    const derive = (key: string | Uint8Array, text: string): Uint8Array =>
      createHmac("sha256", key).update(text).digest();
    const key = this.credentialString.split("/").reduce(derive, `AWS4${this.secretAccessKey}`);
    this.#keys.set(name, key as Uint8Array);
    return key as Uint8Array;
  }
}
