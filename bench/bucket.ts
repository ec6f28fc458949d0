/**
 * Photos in a bucket against the same bytes on a disk, against `zip` over the bucket as rclone mounts
 * it, and against Esri/zipstream if that program is on the PATH: in one run, in turns. Prints a table;
 * raw results go to `bench/results/`.
 *
 *     deno task bench:bucket [--only photos,small,memory,requests] [--runs 5] [--scratch FOLDER]
 *                            [--before FOLDER]
 *
 * The store is versitygw on this machine, so that it shares the cores with everything else.
 * `--before` names a folder with another version of this program, which takes its turns among the
 * servers of `photos`. Such runs, and those of fewer turns or scenarios, are trial runs.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { startFaultyStore } from "../testing/faulty_store.ts";
import { freePort } from "../testing/free_port.ts";
import { curl } from "./clients.ts";
import { figureTable } from "./figures.ts";
import { hashOf, workloads } from "./folders.ts";
import { parseLoad } from "./loads.ts";
import { parseOnly } from "./only.ts";
import { type Server, startServer, untilAtRest } from "./process.ts";
import {
  describeEnvironment,
  environment,
  type Figure,
  type HttpRow,
  save,
  type Total,
} from "./results.ts";
import { type Rival, zipferry } from "./rivals.ts";
import { pairRatios } from "./statistics.ts";
import {
  curlObjects,
  fillStore,
  fromBucket,
  fromMount,
  fromZipstream,
  withMountPoint,
} from "./stores.ts";
import { measure } from "./turns.ts";

/** Medians of fewer turns are not worth keeping. */
const ENOUGH_TURNS = 5;

/** What each request to a store far away waits for, in milliseconds. */
const LATENCY_MS = 20;

/** Of what would take minutes, so much is measured: in seconds, and in objects. */
const PART_SECONDS = 10;
const SINGLE_GETS = 300;

/** Clients at a time, and how long they download, in seconds. */
const MANY_CLIENTS = 100;
const MANY_SECONDS = 20;

/** curl's exit code for a download that `--max-time` ended. */
const TIME_IS_UP = 28;

interface Options {
  readonly scratch: string;
  readonly turns: number;
  /** A folder with another version of the program. */
  readonly before?: string;
}

type Scenario = (options: Options) => Promise<Figure[]>;

/** All scenarios by name. */
const scenarios: Readonly<Record<string, Scenario>> = { photos, small, memory, requests };

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: Object.keys(scenarios).join() },
      runs: { type: "string", default: String(ENOUGH_TURNS) },
      scratch: { type: "string", default: "/tmp/zipferry-bench" },
      before: { type: "string" },
    },
  });
  const { scratch, before } = values;
  const [turns, names] = [Number(values.runs), parseOnly(values.only, scenarios)];
  const now = await environment();
  console.log(describeEnvironment(now));
  const figures: Figure[] = [];
  for (const name of names) {
    const measured = await scenarios[name]({ scratch, turns, before });
    figures.push(...measured);
    console.log(`\n${figureTable(measured)}`);
  }
  const all = names.length === Object.keys(scenarios).length;
  const trial = turns < ENOUGH_TURNS || !all || before !== undefined;
  await save("bucket", figures, { environment: now, trial });
}

/** Large objects, of a store that is near. */
async function photos({ scratch, turns, before }: Options): Promise<Figure[]> {
  const load = parseLoad("P");
  await using filled = await fillStore(scratch, load.letter);
  const { root, store: { endpoint } } = filled;
  const disk: Rival = { name: "from the disk", command: zipferry };
  const bucket = fromBucket(endpoint);
  return await withMountPoint(async (folder) => {
    const mount = fromMount(endpoint, folder);
    const older = before ? [fromBucket(endpoint, { name: "before", code: before })] : [];
    const zipstream = fromZipstream(endpoint);
    const others = [mount, ...zipstream];
    const servers = [disk, bucket, ...older, ...others];
    const rows = await measure(load, servers, { root, scratch, turns });
    const of = (server: Rival, total: Total) => valuesOf(rows, server, total);
    const ratio = (a: Rival, b: Rival, total: Total) => pairRatios(of(a, total), of(b, total));
    const about = "200 photos of 3.5 MB";
    return [
      ...servers.map((server) => ({
        what: `${about}, ${server.name}: MB/s`,
        values: of(server, "megabytesPerSecond"),
        digits: 0,
      })),
      {
        what: "the objects alone, one after another by curl: MB/s",
        values: [await objectRate(curlObjects(filled, { letter: load.letter })) / 1e6],
        digits: 0,
      },
      {
        what: "rate ÷ that from the disk",
        values: ratio(bucket, disk, "megabytesPerSecond"),
        digits: 2,
        least: 0.7,
      },
      ...others.map((server) => ({
        what: `rate ÷ that of ${server.name}`,
        values: ratio(bucket, server, "megabytesPerSecond"),
        digits: 2,
      })),
      ...servers.map((server) => ({
        what: `${about}, ${server.name}: CPU seconds for a GB`,
        values: of(server, "cpuSecondsPerGigabyte"),
        digits: 2,
      })),
      {
        what: "CPU time ÷ that from the disk",
        values: ratio(bucket, disk, "cpuSecondsPerGigabyte"),
        digits: 2,
        target: 1.6,
      },
      ...zipstream.map((server) => ({
        what: `CPU time ÷ that of ${server.name}`,
        values: ratio(bucket, server, "cpuSecondsPerGigabyte"),
        digits: 2,
      })),
      ...older.map((server) => ({
        what: "CPU time ÷ that of the program before",
        values: ratio(bucket, server, "cpuSecondsPerGigabyte"),
        digits: 2,
      })),
    ];
  });
}

