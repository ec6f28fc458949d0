import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { freePort } from "../free_port.ts";
import { randomBytes } from "../tree.ts";
import { type Condition, emptyTally, faultsIn, type Replica, type Tally, visit } from "./client.ts";

const BYTES = randomBytes(300_000);
const QUIET = { hostname: "127.0.0.1", onListen() {}, onError: () => new Response(null) };
const ETAG = '"1-abc"';
const ARCHIVE = { path: "archive/x/", size: BYTES.length, sha256: hash("sha256", BYTES) };

/** Answers as the service does, with something else where a test wants it */
interface Odd {
  readonly bytes?: Uint8Array<ArrayBuffer>;
  readonly etag?: string;
  /** Breaks after so many bytes */
  readonly breakAfter?: number;
  readonly status?: number;
  /** Without a length, as what ends early in silence has to be */
  readonly chunked?: boolean;
}

/** Asked as the visitor asked: the fields that matter */
interface Asked {
  readonly range: string | null;
  readonly ifRange: string | null;
  readonly ifMatch: string | null;
}

interface Fake extends Replica, AsyncDisposable {
  readonly asked: Asked[];
  kills: number;
}

/** A replica that gives one answer after the other, the last one again and again */
function fake(...answers: readonly Odd[]): Fake {
  const asked: Asked[] = [];
  const server = Deno.serve({ ...QUIET, port: 0 }, ({ headers }) => {
    const odd = answers[Math.min(asked.length, answers.length - 1)];
    const [range, ifRange, ifMatch] = ["range", "if-range", "if-match"]
      .map((name) => headers.get(name));
    asked.push({ range, ifRange, ifMatch });
    return answer(odd, Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0));
  });
  return {
    asked,
    kills: 0,
    url: new URL(`http://127.0.0.1:${server.addr.port}/`),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function answer({ bytes = BYTES, etag = ETAG, breakAfter, status, chunked }: Odd, start: number) {
  if (status !== undefined) return new Response("not now", { status });
  const rest = bytes.subarray(start);
  const body = ReadableStream.from(async function* () {
    yield rest.subarray(0, breakAfter ?? rest.length);
    if (breakAfter === undefined || chunked) return;
    await new Promise((resolve) => setTimeout(resolve, 50)); // so that what was sent arrives
    throw new Error("broken");
  }());
  const range = `bytes ${start}-${BYTES.length - 1}/${BYTES.length}`;
  const headers = {
    etag,
    ...start > 0 && { "content-range": range },
    ...!chunked && { "content-length": String(BYTES.length - start) },
  };
  return new Response(body, { status: start > 0 ? 206 : 200, headers });
}

async function tallyOf(
  replicas: readonly Replica[],
  options: { readonly condition?: Condition; readonly signal?: AbortSignal } = {},
): Promise<Tally> {
  const { condition = "if-range", signal = new AbortController().signal } = options;
  const tally = emptyTally();
  using client = Deno.createHttpClient({ http2: false, poolMaxIdlePerHost: 0 });
  await visit(ARCHIVE, { replicas, first: 0, condition, rate: 1e9, client, tally, signal });
  return tally;
}

Deno.test("visit() goes on at its byte at the next replica, with a condition", async () => {
  for (const condition of ["if-range", "if-match"] as const) {
    await using first = fake({ breakAfter: 100_000 });
    await using second = fake({});
    const tally = await tallyOf([first, second], { condition });
    const { whole, resumed, broken, cut } = tally;
    assert.deepEqual({ whole, resumed, broken, cut }, { whole: 1, resumed: 1, broken: 1, cut: 0 });
    assert.deepEqual([tally.bytes, faultsIn(tally)], [BYTES.length, 0]);
    const [ifRange, ifMatch] = condition === "if-range" ? [ETAG, null] : [null, ETAG];
    assert.deepEqual(second.asked, [{ range: "bytes=100000-", ifRange, ifMatch }]);
  }
});

Deno.test("visit() tells a break by a kill from one by the service", async () => {
  await using first = fake({ breakAfter: 100_000 });
  await using second = fake({});
  const killed = {
    url: first.url,
    get kills() {
      return first.asked.length;
    },
  };
  const { cut, broken, whole } = await tallyOf([killed, second]);
  assert.deepEqual({ cut, broken, whole }, { cut: 1, broken: 0, whole: 1 });
});

Deno.test("visit() asks another replica when one refuses or is away", async () => {
  const away = { url: new URL(`http://127.0.0.1:${freePort()}/`), kills: 0 };
  await using busy = fake({ status: 503 }, {});
  const tally = await tallyOf([away, busy]);
  assert.deepEqual([tally.away, tally.refused, tally.whole], [2, 1, 1]);
  assert.deepEqual([faultsIn(tally), tally.reasons.size], [0, 0]);
});

const faults: Readonly<Record<string, readonly [Odd[], RegExp]>> = {
  "other bytes": [[{ bytes: randomBytes(BYTES.length, 7) }], /bytes are others/],
  "other bytes after a break": [
    [{ breakAfter: 100_000 }, { bytes: randomBytes(BYTES.length, 7) }],
    /bytes are others/,
  ],
  "another archive after a break": [[{ breakAfter: 9 }, { etag: '"2"' }], /etag "2" instead of "1/],
  "a tag that is not strong": [[{ etag: 'W/"1"' }], /etag W\/"1" instead of a strong one/],
  "a status": [[{ status: 404 }], /status 404 instead of 200/],
  "another status after a break": [
    [{ breakAfter: 9 }, { status: 412 }],
    /status 412 instead of 206/,
  ],
  "no length": [[{ chunked: true, breakAfter: 1000 }], /content-length none/],
};

for (const [what, [answers, reason]] of Object.entries(faults)) {
  Deno.test(`visit() counts as wrong: ${what}`, async () => {
    await using replica = fake(...answers);
    const tally = await tallyOf([replica]);
    assert.deepEqual([tally.whole, tally.wrong, faultsIn(tally)], [0, 1, 1]);
    assert.match([...tally.reasons.keys()].at(-1)!, reason);
  });
}

Deno.test("visit() counts as unfinished what the time did not suffice for", async () => {
  await using busy = fake({ status: 503 });
  const end = new AbortController();
  const pending = tallyOf([busy], { signal: end.signal });
  while (busy.asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  end.abort();
  const tally = await pending;
  assert.deepEqual([tally.whole, tally.unfinished, faultsIn(tally)], [0, 1, 1]);
});
