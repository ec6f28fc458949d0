/**
 * Readers of archives written by other people. An archive is right when all of them read every byte
 * of it, not when our own code agrees with itself.
 *
 * @module
 */

// @ts-types="./yauzl.d.ts"
import * as yauzl from "yauzl";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { accept, need, strict, tool } from "./tools.ts";

const JAVA_SOURCE = fileURLToPath(new URL("./Readers.java", import.meta.url));
const JAVA_UTF8 = ["-Dfile.encoding=UTF-8", "-Dsun.jnu.encoding=UTF-8"];

const PYTHON_TEST = `
import sys, zipfile
bad = zipfile.ZipFile(sys.argv[1]).testzip()
if bad is not None: sys.exit("bad entry: " + ascii(bad))
`;

const PYTHON_LIST = `
import json, sys, zipfile
print(json.dumps([{
    "name": e.filename,
    "size": e.file_size,
    "compressedSize": e.compress_size,
    "method": e.compress_type,
    "crc32": e.CRC,
    "date": "%04d-%02d-%02dT%02d:%02d:%02d" % e.date_time,
    "flags": e.flag_bits,
    "internalAttributes": e.internal_attr,
    "externalAttributes": e.external_attr,
    "headerOffset": e.header_offset,
    "createSystem": e.create_system,
    "createVersion": e.create_version,
    "extractVersion": e.extract_version,
    "extra": e.extra.hex(),
    "comment": e.comment.hex(),
} for e in zipfile.ZipFile(sys.argv[1]).infolist()]))
`;

/** A program or library that reads whole archives */
export interface Reader {
  readonly name: string;
  /** Programs it needs on `PATH` */
  readonly tools: readonly string[];
  /** Throws when the reader does not accept the archive */
  read(path: string): Promise<void>;
}

/** An entry as the central directory describes it */
export interface ListedEntry {
  readonly name: string;
  /** Bytes of content */
  readonly size: number;
  /** Bytes in the archive */
  readonly compressedSize: number;
  /** 0 stored, 8 deflated */
  readonly method: number;
  readonly crc32: number;
  /** The DOS date and time, `YYYY-MM-DDTHH:MM:SS`, in no time zone */
  readonly date: string;
  /** General purpose bit flag */
  readonly flags: number;
  readonly internalAttributes: number;
  readonly externalAttributes: number;
  /** Where the local file header starts, in bytes */
  readonly headerOffset: number;
  /** 0 DOS, 3 Unix */
  readonly createSystem: number;
  readonly createVersion: number;
  readonly extractVersion: number;
  /** Extra field of the central directory header */
  readonly extra: Uint8Array<ArrayBuffer>;
  readonly comment: Uint8Array<ArrayBuffer>;
}

/** Which readers an archive is meant for */
export interface ReadOptions {
  /**
   * Names of readers that are known not to take such an archive: `unzip` an empty one, `ZipInputStream` stored entries with a data descriptor, `yauzl` a name like
   * that of a Windows drive
   *
   * @default none
   */
  readonly except?: readonly string[];
}

/** How an archive is extracted */
export interface ExtractOptions {
  /** @default "unzip" */
  readonly with?: "unzip" | "7z" | "bsdtar" | "python";
}

/** Every reader, each of which checks the sizes and CRC-32 of all entries */
export const readers: readonly Reader[] = [
  program("unzip", "unzip", (path) => ["-tq", path]),
  program("7z", "7z", (path) => ["t", path]),
  program("bsdtar", "bsdtar", (path) => ["-xOf", path]),
  { name: "bsdtar-pipe", tools: ["bsdtar"], read: readFromPipe },
  program("python", "python3", (path) => ["-c", PYTHON_TEST, path]),
  { name: "ZipFile", tools: ["java"], read: (path) => readWithJava("zipfile", path) },
  { name: "ZipInputStream", tools: ["java"], read: (path) => readWithJava("stream", path) },
  { name: "yauzl", tools: [], read: readWithYauzl },
];

