/**
 * Which programs read the archives, tried and not claimed: makes trees, downloads each from the real
 * program with both engines, reads every archive with every reader, and writes `docs/readers.md`.
 *
 * ```sh
 * deno run --config deno.dev.json --allow-all tools/reader_matrix.ts
 * ```
 *
 * With `--quick` it leaves out what takes 4 GiB, writes nothing, and exits with 1 if a cell is not
 * what `docs/readers.md` says. Otherwise it exits with 1 if a reader fails and nobody knows why.
 *
 * @module
 */

// @ts-types="../testing/yauzl.d.ts"
import * as yauzl from "yauzl";
import { Buffer } from "node:buffer";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import project from "../deno.dev.json" with { type: "json" };
import { type Program, start } from "../testing/process.ts";
import { listWithPython, readers as sharedReaders } from "../testing/readers.ts";
import { accept, run } from "../testing/tools.ts";
import { makeTree, randomBytes, type Tree as Folder, type TreeFile } from "../testing/tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PUBLISHED = join(ROOT, "docs/readers.md");
const GO_SOURCE = join(ROOT, "testing/readers.go");

const FOUR_GIB = 2 ** 32;

/** So many entries are named on one command line. */
const BATCH = 10_000;

/** Where a bit of the first tree's archive is flipped: in the content of its first file. */
const FLIPPED_BYTE = 1000;

const ZEROS = Buffer.alloc(1 << 20);

/** A cell that was not tried. */
const MISSING = "–";

/** Consistency checks, then every byte; PHP's streams end before libzip compares the CRC-32. */
const PHP = `
$archive = new ZipArchive();
$error = $archive->open($argv[1], ZipArchive::CHECKCONS);
if ($error !== true) fail("ZipArchive::open: error $error");
for ($i = 0; $i < $archive->numFiles; $i++) {
  $entry = $archive->statIndex($i);
  $data = $archive->getStreamIndex($i) or fail("getStreamIndex: $entry[name]");
  $crc = hash_init("crc32b");
  while (!feof($data)) hash_update($crc, fread($data, 1 << 20));
  if (hexdec(hash_final($crc)) !== $entry["crc"]) fail("CRC-32: $entry[name]");
  echo "$entry[name]\\n";
}
function fail($message) { fwrite(STDERR, "$message\\n"); exit(1); }
`;

/** Archive::Zip leaves CRC-32 to its caller, and forgets the right one when it reads. */
const PERL = `
use Archive::Zip qw(:CONSTANTS :ERROR_CODES);
my $archive = Archive::Zip->new;
exit 1 if $archive->read($ARGV[0]) != AZ_OK;
for my $member ($archive->members) {
  my ($name, $expected, $crc, $status) = ($member->fileName, $member->crc32, 0, AZ_OK);
  utf8::encode($name) if utf8::is_utf8($name);
  $member->desiredCompressionMethod(COMPRESSION_STORED);
  $member->rewindData == AZ_OK or die "rewindData: $name\\n";
  while ($status == AZ_OK) {
    (my $chunk, $status) = $member->readChunk(1 << 20);
    $crc = Archive::Zip::computeCRC32($$chunk, $crc) if $status == AZ_OK || $status == AZ_STREAM_END;
  }
  $status == AZ_STREAM_END or die "readChunk: $name\\n";
  $crc == $expected or die "CRC-32: $name\\n";
  print "$name\\n";
}
`;

/** One column: what is in a folder. */
interface Tree {
  readonly label: string;
  /** What is in it, in a few words. */
  readonly what: string;
  readonly files: () => Record<string, string | Uint8Array | TreeFile>;
  /** Whether the archive has 4 GiB or nearly. @default false */
  readonly huge?: boolean;
  /** Whether readers must list all entries, or all of them by their right names. @default neither */
  readonly listed?: "count" | "names";
}

/** One table: how the program is started. */
interface Engine {
  readonly label: string;
  readonly args: readonly string[];
  /** Which trees it packs. */
  readonly packs: (tree: Tree) => boolean;
  /** What the table needs to be understood. */
  readonly note: string;
}

