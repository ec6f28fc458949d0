/**
 * The folders that benchmarks download.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join } from "node:path";

/** A folder of random files. */
export interface Workload {
  /** What it is, in words. */
  readonly title: string;
  /** Number of files. */
  readonly files: number;
  /** Bytes of each. */
  readonly size: number;
  /** Files in each nested folder. @default all in one */
  readonly perFolder?: number;
}

/** All workloads by their letter. */
export const workloads: Readonly<Record<string, Workload>> = {
  P: { title: "200 files of 3.5 MB", files: 200, size: 3_500_000 },
  V: { title: "4 files of 1 GB", files: 4, size: 1_000_000_000 },
  T: { title: "10,000 files of 10 kB", files: 10_000, size: 10_000 },
  W: { title: "60 files of 1 MB", files: 60, size: 1_000_000 },
  H: { title: "100,000 files of 10 B in 100 folders", files: 100_000, size: 10, perFolder: 1000 },
};

/** The hash of a workload's folder. */
export function hashOf(name: string): string {
  return name.repeat(32).slice(0, 32);
}

/** What a server sends before it is measured with no CRC-32 known. */
export const WARM_UP = "W";

/**
 * Makes a photos folder with a workload and the one to warm up with, unless it exists. Nothing else
 * is in it: a server looks at all of its archives when it starts, and what that takes would count.
 *
 * @returns its path
 */
export async function makePhotos(
  scratch: string,
  name: string,
  workload = workloads[name],
): Promise<string> {
  const root = join(scratch, `photos-${name}`);
  await Deno.mkdir(root, { recursive: true });
  await makeFolder(root, name, workload);
  await makeFolder(root, WARM_UP, workloads[WARM_UP]);
  return root;
}

/**
 * Makes a photos folder with so many archives of three small files each, unless it exists.
 *
 * @returns its path
 */
export async function makeArchives(scratch: string, count: number): Promise<string> {
  const root = join(scratch, `photos-${count}-archives`);
  const done = `${root}.done`;
  if (existsSync(done)) return root;
  for (let i = 0; i < count; i++) {
    const folder = join(root, hashOf(`${i}-`));
    await Deno.mkdir(folder, { recursive: true });
    for (const name of ["a", "b", "c"]) await Deno.writeTextFile(join(folder, `${name}.jpg`), name);
  }
  await Deno.writeTextFile(done, "");
  return root;
}

async function makeFolder(root: string, name: string, workload: Workload) {
  const folder = join(root, hashOf(name));
  const done = join(root, `${name}.done`);
  if (existsSync(done)) return;
  const { files, size, perFolder = files } = workload;
  const noise = new Uint8Array(Math.min(size, 1 << 20));
  for (let i = 0; i < files; i++) {
    const inner = perFolder < files ? join(folder, `d${Math.floor(i / perFolder)}`) : folder;
    if (i % perFolder === 0) await Deno.mkdir(inner, { recursive: true });
    await writeNoise(join(inner, `IMG_${String(i).padStart(6, "0")}.jpg`), size, noise);
  }
  await Deno.writeTextFile(done, "");
}

async function writeNoise(path: string, size: number, noise: Uint8Array<ArrayBuffer>) {
  for (let at = 0; at < noise.length; at += 65_536) {
    crypto.getRandomValues(noise.subarray(at, at + 65_536));
  }
  using file = await Deno.create(path);
  for (let left = size; left > 0;) {
    left -= await file.write(noise.subarray(0, Math.min(left, noise.length)));
  }
}
