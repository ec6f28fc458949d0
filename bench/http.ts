/**
 * Side by side: every server downloads the same folders, in one run, in turns. Prints a table with
 * medians, minimum and maximum, and writes raw results to `bench/results/`.
 *
 *     deno task bench:http [--loads P,T] [--runs 5] [--only name,name] [--scratch FOLDER]
 *
 * @module
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { hashOf, makeFolder, workloads } from "./folders.ts";
import { type Server, startServer } from "./process.ts";
import { type Rival, rivals } from "./rivals.ts";

/** One download. */
interface Sample {
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
  readonly firstByteMs: number;
  /** Memory of the server and its children after it, in MB. */
  readonly memory: number;
}

interface Row {
  readonly server: string;
  readonly load: string;
  readonly samples: Sample[];
  /** Why there are none. */
  readonly missing?: string;
}

async function main() {
  const { values } = parseArgs({
    options: {
      loads: { type: "string", default: "P,T" },
      runs: { type: "string", default: "5" },
      only: { type: "string", default: "" },
      scratch: { type: "string", default: "/tmp/zipferry-bench" },
    },
  });
  const root = join(values.scratch, "photos");
  await Deno.mkdir(root, { recursive: true });
  const loads = values.loads.split(",");
  for (const load of loads) await makeFolder(root, load);
  const only = values.only.split(",").filter(Boolean);
  const chosen = rivals.filter(({ name }) => only.length === 0 || only.includes(name));
  await installPackages(chosen, values.scratch);

  const rows: Row[] = [];
  for (const load of loads) rows.push(...await measure(load, chosen, { ...values, root }));
  console.log(await machine());
  for (const load of loads) console.log(table(load, rows.filter((row) => row.load === load)));
  await save(rows);
}

interface MeasureOptions {
  readonly root: string;
  readonly scratch: string;
  readonly runs: string;
}

/** All servers run at the same time and take turns, so that a noisy minute hits them all. */
async function measure(load: string, chosen: readonly Rival[], options: MeasureOptions) {
  const rows: Row[] = [];
  await using servers = new AsyncDisposableStack();
  const running: { rival: Rival; server: Server; row: Row }[] = [];
  for (const rival of chosen) {
    const row: Row = { server: rival.name, load, samples: [] };
    try {
      const port = freePort();
      const command = await rival.command({ ...options, port });
      const server = servers.use(await startServer(command, port));
      running.push({ rival, server, row });
      rows.push(row);
    } catch (error) {
      rows.push({ ...row, missing: error instanceof Error ? error.message : String(error) });
    }
  }
  for (let run = 0; run <= Number(options.runs); run++) {
    for (const { rival, server, row } of running) {
      const path = rival.path?.(hashOf(load)) ?? `/archive/${hashOf(load)}/`;
      const sample = await download(server, path);
      if (run > 0) row.samples.push(sample); // the first one warms up
    }
  }
  return rows;
}

async function download(server: Server, path: string): Promise<Sample> {
  const cpu = server.cpuSeconds();
  const started = performance.now();
  const args = ["-sS", "-f", "-o", "/dev/null", "-w", "%{size_download} %{time_starttransfer}"];
  const url = `http://127.0.0.1:${server.port}${path}`;
  const { success, stdout, stderr } = await new Deno.Command("curl", { args: [...args, url] })
    .output();
  if (!success) throw new Error(`download: ${new TextDecoder().decode(stderr)}`);
  const seconds = (performance.now() - started) / 1000;
  const [bytes, firstByte] = new TextDecoder().decode(stdout).split(" ").map(Number);
  return {
    megabytesPerSecond: bytes / 1e6 / seconds,
    cpuSecondsPerGigabyte: (server.cpuSeconds() - cpu) / (bytes / 1e9),
    firstByteMs: firstByte * 1000,
    memory: server.memory() / 1000,
  };
}

function table(load: string, rows: readonly Row[]) {
  const lines = rows.map(({ server, samples, missing }) => {
    if (missing) return `| ${server} | could not be had: ${missing.split("\n")[0]} | | | |`;
    const of = (key: keyof Sample, digits: number) => spread(samples.map((s) => s[key]), digits);
    return `| ${server} | ${of("megabytesPerSecond", 0)} | ${of("cpuSecondsPerGigabyte", 2)} | ${
      of("firstByteMs", 0)
    } | ${of("memory", 0)} |`;
  });
  return [
    `\n${load}: ${workloads[load].title}, one client, page cache warm\n`,
    "| Server | MB/s | CPU-s per GB | first byte, ms | memory, MB |",
    "| --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}

/** Median, with minimum and maximum. */
function spread(values: readonly number[], digits: number) {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[sorted.length >> 1];
  const [low, high] = [sorted[0], sorted[sorted.length - 1]].map((n) => n.toFixed(digits));
  return `${median.toFixed(digits)} (${low}–${high})`;
}

async function machine() {
  const cpu = /model name\s*: (.*)/.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1];
  return `${navigator.hardwareConcurrency} cores, ${cpu}, Deno ${Deno.version.deno}`;
}

async function save(rows: readonly Row[]) {
  const folder = join(import.meta.dirname!, "results");
  await Deno.mkdir(folder, { recursive: true });
  const name = new Date().toISOString().replaceAll(/[-:]|\..*/g, "");
  const data = { machine: await machine(), rows };
  await Deno.writeTextFile(join(folder, `${name}.json`), `${JSON.stringify(data, null, 2)}\n`);
}

async function installPackages(chosen: readonly Rival[], scratch: string) {
  const packages = chosen.flatMap(({ needs }) => needs)
    .filter((need) => need.startsWith("npm:")).map((need) => need.slice(4));
  if (packages.length === 0) return;
  const args = ["install", "--prefix", scratch, "--no-audit", "--no-fund", ...packages];
  await new Deno.Command("npm", { args, stdout: "null", stderr: "null" }).output();
}

function freePort() {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

if (import.meta.main) await main();