/** One row: a program or library of other people. */
interface Reader {
  readonly label: string;
  /** What is run, or which API is called. */
  readonly how: string;
  /** Throws when the reader is not there. */
  readonly version: () => string | Promise<string>;
  /** Throws when the reader does not take the archive; tells one name an entry if it can. */
  readonly read: (path: string) => Promise<string[] | void>;
  /** The right names of the entries, where `read` does not tell. */
  readonly names?: (path: string) => Promise<string[]>;
}

/** Why readers do not take an archive. */
interface Explanation {
  readonly readers: readonly string[];
  /** Finds the line of the message that says it. */
  readonly message: RegExp;
  /** The cell, in as few words as there can be. */
  readonly short: string;
  /** The footnote. */
  readonly text: string;
}

/** One cell, as it was seen. */
export interface Cell {
  readonly engine: string;
  readonly reader: string;
  readonly tree: string;
  /** What the reader complained of; null if of nothing. */
  readonly complaint: string | null;
}

/** All that a run has found out. */
export interface Findings {
  /** Where it ran. */
  readonly machine: string;
  /** By reader; null for one that is not there. */
  readonly versions: ReadonlyMap<string, string | null>;
  /** By reader: whether it noticed a flipped bit. */
  readonly vigilance: ReadonlyMap<string, boolean>;
  readonly cells: readonly Cell[];
}

const trees: readonly Tree[] = [
  {
    label: "plain",
    what: "two files that cannot be compressed, one that can",
    files: () => ({
      "0001.jpg": randomBytes(300_000, 1),
      "album/0002.jpg": randomBytes(200_000, 2),
      "notes.txt": "A line that repeats itself.\n".repeat(1000),
    }),
  },
  {
    label: "Cyrillic, emoji",
    what: "four names beyond ASCII; the reader must show them right",
    listed: "names",
    files: () => ({
      "Фото/Лето ё.jpg": randomBytes(3000, 3),
      "日本語.jpg": randomBytes(3000, 4),
      "📷 🏖️.jpg": randomBytes(3000, 5),
      "é.txt": "text\n".repeat(100),
    }),
  },
  {
    label: "empty files",
    what: "three of them around a file that is not",
    files: () => ({
      "0001.jpg": "",
      "0002.jpg": randomBytes(3000, 6),
      "album/0003.jpg": "",
      "last.jpg": "",
    }),
  },
  {
    label: "empty folders",
    what: "three of them, two nested",
    files: () => ({
      "a/b/c": { directory: true },
      "d": { directory: true },
      "e/0001.jpg": randomBytes(3000, 7),
      "e/f": { directory: true },
    }),
  },
  {
    label: "70,000 entries",
    what: "more than 16 bits can count; the reader must find them all",
    listed: "count",
    files: () => {
      const number = (i: number) => String(i).padStart(5, "0");
      const paths = Array.from({ length: 70_000 }, (_, i) => `${i % 70}/${number(i)}.txt`);
      return Object.fromEntries(paths.map((path) => [path, path]));
    },
  },
  {
    label: "hostile content",
    what: "the signatures of every record of the format, in places where they mean nothing",
    files: () => ({
      "descriptors.bin": "PK\x07\x08".repeat(5000),
      "directory.bin": "PK\x01\x02".repeat(5000),
      "end.bin": `PK\x05\x06${"\0".repeat(18)}`.repeat(100),
      "headers.bin": "PK\x03\x04".repeat(5000),
      "zip64.bin": `PK\x06\x06,${"\0".repeat(51)}PK\x06\x07${"\0".repeat(16)}PK\x05\x06`,
    }),
  },
  {
    label: "hostile names",
    what: "what a disk allows and other systems do not, or take for an option, a path, a pattern",
    files: () => Object.fromEntries(hostileNames().map((name) => [name, name])),
  },
  {
    label: "DEL",
    what: "a name with the control character 127",
    files: () => ({ "a\x7fb.jpg": "text" }),
  },
  hugeTree("4 GiB − 2", "one file of 4,294,967,294 bytes", { size: FOUR_GIB - 2 }),
  hugeTree("4 GiB − 1", "one of 4,294,967,295, the first size to need ZIP64", {
    size: FOUR_GIB - 1,
  }),
  hugeTree("4 GiB", "one of 4,294,967,296", { size: FOUR_GIB }),
  hugeTree("4 GiB + 1", "one of 4,294,967,297", { size: FOUR_GIB + 1 }),
  {
    label: "past 4 GiB",
    what: "a small file that starts behind one of 4 GiB",
    huge: true,
    files: () => ({ "0001.mov": { size: FOUR_GIB }, "0002.jpg": randomBytes(3000, 8) }),
  },
];

