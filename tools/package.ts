/**
 * Makes the packages for Debian and for Fedora and their like, from the executables of Linux that
 * are in `dist/`. Needs nfpm; deploy/package/nfpm.yaml says what is in them.
 *
 * ```sh
 * deno task compile --target x86_64-unknown-linux-gnu
 * deno task package
 * deno task package --release 2 --folder dist --repository OWNER/zipferry
 * ```
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import project from "../deno.json" with { type: "json" };
import { run, tool } from "../testing/tools.ts";
import { homepageOf } from "./about.ts";
import { commandLine } from "./command_line.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "./completions.ts";
import { licenses } from "./licenses.ts";
import { manPage } from "./man_page.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CONFIG = "deploy/package/nfpm.yaml";

/** By the end of an executable's name, what Go, Debian and Fedora call its processor. */
const PROCESSORS: Readonly<Record<string, { go: string; deb: string; rpm: string }>> = {
  "linux-x64": { go: "amd64", deb: "amd64", rpm: "x86_64" },
  "linux-arm64": { go: "arm64", deb: "arm64", rpm: "aarch64" },
};

const CHECKSUMS = "SHA256SUMS";

/** Thrown for what the user can put right. One line. */
class PackageError extends Error {}

interface Options {
  /** Absolute path of the folder with the executables, where the packages go too. */
  readonly folder: string;
  /** Counts packages of one version of the program. */
  readonly release: string;
  /** Account and name, on GitHub: where questions go. */
  readonly repository: string;
}

/** What all packages of one run have in common. */
interface Edition extends Options {
  readonly nfpm: string;
  /** When the commit was made. */
  readonly date: Date;
  /** Absolute path of a folder with all files that are generated. */
  readonly stage: string;
}

/** Makes what the command line asks for. */
async function main() {
  const options = readOptions(Deno.args);
  const there = await namesIn(options.folder);
  const suffixes = Object.keys(PROCESSORS).filter((suffix) => there.includes(executable(suffix)));
  if (suffixes.length === 0) {
    const names = Object.keys(PROCESSORS).map(executable).join(", nor ");
    throw new PackageError(`${options.folder}: has no ${names}; deno task compile makes them`);
  }
  const nfpm = tool("nfpm");
  if (nfpm === null) throw new PackageError("nfpm: not found; docs/releasing.md says where it is");
  const stage = await Deno.makeTempDir({ prefix: "zipferry-" });
  try {
    const edition = { ...options, nfpm, stage, date: await readDate() };
    await writeParts(edition);
    const made: string[] = [];
    for (const suffix of suffixes) made.push(...await makePackages(suffix, edition));
    await addChecksums(options.folder, made);
    console.log(made.join("\n"));
  } finally {
    await Deno.remove(stage, { recursive: true });
  }
}

function readOptions(args: readonly string[]): Options {
  const { folder, release, repository } = parse(args);
  if (folder === "") throw new PackageError("--folder: give a folder");
  if (!/^[1-9]\d{0,5}$/.test(release)) {
    const given = JSON.stringify(release);
    throw new PackageError(`--release: ${given} is not allowed; use a whole number from 1 up`);
  }
  if (!/^[A-Za-z0-9-]+\/[A-Za-z0-9._-]+$/.test(repository)) {
    const given = JSON.stringify(repository);
    throw new PackageError(`--repository: ${given} is not allowed; use OWNER/NAME`);
  }
  return { folder: resolve(folder), release, repository };
}

