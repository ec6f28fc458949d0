/**
 * Puts small faults into the program, one at a time, and tells which of them no test notices.
 *
 * ```sh
 * deno task mutants --rooms zip,http --sample 100
 * deno task mutants --since main
 * deno task mutants --files storage/entries.ts --list
 * ```
 *
 * Works in a copy of the tree. The tests that name a file come first, quick ones before slow ones;
 * then those of its room, and unless `--narrow` says otherwise, of the rooms that use it. The first
 * failure decides. What was decided is in the report, so that the next run goes on from there; it is
 * decided anew when the file has changed, and with `--again` for faults that no test had noticed.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { applyMutant, type Mutant, mutantsOf } from "./mutate.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** What is not copied: history, packages, and what was built or reported. */
const NOT_COPIED = new Set([".git", "node_modules", "dist", ".coverage", ".mutants"]);

/** Further tests for faults that those of the room itself do not notice. */
const WIDER: Readonly<Record<string, readonly string[]>> = {
  zip: ["engines", "handlers"],
  "zip/http": ["zip", "http", "handlers"],
  http: ["handlers", "main_test.ts"],
  storage: [
    "tools/write_names_test.ts",
    "engines",
    "handlers",
    "commands",
    "testing/mutation_test.ts",
  ],
  engines: ["handlers", "testing/mutation_test.ts"],
  handlers: ["main_test.ts", "testing/mutation_test.ts"],
  lib: ["storage", "handlers", "main_test.ts"],
  observe: ["handlers", "main_test.ts"],
  templates: ["handlers"],
  process: ["main_test.ts"],
  commands: ["main_test.ts"],
};

/** A test that takes longer than this, in milliseconds, comes after all the others. */
const QUICK_MS = 500;

/** Tests may take this many times as long as without a fault, and this much more. */
const PATIENCE_FACTOR = 4;
const PATIENCE_MS = 20_000;

/** What became of a fault. */
type Verdict = "caught" | "timeout" | "types" | "survived";

/** A fault, and what became of it. */
interface Result extends Omit<Mutant, "start" | "end"> {
  readonly file: string;
  /** What stood there. */
  readonly before: string;
  readonly verdict: Verdict;
  /** The first test that failed, where one did. */
  readonly by?: string;
}

/** What is kept from run to run. */
interface Report {
  /** By the file's content and the fault's place in it. */
  readonly results: Record<string, Result>;
  /** Milliseconds that each test takes without a fault, by the content of its file. */
  readonly durations: Record<string, Record<string, number>>;
}

interface Candidate {
  readonly file: string;
  readonly source: string;
  readonly mutant: Mutant;
  readonly key: string;
}

/** Some tests of some files, and how long they may take. */
interface Stage {
  readonly files: readonly string[];
  /** For `--filter`; all tests if there is none. */
  readonly filter?: string;
  readonly patience: number;
}

const TEST = ["test", "--no-check", "--no-prompt", "--allow-all", "--config", "deno.dev.json"];

const options = {
  rooms: { type: "string", default: "zip,http,storage,engines,handlers" },
  files: { type: "string" },
  match: { type: "string" },
  sample: { type: "string" },
  seed: { type: "string", default: "1" },
  since: { type: "string" },
  report: { type: "string", default: ".mutants/report.json" },
  list: { type: "boolean", default: false },
  again: { type: "boolean", default: false },
  narrow: { type: "boolean", default: false },
} as const;

/** Runs what the command line asks for. */
async function main() {
  const { values } = parseArgs({ options });
  const files = values.files?.split(",") ?? values.rooms.split(",").flatMap(sourcesIn);
  const found = values.since
    ? await changedSince(values.since, files)
    : files.flatMap(candidatesOf);
  const pattern = new RegExp(values.match ?? "");
  const all = found.filter((candidate) => pattern.test(describe(candidate)));
  const chosen = values.sample
    ? shuffled(all, Number(values.seed)).slice(0, Number(values.sample))
    : all;
  if (values.list) return chosen.forEach((candidate) => console.log(describe(candidate)));

  const path = resolve(ROOT, values.report);
  const report = await readReport(path);
  await using tree = await copyTree();
  const bench = new Bench(tree.path, report, values.narrow);
  const interrupt = () => bench.stop();
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    for (const [i, candidate] of chosen.entries()) {
      const known = report.results[candidate.key];
      if (known && !(values.again && known.verdict === "survived")) continue;
      const result = await bench.judge(candidate);
      if (bench.stopped) break;
      report.results[candidate.key] = result;
      await writeReport(path, report);
      const how = result.by ? ` by ${JSON.stringify(result.by)}` : "";
      console.log(`${i + 1}/${chosen.length} ${result.verdict}${how}: ${describe(candidate)}`);
    }
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
  }
  console.log(`\n${summary(chosen.map(({ key }) => report.results[key]).filter(Boolean))}`);
}

