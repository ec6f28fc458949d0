/**
 * A cluster in which something is killed all the time: replicas of the service, volume servers and
 * gateways of the object store behind them. Visitors download slowly and go on at their byte, each
 * time at another replica; each archive they got whole is compared with what a disk gives. Linux
 * only. Ends with 1 if a byte was wrong, or if a download ended too early or not at all.
 *
 *     deno task test:cluster [--minutes 10] [--clients 50] [--archives 40]
 *
 * Ctrl+C ends all processes and removes all files.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { describeEnvironment, environment } from "../../bench/results.ts";
import { openObjectStore } from "../object_store.ts";
import { makeTree, type Tree } from "../tree.ts";
import { type Archive, emptyTally, faultsIn, type Tally, visit } from "./client.ts";
import { type Deed, deedsOf } from "./kills.ts";
import { type Member, startTogether } from "./member.ts";
import { archivesOf, makePhotos, type Photo, putPhotos } from "./photos.ts";
import { makeReplicas, sampleOf } from "./replicas.ts";
import { Figures, report } from "./report.ts";
import { findWeed, portsOf, type Seaweed, startSeaweed, WRITER } from "./seaweed.ts";

const [BUCKET, PREFIX] = ["photos", "site/"];
const [REPLICAS, VOLUME_SERVERS, GATEWAYS] = [3, 3, 2];

/** Of a visitor, in bytes per second: a download of 20 to 60 MB takes half a minute to three */
const [SLOWEST, FASTEST] = [300_000, 900_000];

/** When nobody is killed any more, whatever is under way has to end within this. Milliseconds. */
const GRACE_MS = 240_000;

const SAMPLE_MS = 2000;

/** What was asked for */
interface Settings {
  readonly minutes: number;
  readonly clients: number;
  readonly archives: number;
}

