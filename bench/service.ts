/**
 * What the service can take beyond one fast client: stalled and slow ones, many small requests, a
 * resumed download, large folders, pages of many rows. Prints a table of the results; raw results go
 * to `bench/results/`.
 *
 *     deno task bench:service [--only stalled,slow] [--runs 5] [--scratch FOLDER]
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { freePort } from "../testing/free_port.ts";
import { ask, curl, type Download, whileStalled } from "./clients.ts";
import { figureTable } from "./figures.ts";
import { hashOf, makeArchives, makePhotos, type Workload } from "./folders.ts";
import { parseOnly } from "./only.ts";
import { type Server, startServer, untilAtRest } from "./process.ts";
import { describeEnvironment, environment, type Figure, save } from "./results.ts";
import { zipferry } from "./rivals.ts";

/** Medians of fewer runs are not worth keeping. */
const ENOUGH_RUNS = 5;

const STALLED_CLIENTS = 1000;
const STALLED_ROUNDS = 10;
const SLOW_CLIENTS = 200;
const SLOW_BYTES_PER_SECOND = 16 << 10;

/** A slow client is felt only once the system's buffers are full, which takes this long. */
const SLOW_START_MS = 12_000;

/** A page is asked for so often before it is measured, and then so often for each run. */
const PAGE_WARM_UP = 20;
const PAGES_PER_RUN = 4;

/** Visitors of pages are so far apart that each has a listing of his own. */
const BETWEEN_PAGES_MS = 200;

interface Options {
  readonly scratch: string;
  readonly runs: number;
}

type Scenario = (options: Options) => Promise<Figure[]>;

/** All scenarios by name. */
const scenarios: Readonly<Record<string, Scenario>> = {
  stalled,
  slow,
  questions,
  health,
  resume,
  growth,
  pages,
};

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: Object.keys(scenarios).join() },
      runs: { type: "string", default: String(ENOUGH_RUNS) },
      scratch: { type: "string", default: "/tmp/zipferry-bench" },
    },
  });
  const { scratch } = values;
  const [runs, names] = [Number(values.runs), parseOnly(values.only, scenarios)];
  const now = await environment();
  console.log(describeEnvironment(now));
  const figures: Figure[] = [];
  for (const name of names) {
    const measured = await scenarios[name]({ scratch, runs });
    figures.push(...measured);
    console.log(`\n${figureTable(measured)}`);
  }
  const trial = runs < ENOUGH_RUNS || names.length < Object.keys(scenarios).length;
  await save("service", figures, { environment: now, trial });
}

async function start(root: string): Promise<Server> {
  const port = freePort();
  const server = await startServer(zipferry({ port, root }), port);
  await untilAtRest(server);
  return server;
}

/** Clients that send a request, read a little and then stop: what each costs, and what remains. */
async function stalled({ scratch }: Options): Promise<Figure[]> {
  await using server = await start(await makePhotos(scratch, "P"));
  await stall(server, 10); // threads are started and code is loaded now
  await sleep(1000);
  const before = server.memory();
  const each: number[] = [];
  for (let round = 0; round < STALLED_ROUNDS; round++) {
    const start = server.memory();
    each.push((await stall(server, STALLED_CLIENTS) - start) / STALLED_CLIENTS / 1024);
    await sleep(3000);
  }
  return [
    {
      what: "memory of each of 1,000 stalled clients, first round, KiB",
      values: [each[0]],
      digits: 0,
    },
    { what: "the same, 10 rounds", values: each, digits: 0 },
    { what: "memory before, MB", values: [before / 1e6], digits: 0 },
    { what: "memory after 10 rounds, MB", values: [server.memory() / 1e6], digits: 0 },
  ];
}

/** Memory in bytes while this many clients stall. */
function stall({ port, memory }: Server, clients: number) {
  return whileStalled({ port, path: `/archive/${hashOf("P")}/`, clients }, memory);
}

/** One fast client: alone, and beside many slow ones. */
async function slow({ scratch, runs }: Options): Promise<Figure[]> {
  await using server = await start(await makePhotos(scratch, "P"));
  const path = `/archive/${hashOf("P")}/`;
  const speed = async () => {
    const { bytes, seconds } = await download(server, path);
    return bytes / 1e6 / seconds;
  };
  await speed();
  const alone: number[] = [];
  const beside: number[] = [];
  for (let run = 0; run < runs; run++) {
    alone.push(await speed());
    const leave = new AbortController();
    const clients = Array.from(
      { length: SLOW_CLIENTS },
      () => readSlowly(server, path, leave.signal),
    );
    await sleep(SLOW_START_MS);
    beside.push(await speed());
    leave.abort();
    await Promise.all(clients);
  }
  const share = beside.map((value, run) => value / alone[run]);
  return [
    { what: "one fast client alone, MB/s", values: alone, digits: 0 },
    { what: "beside 200 clients at 16 KiB/s, MB/s", values: beside, digits: 0 },
    { what: "share of its speed that it keeps", values: share, digits: 2 },
  ];
}

async function readSlowly(server: Server, path: string, signal: AbortSignal) {
  using connection = await ask(server.port, path);
  const buffer = new Uint8Array(SLOW_BYTES_PER_SECOND / 4);
  while (!signal.aborted && await connection.read(buffer) !== null) await sleep(250);
}

