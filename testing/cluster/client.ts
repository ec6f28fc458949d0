/**
 * Visitors who download slowly, and go on at their byte at another replica whenever a download
 * breaks. What they got is compared with what the archive is.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

/** A replica from which nothing comes for so long is left, in milliseconds */
const SILENCE_MS = 60_000;

/** After a try that brought nothing, in milliseconds */
const PAUSE_MS = 200;

/** Nobody tries more often than this without a byte */
const MOST_TRIES = 600;

/** An archive, and what it is when a disk serves it */
export interface Archive {
  /** Path of the link, without a first slash */
  readonly path: string;
  readonly size: number;
  /** SHA-256 in hexadecimal */
  readonly sha256: string;
}

/** Where an archive can be had */
export interface Replica {
  /** With a slash at its end */
  readonly url: URL;
  /** Changes when the replica is killed */
  readonly kills: number;
}

/** The field that makes sure that it is still the same archive: Firefox sends `If-Match` */
export type Condition = "if-range" | "if-match";

/** What happened to all visitors */
export interface Tally {
  /** Downloads of which every byte was right */
  whole: number;
  bytes: number;
  /** Answers that went on at a byte in the middle */
  resumed: number;
  /** Downloads that broke because their replica was killed */
  cut: number;
  /** Downloads that broke although it was not */
  broken: number;
  /** Answers 503 and 429 */
  refused: number;
  /** Replicas that took no connection */
  away: number;
  /** Other bytes, another length or tag, an early end, a status that should not be: a fault */
  wrong: number;
  /** Given up because the time was over: a fault */
  unfinished: number;
  /** What was seen of faults, and why downloads broke that should not, with how often */
  readonly reasons: Map<string, number>;
}

/** How one visitor downloads */
export interface VisitOptions {
  readonly replicas: readonly Replica[];
  /** Index of the first one that is asked */
  readonly first: number;
  readonly condition: Condition;
  /** Bytes per second */
  readonly rate: number;
  readonly client: Deno.HttpClient;
  readonly tally: Tally;
  /** Ends the visit, which then counts as unfinished */
  readonly signal: AbortSignal;
}

/** Nothing has happened yet */
export function emptyTally(): Tally {
  const none = { whole: 0, bytes: 0, resumed: 0, cut: 0, broken: 0, refused: 0, away: 0 };
  return { ...none, wrong: 0, unfinished: 0, reasons: new Map() };
}

/** How many faults there are: nothing but no faults is a success */
export function faultsIn({ wrong, unfinished }: Tally): number {
  return wrong + unfinished;
}

/** What a visitor has so far */
interface Part {
  readonly hash: Hash;
  length: number;
  /** Of the archive, once it is known */
  etag: string | null;
}

/** A fault of the service */
class Fault extends Error {
  override readonly name = "Fault";
}

/** Downloads an archive, from as many replicas as it takes */
export async function visit(archive: Archive, options: VisitOptions): Promise<void> {
  const { replicas, first, tally, signal } = options;
  const part: Part = { hash: createHash("sha256"), length: 0, etag: null };
  try {
    for (let [turn, tries] = [first, 0]; part.length < archive.size; turn++) {
      const before = part.length;
      const replica = replicas[turn % replicas.length];
      if (!await receive(archive, part, { ...options, replica })) await pause(signal);
      tries = part.length > before ? 0 : tries + 1;
      if (tries > MOST_TRIES) throw new Fault(`nothing came in ${tries} tries`);
    }
    if (part.hash.digest("hex") !== archive.sha256) throw new Fault("the bytes are others");
    tally.whole++;
  } catch (error) {
    if (error instanceof Fault) fail(tally, error.message);
    else if (signal.aborted) tally.unfinished++;
    else throw error;
  }
}

interface ReceiveOptions extends VisitOptions {
  readonly replica: Replica;
}