const engines: readonly Engine[] = [
  {
    label: "store",
    args: ["--engine", "store"],
    packs: () => true,
    note: "The default. Nothing is compressed; checksum and sizes stand before each file.",
  },
  {
    label: "zip",
    args: ["--engine", "zip"],
    packs: (tree) => !tree.huge,
    note: "Info-ZIP's program at its default level. It writes to a pipe, so the checksum of each " +
      "file stands in a data descriptor after it. Files of 4 GiB would take too long to try: for " +
      "some of them see the next table.",
  },
  {
    label: "zip --level 0",
    args: ["--engine", "zip", "--level", "0"],
    packs: ({ label }) => ["plain", "4 GiB − 1", "4 GiB"].includes(label),
    note: "The same program, nothing compressed. More columns would take too long to try.",
  },
];

const readers: readonly Reader[] = [
  {
    label: "unzip",
    how: "`unzip -t`",
    version: () => versionOf("unzip", ["-v"], /UnZip (\S+)/),
    read: (path) => lines("unzip", ["-t", path], /^ +testing: (.*?) +OK$/gm),
  },
  {
    label: "zipinfo",
    how: "`zipinfo -v`",
    version: () => versionOf("zipinfo", ["-h"], /ZipInfo (\S+)/),
    read: async (path) => void await accept("zipinfo", ["-v", path], { stdout: "null" }),
    names: (path) => lines("zipinfo", ["-1", path]),
  },
  {
    label: "7-Zip",
    how: "`7z t`",
    version: () => versionOf("7z", [], /7-Zip .*?(\d+\.\d+)/),
    read: shared("7z"),
    names: (path) => lines("7z", ["l", "-ba", "-slt", path], /^Path = (.*)$/gm),
  },
  {
    label: "bsdtar",
    how: "`bsdtar -xOf`",
    version: () => versionOf("bsdtar", ["--version"], /libarchive (\S+)/),
    read: shared("bsdtar"),
    names: (path) => lines("bsdtar", ["-tf", path]),
  },
  {
    label: "bsdtar, from a pipe",
    how: "`bsdtar -xOf -`",
    version: () => versionOf("bsdtar", ["--version"], /libarchive (\S+)/),
    read: shared("bsdtar-pipe"),
    names: (path) => linesFromPipe("bsdtar", ["-tf", "-"], path),
  },
  {
    label: "Python zipfile",
    how: "`ZipFile.testzip()`",
    version: () => versionOf("python3", ["--version"], /Python (\S+)/),
    read: shared("python"),
    names: async (path) => (await listWithPython(path)).map(({ name }) => name),
  },
  {
    label: "Java ZipFile",
    how: "`java.util.zip.ZipFile`",
    version: () => versionOf("java", ["-version"], /version "([^"]+)"/),
    read: shared("ZipFile"),
    names: (path) => lines("jar", ["tf", path]),
  },
  {
    label: "Java ZipInputStream",
    how: "`java.util.zip.ZipInputStream`",
    version: () => versionOf("java", ["-version"], /version "([^"]+)"/),
    read: shared("ZipInputStream"),
    names: (path) => linesFromPipe("jar", ["t"], path),
  },
  {
    label: "Go archive/zip",
    how: "`zip.OpenReader()`",
    version: () => versionOf("go", ["version"], /go(\d\S*)/),
    read: readWithGo,
  },
  {
    label: "yauzl",
    how: "`openReadStream()`",
    version: () => project.imports.yauzl.split("@")[1],
    read: shared("yauzl"),
    names: namesWithYauzl,
  },
  {
    label: "libzip, strict",
    how: "PHP `ZipArchive::CHECKCONS`",
    version: () => versionOf("php", ["-r", "echo ZipArchive::LIBZIP_VERSION;"], /(\S+)/),
    read: (path) => lines("php", ["-r", PHP, "--", path]),
  },
  {
    label: "ziptool",
    how: "`ziptool cat`",
    version: () => versionOf("dpkg-query", ["-Wf", "${Version}", "ziptool"], /([\d.]+)/),
    read: async (path) => void await withZiptool(path, "cat"),
    names: async (path) =>
      matches((await withZiptool(path, "stat")).join("\n"), /^name: '(.*)'$/gm),
  },
  {
    label: "Perl Archive::Zip",
    how: "`readChunk()`",
    version: () =>
      versionOf("perl", ["-MArchive::Zip", "-e", "print $Archive::Zip::VERSION"], /(\S+)/),
    read: (path) => lines("perl", ["-e", PERL, path]),
  },
  {
    label: "busybox unzip",
    how: "`busybox unzip -t`",
    version: () => versionOf("busybox", [], /BusyBox v(\S+)/),
    read: async (path) => {
      await accept("busybox", ["unzip", "-t", path]);
      return await lines("busybox", ["unzip", "-l", path], /^ *\d+ +[\d-]+ [\d:]+ +(.*)$/gm);
    },
    names: namesWithBusybox,
  },
  {
    label: "The Unarchiver",
    how: "`lsar -t`",
    version: () => versionOf("lsar", ["--version"], /v(\S+)/),
    read: (path) => lines("lsar", ["-t", path], /^(.*)\.\.\. (?:OK\.)?$/gm),
  },
];

