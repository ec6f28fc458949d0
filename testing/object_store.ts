/**
 * A real object store for tests: versitygw, an S3 gateway whose objects are the files of a folder,
 * and the hand of whoever fills a store, which works with any other one too.
 *
 * @module
 */

import { AwsClient } from "aws4fetch";
import { hash } from "node:crypto";
import { join } from "node:path";
import { utimesSync } from "node:fs";
import { crc32 } from "node:zlib";
import { freePort } from "./free_port.ts";
import { startServer } from "./server.ts";
import { need, testWith, tool } from "./tools.ts";
import { makeTree, type Tree } from "./tree.ts";

/** Another process may take a port between its choice and its use */
const ATTEMPTS = 3;

/** The region that requests are signed for */
export const STORE_REGION = "us-east-1";

/** Whoever may do everything in a store of a test's own */
export const ROOT: StoreCredentials = { accessKeyId: "root", secretAccessKey: "rootsecret" };

/** Who signs a request */
export interface StoreCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What is stored beside the bytes of an object */
export interface PutOptions {
  /** Kept as `x-amz-meta-mtime`, in seconds with a fraction, as rclone writes it */
  readonly mtime?: Date;
  /**
   * Send a CRC-32, which the store compares and keeps
   *
   * @default false
   */
  readonly checksum?: boolean;
  /** Names without `x-amz-meta-`; values of ASCII */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** How an object of several parts is stored */
export interface MultipartOptions extends Omit<PutOptions, "checksum"> {
  /** Which CRC-32 is kept: of the checksums of the parts, of the whole, or none */
  readonly checksum?: "COMPOSITE" | "FULL_OBJECT";
  /**
   * Leave the upload as it is before its end, so that there is no object
   *
   * @default false
   */
  readonly unfinished?: boolean;
}

/** One request beyond those that have a method */
export interface StoreRequest {
  readonly method?: string;
  /** Bucket and key as they are, without a first slash; empty for the store itself */
  readonly path?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Null for a request that is not signed */
  readonly credentials?: StoreCredentials | null;
  readonly signal?: AbortSignal;
}

/** The hand of whoever fills a store */
export interface ObjectStore {
  /** Buckets are in its path */
  readonly endpoint: URL;
  readonly region: string;
  readonly rootCredentials: StoreCredentials;
  createBucket(bucket: string): Promise<void>;
  /** Gives the ETag, with its quotes */
  put(
    bucket: string,
    key: string,
    content: string | Uint8Array<ArrayBuffer>,
    options?: PutOptions,
  ): Promise<string>;
  /** Uploads in parts, each but the last of at least 5 MiB; gives the ETag, empty if unfinished */
  putParts(
    bucket: string,
    key: string,
    parts: readonly Uint8Array<ArrayBuffer>[],
    options?: MultipartOptions,
  ): Promise<string>;
  remove(bucket: string, key: string): Promise<void>;
  /** Replaces the bucket's policy, given as what its JSON says */
  setPolicy(bucket: string, policy: unknown): Promise<void>;
  /** Signs and sends any request; the answer is whatever it is */
  request(request: StoreRequest): Promise<Response>;
}

/** A store of a test's own; disposal ends it and removes what it held */
export interface LocalObjectStore extends ObjectStore, AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** Absolute path of the folder of the buckets: a file in a bucket's folder is an object */
  readonly folder: string;
  /** Adds someone who may sign requests; `user` may only do what a policy says */
  createUser(credentials: StoreCredentials, role: "user" | "userplus" | "admin"): Promise<void>;
  /** Sets the time in an object's Last-Modified */
  touch(bucket: string, key: string, time: Date): void;
  /** What the store has printed so far */
  log(): string;
}

/** Registers a test that needs the store, and perhaps other programs; see `testWith` */
export function testWithStore(
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
  tools: readonly string[] = [],
): void {
  testWith(["versitygw", ...tools], name, fn);
}

/**
 * Starts versitygw on a free port and an empty folder, and waits until it answers. The temporary
 * folder has to be on a file system with extended attributes.
 *
 * @throws {Error} With what it printed, when it ends first; or if it is not installed
 */