/**
 * Reads one archive with every reader, all at the same time. A reader whose program is not there is
 * left out, unless `CI=true`.
 *
 * @throws {Error} With every complaint, each under the name of its reader
 */
export async function readWithAll(
  path: string,
  options: ReadOptions = {},
): Promise<void> {
  const complaints = await Promise.all(
    readers
      .filter(({ name }) => !options.except?.includes(name))
      .filter(({ tools }) => strict() || tools.every((name) => tool(name) !== null))
      .map(async ({ name, tools, read }) => {
        try {
          need(tools);
          await read(path);
          return [];
        } catch (error) {
          return [`${name}: ${error instanceof Error ? error.message : error}`];
        }
      }),
  );
  const lines = complaints.flat();
  if (lines.length > 0) throw new Error(`read archive: ${path}\n${lines.join("\n")}`);
}

/** Entries in the order of the central directory, as Python's `zipfile` sees them */
export async function listWithPython(path: string): Promise<ListedEntry[]> {
  const stdout = await accept("python3", ["-c", PYTHON_LIST, path]);
  const hexadecimal = (key: string) => key === "extra" || key === "comment";
  return JSON.parse(
    stdout,
    (key, value) => hexadecimal(key) ? Uint8Array.fromHex(value) : value,
  );
}

/** Extracts an archive into a folder, which is made when it is not there */
export async function extract(
  path: string,
  into: string,
  options: ExtractOptions = {},
): Promise<void> {
  await Deno.mkdir(into, { recursive: true });
  switch (options.with ?? "unzip") {
    case "unzip":
      await accept("unzip", ["-qq", "-o", path, "-d", into]);
      break;
    case "7z":
      await accept("7z", ["x", "-y", `-o${into}`, path]);
      break;
    case "bsdtar":
      await accept("bsdtar", ["-xf", path, "-C", into]);
      break;
    case "python":
      await accept("python3", ["-m", "zipfile", "-e", path, into]);
  }
}

/**
 * Compares two folders: names, contents and where links point.
 *
 * @throws {Error} With what `diff` printed
 */
export async function assertSameTree(a: string, b: string): Promise<void> {
  await accept("diff", ["-r", "--no-dereference", a, b]);
}

function program(name: string, command: string, args: (path: string) => string[]): Reader {
  const read = async (path: string) => {
    await accept(command, args(path), { stdout: command === "bsdtar" ? "null" : "piped" });
  };
  return { name, tools: [command], read };
}

/** Without seeking, bsdtar goes by the local file headers */
async function readFromPipe(path: string): Promise<void> {
  using file = await Deno.open(path);
  await accept("bsdtar", ["-xOf", "-"], { stdin: file.readable, stdout: "null" });
}

let classes: Promise<string> | undefined;

async function readWithJava(mode: "zipfile" | "stream", path: string): Promise<void> {
  classes ??= compileJava();
  await accept("java", [...JAVA_UTF8, "-cp", await classes, "Readers", mode, path]);
}

/** Once, and not for every archive as a start from source would */
async function compileJava(): Promise<string> {
  const folder = Deno.makeTempDirSync({ prefix: "zipferry-java-" });
  addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  await accept("java", ["-m", "jdk.compiler/com.sun.tools.javac.Main", "-d", folder, JAVA_SOURCE]);
  return folder;
}

/** yauzl leaves CRC-32 to its caller */
async function readWithYauzl(path: string): Promise<void> {
  const fd = openSync(path, "r"); // yauzl.open() would close it behind our back after an error
  try {
    const archive = await yauzl.fromFdPromise(fd, { lazyEntries: true });
    for await (const entry of archive.eachEntry()) {
      let crc = 0;
      for await (const chunk of await archive.openReadStreamPromise(entry)) {
        crc = crc32(chunk, crc);
      }
      if (crc !== entry.crc32) throw new Error(`check CRC-32: ${entry.fileName}`);
    }
  } finally {
    closeSync(fd);
  }
}