const explanations: readonly Explanation[] = [
  {
    readers: ["busybox unzip"],
    message: /short read/,
    short: "no ZIP64",
    text:
      "It knows nothing of ZIP64, and in an archive of 4 GiB that alone says where the central " +
      "directory is.",
  },
  {
    readers: ["The Unarchiver"],
    message: /Archive parsing failed/,
    short: "no 64-bit offset",
    text: "It reads files of any size, but finds none that starts past 4 GiB.",
  },
  {
    readers: ["Java ZipInputStream"],
    message: /only DEFLATED entries can have EXT descriptor/,
    short: "stored + descriptor",
    text:
      "It refuses a data descriptor after a file that is not compressed. `zip` writes one after " +
      "every file, since it writes to a pipe; at its default level only empty files are not " +
      "compressed.",
  },
  {
    readers: ["libzip, strict"],
    message: /error 21$/m,
    short: "inconsistent",
    text:
      "Error 21 is `ER_INCONS`. With a data descriptor, the local header has to say zero where " +
      "sizes stand (APPNOTE 4.4.4, bit 3), but `zip` leaves a size in it. Without the strict check " +
      "libzip reads the archive, as ziptool shows.",
  },
  {
    readers: ["Go archive/zip", "libzip, strict", "ziptool"],
    message: /not a valid zip file|error 9$|No such file/m,
    short: "no ZIP64 extra",
    text: "`zip` puts the size 4,294,967,295 into the field of 32 bits. There it means that the " +
      "size is in the ZIP64 extra field, of which `zip` writes none. The archive is wrong, and the " +
      "readers that take it are lenient.",
  },
  {
    readers: ["Python zipfile", "yauzl"],
    message: /no file has this name/,
    short: "gibberish",
    text:
      "`zip` marks names as UTF-8 only where the system has the locale `en_US.UTF-8`. This one " +
      "has not, and a name without the mark is in code page 437 (APPNOTE appendix D).",
  },
  {
    readers: ["yauzl"],
    message: /absolute path/,
    short: "drive letter",
    text:
      "It refuses names that look like a path on a drive of Windows. `zip` takes names as they " +
      "are on the disk; the store engine has a `_` for each colon and backslash.",
  },
  {
    readers: ["unzip", "bsdtar", "bsdtar, from a pipe"],
    message: /overlapped components|unreadable filename/,
    short: "bad UTF-8",
    text: "`zip` adds a Unicode Path extra field to a name with the character 127, and in it the " +
      "character is the bytes C1 BF, which are not UTF-8. The store engine has a `_` there.",
  },
];