/** HEAD and conditional requests, which send no file but stat every one. */
async function questions({ scratch, runs }: Options): Promise<Figure[]> {
  await using server = await start(await makePhotos(scratch, "P"));
  const url = `http://127.0.0.1:${server.port}/archive/${hashOf("P")}/`;
  const etag = (await fetch(url, { method: "HEAD" })).headers.get("etag")!;
  const rate = async (init: RequestInit) => {
    const end = performance.now() + 2000;
    let count = 0;
    await Promise.all(Array.from({ length: 8 }, async () => {
      for (; performance.now() < end; count++) await (await fetch(url, init)).body?.cancel();
    }));
    return count / 2;
  };
  const heads: number[] = [];
  const unchanged: number[] = [];
  for (let run = 0; run < runs; run++) {
    heads.push(await rate({ method: "HEAD" }));
    unchanged.push(await rate({ headers: { "if-none-match": etag } }));
  }
  return [
    { what: "HEAD of an archive of 200 files, a second", values: heads, digits: 0 },
    { what: "304 of the same, a second", values: unchanged, digits: 0 },
  ];
}

/** Whether a huge folder keeps others waiting. */
async function health({ scratch, runs }: Options): Promise<Figure[]> {
  await using server = await start(await makePhotos(scratch, "H"));
  const first: number[] = [];
  const slowest: number[] = [];
  const memory: number[] = [];
  const before = server.memory();
  for (let run = 0; run < runs; run++) {
    let over = false;
    const downloading = download(server, `/archive/${hashOf("H")}/`).finally(() => over = true);
    const times: number[] = [];
    while (!over) {
      const asked = performance.now();
      await (await fetch(`http://127.0.0.1:${server.port}/healthz`)).text();
      times.push(performance.now() - asked);
      await sleep(5);
    }
    first.push((await downloading).firstByte * 1000);
    slowest.push(times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]);
    memory.push((server.peakMemory() - before) / 1e6);
  }
  return [
    { what: "first byte of 100,000 files, ms", values: first, digits: 0 },
    { what: "99th percentile of /healthz during that, ms", values: slowest, digits: 0 },
    { what: "peak memory during that, over that of an idle server, MB", values: memory, digits: 0 },
  ];
}

/** The last tenth of 4 GB: with no CRC-32 known, and with all of them known. */
async function resume({ scratch, runs }: Options): Promise<Figure[]> {
  const root = await makePhotos(scratch, "V");
  const path = `/archive/${hashOf("V")}/`;
  const range = `${Math.floor(4e9 * 0.9)}-`;
  const results = { unknown: [] as Download[], known: [] as Download[] };
  for (let run = 0; run < runs; run++) {
    await using server = await start(root);
    results.unknown.push(await download(server, path, range));
    results.known.push(await download(server, path, range));
  }
  return Object.entries(results).flatMap(([how, all]) => [
    {
      what: `resume at 90 % of 4 GB, CRC-32 ${how}: first byte, ms`,
      values: all.map(({ firstByte }) => firstByte * 1000),
      digits: 0,
    },
    { what: `the same: whole, s`, values: all.map(({ seconds }) => seconds), digits: 2 },
  ]);
}

/** Ten, a hundred and a thousand times as many files, then as many bytes. */
async function growth({ scratch, runs }: Options): Promise<Figure[]> {
  const folders: [string, Workload][] = [
    ...[100, 1000, 10_000, 100_000].map((files): [string, Workload] => [
      `F${files}`,
      { title: `${files.toLocaleString("en")} files of 1 kB`, files, size: 1000 },
    ]),
    ...[4, 40, 400, 4000].map((megabytes): [string, Workload] => [
      `B${megabytes}`,
      { title: `4 files, ${megabytes} MB in all`, files: 4, size: megabytes * 250_000 },
    ]),
  ];
  const lines: Figure[] = [];
  for (const [name, workload] of folders) {
    const root = await makePhotos(scratch, name, workload);
    await using server = await start(root);
    const before = server.memory();
    const seconds: number[] = [];
    for (let run = 0; run < runs; run++) {
      seconds.push((await download(server, `/archive/${hashOf(name)}/`)).seconds);
    }
    const memory = [(server.peakMemory() - before) / 1e6];
    lines.push({ what: `${workload.title}: s`, values: seconds, digits: 3 });
    lines.push({ what: `the same: memory over idle, MB`, values: memory, digits: 0 });
    await Deno.remove(root, { recursive: true });
  }
  return lines;
}

/** What people wait for: the page of an archive, and the list of all archives. */
async function pages({ scratch, runs }: Options): Promise<Figure[]> {
  const cases = [
    {
      what: "page of an archive of 10,000 files: first byte, ms",
      root: await makePhotos(scratch, "T"),
      path: `/archive/${hashOf("T")}/?page`,
      target: 100,
    },
    {
      what: "list of 10,000 archives: first byte, ms",
      root: await makeArchives(scratch, 10_000),
      path: "/",
      target: 300,
    },
  ];
  const lines: Figure[] = [];
  for (const { what, root, path, target } of cases) {
    await using server = await start(root);
    const all: number[] = [];
    for (let count = 0; count < PAGE_WARM_UP + runs * PAGES_PER_RUN; count++) {
      all.push((await download(server, path)).firstByte * 1000);
      await sleep(BETWEEN_PAGES_MS);
    }
    lines.push({ what, values: all.slice(PAGE_WARM_UP), digits: 0, target });
  }
  return lines;
}

function download(server: Server, path: string, range?: string): Promise<Download> {
  return curl(`http://127.0.0.1:${server.port}${path}`, range);
}

if (import.meta.main) await main();
