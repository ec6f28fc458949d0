/**
 * A guard against getting slower: compares this service with bounds in `guard.json`, which have a
 * generous margin, and exits with 1 if one is exceeded. No part of the tests.
 *
 *     deno task bench:guard [--loads P,T,P:8] [--pairs 5] [--bound P=1.2] [--scratch FOLDER]
 *
 * Two figures: CPU time over Go's, turn by turn, for each load; and instructions of program code for
 * one download of P, where the processor counts them and `guard.json` has a bound.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { freePort } from "../testing/free_port.ts";
import { judge, type Measured, type Verdict, withBounds } from "./bounds.ts";
import { curl } from "./clients.ts";
import { hashOf, makePhotos } from "./folders.ts";
import guard from "./guard.json" with { type: "json" };
import { userInstructions } from "./instructions.ts";
import { type Load, parseLoad } from "./loads.ts";
import { startServer, untilAtRest } from "./process.ts";
import { BASE, rivals, zipferry } from "./rivals.ts";
import { formatSpread, pairRatios } from "./statistics.ts";
import { measure } from "./turns.ts";

interface Options {
  readonly scratch: string;
  readonly turns: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      loads: { type: "string", default: Object.keys(guard.cpuOverGo).join() },
      pairs: { type: "string", default: "5" },
      bound: { type: "string", multiple: true, default: [] },
      scratch: { type: "string", default: "/tmp/zipferry-bench" },
    },
  });
  const bounds = withBounds(guard.cpuOverGo, values.bound);
  const options = { scratch: values.scratch, turns: Number(values.pairs) };
  const verdicts: Verdict[] = [];
  for (const load of values.loads.split(",").map(parseLoad)) {
    verdicts.push(tell(judge(await cpuOverGo(load, options), bounds)));
  }
  const instructions = await countInstructions(options);
  if (instructions) {
    verdicts.push(tell(judge(instructions, guard.userInstructionsPerGigabyte)));
  }
  return verdicts.every(({ holds }) => holds) ? 0 : 1;
}

async function cpuOverGo(load: Load, options: Options): Promise<Measured> {
  const root = await makePhotos(options.scratch, load.letter);
  const chosen = rivals.filter(({ name }) => name === rivals[0].name || name === BASE);
  const [ours, base] = (await measure(load, chosen, { ...options, root })).map((row) => {
    if (row.missing) throw new Error(`measure ${row.server}: ${row.missing}`);
    return row.samples.map((sample) => sample.cpuSecondsPerGigabyte);
  });
  return { load: load.name, figure: "CPU time ÷ Go", values: pairRatios(ours, base) };
}

/** 10⁹ instructions for 10⁹ bytes of P, or nothing where that cannot be counted or has no bound. */
async function countInstructions({ scratch, turns }: Options): Promise<Measured | null> {
  const root = await makePhotos(scratch, "P");
  const port = freePort();
  const url = `http://127.0.0.1:${port}/archive/${hashOf("P")}/`;
  await using server = await startServer(zipferry({ port, root }), port);
  await curl(url);
  await untilAtRest(server);
  const values: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const count = await userInstructions(server, url);
    if (count === null) {
      console.log("       P: instructions of program code cannot be counted here");
      return null;
    }
    values.push(count / 1e9);
  }
  const measured = { load: "P", figure: "10⁹ instructions of program code per GB", values };
  if (Object.hasOwn(guard.userInstructionsPerGigabyte, "P")) return measured;
  console.log(`       P: ${measured.figure} ${formatSpread(values, 2)}, no bound in guard.json`);
  return null;
}

function tell(verdict: Verdict) {
  console.log(verdict.text);
  return verdict;
}

if (import.meta.main) Deno.exit(await main());