const UNEXPLAINED: Explanation = {
  readers: [],
  message: /^(?!run )/,
  short: "fails",
  text: "Nobody knows why.",
};

function hugeTree(label: string, what: string, file: TreeFile): Tree {
  return { label, what, huge: true, files: () => ({ "0001.mov": file }) };
}

/**
 * All that the disk allows in a name, but no line break, which the zip engine refuses, and no dot in
 * front, which hides a file.
 */
function hostileNames(): string[] {
  const odd = String.raw`*?:|<>"\'$&;!~%#@=+,^` + "\t\x07\x1b\u0085\u200b\u202e\ufffd";
  return [
    ...[...odd].map((character) => `a${character}b.jpg`),
    ...[String.raw`a\..\..\up.jpg`, String.raw`C:\drive.jpg`, String.raw`\\host\share.jpg`],
    ...["-rf", "--help", "@list", "*", "[a-z].jpg", "$(id).jpg", "%2e%2e%2fup.jpg", "`id`.jpg"],
    ...["CON", "nul.txt", "COM1.jpg", "dot.", "space ", " space.jpg", "Twin.jpg", "TWIN.JPG"],
    ...["e\u0301.jpg", "\u00e9.jpg", `${"long".repeat(62)}.jpg`],
    `z PK\x05\x06${"\x01".repeat(18)}`, // stands right before the end of central directory record
  ];
}

/** Tries all trees, or those that are quick. */
export async function findOut(options: { readonly quick: boolean }): Promise<Findings> {
  const chosen = trees.filter(({ huge }) => !huge || !options.quick);
  await using photos = await makePhotos(chosen);
  await using work = await makeTree();
  const versions = new Map<string, string | null>();
  for (const { label, version } of readers) versions.set(label, await orNull(version));
  const present = readers.filter(({ label }) => versions.get(label) !== null);

  const limit = createLimit(availableParallelism());
  const tries: Promise<Cell>[] = [];
  for (const engine of engines) {
    await using program = await start(["--folder", photos.path, ...engine.args]);
    const packed = chosen.filter(engine.packs);
    for (const tree of packed.filter((tree) => !options.quick || isQuick(engine, tree))) {
      const path = archivePath(work, engine, tree);
      const started = performance.now();
      await download(archiveUrl(program, tree), path);
      console.log(`${engine.label}, ${tree.label}: ${Math.round(performance.now() - started)} ms`);
      const found = present.map((reader) => limit(() => tryReader(reader, { engine, tree, path })));
      tries.push(...found);
    }
  }
  const cells = await Promise.all(tries);
  const damaged = await flipBit(archivePath(work, engines[0], trees[0]));
  const vigilance = new Map<string, boolean>();
  for (const { label, read } of present) {
    vigilance.set(label, await complaintOf(() => read(damaged)) !== null);
  }
  return { machine: await describeMachine(), versions, vigilance, cells };
}

/** The page. */
export function render(findings: Findings): string {
  const sections = engines.map((engine) => renderEngine(engine, findings));
  return [renderIntroduction(findings), renderReaders(findings), ...sections].join("\n\n") + "\n";
}

/**
 * Every cell of every table, without the numbers of footnotes, by section, row and column joined
 * with a bar.
 */
export function parseCells(markdown: string): Map<string, string> {
  const cells = new Map<string, string>();
  let section = "";
  let columns: string[] = [];
  for (const line of markdown.split("\n")) {
    if (line.startsWith("## ")) section = line.slice(3);
    const row = line.split("|").slice(1, -1).map((cell) => cell.trim());
    if (row.length === 0) columns = [];
    else if (columns.length === 0) columns = row;
    else if (!/^-+$/.test(row[0])) {
      row.forEach((cell, i) => {
        cells.set([section, row[0], columns[i]].join("|"), cell.replace(/ [⁰¹²³⁴-⁹]+$/, ""));
      });
    }
  }
  return cells;
}

