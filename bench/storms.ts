/**
 * What befalls the service in a container with little memory: it shall refuse what it cannot bear,
 * never be killed for memory, and whoever is admitted gets a whole archive. Needs root and a memory
 * cgroup, of version 1 or 2. Prints a table; raw results go to `bench/results/`.
 *
 *     deno task bench:storms [--only tiny,huge] [--rounds 10] [--memory 256] [--scratch FOLDER]
 *
 * MiB are 2²⁰ bytes, MB 10⁶ bytes.
 *
 * @module
 */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { freePort } from "../testing/free_port.ts";
import { type Cgroup, makeCgroup } from "./cgroup.ts";
import { type Answer, startDownload } from "./clients.ts";
import { hashOf, makePhotos, type Workload, workloads } from "./folders.ts";
import { markdownTable } from "./markdown.ts";
import { parseOnly } from "./only.ts";
import { type Server, startServer, untilAtRest } from "./process.ts";
import { describeEnvironment, environment, save } from "./results.ts";
import { zipferry } from "./rivals.ts";
import { formatSpread } from "./statistics.ts";

/** Fewer rounds are not worth keeping. */
const ENOUGH_ROUNDS = 10;

/** How long clients stall, in milliseconds. */
const STALL_MS = 5000;

/** Folders of the same files, which are hard links: 1.6 million files would take hours and disks. */
interface Copies {
  /** Names the workload. */
  readonly letter: string;
  readonly workload: Workload;
  readonly copies: number;
}

/** Clients that come all at once. */
interface Storm {
  readonly title: string;
  readonly folders: Copies;
  readonly clients: number;
  /** Each of them reads a little, and goes on only when all have stalled for a while. */
  readonly stall?: boolean;
}

const TINY = { letter: "I", workload: { title: "100 files of 10 B", files: 100, size: 10 } };
const HUGE = { letter: "H", workload: workloads.H };
const PHOTOS = { letter: "J", workload: { title: "10 files of 1 MB", files: 10, size: 1_000_000 } };

/** All storms by name. */
const storms: Readonly<Record<string, Storm>> = {
  tiny: {
    title: "2,000 archives of 100 files",
    folders: { ...TINY, copies: 2000 },
    clients: 2000,
  },
  tinyHalf: {
    title: "1,000 archives of 100 files",
    folders: { ...TINY, copies: 2000 },
    clients: 1000,
  },
  huge: {
    title: "16 archives of 100,000 files",
    folders: { ...HUGE, copies: 16 },
    clients: 16,
  },
  hugePair: {
    title: "2 archives of 100,000 files",
    folders: { ...HUGE, copies: 16 },
    clients: 2,
  },
  hugeStalled: {
    title: "500 clients that stall at one archive of 100,000 files",
    folders: { ...HUGE, copies: 1 },
    clients: 500,
    stall: true,
  },
  stalled: {
    title: "1,000 clients that stall at one archive of 10 photos",
    folders: { ...PHOTOS, copies: 1 },
    clients: 1000,
    stall: true,
  },
};

/** What became of one round. */
interface Round {
  /** Got a whole archive. */
  readonly whole: number;
  /** Were told to come again: 503 or 429. */
  readonly refused: number;
  /** Got a part of one, another status, or nothing: a fault. */
  readonly broken: number;
  /** Peak of resident memory so far, in bytes. */
  readonly peak: number;
  /** Until the last client had its answer. */
  readonly seconds: number;
}