/** Adds what one replica sends; false if it sent nothing. */
async function receive(archive: Archive, part: Part, options: ReceiveOptions): Promise<boolean> {
  const { replica, tally, signal } = options;
  const { kills } = replica;
  const start = part.length;
  using watch = watchSilence(signal);
  const response = await ask(archive, part, { ...options, either: watch.signal });
  if (response === null) return false;
  if (response.status === 503 || response.status === 429) {
    await response.body?.cancel();
    tally.refused++;
    return false;
  }
  await check(response, archive, part);
  if (start > 0) tally.resumed++;
  try {
    await append(response.body!, archive, part, { ...options, heard: watch.heard });
  } catch (error) {
    if (error instanceof Fault || signal.aborted) throw error;
    if (replica.kills !== kills) tally.cut++;
    else {
      tally.broken++;
      note(tally, `broke while its replica ran: ${messageOf(error)}`);
    }
    return part.length > start;
  }
  if (part.length < archive.size) throw new Fault("it ended early as if it were whole");
  return true;
}

/** Null if the replica does not answer */
async function ask(
  { path }: Archive,
  part: Part,
  { replica, condition, client, tally, signal, either }: ReceiveOptions & {
    readonly either: AbortSignal;
  },
): Promise<Response | null> {
  const headers: Record<string, string> = part.etag === null
    ? {}
    : { range: `bytes=${part.length}-`, [condition]: part.etag };
  const { kills } = replica;
  try {
    return await fetch(new URL(path, replica.url), { headers, client, signal: either });
  } catch (error) {
    if (signal.aborted) throw error;
    tally.away++;
    if (replica.kills === kills && !/refused/i.test(messageOf(error))) {
      note(tally, `no answer though its replica ran: ${messageOf(error)}`);
    }
    return null;
  }
}

/** The answer has to be the rest of the same archive, whoever gives it. */
async function check(response: Response, { size }: Archive, part: Part) {
  const { status, headers } = response;
  const get = (name: string) => headers.get(name) ?? "none";
  const range = `bytes ${part.length}-${size - 1}/${size}`;
  const expected: Readonly<Record<string, string>> = {
    status: part.etag === null ? "200" : "206",
    "content-length": String(size - part.length),
    ...part.etag === null ? {} : { "content-range": range, etag: part.etag },
  };
  const got = (name: string) => name === "status" ? String(status) : get(name);
  const differing = Object.keys(expected).find((name) => got(name) !== expected[name]);
  if (differing === undefined && get("etag").startsWith('"')) {
    part.etag = headers.get("etag");
    return;
  }
  await response.body?.cancel();
  const name = differing ?? "etag";
  throw new Fault(`${name} ${got(name)} instead of ${expected[name] ?? "a strong one"}`);
}

async function append(
  body: ReadableStream<Uint8Array>,
  { size }: Archive,
  part: Part,
  { rate, tally, signal, heard }: VisitOptions & { readonly heard: () => void },
) {
  const [began, start] = [performance.now(), part.length];
  for await (const chunk of body) {
    part.hash.update(chunk);
    part.length += chunk.length;
    tally.bytes += chunk.length;
    if (part.length > size) throw new Fault("more bytes than the archive has");
    const due = began + (part.length - start) / rate * 1000;
    if (due > performance.now()) await sleep(due - performance.now(), undefined, { signal });
    heard();
  }
}

/** Aborts when the visit ends, or when for a long time nobody said that something came */
function watchSilence(signal: AbortSignal) {
  const silence = new AbortController();
  const end = () => silence.abort(new Error(`nothing came in ${SILENCE_MS / 1000} s`));
  let timer = setTimeout(end, SILENCE_MS);
  return {
    signal: AbortSignal.any([signal, silence.signal]),
    heard() {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

async function pause(signal: AbortSignal) {
  await sleep(PAUSE_MS * (1 + Math.random()), undefined, { signal });
}

function fail(tally: Tally, reason: string) {
  tally.wrong++;
  note(tally, reason);
}

function note({ reasons }: Tally, reason: string) {
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
}

/** The reason of fetch is that of its cause; ports change from run to run. */
function messageOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  const text = cause instanceof Error ? `${message}: ${cause.message}` : message;
  return text.replaceAll(/\(?https?:\/\/\S+/g, "").replaceAll(/\s+/g, " ").trim();
}
