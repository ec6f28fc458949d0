/**
 * The program with its photos folder in a bucket, and folders put into buckets.
 *
 * @module
 */

import { readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import type { FaultyStore } from "./faulty_store.ts";
import {
  type LocalObjectStore,
  type ObjectStore,
  ROOT,
  startObjectStore,
  STORE_REGION,
  type StoreCredentials,
} from "./object_store.ts";
import { type Program, type ProgramOptions, start, until } from "./process.ts";
import { makeTree, type Tree, type TreeFile } from "./tree.ts";

/** The photos folder unless a test says otherwise */
export const BUCKET_FOLDER = "s3://photos/site";

/** When objects were put there that are to be no news */
const UPLOADED = new Date("2024-06-01T00:00:00Z");

/** How the program finds a bucket */
export interface BucketProgramOptions extends ProgramOptions {
  /** What `--folder` says */
  readonly folder?: string;
  /**
   * Who signs the requests; null for requests without a signature
   *
   * @default whoever may do everything in a store of a test's own
   */
  readonly credentials?: StoreCredentials | null;
  /** Other endpoints that the program may use, too */
  readonly others?: readonly URL[];
}

/** Starts the program, on a free port, with a photos folder in a bucket of the store */
export function serveBucket(
  { endpoint }: Pick<ObjectStore, "endpoint">,
  args: readonly string[] = [],
  options: BucketProgramOptions = {},
): Promise<Program> {
  const { folder = BUCKET_FOLDER, credentials = ROOT, others = [], env, ...rest } = options;
  const anonymous = credentials === null ? ["--s3-anonymous"] : [];
  return start(["--folder", folder, ...anonymous, ...args], {
    ...rest,
    env: {
      AWS_REGION: STORE_REGION,
      AWS_ENDPOINT_URL_S3: [endpoint, ...others].map(({ href }) => href).join(),
      ...credentials && {
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      },
      ...env,
    },
  });
}

/** Puts all files of a folder into a bucket, with their times, as rclone does; gives their keys */
export async function upload(
  store: ObjectStore,
  from: string,
  to: {
    /** @default "photos" */
    readonly bucket?: string;
    /** @default "site/" */
    readonly prefix?: string;
    /**
     * Let the store keep a CRC-32 of each
     *
     * @default false
     */
    readonly checksum?: boolean;
  } = {},
): Promise<string[]> {
  const { bucket = "photos", prefix = "site/", checksum } = to;
  const files = readdirSync(from, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const keys: string[] = [];
  for (const path of files) {
    const key = `${prefix}${relative(from, path).replaceAll(sep, "/")}`;
    const { mtime } = statSync(path);
    await store.put(bucket, key, Deno.readFileSync(path), { mtime, checksum });
    keys.push(key);
  }
  return keys;
}

/** A store with a bucket `photos`, and a folder `photos` of which it has a copy, made long ago */
export interface CopiedFolder extends AsyncDisposable {
  readonly tree: Tree;
  readonly store: LocalObjectStore;
}

/** Makes a folder of files, and puts it into a store's bucket as if that had been long ago */
export async function copyToBucket(
  files: Readonly<Record<string, string | Uint8Array | TreeFile>>,
  options: { readonly checksum?: boolean } = {},
): Promise<CopiedFolder> {
  const stack = new AsyncDisposableStack();
  try {
    const tree = stack.use(await makeTree(files));
    const store = stack.use(await startObjectStore());
    await store.createBucket("photos");
    for (const key of await upload(store, tree.join("photos"), options)) {
      store.touch("photos", key, UPLOADED);
    }
    return { tree, store, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Waits until a program has asked nothing of its store for a while */
export async function untilQuiet(store: FaultyStore): Promise<void> {
  let [before, looks] = [-1, 0];
  await until(
    () => {
      const now = store.active() > 0 ? -1 : store.seen().length;
      looks = now === before && now >= 0 ? looks + 1 : 0;
      before = now;
      return looks > 30;
    },
    "the store is not asked any more",
    30_000,
  );
}
