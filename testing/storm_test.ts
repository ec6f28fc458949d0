import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { memoryOf, type Program, start, until } from "./process.ts";
import { exchange, type RawResponse } from "./raw.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "4b7f0c2ad95e4136a8d1f60b3c92e758";
const LINK = `/archive/${HASH}/`;

/** Cuts in a row, so many at a time */
const CUTS = 3000;
const AT_ONCE = 25;

/** The service is stopped so often while clients download */
const STOPS = 6;
const CLIENTS = 12;

/** Memory after a storm over that after the first tenth of it: what leaks grows with each cut */
const MAX_GROWTH_BYTES = 48 << 20;

/** They read /proc, and send SIGTERM */
const ignore = Deno.build.os !== "linux";

Deno.test({
  name: `${CUTS} downloads that are cut anywhere leave nothing behind`,
  ignore,
}, async () => {
  await using tree = await makeTree({
    [`${HASH}/large.jpg`]: randomBytes(8_000_000),
    ...Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`${HASH}/${i}.jpg`, randomBytes(5000 + i, i)]),
    ),
  });
  await using program = await start(["-f", tree.path, "--max-downloads", "100"]);
  const before = await download(program);
  const [size, sum] = [before.body.length, hash("sha256", before.body)];
  const etag = before.headers.get("etag")!;
  for (let i = 0; i < CUTS / 10; i += AT_ONCE) await cutMany(program, { from: i, size, etag });
  await until(async () => await active(program) === 0, "all places are free");
  const memory = memoryOf(program);
  for (let i = CUTS / 10; i < CUTS; i += AT_ONCE) await cutMany(program, { from: i, size, etag });
  await until(async () => await active(program) === 0, "all places are free");
  await until(() => photosOpen(program, tree.path) === 0, "no photo is open");
  const after = await download(program);
  assert.equal(hash("sha256", after.body), sum);
  assert.ok(memoryOf(program) - memory < MAX_GROWTH_BYTES, `${memoryOf(program)} after ${memory}`);
});

Deno.test({
  name:
    "SIGTERM under load, again and again: each answer is whole or broken, and can be gone on with",
  ignore,
}, async () => {
  await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(8_000_000) });
  const options = ["-f", tree.path, "--delay", "0.02", "--shutdown-timeout", "0.1"];
  const parts: RawResponse[][] = Array.from({ length: CLIENTS }, () => []);
  let sum = "";
  for (let stop = 0; stop < STOPS; stop++) {
    await using program = await start(options);
    sum ||= hash("sha256", (await download(program)).body);
    const clients = parts.map((got) => goOn(program, got));
    await sleep(30 + 60 * stop);
    program.kill("SIGTERM");
    assert.equal((await program.status).code, 0);
    await Promise.all(clients);
  }
  await using program = await start(["-f", tree.path]);
  await Promise.all(parts.map((got) => goOn(program, got)));
  assert.ok(parts.some((got) => got.length > 2), "some were cut more than once");
  for (const got of parts) {
    const bytes = await new Blob(got.map(({ body }) => body)).bytes();
    assert.equal(hash("sha256", bytes), sum);
  }
});

interface Cuts {
  readonly from: number;
  readonly size: number;
  readonly etag: string;
}

/** Whole archives and ranges of them, cut before the answer, at its first bytes, or anywhere */
async function cutMany({ port }: Program, { from, size, etag }: Cuts) {
  await Promise.all(Array.from({ length: AT_ONCE }, async (_, j) => {
    const i = from + j;
    const start = i % 3 === 0 ? (i * 7919) % size : 0;
    const range = start > 0 ? [`Range: bytes=${start}-`, `If-Range: ${etag}`] : [];
    const request = [`GET ${LINK} HTTP/1.1`, "Host: x", ...range, "", ""].join("\r\n");
    if (i % 5 > 0) {
      const stopAfter = 1 + (i * 104_729) % (size - start);
      const { status } = await exchange(port, request, { stopAfter });
      return assert.ok([200, 206, 503].includes(status), `${status}`);
    }
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(new TextEncoder().encode(request));
  }));
}

/** Takes the whole archive, or the rest of it, as far as it comes */
async function goOn({ port }: Program, got: RawResponse[]) {
  if (got.at(-1)?.complete) return;
  const received = got.reduce((sum, { body }) => sum + body.length, 0);
  const fields = received > 0
    ? [`Range: bytes=${received}-`, `If-Range: ${got[0].headers.get("etag")}`]
    : [];
  const request = [`GET ${LINK} HTTP/1.1`, "Host: x", ...fields, "", ""].join("\r\n");
  const answer = await exchange(port, request).catch(() => null);
  if (!answer || answer.status === 0) return; // it came too late
  assert.equal(answer.status, received > 0 ? 206 : 200);
  got.push(answer);
}

async function download({ port }: Program) {
  const answer = await exchange(port, `GET ${LINK} HTTP/1.1\r\nHost: x\r\n\r\n`);
  assert.deepEqual([answer.status, answer.complete], [200, true]);
  return answer;
}

async function active({ url }: Program) {
  const text = await (await fetch(`${url}metrics`)).text();
  return Number(/^zipferry_downloads_active\{engine="store"\} (\d+)$/m.exec(text)![1]);
}

function photosOpen({ pid }: Program, folder: string) {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${name}`).startsWith(folder);
    } catch {
      return false; // closed meanwhile
    }
  }).length;
}
