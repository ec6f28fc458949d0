/**
 * What a bucket tells of an archive: the objects under its prefix, with the time of each file.
 *
 * @module
 */

import { mapAtMost } from "../../lib/concurrency.ts";
import { StorageError } from "../errors.ts";
import type { PackedListing } from "../listing.ts";
import { LABEL_FILE, type Selection } from "../names.ts";
import type { BucketObject, ObjectFacts } from "./client.ts";
import type { FactsMemory } from "./facts.ts";
import { gatherObjects, type GatherThreadOptions } from "./gathering.ts";
import { type DatedObject, KeyTree } from "./keys.ts";
import type { ObjectStore } from "./store.ts";

/** More objects are no folder of photos. */
const MAX_OBJECTS = 1_000_000;

/**
 * Which time a file has. `metadata`: the one that whoever uploaded it kept in `x-amz-meta-mtime`, and
 * only HeadObject tells that; where there is none, the time of the upload. `listing`: always the time
 * of the upload.
 */
export type ObjectTimes = "metadata" | "listing";

/** How an archive is listed. */
export interface ListArchiveOptions extends GatherThreadOptions {
  /** Lists the objects. */
  readonly store: ObjectStore;
  /** What all keys of the archive begin with, up to the `/` after its hash. */
  readonly start: string;
  /** The archive. */
  readonly hash: string;
  /** Which names go in. */
  readonly selection: Selection;
  /** Which time a file has. */
  readonly times: ObjectTimes;
  /** Remembers what was told of objects. */
  readonly facts: FactsMemory;
  /** At most this many objects are asked about at the same time. */
  readonly atOnce: number;
  /** Told whether the archive has a label. */
  readonly onLabel?: (isThere: boolean) => void;
}

/**
 * Lists an archive; null if there is nothing in it.
 *
 * @throws {StorageError} `EAGAIN` if an object is gone that was listed, `EFBIG` if there are too many,
 * and whatever the client says of a request that failed
 */
export async function listArchive(options: ListArchiveOptions): Promise<PackedListing | null> {
  const { store, start, selection, signal } = options;
  const tree = new KeyTree<BucketObject>(start, selection);
  let hasLabel = false;
  for await (const { objects } of store.list(start, { signal })) {
    for (const object of objects) {
      tree.add(object);
      if (object.key === start + LABEL_FILE) hasLabel = true;
    }
    if (tree.count > MAX_OBJECTS) {
      throw new StorageError("EFBIG", `list folder: more than ${MAX_OBJECTS} objects`);
    }
  }
  options.onLabel?.(hasLabel);
  const dated = await dateObjects(tree.objects(), options);
  return await gatherObjects(dated, options);
}

/** The objects with the times of the files that they are. */
async function dateObjects(
  objects: readonly BucketObject[],
  { store, times, facts, atOnce, signal }: ListArchiveOptions,
): Promise<DatedObject[]> {
  if (times === "listing") return objects.map((object) => date({ ...object, mtimeMs: null }));
  const told = objects.map((object) => facts.get(object));
  const unknown = told.keys().filter((i) => told[i] === undefined).toArray();
  await mapAtMost(unknown, async (i) => {
    const fact = asListed(await head(store, objects[i].key, signal), objects[i]);
    facts.set(fact);
    told[i] = fact;
  }, { limit: atOnce });
  return told.map((fact) => date(fact!));
}

async function head(store: ObjectStore, key: string, signal?: AbortSignal): Promise<ObjectFacts> {
  try {
    return await store.head(key, { signal });
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "ENOENT") throw error;
    throw new StorageError("EAGAIN", "list folder: objects are being removed just now");
  }
}

/** HeadObject tells the time of the upload in whole seconds, a listing of some stores a finer one. */
function asListed(facts: ObjectFacts, object: BucketObject): ObjectFacts {
  const isSame = facts.etag === object.etag && facts.size === object.size &&
    secondOf(facts) === secondOf(object);
  return isSame ? { ...facts, ...object } : facts;
}

function secondOf({ lastModifiedMs }: BucketObject) {
  return Math.floor(lastModifiedMs / 1000);
}

/** The time of an upload in whole seconds: all that every store tells. */
function date(object: BucketObject & Pick<ObjectFacts, "mtimeMs">): DatedObject {
  const { key, size, etag, lastModifiedMs, mtimeMs } = object;
  const upload = secondOf(object) * 1000;
  return { key, size, etag, lastModifiedMs, mtimeMs: Math.floor(mtimeMs ?? upload) };
}