function parse(args: readonly string[]) {
  try {
    const options = {
      folder: { type: "string", default: join(ROOT, "dist") },
      release: { type: "string", default: "1" },
      repository: { type: "string", default: "OWNER/zipferry" },
    } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new PackageError(
      `${error.message.split("\n")[0]}; --folder, --release and --repository are known`,
    );
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function executable(suffix: string) {
  return `zipferry-${project.version}-${suffix}`;
}

/** From `SOURCE_DATE_EPOCH`, or of the commit that is checked out: the same source, the same bytes. */
async function readDate(): Promise<Date> {
  const given = Deno.env.get("SOURCE_DATE_EPOCH") || await commitTime();
  const date = new Date(Number(given) * 1000);
  if (/^\d+$/.test(given) && !Number.isNaN(date.getTime())) return date;
  throw new PackageError(`SOURCE_DATE_EPOCH: ${JSON.stringify(given)} is no number of seconds`);
}

async function commitTime(): Promise<string> {
  if (tool("git") === null) return "0";
  const { code, stdout } = await run("git", ["log", "-1", "--format=%ct"], { cwd: ROOT });
  return code === 0 ? new TextDecoder().decode(stdout).trim() : "0";
}

/** Writes what is not as it stands in the project. */
async function writeParts(edition: Edition) {
  const { stage, date } = edition;
  const line = commandLine();
  const changelog = await Deno.readTextFile(join(ROOT, "CHANGELOG.md"));
  const parts: Record<string, string | Uint8Array> = {
    "zipferry.1.gz": gzip(manPage(line, { version: project.version, date })),
    "zipferry.bash": bashCompletion(line),
    "zipferry.fish": fishCompletion(line),
    "_zipferry": zshCompletion(line),
    "copyright": await licenses({ "Apache-2.0": "/usr/share/common-licenses/Apache-2.0" }),
    "LICENSE": await licenses(),
    "changelog.gz": gzip(changelog),
    "changelog.Debian.gz": gzip(debianChangelog(edition)),
  };
  for (const [name, content] of Object.entries(parts)) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(join(stage, name), bytes);
  }
}

/** Without a time in its header. */
function gzip(text: string) {
  return gzipSync(text, { level: 9 });
}

function debianChangelog(edition: Edition) {
  const { version } = project;
  const before = version.replace("-", "~"); // 1.0.0-rc.1 comes before 1.0.0
  const title = `zipferry (${before}-${edition.release}) unstable; urgency=medium`;
  const day = edition.date.toUTCString().replace("GMT", "+0000");
  const text = `  * zipferry ${version}. Its changes are in changelog.gz.`;
  return `${title}\n\n${text}\n\n -- ${maintainer(edition)}  ${day}\n`;
}

function maintainer({ repository }: Options) {
  const [owner] = repository.split("/");
  return `The zipferry authors <${owner}@users.noreply.github.com>`;
}

async function makePackages(suffix: string, edition: Edition): Promise<string[]> {
  const { folder, release, stage, date, nfpm } = edition;
  const { go, deb, rpm } = PROCESSORS[suffix];
  const { version } = project;
  await Deno.copyFile(join(folder, executable(suffix)), join(stage, "zipferry"));
  const env = {
    ARCH: go,
    VERSION: version,
    RELEASE: release,
    STAGE: stage,
    MAINTAINER: maintainer(edition),
    HOMEPAGE: homepageOf(edition.repository),
    SOURCE_DATE_EPOCH: `${date.getTime() / 1000}`,
  };
  const names = {
    deb: `zipferry_${version}-${release}_${deb}.deb`,
    rpm: `zipferry-${version}-${release}.${rpm}.rpm`,
  };
  for (const [packager, name] of Object.entries(names)) {
    const args = ["package", "--config", CONFIG, "--packager", packager];
    const target = join(folder, name);
    const { code, stderr } = await run(nfpm, [...args, "--target", target], { cwd: ROOT, env });
    if (code !== 0) throw new PackageError(`${name}: nfpm failed: ${stderr.trim()}`);
  }
  return Object.values(names);
}

/** Adds the packages to the checksums that are there. */
async function addChecksums(folder: string, names: readonly string[]) {
  const path = join(folder, CHECKSUMS);
  const lines = new Map((await readLines(path)).map((line) => [line.slice(66), line]));
  for (const name of names) {
    const hash = createHash("sha256").update(await Deno.readFile(join(folder, name)));
    lines.set(name, `${hash.digest("hex")}  ${name}`);
  }
  const sorted = [...lines].sort(([a], [b]) => a < b ? -1 : 1).map(([, line]) => `${line}\n`);
  await Deno.writeTextFile(path, sorted.join(""));
}

async function readLines(path: string): Promise<string[]> {
  try {
    return (await Deno.readTextFile(path)).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof PackageError)) throw error;
    console.error(`package: ${error.message}`);
    Deno.exit(1);
  }
}