/** Small objects, of a store that is far. */
async function small({ scratch, turns }: Options): Promise<Figure[]> {
  const letter = "T";
  const { files, size } = workloads[letter];
  await using filled = await fillStore(scratch, letter);
  await using far = await startFaultyStore(filled.store, { latencyMs: LATENCY_MS });
  const objects = curlObjects(filled, { letter, count: SINGLE_GETS, endpoint: far.endpoint });
  return await withMountPoint(async (folder) => {
    await using bucket = await serve(fromBucket(far.endpoint));
    await using mount = await serve(fromMount(far.endpoint, folder));
    const [here, single, zipped]: [number[], number[], number[]] = [[], [], []];
    for (let turn = 0; turn <= turns; turn++) {
      far.forget();
      const { seconds } = await curl(`${bucket.url}/archive/${hashOf(letter)}/`);
      const alone = await objectRate(objects) / size;
      const mounted = await rateOfPart(`${mount.url}/${hashOf(letter)}/`) / size;
      if (turn === 0) continue; // it warms up
      here.push(files / seconds);
      single.push(alone);
      zipped.push(mounted);
    }
    const about = `10,000 objects of 10 kB, ${LATENCY_MS} ms away`;
    return [
      { what: `${about}, from the bucket: objects a second`, values: here, digits: 0 },
      { what: "GETs one after another: objects a second", values: single, digits: 0 },
      { what: "zip over rclone mount: objects a second", values: zipped, digits: 0 },
      {
        what: "rate ÷ that of GETs one after another",
        values: pairRatios(here, single),
        digits: 1,
        least: 20,
      },
    ];
  });
}

/** Many clients at a time, each of which takes what it can get. */
async function memory({ scratch, turns }: Options): Promise<Figure[]> {
  const letter = "P";
  await using filled = await fillStore(scratch, letter);
  const values: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    await using server = await serve(fromBucket(filled.store.endpoint));
    const idle = server.memory();
    await downloadMany(`${server.url}/archive/${hashOf(letter)}/`);
    values.push((server.peakMemory() - idle) / 1e6);
  }
  const what = `${MANY_CLIENTS} fast downloads at once, ${MANY_SECONDS} s: peak over idle, MB`;
  return [{ what, values, digits: 0, target: 100 }];
}

/** How often the store is asked. */
async function requests({ scratch }: Options): Promise<Figure[]> {
  const letter = "P";
  await using filled = await fillStore(scratch, letter);
  await using counting = await startFaultyStore(filled.store);
  await using server = await serve(fromBucket(counting.endpoint));
  const url = `${server.url}/archive/${hashOf(letter)}/`;
  const figures = [countsOf("start", counting.counts())];
  for (const what of ["first download of 200 photos", "another download", "its second half"]) {
    counting.forget();
    await curl(url, what === "its second half" ? "350000000-" : undefined);
    figures.push(countsOf(what, counting.counts()));
  }
  return figures.flat();
}

function countsOf(what: string, counts: Readonly<Record<string, number>>): Figure[] {
  return ["list", "head", "get"].map((kind) => {
    return { what: `${what}: ${kind} requests`, values: [counts[kind]], digits: 0 };
  });
}

/** Starts a server and waits until it rests. */
async function serve({ command }: Rival): Promise<Server & { readonly url: string }> {
  const port = freePort();
  const server = await startServer(await command({ port, root: "", scratch: "" }), port);
  await untilAtRest(server);
  return { ...server, url: `http://127.0.0.1:${port}` };
}

/** Bytes a second of objects one after another, over one connection. */
async function objectRate(args: readonly string[]): Promise<number> {
  const began = performance.now();
  const bytes = sum(await runCurl(...args));
  return bytes / (performance.now() - began) * 1000;
}

/** Bytes a second of the first seconds of a download. */
async function rateOfPart(url: string): Promise<number> {
  const began = performance.now();
  const bytes = sum(await runCurl("--max-time", String(PART_SECONDS), "-o", "/dev/null", url));
  return bytes / (performance.now() - began) * 1000;
}

/** Downloads for a while, many times at once. */
async function downloadMany(url: string) {
  const together = ["--parallel", "--parallel-immediate", "--parallel-max", String(MANY_CLIENTS)];
  const time = ["--max-time", String(MANY_SECONDS)];
  const all = await runCurl(...together, ...time, "-o", "/dev/null", `${url}?[1-${MANY_CLIENTS}]`);
  const served = all.filter((bytes) => bytes > 0).length;
  if (served < MANY_CLIENTS) throw new Error(`download: only ${served} of ${MANY_CLIENTS} served`);
}

/**
 * Sizes of what curl downloaded. Those that `--max-time` ended count with what had come.
 *
 * @throws {Error} if one fails otherwise
 */
async function runCurl(...args: string[]): Promise<number[]> {
  const format = "%{size_download} %{exitcode}\\n";
  const command = new Deno.Command("curl", { args: ["-sSf", "-w", format, ...args] });
  const { stdout, stderr } = await command.output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  return lines.map((line) => {
    const [bytes, code] = line.split(" ").map(Number);
    if (code === 0 || code === TIME_IS_UP) return bytes;
    throw new Error(`download: ${new TextDecoder().decode(stderr)}`);
  });
}

function valuesOf(rows: readonly HttpRow[], { name }: Rival, total: Total): number[] {
  const { samples, missing } = rows.find(({ server }) => server === name)!;
  if (missing !== undefined) throw new Error(`${name}: ${missing}`);
  return samples.map((sample) => sample[total]);
}

function sum(values: readonly number[]) {
  return values.reduce((total, value) => total + value, 0);
}

if (import.meta.main) await main();