async function main(): Promise<number> {
  const settings = settingsOf(Deno.args);
  const stop = new AbortController();
  const leave = () => stop.abort(new Error("stopped"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, leave);
  try {
    return await run(settings, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    console.log("Stopped: all processes have ended, and the files are gone.");
    return 130;
  }
}

async function run(settings: Settings, signal: AbortSignal): Promise<number> {
  const now = await environment();
  const program = await findWeed();
  await using tree = await makeTree({ "photos": { directory: true } });
  const { photos, archives } = await onDisk(tree, settings);
  signal.throwIfAborted();
  await using seaweed = await startSeaweed({
    ...{ program, tree, bucket: BUCKET },
    ...{ volumeServers: VOLUME_SERVERS, gateways: GATEWAYS },
  });
  signal.throwIfAborted();
  await upload(seaweed, photos, tree);
  signal.throwIfAborted();
  await using started = new AsyncDisposableStack();
  const nextPort = portsOf();
  const replicas = makeReplicas({
    ports: Array.from({ length: REPLICAS }, nextPort),
    folder: `s3://${BUCKET}/${PREFIX}`,
    endpoints: seaweed.gateways.map(({ url }) => url),
  });
  for (const replica of replicas) started.use(replica);
  await startTogether(replicas);
  const members = { replicas, volumeServers: seaweed.volumeServers, gateways: seaweed.gateways };
  const { tally, figures } = await storm({ ...settings, archives, members, signal });
  signal.throwIfAborted();
  console.log(`\n${describeEnvironment(now)}, ${now.time.slice(0, 10)}, commit ${now.commit}\n`);
  console.log(report({ ...settings, tally, figures, members: Object.values(members).flat() }));
  const crashed = Object.values(members).flat().filter(({ crashes }) => crashes > 0);
  for (const { name } of crashed) console.log(`${name} ended though nobody killed it`);
  return faultsIn(tally) + crashed.length > 0 || tally.whole === 0 ? 1 : 0;
}

/** Photos, and what a disk makes of them */
async function onDisk(tree: Tree, { archives }: Settings) {
  const photos = makePhotos(tree.join("photos"), archives);
  const made = await archivesOf(tree.join("photos"), archives);
  const bytes = made.reduce((sum, { size }) => sum + size, 0);
  console.log(
    `${archives} archives of ${photos.length} photos, ${Math.round(bytes / 1e6)} MB, from a disk`,
  );
  return { photos, archives: made };
}

async function upload({ gateways }: Seaweed, photos: readonly Photo[], tree: Tree) {
  const store = openObjectStore(gateways[0].url, { credentials: WRITER });
  await store.createBucket(BUCKET);
  const folder = tree.join("photos");
  await putPhotos(store, photos, { folder, bucket: BUCKET, prefix: PREFIX });
  await Deno.remove(folder, { recursive: true });
  console.log("The photos are in the bucket, each on two of three volume servers.");
}

interface Members {
  readonly replicas: readonly Member[];
  readonly volumeServers: readonly Member[];
  readonly gateways: readonly Member[];
}

interface StormOptions extends Omit<Settings, "archives"> {
  readonly archives: readonly Archive[];
  readonly members: Members;
  readonly signal: AbortSignal;
}

/** Visitors come and go while members are killed; the last ones may end in peace. */
async function storm(options: StormOptions): Promise<{ tally: Tally; figures: Figures }> {
  const { minutes, clients, members, signal } = options;
  const [tally, figures] = [emptyTally(), new Figures()];
  const over = new AbortController();
  const end = AbortSignal.any([signal, over.signal]);
  const began = performance.now();
  const isOver = () => performance.now() - began > minutes * 60_000;
  const sampling = sampleAll(members.replicas, figures, end);
  const killing = killAll(deedsOf(minutes, countsOf(members)), { ...options, began, tally });
  const visiting = Promise.all(Array.from({ length: clients }, (_, i) => {
    return visitAll(i, { ...options, tally, isOver, signal: end });
  }));
  const grace = sleep(minutes * 60_000 + GRACE_MS, undefined, { signal: end, ref: false })
    .then(() => over.abort(), () => {});
  try {
    await Promise.all([killing, visiting]);
    figures.seconds = (performance.now() - began) / 1000;
    await Promise.all(members.replicas.map((replica) => take(replica, figures)));
  } finally {
    over.abort();
    await Promise.allSettled([sampling, killing, visiting, grace]);
  }
  return { tally, figures };
}

/** One visitor after the other, each with another archive, first replica, rate and condition */
async function visitAll(
  number: number,
  { archives, members, isOver, ...options }: StormOptions & {
    readonly tally: Tally;
    readonly isOver: () => boolean;
  },
) {
  using client = Deno.createHttpClient({ http2: false, poolMaxIdlePerHost: 0 });
  for (let turn = number; !isOver() && !options.signal.aborted; turn += options.clients) {
    await visit(archives[turn % archives.length], {
      ...options,
      client,
      replicas: members.replicas,
      first: turn,
      condition: number % 2 === 0 ? "if-range" : "if-match",
      rate: SLOWEST + Math.random() * (FASTEST - SLOWEST),
    });
  }
}

async function killAll(
  deeds: readonly Deed[],
  { members, began, tally, signal }: {
    readonly members: Members;
    readonly began: number;
    readonly tally: Tally;
    readonly signal: AbortSignal;
  },
) {
  for (const { second, act, of, index } of deeds) {
    const due = began + second * 1000 - performance.now();
    if (due > 0) await sleep(due, undefined, { signal });
    signal.throwIfAborted();
    const member = members[of][index];
    await member[act]();
    const { whole, resumed } = tally;
    console.log(
      `${String(second).padStart(4)} s  ${act} ${member.name.padEnd(16)} ` +
        `whole ${whole}, resumed ${resumed}, faults ${faultsIn(tally)}`,
    );
  }
}

async function sampleAll(replicas: readonly Member[], figures: Figures, signal: AbortSignal) {
  while (!signal.aborted) {
    await Promise.all(replicas.map((replica) => take(replica, figures)));
    await sleep(SAMPLE_MS, undefined, { signal }).catch(() => {});
  }
}

async function take(replica: Member, figures: Figures) {
  const { pid } = replica;
  const sample = await sampleOf(replica);
  if (pid !== null && sample !== null) figures.add({ name: replica.name, pid, sample });
}

function countsOf({ replicas, volumeServers, gateways }: Members) {
  return {
    replicas: replicas.length,
    volumeServers: volumeServers.length,
    gateways: gateways.length,
  };
}

function settingsOf(args: string[]): Settings {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: "string", default: "10" },
      clients: { type: "string", default: "50" },
      archives: { type: "string", default: "40" },
    },
  });
  const number = (name: keyof Settings) => {
    const value = Number(values[name]);
    if (value > 0 && value <= 1000) return value;
    throw new RangeError(`--${name} ${values[name]}: use a number from 1 to 1000`);
  };
  const whole = (name: keyof Settings) => Math.ceil(number(name));
  return { minutes: number("minutes"), clients: whole("clients"), archives: whole("archives") };
}

if (import.meta.main) Deno.exit(await main());
