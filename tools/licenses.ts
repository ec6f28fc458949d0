/**
 * The licences of the program and of all that an executable has inside.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { accept } from "../testing/tools.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** What a package says of itself. */
interface Manifest {
  readonly license?: string;
  readonly author?: string | { readonly name?: string };
}

/** Where a system has the texts of licences, by the names of SPDX. */
export type CommonLicenses = Readonly<Record<string, string>>;

/**
 * One text: our licence, what the runtime has, then those of npm packages as they come with them.
 *
 * @param common licences whose texts the system has; it is named instead of repeating them
 */
export async function licenses(common: CommonLicenses = {}): Promise<string> {
  const { npmCache } = JSON.parse(await accept(Deno.execPath(), ["info", "--json"], { cwd: ROOT }));
  const ids = await packagesInside();
  const packages = await Promise.all(ids.map((id) => licenseOf(id, { npmCache, common })));
  const [{ copyright, text }, runtime] = [await ownLicense(), runtimeNote()];
  return [
    `zipferry is ${copyright}\n\n${text}`,
    runtime,
    ...packages,
  ].map((part) => part.trim()).join(`\n\n${"-".repeat(72)}\n\n`) + "\n";
}

async function ownLicense() {
  const license = await Deno.readTextFile(join(ROOT, "LICENSE"));
  const [copyright] = /^Copyright .*$/m.exec(license) ?? [];
  if (copyright === undefined) throw new Error("read LICENSE: no line of copyright");
  return { copyright, text: license };
}

function runtimeNote() {
  const { deno, v8 } = Deno.version;
  return `The executable /usr/bin/zipferry contains the runtime of Deno ${deno}, Copyright the Deno authors, under ` +
    `the MIT License above, and in it V8 ${v8}, SQLite and other libraries under licences of their ` +
    `own: https://github.com/denoland/deno/tree/v${deno} has them. It also contains these packages:`;
}

/** Names and versions of the npm packages of the lock file; those of types are not in an executable. */
async function packagesInside(): Promise<string[]> {
  const lock = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock")));
  return Object.keys(lock.npm).filter((id) => !id.startsWith("@types/"));
}

interface Sources {
  /** Absolute path of Deno's folder for packages. */
  readonly npmCache: string;
  readonly common: CommonLicenses;
}

async function licenseOf(id: string, { npmCache, common }: Sources): Promise<string> {
  const at = id.lastIndexOf("@");
  const [name, version] = [id.slice(0, at), id.slice(at + 1)];
  const folder = await folderOf(join(name, version), npmCache);
  const manifest: Manifest = JSON.parse(await Deno.readTextFile(join(folder, "package.json")));
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  const texts = names.filter((name) => /^(licen[cs]e|copying|notice)(\.|$)/i.test(name));
  const title = `${name} ${version}: ${manifest.license}`;
  if (texts.length === 0) return `${title}, by ${authorOf(manifest)}`;
  const path = common[manifest.license ?? ""];
  if (path !== undefined) return `${title}, by ${authorOf(manifest)}\n\nThe text is in ${path}.`;
  const read = await Promise.all(texts.map((name) => Deno.readTextFile(join(folder, name))));
  return `${title}\n\n${read.map((text) => text.replaceAll("\r", "").trim()).join("\n\n")}`;
}

function authorOf({ author }: Manifest) {
  return (typeof author === "string" ? author : author?.name) ?? "its authors";
}

/** Where Deno keeps a package: below a folder for each registry. */
async function folderOf(path: string, cache: string): Promise<string> {
  const registries = await Array.fromAsync(Deno.readDir(cache));
  const folders = registries.map(({ name }) => join(cache, name, path));
  for (const folder of folders) {
    if (await isThere(join(folder, "package.json"))) return folder;
  }
  throw new Error(`find ${path}: not in ${cache}; deno install puts it there`);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
