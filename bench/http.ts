/**
 * Side by side: every server downloads the same folders, in one run, in turns. Prints a table per
 * load, and writes raw results to `bench/results/`.
 *
 *     deno task bench:http [--loads P,P:cold,P:8,T] [--runs 5] [--only NAME] [--scratch FOLDER]
 *
 * {@link ./loads.ts} says how loads are written. Runs of fewer than five turns, and those with
 * `--only`, are trial runs: their results are kept apart.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { makePhotos } from "./folders.ts";
import { httpTable } from "./http_tables.ts";
import { DEFAULT_LOADS, describeLoad, parseLoad } from "./loads.ts";
import { describeEnvironment, environment, type HttpRow, save } from "./results.ts";
import { rivals } from "./rivals.ts";
import { measure } from "./turns.ts";

/** Medians of fewer turns are not worth keeping. */
const ENOUGH_TURNS = 5;

async function main() {
  const { values } = parseArgs({
    options: {
      loads: { type: "string", default: DEFAULT_LOADS },
      runs: { type: "string", default: String(ENOUGH_TURNS) },
      only: { type: "string", multiple: true, default: [] },
      scratch: { type: "string", default: "/tmp/zipferry-bench" },
    },
  });
  const [turns, { scratch }] = [Number(values.runs), values];
  const loads = values.loads.split(",").map(parseLoad);
  const unknown = values.only.find((only) => !rivals.some(({ name }) => name === only));
  if (unknown !== undefined) {
    const all = rivals.map(({ name }) => name).join("; ");
    throw new RangeError(`--only: ${unknown}: allowed, once for each, are ${all}`);
  }

  const now = await environment();
  console.log(describeEnvironment(now));
  const rows: HttpRow[] = [];
  for (const load of loads) {
    const chosen = rivals.filter(({ name, loads }) =>
      values.only.length === 0 ? loads?.includes(load.name) ?? true : values.only.includes(name)
    );
    const root = await makePhotos(scratch, load.letter);
    const measured = await measure(load, chosen, { root, scratch, turns });
    rows.push(...measured);
    console.log(`\n${load.name}: ${describeLoad(load.name)}\n\n${httpTable(measured)}`);
  }
  const trial = turns < ENOUGH_TURNS || values.only.length > 0;
  await save("http", rows, { environment: now, trial });
}

if (import.meta.main) await main();