/** The place where faults are tried: a copy of the tree. */
class Bench {
  readonly #root: string;
  readonly #report: Report;
  readonly #isNarrow: boolean;
  readonly #stages = new Map<string, Promise<readonly Stage[][]>>();
  #child: Deno.ChildProcess | undefined;
  stopped = false;

  constructor(root: string, report: Report, isNarrow: boolean) {
    this.#root = root;
    this.#report = report;
    this.#isNarrow = isNarrow;
  }

  /** Puts the fault into the copy, runs tests until one fails, and takes it out again. */
  async judge({ file, source, mutant }: Candidate): Promise<Result> {
    let stages = this.#stages.get(file);
    if (!stages) this.#stages.set(file, stages = this.#stagesOf(file));
    const [near, wide] = await stages;
    const path = join(this.#root, file);
    await Deno.writeTextFile(path, applyMutant(source, mutant));
    try {
      const { operator, line, column, after } = mutant;
      const before = source.slice(mutant.start, mutant.end);
      const end = await this.#firstFailure(near) ?? await this.#typeError() ??
        await this.#firstFailure(wide) ?? { verdict: "survived" };
      return { file, line, column, operator, before, after, ...end };
    } finally {
      await Deno.writeTextFile(path, source);
    }
  }

  /** Ends what runs. */
  stop() {
    this.stopped = true;
    if (this.#child) killGroup(this.#child);
  }

  async #firstFailure(stages: readonly Stage[]): Promise<Pick<Result, "verdict" | "by"> | null> {
    for (const { files, filter, patience } of stages) {
      const args = [...TEST, "--fail-fast", ...(filter ? ["--filter", filter] : []), ...files];
      const { code, output, late } = await this.#run(args, patience);
      if (this.stopped) return null;
      if (late) return { verdict: "timeout" };
      if (code !== 0) return { verdict: "caught", by: failedTest(output) };
    }
    return null;
  }

  /** A fault that the compiler refuses cannot be committed either. */
  async #typeError(): Promise<Pick<Result, "verdict"> | null> {
    const { code } = await this.#run(["check", "--config", "deno.dev.json", "main.ts"], 60_000);
    return code === 0 ? null : { verdict: "types" };
  }

