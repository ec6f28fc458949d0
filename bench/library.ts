/**
 * Archives made by this project's library and by others for Node, each in a process of its own, in
 * turns. Writes the table of rates in `zip/README.md`.
 *
 *     deno task bench:library [--runs 5] [--scratch FOLDER] [--print]
 *
 * MB are 10⁶ bytes. The files are in the memory of the system, what is made is thrown away.
 *
 * @module
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { crc32 } from "node:zlib";
import { hashOf, makePhotos, type Workload } from "./folders.ts";
import { markdownTable, replaceMarked } from "./markdown.ts";
import { describeEnvironment, type Environment, environment } from "./results.ts";
import { formatSpread } from "./statistics.ts";

const ROOT = join(import.meta.dirname!, "..");
const README = join(ROOT, "zip/README.md");

/** What each library is asked for, by the letter of its folder. */
const workloads: Readonly<Record<string, Workload>> = {
  L: { title: "100 files of 3.5 MB", files: 100, size: 3_500_000 },
  M: { title: "5,000 files of 10 kB", files: 5000, size: 10_000 },
};

/** In `bench/rivals/library.mjs`; the packages are those that the comparison names. */
const libraries = ["this, CRC-32 known", "this", "client-zip", "zip.js", "archiver", "yazl"];
const packages = ["client-zip@2.5.1", "@zip.js/zip.js@2.24.0", "archiver@8.0.0", "yazl@3.3.1"];

/** What one process tells of one archive. */
interface Sample {
  readonly bytes: number;
  readonly seconds: number;
  readonly cpu: number;
  readonly memory: number;
}

/** Measures, and writes the table. */
async function main() {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "5" },
      scratch: { type: "string", default: "/tmp/zipferry-bench-library" },
      print: { type: "boolean", default: false },
    },
  });
  const machine = await environment();
  await Deno.mkdir(values.scratch, { recursive: true });
  await install(values.scratch);
  const parts: string[] = [];
  for (const [letter, workload] of Object.entries(workloads)) {
    const folder = join(await makePhotos(values.scratch, letter, workload), hashOf(letter));
    await writeChecksums(folder);
    const samples = new Map(libraries.map((name): [string, Sample[]] => [name, []]));
    for (let run = 0; run < Number(values.runs); run++) {
      for (const name of libraries) {
        samples.get(name)!.push(await make(name, folder, values.scratch));
      }
    }
    parts.push(tableOf(workload, samples));
  }
  const node = (await run("node", ["--version"], values.scratch)).trim().slice(1);
  const where = `${describeEnvironment({ ...machine, versions: { Node: node } })}.`;
  const summary = `${where} Median (least–most) of ${values.runs} runs.`;
  const text = [...parts, `${summary}${loadOf(machine)}`].join("\n\n");
  if (values.print) return console.log(text);
  const page = await Deno.readTextFile(README);
  await Deno.writeTextFile(README, replaceMarked(page, "rates", text));
  await run(Deno.execPath(), ["fmt", "--quiet", README], ROOT);
}

/** A warning where the machine had more to do than it has cores for. */
function loadOf({ loadAverage = 0, cores }: Environment): string {
  if (loadAverage < cores) return "";
  const load = loadAverage.toFixed(0);
  return ` The machine was busy with other work (load average ${load}): compare the CPU seconds; the rates say little.`;
}

/** The packages of others, and this one as it is published. */
async function install(scratch: string) {
  const tarball = join(scratch, "zip.tgz");
  const pack = ["pack", "--allow-dirty", "--no-source-maps", "--output", tarball];
  await run(Deno.execPath(), pack, join(ROOT, "zip"));
  const flags = ["--no-audit", "--no-fund", "--silent"];
  await run("npm", ["install", "--prefix", scratch, ...flags, ...packages, tarball], scratch);
  // Beside node_modules, since that is where Node looks for packages.
  await Deno.copyFile(
    join(import.meta.dirname!, "rivals/library.mjs"),
    join(scratch, "library.mjs"),
  );
}

/** For the library, as a site would have them from the upload. */
async function writeChecksums(folder: string) {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".jpg")).sort();
  const values = names.map((name) => crc32(Deno.readFileSync(join(folder, name))));
  await Deno.writeTextFile(join(folder, "crc32.json"), JSON.stringify(values));
}

async function make(library: string, folder: string, scratch: string): Promise<Sample> {
  return JSON.parse(await run("node", ["library.mjs", library, folder], scratch));
}

function tableOf({ title }: Workload, samples: ReadonlyMap<string, readonly Sample[]>) {
  const rows = [...samples].map(([name, all]) => {
    const per = (value: (sample: Sample) => number) => all.map(value);
    return [
      name,
      formatSpread(per(({ bytes, seconds }) => bytes / seconds / 1e6), 0),
      formatSpread(per(({ bytes, cpu }) => cpu / (bytes / 1e9)), 2),
      formatSpread(per(({ memory }) => memory / 1e6), 0),
    ];
  });
  return markdownTable([[title, "MB/s", "CPU seconds per GB", "Peak memory, MB"], ...rows]);
}

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd,
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`run ${command} ${args[0]}: ${new TextDecoder().decode(stderr).slice(-2000)}`);
}

if (import.meta.main) await main();