/** Where the page of this run is not what was published; it may lack what is not quick. */
export function differences(published: string, seen: string): string[] {
  const [before, now] = [parseCells(published), parseCells(seen)];
  return [...new Set([...before.keys(), ...now.keys()])]
    .filter((key) => before.get(key) !== now.get(key))
    .filter((key) => !key.endsWith("|Version") && (now.has(key) || !isSlow(key)))
    .map((key) => {
      const place = key.replaceAll("|", ", ");
      return `${place}: published "${before.get(key) ?? ""}", seen "${now.get(key) ?? ""}"`;
    });
}

function isSlow(key: string) {
  const [section, , column] = key.split("|");
  const engine = engines.find(({ label }) => label === section);
  const tree = trees.find(({ label }) => label === column);
  return engine !== undefined && tree !== undefined && !isQuick(engine, tree);
}

/** Many entries are the business of our own writer. */
function isQuick(engine: Engine, tree: Tree) {
  return !tree.huge && (tree.listed !== "count" || engine.label === "store");
}

function renderIntroduction({ machine }: Findings) {
  return `# Who reads the archives

Every archive here was downloaded from the running program and then read by programs of other
people. "ok" means that the reader went through the whole archive with nothing to complain of, and
found all entries if it can tell. Readers that do not see a flipped bit go through less: zipinfo
reads the central directory, busybox compares no checksum of what is not compressed. Every other
cell is explained below its table, with the words of the reader.

This page is what \`deno run --config deno.dev.json --allow-all tools/reader_matrix.ts\` saw on ${machine}. With \`--quick\`
the script tries again what does not take long, and fails where a cell is not as it is here.

## Folders

${trees.map(({ label, what }) => `- **${label}**: ${what}`).join("\n")}`;
}

function renderReaders({ versions, vigilance }: Findings) {
  const rows = readers.map(({ label, how }) => {
    const sees = vigilance.get(label);
    const cell = sees === undefined ? MISSING : sees ? "yes" : "no";
    return [label, versions.get(label) ?? "not on this machine", how, cell];
  });
  return `## Readers\n\n${
    table(["Reader", "Version", "How it reads", "Sees a flipped bit"], rows)
  }`;
}

function renderEngine(engine: Engine, { versions, cells }: Findings) {
  const ours = cells.filter((cell) => cell.engine === engine.label);
  const columns = trees.map(({ label }) => label)
    .filter((label) => ours.some(({ tree }) => tree === label));
  const notes = notesOf(ours);
  const rows = readers.map(({ label }) => {
    const found = columns.map((tree) =>
      ours.find((cell) => cell.reader === label && cell.tree === tree)
    );
    return [label, versions.get(label) ?? MISSING, ...found.map((cell) => renderCell(cell, notes))];
  });
  return [
    `## ${engine.label}`,
    engine.note,
    table(["Reader", "Version", ...columns], rows),
    notes.map(renderNote).join("\n") || "Every reader takes every archive.",
  ].join("\n\n");
}

/** A footnote: cells that fail for one reason. */
interface Note {
  readonly explanation: Explanation;
  readonly cells: readonly Cell[];
}

function notesOf(cells: readonly Cell[]): Note[] {
  const failures = readers.flatMap(({ label }) =>
    cells.filter(({ reader, complaint }) => reader === label && complaint !== null)
  );
  return [...Map.groupBy(failures, explain)].map(([explanation, cells]) => ({
    explanation,
    cells,
  }));
}

function explain({ reader, complaint }: Cell): Explanation {
  const known = explanations.find(({ readers, message }) =>
    readers.includes(reader) && message.test(complaint!)
  );
  return known ?? UNEXPLAINED;
}