export async function startObjectStore(): Promise<LocalObjectStore> {
  need(["versitygw"]);
  for (let attempt = 1;; attempt++) {
    const tree = await makeTree({ "iam": { directory: true }, "data": { directory: true } });
    try {
      return await launch(tree, freePort());
    } catch (error) {
      await tree[Symbol.asyncDispose]();
      const taken = error instanceof Error && /in use/i.test(error.message);
      if (!taken || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The hand of whoever may do everything in a store that runs already */
export function openObjectStore(
  endpoint: URL,
  options: { readonly credentials?: StoreCredentials; readonly region?: string } = {},
): ObjectStore {
  const { credentials: rootCredentials = ROOT, region = STORE_REGION } = options;
  const client = clientOf(region);

  const request = (request: StoreRequest): Promise<Response> => {
    const { method = "GET", path = "", query = {}, credentials = rootCredentials } = request;
    const { body, signal } = request;
    const url = new URL(endpoint);
    url.pathname = `/${encodeKey(path)}`;
    url.search = new URLSearchParams(query).toString().replaceAll("+", "%20");
    const headers = {
      "x-amz-content-sha256": hash("sha256", body ?? ""),
      ...request.headers,
    };
    return credentials === null
      ? fetch(url, { method, headers, body, signal })
      : client(url, { method, headers, body, signal }, credentials);
  };

  /** Sends a request that has to be granted, and gives the answer with its body */
  const done = async (what: string, wanted: StoreRequest) => {
    const response = await request(wanted);
    const text = await response.text();
    if (response.ok) return { headers: response.headers, text };
    throw new Error(`${what}: ${response.status} ${text}`);
  };

  return {
    endpoint,
    region,
    rootCredentials,
    request,
    async createBucket(bucket) {
      await done("create bucket", { method: "PUT", path: bucket });
    },
    async put(bucket, key, content, options = {}) {
      const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
      const { headers } = await done("put object", {
        method: "PUT",
        path: `${bucket}/${key}`,
        headers: {
          ...metadataHeaders(options),
          ...options.checksum && { "x-amz-checksum-crc32": checksumOf(body) },
        },
        body,
      });
      return headers.get("etag") ?? "";
    },
    async putParts(bucket, key, parts, options = {}) {
      const path = `${bucket}/${key}`;
      const { checksum, unfinished } = options;
      const { text } = await done("create upload", {
        method: "POST",
        path,
        query: { uploads: "" },
        headers: {
          ...metadataHeaders(options),
          ...checksum &&
            { "x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": checksum },
        },
      });
      const uploadId = textOf(text, "UploadId");
      const listed: string[] = [];
      for (const [i, body] of parts.entries()) {
        const crc = checksum && checksumOf(body);
        const { headers } = await done("upload part", {
          method: "PUT",
          path,
          query: { partNumber: `${i + 1}`, uploadId },
          headers: crc ? { "x-amz-checksum-crc32": crc } : {},
          body,
        });
        listed.push(
          `<Part><PartNumber>${i + 1}</PartNumber><ETag>${headers.get("etag")}</ETag>${
            crc ? `<ChecksumCRC32>${crc}</ChecksumCRC32>` : ""
          }</Part>`,
        );
      }
      if (unfinished) return "";
      const whole = await done("complete upload", {
        method: "POST",
        path,
        query: { uploadId },
        headers: checksum ? { "x-amz-checksum-type": checksum } : {},
        body: `<CompleteMultipartUpload>${listed.join("")}</CompleteMultipartUpload>`,
      });
      return textOf(whole.text, "ETag").replaceAll(/&#34;|&quot;/g, '"');
    },
    async remove(bucket, key) {
      await done("remove object", { method: "DELETE", path: `${bucket}/${key}` });
    },
    async setPolicy(bucket, policy) {
      const body = JSON.stringify(policy);
      await done("set policy", { method: "PUT", path: bucket, query: { policy: "" }, body });
    },
  };
}

async function launch(tree: Tree, port: number): Promise<LocalObjectStore> {
  const [iam, data] = [tree.join("iam"), tree.join("data")];
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  const server = await startServer(tool("versitygw")!, {
    name: "versitygw",
    args: [
      ...["--port", `127.0.0.1:${port}`, "--region", STORE_REGION, "--iam-dir", iam],
      ...["--keep-alive", "--health", "/health", "--quiet", "posix", data],
    ],
    env: { ROOT_ACCESS_KEY: ROOT.accessKeyId, ROOT_SECRET_KEY: ROOT.secretAccessKey },
    clearEnv: true,
    isReady: () => isReady(endpoint),
  });

  const store = openObjectStore(endpoint);
  return {
    ...store,
    port,
    pid: server.pid,
    folder: data,
    async createUser({ accessKeyId, secretAccessKey }, role) {
      const response = await store.request({
        method: "PATCH",
        path: "create-user",
        body: `<Account><Access>${accessKeyId}</Access><Secret>${secretAccessKey}</Secret>` +
          `<Role>${role}</Role></Account>`,
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`create user: ${response.status} ${text}`);
    },
    touch: (bucket, key, time) => utimesSync(join(data, bucket, key), time, time),
    log: () => server.log(),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

type Send = (url: URL, init: RequestInit, credentials: StoreCredentials) => Promise<Response>;

/** Keeps the derived keys of each signer */
function clientOf(region: string): Send {
  const clients = new Map<string, AwsClient>();
  return (url, init, credentials) => {
    const name = `${credentials.accessKeyId}:${credentials.secretAccessKey}`;
    const client = clients.get(name) ??
      new AwsClient({ ...credentials, service: "s3", region, retries: 0 });
    clients.set(name, client);
    return client.fetch(url, init);
  };
}

/** As paths are signed: every byte but unreserved ones and the slash (RFC 3986, section 2.3) */
function encodeKey(key: string): string {
  return encodeURIComponent(key)
    .replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%2F", "/");
}

function metadataHeaders({ mtime, metadata = {} }: Omit<PutOptions, "checksum">) {
  const all = { ...mtime && { mtime: `${mtime.getTime() / 1000}` }, ...metadata };
  return Object.fromEntries(
    Object.entries(all).map(([name, value]) => [`x-amz-meta-${name}`, value]),
  );
}

/** CRC-32 in Base64, most significant byte first, as S3 writes it */
function checksumOf(content: Uint8Array<ArrayBuffer>): string {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, crc32(content));
  return bytes.toBase64();
}

/** The text of the only element of this name, which has no attributes */
function textOf(xml: string, name: string): string {
  const match = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml);
  if (match === null) throw new Error(`read answer: no ${name} in ${xml}`);
  return match[1];
}

async function isReady(endpoint: URL): Promise<boolean> {
  try {
    const response = await fetch(new URL("/health", endpoint));
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // it does not listen yet
  }
}
