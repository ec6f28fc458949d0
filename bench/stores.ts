/**
 * An object store with a copy of a photos folder, and the servers that send archives from it.
 *
 * @module
 */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type LocalObjectStore, startObjectStore, STORE_REGION } from "../testing/object_store.ts";
import { need, tool } from "../testing/tools.ts";
import { hashOf, makePhotos, WARM_UP, workloads } from "./folders.ts";
import { type Rival, zipferry } from "./rivals.ts";

/** Uploads at a time. */
const UPLOADS = 8;

const BUCKET = "photos";
const PREFIX = "site/";

/** A store whose bucket has the archives of a photos folder. */
export interface FilledStore extends AsyncDisposable {
  /** The folder on the disk with the same bytes. */
  readonly root: string;
  readonly store: LocalObjectStore;
}

/** Starts versitygw with a workload in a bucket, with times and CRC-32 as a good upload keeps them. */
export async function fillStore(scratch: string, letter: string): Promise<FilledStore> {
  const root = await makePhotos(scratch, letter);
  const store = await startObjectStore();
  try {
    await store.createBucket(BUCKET);
    for (const hash of [letter, WARM_UP].map(hashOf)) await upload(store, { root, hash });
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  return { root, store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

/** Which program serves a bucket. */
export interface BucketServerOptions {
  /** Its name in the table. @default "from the bucket" */
  readonly name?: string;
  /** The folder of its code. @default this one */
  readonly code?: string;
}

/** This service, with its photos in the bucket. */
export function fromBucket(
  endpoint: URL,
  { name = "from the bucket", code }: BucketServerOptions = {},
): Rival {
  const root = `s3://${BUCKET}/${PREFIX}`;
  return {
    name,
    command: ({ port }) => ["env", ...settings(endpoint), ...zipferry({ port, root, code })],
  };
}

/** The zip program over the bucket, as rclone mounts it in an empty folder. */
export function fromMount(endpoint: URL, folder: string): Rival {
  return {
    name: "zip over rclone mount",
    command: ({ port }) => {
      need(["rclone", "fusermount", "zip", "python3"]);
      const script = join(import.meta.dirname!, "rivals/mounted.py");
      const own = [String(port), `${BUCKET}/${PREFIX}`, folder];
      return ["env", ...settings(endpoint), "python3", script, ...own];
    },
    path: (hash) => `/${hash}/`,
  };
}

/** Esri/zipstream with the same objects; none where it cannot be had. */
export function fromZipstream(endpoint: URL): readonly Rival[] {
  if (tool("zipstream") === null) return [];
  return [{
    name: "Esri/zipstream",
    command: ({ port, root }) => {
      const script = join(import.meta.dirname!, "rivals/zipstream.ts");
      const own = [String(port), `${BUCKET}/${PREFIX}`, root];
      return ["env", ...settings(endpoint), Deno.execPath(), "run", "--allow-all", script, ...own];
    },
    path: (hash) => `/${hash}/`,
  }];
}

/** Does something with an empty folder to mount in; unmounts what is left there. */
export async function withMountPoint<T>(act: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    return await act(folder);
  } finally {
    const left = new Deno.Command("fusermount", { args: ["-uzq", folder], stderr: "null" });
    await left.output().catch(() => {}); // mostly it is unmounted already
    await Deno.remove(folder);
  }
}

/** Which objects curl reads. */
export interface CurlObjectsOptions {
  /** Their workload, which has all in one folder. */
  readonly letter: string;
  /** The first so many. @default all */
  readonly count?: number;
  /** Where they are asked for. @default the store's own */
  readonly endpoint?: URL;
}

/** What curl needs to read objects one after another. */
export function curlObjects(
  { store }: FilledStore,
  { letter, count = workloads[letter].files, endpoint = store.endpoint }: CurlObjectsOptions,
): readonly string[] {
  const { accessKeyId, secretAccessKey } = store.rootCredentials;
  const last = String(count - 1).padStart(6, "0");
  return [
    ...["--aws-sigv4", `aws:amz:${STORE_REGION}:s3`, "--user", `${accessKeyId}:${secretAccessKey}`],
    ...["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "--output", "/dev/null"],
    new URL(`/${BUCKET}/${PREFIX}${hashOf(letter)}/IMG_[000000-${last}].jpg`, endpoint).href,
  ];
}

function settings({ origin }: URL) {
  return [
    `AWS_REGION=${STORE_REGION}`,
    `AWS_ENDPOINT_URL_S3=${origin}`,
    "AWS_ACCESS_KEY_ID=root",
    "AWS_SECRET_ACCESS_KEY=rootsecret",
  ];
}

async function upload(
  store: LocalObjectStore,
  { root, hash }: { readonly root: string; readonly hash: string },
) {
  const files = readdirSync(join(root, hash)).values();
  await Promise.all(Array.from({ length: UPLOADS }, async () => {
    for (const file of files) { // all take from the same iterator
      const path = join(root, hash, file);
      const options = { mtime: statSync(path).mtime, checksum: true };
      await store.put(BUCKET, `${PREFIX}${hash}/${file}`, await Deno.readFile(path), options);
    }
  }));
}
