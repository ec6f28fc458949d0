/**
 * A long run with clients that behave badly: they cut downloads anywhere, resume, stall, ask for what
 * is not there. Every download that ends whole is compared. Samples of the server's memory and open
 * files become a chart: what grows with time is a leak.
 *
 *     deno task soak [--minutes 20] [--cuts 0] [--clients 40] [--size 1000000] [--scratch FOLDER]
 *
 * It ends when the minutes are over and so many downloads were cut. `--size` is that of each of the
 * 20 files, in bytes: small ones make many downloads.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { freePort } from "../testing/free_port.ts";
import { hashOf, makePhotos } from "./folders.ts";
import { type Server, startServer, untilAtRest } from "./process.ts";
import { describeEnvironment, environment, TRIALS } from "./results.ts";
import { zipferry } from "./rivals.ts";
import { type Series, timeChart } from "./time_chart.ts";

const CHART = join(import.meta.dirname!, "../docs/soak.svg");

/** Of 1 MB each they are large enough to be cut anywhere, and small enough for many to end whole. */
const FILES = 20;
const NAME = "S";

/** The chart of a shorter run is not worth keeping. */
const ENOUGH_MINUTES = 20;

const SAMPLE_MS = 2000;

/** A client that stalls reads nothing for at most this long, in milliseconds. */
const LONGEST_STALL_MS = 5000;

/** How many downloads ended in which way. */
interface Tally {
  whole: number;
  resumed: number;
  cut: number;
  stalled: number;
  refused: number;
  missing: number;
  /** Ended whole, with other bytes. */
  wrong: number;
  /** Broken though the client did nothing to it. */
  broken: number;
}

/** What the server took at a moment. */
interface Sample {
  readonly seconds: number;
  readonly memory: number;
  readonly files: number;
  readonly ended: number;
}

interface Task {
  readonly url: string;
  readonly etag: string;
  readonly digest: string;
  readonly size: number;
  readonly tally: Tally;
}

async function main() {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "20" },
      cuts: { type: "string", default: "0" },
      clients: { type: "string", default: "40" },
      size: { type: "string", default: "1000000" },
      scratch: { type: "string", default: "/tmp/zipferry-bench" },
    },
  });
  const [minutes, clients, cuts] = [values.minutes, values.clients, values.cuts].map(Number);
  const size = Number(values.size);
  const now = await environment();
  console.log(describeEnvironment(now));
  const port = freePort();
  const workload = { title: `${FILES} files of ${size} B`, files: FILES, size };
  const root = await makePhotos(join(values.scratch, `soak-${size}`), NAME, workload);
  await using server = await startServer(zipferry({ port, root }), port);
  await untilAtRest(server);
  const task = await firstDownload(`http://127.0.0.1:${port}/archive/${hashOf(NAME)}/`);
  const { tally } = task;
  const samples: Sample[] = [];
  const started = performance.now();
  const isOver = () =>
    performance.now() - started > minutes * 60_000 && tally.cut + tally.resumed >= cuts;
  const sampling = (async () => {
    for (; !isOver(); await sleep(SAMPLE_MS)) samples.push(sampleOf(server, started, tally));
  })();
  await Promise.all(Array.from({ length: clients }, async () => {
    while (!isOver()) await visit(task);
  }));
  await sampling;
  await sleep(SAMPLE_MS);
  samples.push(sampleOf(server, started, tally));
  const summary = { environment: now, minutes, clients, size, tally, samples };
  const chart = timeChart("Memory and open files over time", seriesOf(samples));
  await Deno.mkdir(TRIALS, { recursive: true });
  await Deno.writeTextFile(join(TRIALS, "soak.json"), `${JSON.stringify(summary)}\n`);
  // A short run shows no leak: its chart is for whoever made it.
  await Deno.writeTextFile(minutes >= ENOUGH_MINUTES ? CHART : join(TRIALS, "soak.svg"), chart);
  console.log(tally, samples.at(0), samples.at(-1));
  if (tally.wrong + tally.broken > 0) Deno.exit(1);
}