/** What became of a storm. */
interface Result {
  readonly storm: string;
  readonly title: string;
  readonly rounds: readonly Round[];
  /** Processes that the system killed for memory. */
  readonly killed: number;
}

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: Object.keys(storms).join() },
      rounds: { type: "string", default: String(ENOUGH_ROUNDS) },
      memory: { type: "string", default: "256" },
      scratch: { type: "string", default: "/tmp/zipferry-bench" },
    },
  });
  const [rounds, mebibytes, names] = [
    Number(values.rounds),
    Number(values.memory),
    parseOnly(values.only, storms),
  ];
  const now = await environment();
  console.log(`${describeEnvironment(now)}, ${mebibytes} MiB of memory`);
  const results: Result[] = [];
  for (const name of names) {
    const root = await makeCopies(values.scratch, storms[name].folders);
    const result = await weather(name, { root, rounds, bytes: mebibytes << 20 });
    results.push(result);
    console.log(lineOf(result).join(" | "));
  }
  const head = ["Storm", "served whole", "refused", "broken", "killed", "peak, resident, MB"];
  console.log(`\n${markdownTable([head, ...results.map(lineOf)])}`);
  const trial = rounds < ENOUGH_ROUNDS || names.length < Object.keys(storms).length;
  await save("storms", results, { environment: now, trial });
  const failed = results.some(({ killed, rounds }) =>
    killed > 0 || rounds.some(({ broken }) => broken > 0)
  );
  if (failed) Deno.exit(1);
}

interface Conditions {
  readonly root: string;
  readonly rounds: number;
  /** Memory of the container. */
  readonly bytes: number;
}

/** All rounds of a storm, on one server. */
async function weather(name: string, { root, rounds, bytes }: Conditions): Promise<Result> {
  const storm = storms[name];
  using cgroup = makeCgroup(`zipferry-${name}-${Deno.pid}`, bytes);
  const port = freePort();
  const done: Round[] = [];
  {
    const command = zipferry({ port, root });
    await using server = await startServer(cgroup.command(command), port);
    await untilAtRest(server);
    while (done.length < rounds && cgroup.kills() === 0) {
      done.push(await rage(server, storm, cgroup));
      console.log(`${name} ${done.length}: ${JSON.stringify(done.at(-1))}`);
    }
  }
  return { storm: name, title: storm.title, rounds: done, killed: cgroup.kills() };
}

/** One round: all clients at once. */
async function rage(server: Server, storm: Storm, cgroup: Cgroup): Promise<Round> {
  const started = performance.now();
  const calm = storm.stall ? sleep(STALL_MS) : undefined;
  const ends = await Promise.all(Array.from({ length: storm.clients }, async (_, client) => {
    const path = `/archive/${hashOfCopy(client % storm.folders.copies)}/`;
    const answer = await startDownload(server.port, path).catch(() => null);
    await calm;
    return await endOf(answer);
  }));
  const seconds = (performance.now() - started) / 1000;
  const count = (end: string) => ends.filter((other) => other === end).length;
  const peak = cgroup.kills() > 0 ? NaN : server.peakMemory();
  const [whole, refused, broken] = ["whole", "refused", "broken"].map(count);
  return { whole, refused, broken, peak, seconds };
}

async function endOf(answer: Answer | null) {
  if (!answer) return "broken";
  const isWhole = await answer.readToEnd().catch(() => false);
  if (answer.status === 503 || answer.status === 429) return "refused";
  return answer.status === 200 && isWhole ? "whole" : "broken";
}

function lineOf({ title, rounds, killed }: Result) {
  const spread = (value: (round: Round) => number) => formatSpread(rounds.map(value), 0);
  return [
    `${title}, ${rounds.length} rounds`,
    spread(({ whole }) => whole),
    spread(({ refused }) => refused),
    spread(({ broken }) => broken),
    String(killed),
    spread(({ peak }) => peak / 1e6),
  ];
}

/** Makes the folders, unless they exist: all of them are hard links to the files of another one. */
async function makeCopies(scratch: string, { letter, workload, copies }: Copies): Promise<string> {
  const source = join(await makePhotos(scratch, letter, workload), hashOf(letter));
  const root = join(scratch, `copies-${letter}-${copies}`);
  await Deno.mkdir(root, { recursive: true });
  for (let copy = 0; copy < copies; copy++) {
    const folder = join(root, hashOfCopy(copy));
    if (await Deno.stat(folder).then(() => true, () => false)) continue;
    const args = ["-al", source, folder];
    const { success, stderr } = await new Deno.Command("cp", { args }).output();
    if (!success) throw new Error(`cp: ${new TextDecoder().decode(stderr)}`);
  }
  return root;
}

function hashOfCopy(copy: number) {
  return `storm${String(copy).padStart(27, "0")}`;
}

if (import.meta.main) await main();
