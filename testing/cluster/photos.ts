/**
 * Archives on a disk, what a service makes of them there, and the same photos in a bucket.
 *
 * @module
 */

import { hash } from "node:crypto";
import { mapAtMost } from "../../lib/concurrency.ts";
import type { ObjectStore } from "../object_store.ts";
import { start } from "../process.ts";
import { randomBytes } from "../tree.ts";
import type { Archive } from "./client.ts";
import { utimesSync } from "node:fs";
import { dirname, join } from "node:path";

/** Of an archive, and of a photo; some photos are larger than one chunk of the store. In bytes. */
const [LEAST, MOST] = [20_000_000, 60_000_000];
const [LEAST_PHOTO, MOST_PHOTO] = [300_000, 9_000_000];

/** As a tool that uploads does, in requests at a time */
const UPLOADS_AT_ONCE = 4;

const FIRST_TIME = Date.parse("2024-05-06T07:08:09.123Z");

/** A photo on the disk */
export interface Photo {
  /** From the photos folder, with slashes: its key in the bucket */
  readonly path: string;
  readonly mtime: Date;
}

/** Makes archives of photos in a folder, each time the same ones */
export function makePhotos(folder: string, archives: number): Photo[] {
  const noise = randomBytes(MOST_PHOTO * 2);
  const sizes = sizesFrom(randomBytes(1 << 20, 2));
  const photos: Photo[] = [];
  for (let archive = 0; archive < archives; archive++) {
    let left = LEAST + sizes() * (MOST - LEAST);
    for (let number = 0; left > LEAST_PHOTO; number++) {
      const size = Math.min(left, LEAST_PHOTO + sizes() ** 2 * (MOST_PHOTO - LEAST_PHOTO));
      const begin = Math.floor(sizes() * (noise.length - size));
      const path = `${hashOf(archive)}/${nameOf(number)}`;
      const mtime = new Date(FIRST_TIME + photos.length * 61_001);
      writePhoto(join(folder, path), noise.subarray(begin, begin + Math.floor(size)), mtime);
      photos.push({ path, mtime });
      left -= size;
    }
  }
  return photos;
}

/** What the archives are when a disk serves them */
export async function archivesOf(folder: string, archives: number): Promise<Archive[]> {
  await using program = await start(["--folder", folder], { settle: 0 });
  const made: Archive[] = [];
  for (let archive = 0; archive < archives; archive++) {
    const path = `archive/${hashOf(archive)}/`;
    const response = await fetch(new URL(path, program.url));
    const bytes = await response.bytes();
    if (response.status !== 200) throw new Error(`download from disk: status ${response.status}`);
    made.push({ path, size: bytes.length, sha256: hash("sha256", bytes) });
  }
  return made;
}

/** Puts photos into a bucket with their times and checksums, as rclone does */
export async function putPhotos(
  store: ObjectStore,
  photos: readonly Photo[],
  { folder, bucket, prefix }: { folder: string; bucket: string; prefix: string },
): Promise<void> {
  await mapAtMost(photos, async ({ path, mtime }) => {
    const content = await Deno.readFile(join(folder, path));
    await store.put(bucket, `${prefix}${path}`, content, { mtime, checksum: true });
  }, { limit: UPLOADS_AT_ONCE });
}

function writePhoto(path: string, content: Uint8Array, mtime: Date) {
  Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.writeFileSync(path, content, { mode: 0o644 });
  Deno.chmodSync(path, 0o644); // whatever the umask: a bucket has no modes
  utimesSync(path, mtime, mtime);
}

function hashOf(archive: number): string {
  return `c1u57e2${String(archive).padStart(25, "0")}`;
}

/** Folders, spaces and letters of another script: keys that have to be encoded */
function nameOf(number: number): string {
  const name = `IMG_${String(number).padStart(4, "0")}.jpg`;
  return number % 3 === 0 ? `Поход 1+1/${name}` : name;
}

/** Numbers from 0 to 1 out of bytes, around and around */
function sizesFrom(bytes: Uint8Array<ArrayBuffer>): () => number {
  const words = new Uint32Array(bytes.buffer);
  let at = 0;
  return () => words[at++ % words.length] / 2 ** 32;
}
