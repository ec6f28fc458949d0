/**
 * Objects become a listing: in a thread of its own where there are many, so that nobody else waits for
 * them to be named, sorted and fingerprinted.
 *
 * @module
 */

import { unlessAborted } from "../../lib/abort.ts";
import { gatherEntries } from "../entries.ts";
import { StorageError } from "../errors.ts";
import type { PackedListing } from "../listing.ts";
import type { Selection } from "../names.ts";
import { type DatedObject, KeyTree } from "./keys.ts";

/** As many objects take some ten milliseconds; a thread takes longer than that to start. */
const MANY = 3000;

/** Numbers in a row: length of the key, length of the ETag, size, times. */
const NUMBERS = 5;

/** Which archive it is. */
export interface GatherObjectsOptions {
  /** The archive. */
  readonly hash: string;
  /** What all keys of the archive begin with, up to the `/` after its hash. */
  readonly start: string;
  /** Which names go in. */
  readonly selection: Selection;
}

/** Objects in columns: they cross over to a thread without being copied one by one. */
export interface PackedObjects {
  /** Keys and ETags, one behind the other. */
  readonly text: string;
  /** Five numbers an object. */
  readonly numbers: Float64Array<ArrayBuffer>;
}

/** How much is left to a thread, and how that is started. */
export interface GatherThreadOptions {
  /** Ends the work. */
  readonly signal?: AbortSignal;
  /** More objects than this many are left to a thread. @default 3000 */
  readonly many?: number;
  /** Does what needs file descriptors with those that are kept back for that. @default as it is */
  readonly lend?: <T>(work: () => T) => T;
}

/** What a thread is asked for. */
export interface GatherRequest extends GatherObjectsOptions {
  /** All objects of the archive. */
  readonly objects: PackedObjects;
}

/** Its answer: a listing, null if nothing goes in, or why there is none. */
export type GatherAnswer =
  | { readonly listing: PackedListing | null }
  | { readonly code: string; readonly message: string };

/**
 * The listing of an archive with these objects; null if none of them goes in.
 *
 * @throws {StorageError} `EFBIG` if there are too many
 */
export async function gatherObjects(
  objects: readonly DatedObject[],
  options: GatherObjectsOptions & GatherThreadOptions,
): Promise<PackedListing | null> {
  const { hash, start, selection, signal, many = MANY, lend = (work) => work() } = options;
  const worker = objects.length > many ? startWorker(lend) : null;
  if (!worker) return await gatherHere(objects, options);
  const request = { hash, start, selection, objects: packObjects(objects) };
  return await gatherInThread(worker, { request, signal });
}

/** The same in the thread that calls it. */
export async function gatherHere(
  objects: readonly DatedObject[],
  { hash, start, selection }: GatherObjectsOptions,
): Promise<PackedListing | null> {
  const tree = new KeyTree<DatedObject>(start, selection);
  for (const object of objects) tree.add(object);
  return await gatherEntries({ hash, read: (folder) => tree.read(folder) });
}

/** The objects that were packed. */
export function unpackObjects({ text, numbers }: PackedObjects): DatedObject[] {
  let at = 0;
  const take = (length: number) => text.slice(at, at += length);
  return Array.from({ length: numbers.length / NUMBERS }, (_, row) => {
    const columns = numbers.subarray(row * NUMBERS, (row + 1) * NUMBERS);
    const [keyLength, etagLength, size, lastModifiedMs, mtimeMs] = columns;
    return { key: take(keyLength), etag: take(etagLength), size, lastModifiedMs, mtimeMs };
  });
}

function packObjects(objects: readonly DatedObject[]): PackedObjects {
  const numbers = new Float64Array(objects.length * NUMBERS);
  objects.forEach(({ key, etag, size, lastModifiedMs, mtimeMs }, row) => {
    numbers.set([key.length, etag.length, size, lastModifiedMs, mtimeMs], row * NUMBERS);
  });
  return { text: objects.map(({ key, etag }) => key + etag).join(""), numbers };
}

/** Null if the system starts no thread more. */
function startWorker(lend: <T>(work: () => T) => T): Worker | null {
  const url = import.meta.resolve("./gathering_worker.ts");
  try {
    return lend(() => new Worker(url, { type: "module" }));
  } catch {
    return null;
  }
}

/** The thread ends with its work: its heap would stay as large as the listing was. */
async function gatherInThread(
  worker: Worker,
  { request, signal }: { readonly request: GatherRequest; readonly signal?: AbortSignal },
): Promise<PackedListing | null> {
  const { promise, resolve, reject } = Promise.withResolvers<PackedListing | null>();
  worker.onmessage = ({ data }: MessageEvent<GatherAnswer>) => {
    if ("listing" in data) resolve(data.listing);
    else reject(new StorageError(data.code, data.message));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new StorageError("EIO", `list folder: ${event.message}`));
  };
  worker.postMessage(request, [request.objects.numbers.buffer]);
  return await unlessAborted(promise, signal).finally(() => worker.terminate());
}