/** What every later download must be. */
async function firstDownload(url: string): Promise<Task> {
  const response = await fetch(url);
  const bytes = await response.bytes();
  const etag = response.headers.get("etag")!;
  const tally = {
    whole: 0,
    resumed: 0,
    cut: 0,
    stalled: 0,
    refused: 0,
    missing: 0,
    wrong: 0,
    broken: 0,
  };
  return { url, etag, digest: digestOf([bytes]), size: bytes.length, tally };
}

/** One visitor, who does one of several things. */
async function visit(task: Task) {
  const dice = Math.random();
  if (dice < 0.3) return await downloadWhole(task);
  if (dice < 0.65) return await cutAndLeave(task);
  if (dice < 0.85) return await cutAndResume(task);
  if (dice < 0.95) return await stall(task);
  return await askForNothing(task);
}

async function downloadWhole(task: Task) {
  const chunks = await read(task, task.size);
  if (chunks) judge(task, chunks, "whole");
}

async function cutAndLeave(task: Task) {
  if (await read(task, Math.floor(Math.random() * task.size))) task.tally.cut++;
}

async function cutAndResume(task: Task) {
  const first = await read(task, 1 + Math.floor(Math.random() * (task.size - 1)));
  if (!first) return;
  const length = lengthOf(first);
  if (length === task.size) return judge(task, first, "whole");
  const headers = { range: `bytes=${length}-`, "if-range": task.etag };
  const rest = await read(task, task.size - length, headers);
  if (rest) judge(task, [...first, ...rest], "resumed");
}

async function stall({ url, tally }: Task) {
  const response = await fetch(url);
  if (response.status !== 200) return void await refuse(response, tally);
  const reader = response.body!.getReader();
  await reader.read();
  await sleep(Math.random() * LONGEST_STALL_MS);
  await reader.cancel();
  tally.stalled++;
}

async function askForNothing({ url, tally }: Task) {
  const response = await fetch(url.replace(hashOf(NAME), hashOf("nothing here")));
  await response.body?.cancel();
  if (response.status === 404) tally.missing++;
  else tally.wrong++;
}

/** At least so many bytes, then the connection is cut; null if it was refused or broke. */
async function read(
  { url, tally }: Task,
  length: number,
  headers: Record<string, string> = {},
): Promise<Uint8Array[] | null> {
  try {
    const response = await fetch(url, { headers });
    if (response.status === 503) return await refuse(response, tally);
    const chunks: Uint8Array[] = [];
    let got = 0;
    for await (const chunk of response.body!) {
      chunks.push(chunk);
      got += chunk.length;
      if (got >= length && got < Number(response.headers.get("content-length"))) break;
    }
    return chunks;
  } catch {
    tally.broken++;
    return null;
  }
}

async function refuse(response: Response, tally: Tally) {
  await response.body?.cancel();
  tally.refused++;
  return null;
}

function judge({ digest, tally }: Task, chunks: readonly Uint8Array[], how: "whole" | "resumed") {
  tally[digestOf(chunks) === digest ? how : "wrong"]++;
}

function digestOf(chunks: readonly Uint8Array[]) {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

function lengthOf(chunks: readonly Uint8Array[]) {
  return Buffer.concat(chunks).length;
}

function sampleOf(server: Server, started: number, tally: Tally): Sample {
  return {
    seconds: Math.round((performance.now() - started) / 100) / 10,
    memory: server.memory(),
    files: [...Deno.readDirSync(`/proc/${server.pid}/fd`)].length,
    ended: Object.values(tally).reduce((sum, count) => sum + count, 0),
  };
}

function seriesOf(samples: readonly Sample[]): Series[] {
  const line = (title: string, value: (sample: Sample) => number): Series => ({
    title,
    points: samples.map((sample) => ({ x: sample.seconds / 60, y: value(sample) })),
  });
  return [
    line("memory, MB", ({ memory }) => memory / 1e6),
    line("open files", ({ files }) => files),
    line("requests so far, hundreds", ({ ended }) => ended / 100),
  ];
}

if (import.meta.main) await main();
