/**
 * Folders of files made for one test and gone after it.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { lutimesSync } from "node:fs";
import { run } from "./tools.ts";

/** Time of last change of files that name none */
export const DEFAULT_MTIME: Date = new Date("2024-05-06T07:08:09Z");

/** One file, folder, link or pipe of a tree; an empty file when nothing is named */
export interface TreeFile {
  readonly content?: Uint8Array | string;
  /** Bytes: `content` is cut, or followed by a hole that takes no space on the disk */
  readonly size?: number;
  /**
   * Time of last change
   *
   * @default DEFAULT_MTIME for files and pipes, the present for folders and links
   */
  readonly mtime?: Date;
  /** Permission bits, set when the whole tree is there */
  readonly mode?: number;
  /** What the symbolic link says, relative to its own folder */
  readonly symlink?: string;
  readonly directory?: boolean;
  readonly fifo?: boolean;
}

/** A folder that is removed on disposal, whatever its permissions */
export interface Tree extends AsyncDisposable {
  /** Absolute path, free of symbolic links */
  readonly path: string;
  /** Absolute path of something inside */
  join(...parts: string[]): string;
}

/** Makes a tree in the system's temporary folder; the keys are paths with `/`, parents are implied */
export async function makeTree(
  files: Readonly<Record<string, string | Uint8Array | TreeFile>> = {},
): Promise<Tree> {
  const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "zipferry-" }));
  const tree: Tree = {
    path: root,
    join: (...parts) => join(root, ...parts),
    [Symbol.asyncDispose]: () => remove(root),
  };
  try {
    const made = Object.entries(files).map(([name, file]) => ({
      path: tree.join(name),
      file: typeof file === "string" || file instanceof Uint8Array ? { content: file } : file,
    }));
    for (const { path, file } of made) await make(path, file);
    // Afterwards and deepest first: a new file changes its folder's time, a mode may lock a folder.
    made.sort((a, b) => b.path.length - a.path.length);
    for (const { path, file } of made) setAttributes(path, file);
    return tree;
  } catch (error) {
    await remove(root);
    throw error;
  }
}

/** Pseudo-random bytes that no compressor shrinks, the same for the same seed (xorshift32) */
export function randomBytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed ^ 0x9e3779b9) || 1; // zero would stay zero
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

async function make(path: string, file: TreeFile): Promise<void> {
  Deno.mkdirSync(dirname(path), { recursive: true });
  if (file.directory) return Deno.mkdirSync(path, { recursive: true });
  if (file.symlink !== undefined) return Deno.symlinkSync(file.symlink, path);
  if (file.fifo) {
    const { code, stderr } = await run("mkfifo", [path]);
    if (code !== 0) throw new Error(`make pipe: ${stderr.trim()}`);
    return;
  }
  const { content = "" } = file;
  Deno.writeFileSync(
    path,
    typeof content === "string" ? new TextEncoder().encode(content) : content,
  );
  if (file.size !== undefined) Deno.truncateSync(path, file.size);
}

function setAttributes(path: string, file: TreeFile): void {
  const plain = !file.directory && file.symlink === undefined;
  const mtime = file.mtime ?? (plain ? DEFAULT_MTIME : undefined);
  if (mtime !== undefined) lutimesSync(path, mtime, mtime);
  if (file.mode !== undefined) Deno.chmodSync(path, file.mode);
}

async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return; // the test removed it
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    unlock(path);
    await Deno.remove(path, { recursive: true });
  }
}

function unlock(folder: string): void {
  Deno.chmodSync(folder, 0o700);
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) unlock(join(folder, name));
  }
}
