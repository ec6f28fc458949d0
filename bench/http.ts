/**
 * Side by side: every server downloads the same folders, in one run, in turns. Prints a table with
 * medians, minimum and maximum, and writes raw results to `bench/results/`.
 *
 *     deno task bench:http [--loads P,P:cold,P:8,T] [--runs 5] [--only NAME] [--scratch FOLDER]
 *
 * A load is a letter of `folders.ts`: one client, and a server that has sent this folder before.
 * What differs from that follows after colons. `cold` starts a new server for each download and
 * warms it up with another folder; a number is the number of clients.
 *
 * @module
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { freePort } from "../testing/free_port.ts";
import { curl } from "./curl.ts";
import { hashOf, makeFolder, workloads } from "./folders.ts";
import { type Server, startServer } from "./process.ts";
import { machine, save, spread } from "./report.ts";
import { type Rival, rivals } from "./rivals.ts";

/** What a server sends before it is measured cold. */
const WARM_UP = "W";

/** One download, or several at the same time. */
interface Sample {
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
  /** For the client that waited longest. */
  readonly firstByteMs: number;
  /** Peak memory of the server so far plus the current memory of its children, in MB. */
  readonly memory: number;
}

interface Row {
  readonly server: string;
  readonly load: string;
  readonly samples: Sample[];
  /** Why there are no samples. */
  readonly missing?: string;
}

/** One workload, and how the servers get it. */
interface Load {
  readonly name: string;
  readonly letter: string;
  readonly clients: number;
  readonly cold: boolean;
}

async function main() {
  const { values } = parseArgs({
    options: {
      loads: { type: "string", default: "P,P:cold,P:8,P:64,V,T,T:cold,H" },
      runs: { type: "string", default: "5" },
      only: { type: "string", multiple: true, default: [] },
      scratch: { type: "string", default: "/tmp/zipferry-bench" },
    },
  });
  const root = join(values.scratch, "photos");
  await Deno.mkdir(root, { recursive: true });
  const loads = values.loads.split(",").map(parseLoad);
  for (const { letter } of loads) await makeFolder(root, letter);
  await makeFolder(root, WARM_UP);
  const chosen = rivals.filter(({ name }) =>
    values.only.length === 0 || values.only.includes(name)
  );
  await installPackages(chosen, values.scratch);

  const rows: Row[] = [];
  console.log(await machine());
  for (const load of loads) {
    const measured = await measure(load, chosen, { ...values, root });
    rows.push(...measured);
    console.log(table(load, measured));
  }
  await save("http", rows);
}

function parseLoad(name: string): Load {
  const [letter, ...how] = name.split(":");
  if (!(letter in workloads)) {
    throw new RangeError(`--loads: ${letter}: allowed are ${Object.keys(workloads).join()}`);
  }
  const clients = Number(how.find((word) => /^\d+$/.test(word)) ?? 1);
  return { name, letter, clients, cold: how.includes("cold") };
}

interface MeasureOptions {
  readonly root: string;
  readonly scratch: string;
  readonly runs: string;
}

/** All servers run at the same time and take turns, so that a noisy minute affects them all. */
async function measure(load: Load, chosen: readonly Rival[], options: MeasureOptions) {
  const rows: Row[] = [];
  await using servers = new AsyncDisposableStack();
  const running: { rival: Rival; start: () => Promise<Server>; server: Server; row: Row }[] = [];
  for (const rival of chosen) {
    const row: Row = { server: rival.name, load: load.name, samples: [] };
    try {
      const port = freePort();
      const command = await rival.command({ ...options, port });
      const start = () => startServer(command, port);
      running.push({ rival, start, server: await start(), row });
      rows.push(row);
    } catch (error) {
      const missing = error instanceof Error ? error.message : String(error);
      rows.push({ ...row, missing });
    }
  }
  servers.defer(async () => {
    for (const { server } of running) await server[Symbol.asyncDispose]();
  });
  for (let run = 0; run <= Number(options.runs); run++) {
    for (const one of running) {
      if (load.cold) {
        await one.server[Symbol.asyncDispose]();
        one.server = await one.start();
        await download(one.server, pathOf(one.rival, WARM_UP), load);
      }
      const sample = await download(one.server, pathOf(one.rival, load.letter), load);
      if (run > 0) one.row.samples.push(sample); // the first one warms up
    }
  }
  return rows;
}

function pathOf({ path }: Rival, letter: string) {
  const hash = hashOf(letter);
  return path?.(hash) ?? `/archive/${hash}/`;
}

async function download(server: Server, path: string, { clients }: Load): Promise<Sample> {
  const cpu = server.cpuSeconds();
  const started = performance.now();
  const url = `http://127.0.0.1:${server.port}${path}`;
  const done = await Promise.all(Array.from({ length: clients }, () => curl(url)));
  const seconds = (performance.now() - started) / 1000;
  const bytes = done.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    megabytesPerSecond: bytes / 1e6 / seconds,
    cpuSecondsPerGigabyte: (server.cpuSeconds() - cpu) / (bytes / 1e9),
    firstByteMs: Math.max(...done.map(({ firstByte }) => firstByte)) * 1000,
    memory: server.peakMemory() / 1000,
  };
}

function table({ letter, clients, cold }: Load, rows: readonly Row[]) {
  const lines = rows.map(({ server, samples, missing }) => {
    if (missing) return `| ${server} | could not be had: ${missing.split("\n")[0]} | | | |`;
    const of = (key: keyof Sample, digits: number) => spread(samples.map((s) => s[key]), digits);
    return `| ${server} | ${of("megabytesPerSecond", 0)} | ${of("cpuSecondsPerGigabyte", 2)} | ${
      of("firstByteMs", 0)
    } | ${of("memory", 0)} |`;
  });
  const how = `${clients === 1 ? "one client" : `${clients} clients`}${
    cold ? ", no CRC-32 known" : ""
  }`;
  return [
    `\n${letter}: ${workloads[letter].title}, ${how}, page cache warm\n`,
    "| Server | MB/s | CPU-s per GB | first byte, ms | memory, MB |",
    "| --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}

async function installPackages(chosen: readonly Rival[], scratch: string) {
  const packages = chosen.flatMap(({ needs }) => needs)
    .filter((need) => need.startsWith("npm:")).map((need) => need.slice(4));
  if (packages.length === 0) return;
  const args = ["install", "--prefix", scratch, "--no-audit", "--no-fund", ...packages];
  await new Deno.Command("npm", { args, stdout: "null", stderr: "null" }).output();
}

if (import.meta.main) await main();
