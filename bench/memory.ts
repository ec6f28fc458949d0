/**
 * What the service takes of memory, against what it shall take at most. Each figure comes from a
 * server that was started for it. Prints a table; raw results go to `bench/results/`.
 *
 *     deno task bench:memory [--only start,stalled] [--runs 5] [--scratch FOLDER]
 *
 * MB are 10⁶ bytes, KiB 1,024. "Resident" is the memory at that moment, "peak" the highest so far.
 *
 * @module
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { freePort } from "../testing/free_port.ts";
import { ask, curl, curlMany, whileStalled } from "./clients.ts";
import { figureTable } from "./figures.ts";
import { hashOf, makePhotos } from "./folders.ts";
import { parseOnly } from "./only.ts";
import { type Server, startServer, untilAtRest } from "./process.ts";
import { describeEnvironment, environment, type Figure, save } from "./results.ts";
import { zipferry } from "./rivals.ts";

/** Fewer runs are not worth keeping. */
const ENOUGH_RUNS = 5;

/** A folder as it is after a fresh installation. */
const SMALL = join(import.meta.dirname!, "../test_photos");

const PHOTOS = `/archive/${hashOf("P")}/`;
const HUGE = `/archive/${hashOf("H")}/`;

/** Something a server does, and what it takes. */
interface Scenario {
  readonly what: string;
  /** The workload that is served. @default `test_photos` */
  readonly letter?: string;
  /** What it shall take at most, in the unit of `measure`. */
  readonly target?: number;
  /** One value, from a server that has just come to rest after its start. */
  readonly measure: (server: Server) => Promise<number> | number;
}

/** All scenarios by name. */
const scenarios: Readonly<Record<string, Scenario>> = {
  start: {
    what: "after the start, resident, MB",
    target: 75,
    measure: (server) => server.memory() / 1e6,
  },
  anonymous: {
    what: "the same without what is mapped from the executable, MB",
    measure: (server) => server.anonymousMemory() / 1e6,
  },
  fast: {
    letter: "P",
    what: "one fast download of P: peak over idle, MB",
    target: 30,
    measure: (server) => peakOverIdle(server, () => curl(urlOf(server, PHOTOS))),
  },
  many: {
    letter: "P",
    what: "100 fast downloads of P at once: peak over idle, MB",
    target: 100,
    measure: (server) => peakOverIdle(server, () => curlMany(urlOf(server, PHOTOS), 100)),
  },
  stalled: {
    letter: "P",
    what: "100 clients of P that stall: resident over idle, MB",
    target: 30,
    measure: async (server) => {
      const idle = server.memory();
      return (await stalledMemory(server, 100) - idle) / 1e6;
    },
  },
  thousand: {
    letter: "P",
    what: "each of 1,000 that stall, after ten that have left: resident, KiB",
    target: 120,
    measure: async (server) => {
      await stalledMemory(server, 10); // threads are started and code is loaded now
      const before = server.memory();
      return (await stalledMemory(server, 1000) - before) / 1000 / 1024;
    },
  },
  hugeStart: {
    letter: "H",
    what: "after the start with 100,000 files (H), which it has looked at: resident, MB",
    measure: (server) => server.memory() / 1e6,
  },
  huge: {
    letter: "H",
    what: "first byte of 100,000 files (H): peak over idle, MB",
    target: 60,
    measure: (server) =>
      peakOverIdle(server, async () => {
        using _connection = await ask(server.port, HUGE);
        return server.peakMemory();
      }),
  },
};

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: Object.keys(scenarios).join() },
      runs: { type: "string", default: String(ENOUGH_RUNS) },
      scratch: { type: "string", default: "/tmp/zipferry-bench" },
    },
  });
  const [runs, { scratch }] = [Number(values.runs), values];
  const now = await environment();
  console.log(describeEnvironment(now));
  const names = parseOnly(values.only, scenarios);
  const figures: Figure[] = [];
  for (const name of names) figures.push(await measure(scenarios[name], { scratch, runs }));
  console.log(`\n${figureTable(figures)}`);
  const trial = runs < ENOUGH_RUNS || names.length < Object.keys(scenarios).length;
  await save("memory", figures, { environment: now, trial });
}

interface Options {
  readonly scratch: string;
  readonly runs: number;
}

async function measure({ what, letter, target, measure }: Scenario, { scratch, runs }: Options) {
  const root = letter ? await makePhotos(scratch, letter) : SMALL;
  const values: number[] = [];
  for (let run = 0; run < runs; run++) {
    const port = freePort();
    await using server = await startServer(zipferry({ port, root }), port);
    await untilAtRest(server);
    values.push(await measure(server));
  }
  return { what, values, digits: 0, target };
}

/** In MB. What is done may give the peak itself, for a moment before its end. */
async function peakOverIdle(server: Server, act: () => Promise<unknown>) {
  const idle = server.memory();
  const peak = await act();
  return ((typeof peak === "number" ? peak : server.peakMemory()) - idle) / 1e6;
}

function stalledMemory(server: Server, clients: number) {
  return whileStalled({ port: server.port, path: PHOTOS, clients }, () => server.memory());
}

function urlOf({ port }: Server, path: string) {
  return `http://127.0.0.1:${port}${path}`;
}

if (import.meta.main) await main();