function renderCell(cell: Cell | undefined, notes: readonly Note[]) {
  if (cell === undefined) return MISSING;
  const note = notes.findIndex(({ cells }) => cells.includes(cell));
  return note < 0 ? "ok" : `${notes[note].explanation.short} ${superscript(note + 1)}`;
}

function renderNote({ explanation, cells }: Note, index: number) {
  const seen = [...Map.groupBy(cells, ({ reader }) => reader)].map(([reader, cells]) => {
    const said = new Set(cells.map(({ complaint }) => lineOf(complaint!, explanation.message)));
    const quoted = [...said].map((line) => `\`${line.replaceAll("`", "'")}\``).join(", ");
    return `**${reader}** (${cells.map(({ tree }) => tree).join("; ")}): ${quoted}`;
  });
  return `${index + 1}. ${explanation.text} ${seen.join("; ")}.`;
}

/** The line of a complaint that says what is wrong. */
function lineOf(complaint: string, message: RegExp) {
  const said = complaint.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return said.find((line) => message.test(line)) ?? said.at(-1) ?? "";
}

function superscript(number: number) {
  return String(number).replaceAll(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]) {
  const lines = [header, header.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function makePhotos(chosen: readonly Tree[]) {
  const files = chosen.flatMap((tree) =>
    Object.entries(tree.files()).map(([path, file]) => [`${hashOf(tree)}/${path}`, file] as const)
  );
  return makeTree(Object.fromEntries(files));
}

function hashOf(tree: Tree) {
  return `reader-matrix-tree-${trees.indexOf(tree)}`;
}

function archiveUrl({ url }: Program, tree: Tree) {
  return `${url}archive/${hashOf(tree)}/`;
}

function archivePath(work: Folder, engine: Engine, tree: Tree) {
  return work.join(`${engines.indexOf(engine)}-${trees.indexOf(tree)}`, "archive.zip");
}

/** Writes what comes, with holes for zeros, so that 4 GiB of them take no space and little time. */
async function download(url: string, path: string): Promise<void> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`download archive: status ${response.status}: ${url}`);
  Deno.mkdirSync(dirname(path));
  const file = openSync(path, "w");
  try {
    let length = 0;
    for await (const chunk of response.body!) {
      if (!isZero(chunk)) writeSync(file, chunk, 0, chunk.length, length);
      length += chunk.length;
    }
    ftruncateSync(file, length);
  } finally {
    closeSync(file);
  }
}

function isZero(chunk: Uint8Array) {
  return chunk.length <= ZEROS.length && ZEROS.subarray(0, chunk.length).equals(chunk);
}

async function flipBit(path: string) {
  const bytes = await Deno.readFile(path);
  bytes[FLIPPED_BYTE] ^= 1;
  const damaged = `${path}.damaged`;
  await Deno.writeFile(damaged, bytes);
  return damaged;
}

interface Download {
  readonly engine: Engine;
  readonly tree: Tree;
  readonly path: string;
}

async function tryReader(reader: Reader, { engine, tree, path }: Download): Promise<Cell> {
  const complaint = await complaintOf(async () => {
    const told = await reader.read(path);
    const asks = tree.listed === "names" || (tree.listed === "count" && !told);
    const names = asks && reader.names ? await reader.names(path) : told;
    if (names) assertNames(names, tree);
  });
  return {
    engine: engine.label,
    reader: reader.label,
    tree: tree.label,
    complaint: complaint && complaint.replaceAll(`${dirname(path)}/`, ""),
  };
}

async function complaintOf(read: () => Promise<unknown>) {
  try {
    await read();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function assertNames(actual: readonly string[], { files, listed }: Tree) {
  const expected = new Set(Object.keys(files()));
  if (actual.length !== expected.size) {
    throw new Error(`list names: ${actual.length} entries, expected ${expected.size}`);
  }
  const strange = listed === "names" && actual.find((name) => !expected.has(name));
  if (strange) throw new Error(`list names: no file has this name: ${strange}`);
}

async function describeMachine() {
  const system = /^PRETTY_NAME="(.*)"$/m.exec(await Deno.readTextFile("/etc/os-release"))?.[1];
  const zip = await versionOf("zip", ["-v"], /This is Zip (\S+)/);
  return `${system}, with Deno ${Deno.version.deno} and Info-ZIP's Zip ${zip}`;
}

async function orNull<T>(value: () => T | Promise<T>): Promise<T | null> {
  try {
    return await value();
  } catch {
    return null; // the program or the library is not there
  }
}

/** Runs so many jobs at once, the others when one of them has ended. */
function createLimit(free: number) {
  const waiting: (() => void)[] = [];
  return async <T>(job: () => Promise<T>): Promise<T> => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await job();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}

function shared(name: string) {
  return sharedReaders.find((reader) => reader.name === name)!.read;
}

async function versionOf(command: string, args: readonly string[], pattern: RegExp) {
  const { stdout, stderr } = await run(command, args);
  const version = pattern.exec(new TextDecoder().decode(stdout) + stderr)?.[1];
  if (version === undefined) throw new Error(`find version: ${command} does not say it`);
  return version;
}

async function lines(command: string, args: readonly string[], pattern = /^(.+)$/gm) {
  return matches(await accept(command, args), pattern);
}

async function linesFromPipe(command: string, args: readonly string[], path: string) {
  using file = await Deno.open(path);
  const stdout = await accept(command, args, { stdin: file.readable });
  return matches(stdout, /^(.+)$/gm);
}

function matches(text: string, pattern: RegExp) {
  return [...text.matchAll(pattern)].map(([, match]) => match);
}

let goProgram: Promise<string> | undefined;

async function readWithGo(path: string) {
  goProgram ??= buildGo();
  return await lines(await goProgram, [path]);
}

async function buildGo() {
  const folder = Deno.makeTempDirSync({ prefix: "zipferry-go-" });
  addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  await accept("go", ["build", "-o", join(folder, "readers"), GO_SOURCE]);
  return join(folder, "readers");
}

async function namesWithYauzl(path: string) {
  const archive = await yauzl.openPromise(path, { lazyEntries: true });
  return (await Array.fromAsync(archive.eachEntry())).map(({ fileName }) => fileName);
}

/** What ziptool prints of all entries, some on each command line. */
async function withZiptool(path: string, command: "cat" | "stat") {
  const [count] = await lines("ziptool", [path, "get_num_entries", "0"], /^(\d+)/gm);
  const output: string[] = [];
  for (let first = 0; first < Number(count); first += BATCH) {
    const length = Math.min(BATCH, Number(count) - first);
    const commands = Array.from({ length }, (_, i) => [command, String(first + i)]);
    const stdout = command === "cat" ? "null" : "piped";
    output.push(await accept("ziptool", [path, ...commands.flat()], { stdout }));
  }
  return output;
}

/** By extraction: the list has a question mark for each byte outside of ASCII. */
async function namesWithBusybox(path: string) {
  await using folder = await makeTree();
  await accept("busybox", ["unzip", "-q", path, "-d", folder.path]);
  return filesBelow(folder.path, "");
}

function filesBelow(folder: string, prefix: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(join(folder, name), `${prefix}${name}/`) : `${prefix}${name}`
  );
}

/** Compares with the published page, or writes it; the exit code. */
async function main(quick: boolean): Promise<number> {
  const findings = await findOut({ quick });
  const page = render(findings);
  if (quick) {
    const wrong = differences(await Deno.readTextFile(PUBLISHED), page);
    console.log(wrong.join("\n") || `${findings.cells.length} cells are as published`);
    return wrong.length > 0 ? 1 : 0;
  }
  await Deno.writeTextFile(PUBLISHED, page);
  await accept(Deno.execPath(), ["fmt", "--quiet", PUBLISHED]);
  const riddles = notesOf(findings.cells).filter(({ explanation }) => explanation === UNEXPLAINED);
  for (const { cells } of riddles) {
    for (const cell of cells) {
      console.log(`${cell.engine}, ${cell.reader}, ${cell.tree}: ${cell.complaint}`);
    }
  }
  return riddles.length > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exitCode = await main(Deno.args.includes("--quick"));