  /** The tests near a file, and those further away. */
  async #stagesOf(file: string): Promise<readonly Stage[][]> {
    const room = placeOf(file);
    const [name, imported] = [basename(file, ".ts"), `/${basename(file)}"`];
    const own = (path: string) =>
      basename(path) === `${name}_test.ts` ||
      Deno.readTextFileSync(join(this.#root, path)).includes(imported);
    const near = room.endsWith(".ts") ? ["main_test.ts"] : testsIn(this.#root, room);
    const first = near.filter(own);
    const others = near.filter((path) => !own(path));
    const wide = (this.#isNarrow ? [] : WIDER[room] ?? [])
      .flatMap((place) => testsIn(this.#root, place)).filter((path) => !near.includes(path));
    const [quick, slow] = [await this.#split(first), await this.#split(others)];
    const far = await this.#split(wide);
    const stages = [
      [quick.quick, slow.quick, quick.slow, slow.slow],
      [far.quick, far.slow],
    ];
    return stages.map((list) => list.filter((stage) => stage !== null));
  }

  /** Measures tests that were not measured before, and tells the slow ones from the others. */
  async #split(files: readonly string[]): Promise<Record<"quick" | "slow", Stage | null>> {
    const times: [string, number][] = [];
    for (const file of files) times.push(...Object.entries(await this.#durations(file)));
    const stage = (tests: [string, number][]): Stage | null => {
      if (tests.length === 0) return null;
      const total = tests.reduce((sum, [, time]) => sum + time, 0);
      const names = [...new Set(tests.map(([name]) => escaped(name)))];
      const patience = PATIENCE_MS + PATIENCE_FACTOR * total;
      return { files, filter: `/^(?:${names.join("|")})$/`, patience };
    };
    return {
      quick: stage(times.filter(([, time]) => time < QUICK_MS)),
      slow: stage(times.filter(([, time]) => time >= QUICK_MS)),
    };
  }

  async #durations(file: string): Promise<Record<string, number>> {
    const key = digest(file, await Deno.readTextFile(join(this.#root, file)));
    const known = this.#report.durations[key];
    if (known) return known;
    const xml = join(this.#root, "tmp", "junit.xml");
    const measure = () => this.#run([...TEST, `--junit-path=${xml}`, file], 600_000);
    let { code, output } = await measure();
    if (code !== 0) ({ code, output } = await measure()); // the machine may have been busy
    if (code !== 0) throw new Error(`measure tests: ${file} fails without a fault\n${output}`);
    return this.#report.durations[key] = readDurations(await Deno.readTextFile(xml));
  }

  /** Runs `deno` in the copy, in a process group of its own, for so many milliseconds at most. */
  async #run(args: readonly string[], patience: number) {
    const temporary = join(this.#root, "tmp");
    await Deno.remove(temporary, { recursive: true }).catch(() => {}); // of the run before
    await Deno.mkdir(temporary, { recursive: true });
    const child = this.#child = new Deno.Command(Deno.execPath(), {
      args: [...args],
      cwd: this.#root,
      env: { TMPDIR: temporary, NO_COLOR: "1", CI: "" },
      detached: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      killGroup(child);
    }, patience);
    const [status, ...texts] = await Promise.all([
      child.status.finally(() => killGroup(child)), // and whatever it left behind
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    clearTimeout(timer);
    return { code: status.code, output: texts.join("\n"), late };
  }
}

/** A copy of the tree as it is, committed or not; disposal removes it. */
async function copyTree() {
  const path = await Deno.makeTempDir({ prefix: "zipferry-mutants-" });
  await Deno.chmod(path, 0o755); // some tests give up the power of root
  copyFolder(ROOT, path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
    },
  };
}

function copyFolder(from: string, to: string) {
  for (const { name, isDirectory, isSymlink } of Deno.readDirSync(from)) {
    if (NOT_COPIED.has(name)) continue;
    const [source, target] = [join(from, name), join(to, name)];
    if (isSymlink) {
      Deno.symlinkSync(Deno.readLinkSync(source), target);
    } else if (isDirectory) {
      Deno.mkdirSync(target);
      copyFolder(source, target);
    } else {
      Deno.copyFileSync(source, target);
      const { atime, mtime } = Deno.statSync(source);
      Deno.utimeSync(target, atime ?? 0, mtime ?? 0); // archives of the photos tell their times
    }
  }
}

/** Paths of the program's own files in a room, from the root. */
function sourcesIn(room: string): string[] {
  return walk(ROOT, room).filter((path) => /\.ts$/.test(path) && !/_test\.ts$/.test(path));
}

/** The folder whose tests are near a file: the innermost one that is named above. */
function placeOf(file: string): string {
  const around = Object.keys(WIDER).filter((place) => file.startsWith(`${place}/`));
  return around.sort((a, b) => b.length - a.length)[0] ?? file.split("/")[0];
}

/** Paths of the test files in a room, or the file itself. */
function testsIn(root: string, place: string): string[] {
  return place.endsWith(".ts")
    ? [place]
    : walk(root, place).filter((path) => path.endsWith("_test.ts"));
}

function walk(root: string, folder: string): string[] {
  return [...Deno.readDirSync(join(root, folder))]
    .flatMap(({ name, isDirectory }) =>
      isDirectory ? walk(root, `${folder}/${name}`) : [`${folder}/${name}`]
    ).sort();
}

function candidatesOf(file: string): Candidate[] {
  const source = Deno.readTextFileSync(join(ROOT, file));
  return mutantsOf(source).map((mutant) => {
    const { operator, start, end, after } = mutant;
    return {
      file,
      source,
      mutant,
      key: digest(file, source, `${operator}:${start}:${end}:${after}`),
    };
  });
}

/** The faults in lines that differ from a commit. */
async function changedSince(revision: string, files: readonly string[]): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for (const file of files) {
    const args = ["diff", "--unified=0", revision, "--", file];
    const { success, stdout } = await new Deno.Command("git", { args, cwd: ROOT }).output();
    if (!success) throw new Error(`compare with commit: ${revision}`);
    const hunks = new TextDecoder().decode(stdout).matchAll(/^@@ .*\+(\d+)(?:,(\d+))? @@/gm);
    const changed = [...hunks].map(([, first, count]) => [Number(first), Number(count ?? 1)]);
    const isChanged = ({ mutant: { line } }: Candidate) =>
      changed.some(([first, count]) => first <= line && line < first + count);
    if (changed.length > 0) candidates.push(...candidatesOf(file).filter(isChanged));
  }
  return candidates;
}

/** The same order each time for the same seed: by a digest of the seed and the place. */
function shuffled(candidates: readonly Candidate[], seed: number): Candidate[] {
  const order = new Map(candidates.map(({ key }) => [key, digest(String(seed), key)]));
  return candidates.toSorted((a, b) => order.get(a.key)! < order.get(b.key)! ? -1 : 1);
}

async function readReport(path: string): Promise<Report> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { results: {}, durations: {} };
    throw error;
  }
}

async function writeReport(path: string, report: Report) {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(`${path}.new`, `${JSON.stringify(report, null, 1)}\n`);
  await Deno.rename(`${path}.new`, path);
}

/** A table of rooms, and a list of the faults that nothing noticed. */
function summary(results: readonly Result[]): string {
  const roomOf = ({ file }: Result) => file.split("/")[0];
  const row = (name: string, of: readonly Result[]) => {
    const counts = (["caught", "timeout", "types", "survived"] as const)
      .map((verdict) => of.filter((result) => result.verdict === verdict).length);
    const noticed = (100 * (1 - counts[3] / of.length)).toFixed(1);
    return [name, of.length, ...counts, `${noticed} %`].map((cell, i) =>
      i === 0 ? String(cell).padEnd(10) : String(cell).padStart(9)
    ).join("");
  };
  const rooms = [...new Set(results.map(roomOf))].sort();
  const survivors = results.filter(({ verdict }) => verdict === "survived")
    .toSorted((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
  return [
    ["room      ", "faults", "caught", "timeout", "types", "survived", "noticed"]
      .map((cell, i) => i === 0 ? cell : cell.padStart(9)).join(""),
    ...rooms.map((room) => row(room, results.filter((result) => roomOf(result) === room))),
    row("all", results),
    "",
    ...survivors.map(describeResult),
  ].join("\n");
}

function describe({ file, source, mutant }: Candidate) {
  return describeResult({ file, before: source.slice(mutant.start, mutant.end), ...mutant });
}

function describeResult(result: Omit<Result, "verdict">) {
  const { file, line, column, operator, before, after } = result;
  return `${file}:${line}:${column} ${operator}: ${short(before)} → ${short(after)}`;
}

function short(text: string) {
  const line = text.replace(/\s+/g, " ");
  return line.length > 70 ? `${line.slice(0, 69)}…` : line;
}

/** The first test that failed, as `deno test` names it. */
function failedTest(output: string): string {
  return /^(.+?) => \S+\.ts:\d+:\d+$/m.exec(output)?.[1] ??
    /^error: (.*)$/m.exec(output)?.[1] ?? "";
}

/** Milliseconds by the name of a test, from a JUnit report; steps count to their test. */
function readDurations(xml: string): Record<string, number> {
  const durations: Record<string, number> = {};
  for (const [, name, time] of xml.matchAll(/<testcase name="([^"]*)"[^>]*? time="([\d.]+)"/g)) {
    durations[unescaped(name)] = Number(time) * 1000;
  }
  return durations;
}

function unescaped(text: string) {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(
    /&(#?\w+);/g,
    (whole, name: string) =>
      name.startsWith("#x")
        ? String.fromCodePoint(parseInt(name.slice(2), 16))
        : name.startsWith("#")
        ? String.fromCodePoint(Number(name.slice(1)))
        : entities[name] ?? whole,
  );
}

function escaped(text: string) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function killGroup({ pid }: Deno.ChildProcess) {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}

function digest(...texts: readonly string[]): string {
  return createHash("sha256").update(texts.join("\0")).digest("hex").slice(0, 24);
}

if (import.meta.main) await main();
