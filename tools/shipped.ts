/**
 * Which packages of other people are in the program: those that its modules and its threads reach,
 * and no others of the lock file.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import project from "../deno.json" with { type: "json" };

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Modules that the program starts with, and that its threads start with */
export const ENTRY_POINTS: readonly string[] = ["main.ts", ...project.compile.include];

/** A package of npm that the program contains */
export interface ShippedPackage {
  readonly name: string;
  readonly version: string;
  /** An expression of SPDX */
  readonly license: string;
  /** Text of its licence and its notices; empty if it comes without */
  readonly licenseText: string;
  /** Who made it, if it says so */
  readonly author?: string;
  /** SHA-512 of its archive in the registry, in hexadecimal, as the lock file has it */
  readonly sha512: string;
  /** `name@version` of those that it uses itself */
  readonly dependencies: readonly string[];
}

/** As `deno info --json` tells of a package */
interface PackageInfo {
  readonly name: string;
  readonly version: string;
  readonly dependencies: readonly string[];
  /** Its folder in Deno's cache */
  readonly localPath: string;
}

/**
 * The packages that the program is made of, sorted by name. They have to be in Deno's cache, as after
 * `deno install`.
 *
 * @throws {Error} if one is not, or tells no licence
 */
export async function shippedPackages(): Promise<ShippedPackage[]> {
  const lock: Record<string, { integrity: string }> =
    JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock"))).npm;
  const graphs = await Promise.all(ENTRY_POINTS.map(packagesOf));
  const found = new Map(graphs.flatMap((packages) => Object.entries(packages)));
  return [...found].filter(([, { name }]) => !name.startsWith("@types/")) // nothing of them runs
    .sort(([a], [b]) => a < b ? -1 : 1)
    .map(([id, { name, version, dependencies, localPath }]) => ({
      name,
      version,
      dependencies,
      sha512: toHex(lock[id].integrity),
      ...readLicense(id, localPath),
    }));
}

async function packagesOf(module: string): Promise<Record<string, PackageInfo>> {
  const args = ["info", "--json", module];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`read modules: deno ${args.join(" ")} failed`);
  return JSON.parse(new TextDecoder().decode(stdout)).npmPackages ?? {};
}

/** What a package says of its licence and author. The files have the usual names. */
function readLicense(id: string, folder: string) {
  const { license, author } = JSON.parse(Deno.readTextFileSync(join(folder, "package.json")));
  if (typeof license !== "string") throw new Error(`read licence: ${id} names none`);
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name).sort()
    .filter((name) => /^(licen[cs]e|copying|notice)(\.|$)/i.test(name));
  const texts = files.map((name) => Deno.readTextFileSync(join(folder, name)));
  return {
    license,
    licenseText: texts.map((text) => text.replaceAll("\r", "").trim()).join("\n\n"),
    author: typeof author === "string" ? author : author?.name,
  };
}

/** `sha512-` and Base64, as in lock files, to hexadecimal */
function toHex(integrity: string): string {
  const [algorithm, value] = integrity.split("-");
  if (algorithm !== "sha512") throw new Error(`read integrity: not SHA-512: ${integrity}`);
  return Uint8Array.fromBase64(value).toHex();
}
