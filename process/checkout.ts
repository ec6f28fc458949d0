/**
 * Which commit is checked out: read from the files of git, without git, which may not be there.
 *
 * @see {@link https://git-scm.com/docs/gitrepository-layout}
 *
 * @module
 */

import { join, resolve } from "node:path";

/** A commit, by SHA-1 or SHA-256. */
const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** More than any file has that is read here, but for one of packed references. Bytes. */
const MAX_BYTES = 4 << 20;

/**
 * The commit that is checked out in a folder; undefined if it is no checkout, if nothing is committed
 * yet, or if its files may not be read.
 *
 * @param root absolute path of the folder that has `.git` in it
 */
export async function readCheckout(root: string): Promise<string | undefined> {
  const git = await gitFolder(root);
  const head = git && await readLine(join(git, "HEAD"));
  if (!git || !head) return undefined;
  const [, name] = /^ref: (refs\/\S+)$/.exec(head) ?? [];
  if (name === undefined) return commitIn(head); // no branch, but a commit
  if (name.split("/").includes("..")) return undefined;
  const common = resolve(git, await readLine(join(git, "commondir")) ?? ".");
  return commitIn(await readLine(join(common, name))) ?? await packedCommit(common, name);
}

/** In a further worktree, and in a submodule, `.git` is a file that names the folder. */
async function gitFolder(root: string): Promise<string | undefined> {
  const path = join(root, ".git");
  if (await readLine(join(path, "HEAD")) !== undefined) return path;
  const [, elsewhere] = /^gitdir: (.+)$/.exec(await readLine(path) ?? "") ?? [];
  return elsewhere && resolve(root, elsewhere);
}

/** `git gc` puts references into one file: a commit and a name on each line. */
async function packedCommit(folder: string, name: string): Promise<string | undefined> {
  const lines = (await readText(join(folder, "packed-refs")))?.split("\n") ?? [];
  const line = lines.find((line) => line.endsWith(` ${name}`));
  return commitIn(line?.split(" ")[0]);
}

function commitIn(text: string | undefined) {
  return text !== undefined && COMMIT.test(text) ? text : undefined;
}

async function readLine(path: string): Promise<string | undefined> {
  return (await readText(path))?.split("\n")[0].trim();
}

/** The text of a file; undefined if there is none, or if it may not be read. Asks nobody for leave. */
async function readText(path: string): Promise<string | undefined> {
  const { state } = await Deno.permissions.query({ name: "read", path });
  if (state !== "granted") return undefined;
  try {
    const { isFile, size } = await Deno.stat(path);
    return isFile && size <= MAX_BYTES ? await Deno.readTextFile(path) : undefined;
  } catch {
    return undefined;
  }
}
