/**
 * Servers take turns: all of them run at the same time, and each downloads once in a turn, so that a
 * noisy minute affects them all, and so that the samples of one turn make pairs.
 *
 * @module
 */

import { freePort } from "../testing/free_port.ts";
import { curl } from "./clients.ts";
import { hashOf, WARM_UP } from "./folders.ts";
import type { Load } from "./loads.ts";
import { type CpuTime, type Server, startServer, untilAtRest } from "./process.ts";
import type { HttpRow, Sample } from "./results.ts";
import type { Rival } from "./rivals.ts";

/** A turn of less CPU time than this is repeated, in seconds: its clock ticks every 10 ms. */
const ENOUGH_CPU_SECONDS = 0.5;

/** Downloads of one turn at most. */
const MAX_REPEATS = 8;

/** How servers are measured. */
export interface TurnOptions {
  /** The photos folder. */
  readonly root: string;
  /** A folder for files that the servers need. */
  readonly scratch: string;
  /** Turns that count; one before them warms up. */
  readonly turns: number;
}

interface Running {
  readonly rival: Rival;
  readonly samples: Sample[];
  server?: Server;
  start?: () => Promise<Server>;
  missing?: string;
}

/** Measures servers in turns. One that cannot be started, or that fails, has a row that says why. */
export async function measure(
  load: Load,
  rivals: readonly Rival[],
  options: TurnOptions,
): Promise<HttpRow[]> {
  const running: Running[] = [];
  await using _servers = {
    async [Symbol.asyncDispose]() {
      for (const { server } of running) await server?.[Symbol.asyncDispose]();
    },
  };
  for (const rival of rivals) {
    const one: Running = { rival, samples: [] };
    running.push(one);
    await unlessItFails(one, async () => Object.assign(one, await startRival(rival, options)));
  }
  for (let turn = 0; turn <= options.turns; turn++) {
    for (const one of running) {
      await unlessItFails(one, async () => {
        const sample = await takeTurn(one, load);
        if (turn > 0) one.samples.push(sample); // the first one warms up
      });
    }
  }
  return running.map(({ rival, samples, missing }) => {
    const row = { server: rival.name, load: load.name };
    return missing === undefined ? { ...row, samples } : { ...row, samples: [], missing };
  });
}

/** A server that failed once takes no further turns: a broken download has no figures. */
async function unlessItFails(one: Running, act: () => Promise<unknown>) {
  if (one.missing !== undefined) return;
  try {
    await act();
  } catch (error) {
    one.missing = (error instanceof Error ? error.message : String(error)).trim().split("\n")[0];
  }
}

async function startRival(rival: Rival, options: TurnOptions) {
  const port = freePort();
  const command = await rival.command({ ...options, port });
  const start = () => startServer(command, port);
  const server = await start();
  await untilAtRest(server);
  return { start, server };
}

async function takeTurn(one: Running, load: Load): Promise<Sample> {
  if (load.cold) {
    await one.server![Symbol.asyncDispose]();
    one.server = await one.start!();
    await curl(urlOf(one, WARM_UP));
    await untilAtRest(one.server);
  }
  return await sample(one.server!, urlOf(one, load.letter), load);
}

function urlOf({ rival, server }: Running, letter: string) {
  const hash = hashOf(letter);
  return `http://127.0.0.1:${server!.port}${rival.path?.(hash) ?? `/archive/${hash}/`}`;
}

async function sample(server: Server, url: string, { clients, cold }: Load): Promise<Sample> {
  const before = server.cpu();
  let [bytes, seconds, firstByte, repeats] = [0, 0, 0, 0];
  do {
    const began = performance.now();
    const done = await Promise.all(Array.from({ length: clients }, () => curl(url)));
    const elapsed = (performance.now() - began) / 1000;
    bytes += done.reduce((sum, download) => sum + download.bytes, 0);
    // curl's own time leaves out how long curl took to start.
    seconds += clients === 1 ? done[0].seconds : elapsed;
    firstByte += Math.max(...done.map(({ firstByte }) => firstByte));
  } while (++repeats < MAX_REPEATS && !cold && sum(server.cpu(), before) < ENOUGH_CPU_SECONDS);
  const after = server.cpu();
  const gigabytes = bytes / 1e9;
  return {
    megabytesPerSecond: bytes / 1e6 / seconds,
    userSecondsPerGigabyte: (after.user - before.user) / gigabytes,
    kernelSecondsPerGigabyte: (after.kernel - before.kernel) / gigabytes,
    cpuSecondsPerGigabyte: sum(after, before) / gigabytes,
    firstByteMs: firstByte / repeats * 1000,
    memory: server.peakMemory() / 1e6,
  };
}

/** CPU seconds between two times, user and kernel together. */
function sum(after: CpuTime, before: CpuTime) {
  return after.user + after.kernel - before.user - before.kernel;
}
