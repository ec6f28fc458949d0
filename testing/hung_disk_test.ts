import assert from "node:assert/strict";
import { type HangingCall, mountDisk, testOnDisk } from "./odd_disk.ts";
import { openFiles, type Program, start, until } from "./process.ts";
import { exchange, type ExchangeOptions } from "./raw.ts";
import { testWith } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HUNG = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const OTHER = "e07b6a1d4c92583fb6d07f3a18c5e924";

/** More than the threads that the runtime has for calls that block */
const CLIENTS = 40;

testWith(["strace"], "architecture.md: a hung disk holds up its own archives only", async () => {
  const photos = randomBytes(3_000_000);
  await using tree = await makeTree({
    [`photos/${HUNG}/1.jpg`]: photos,
    [`photos/${OTHER}/1.jpg`]: photos,
  });
  const log = tree.join("strace.log");
  // Every read of this file takes 12 seconds; no other call is touched
  const file = tree.join("photos", HUNG, "1.jpg");
  const hang = ["-e", "trace=pread64,read", "-e", "inject=pread64,read:delay_enter=12000000"];
  const prefix = ["strace", "-f", "-qq", "-P", file, ...hang, "-o", log];
  await using program = await start(["--folder", tree.join("photos")], { prefix });
  const link = (hash: string) => `http://127.0.0.1:${program.port}/archive/${hash}/`;

  let ended = 0;
  using leaving = new DisposableStack();
  for (let i = 0; i < 6; i++) {
    const client = new AbortController();
    leaving.defer(() => client.abort());
    const download = fetch(link(HUNG), { signal: client.signal }).then((answer) => answer.bytes());
    download.catch(() => {}).finally(() => ended++);
  }
  await until(() => /\b(?:pread64|read)\(/.test(Deno.readTextFileSync(log)), "a read hangs");
  const healthz = await fetch(`http://127.0.0.1:${program.port}/healthz`);
  assert.equal(await healthz.text(), "ok\n");
  for (let i = 0; i < 3; i++) {
    const answer = await fetch(link(OTHER));
    assert.equal((await answer.bytes()).length, Number(answer.headers.get("content-length")));
  }
  assert.equal(ended, 0, "the disk still hangs");
});

testWith(["strace"], "visitors who leave while a listing hangs are gone", async () => {
  await using tree = await makeTree({
    [`photos/${HUNG}/1.jpg`]: "1",
    [`photos/${OTHER}/1.jpg`]: "2",
  });
  const log = tree.join("strace.log");
  const folder = tree.join("photos", HUNG);
  const hang = ["-e", "trace=getdents64", "-e", "inject=getdents64:delay_enter=12000000"];
  const prefix = ["strace", "-f", "-qq", "-P", folder, ...hang, "-o", log];
  await using program = await start(["--folder", tree.join("photos")], { prefix });
  const before = openFiles(program.pid).length;
  const clients = Array.from({ length: 60 }, () => {
    const client = new AbortController();
    const link = `http://127.0.0.1:${program.port}/archive/${HUNG}/`;
    return { client, request: fetch(link, { signal: client.signal }).catch(() => {}) };
  });
  await until(() => Deno.readTextFileSync(log).includes("getdents64("), "a listing hangs");
  await until(() => openFiles(program.pid).length >= before + 60, "all wait");
  for (const { client } of clients) client.abort();
  await Promise.all(clients.map(({ request }) => request));
  await until(() => openFiles(program.pid).length < before + 20, "nearly all are gone");
  const answer = await fetch(`http://127.0.0.1:${program.port}/archive/${OTHER}/`);
  assert.equal(answer.status, 200);
  await answer.bytes();
  assert.doesNotMatch(program.stderr(), /request failed/);
});

const CALLS: readonly HangingCall[] = ["read", "open", "getattr"];

/** A service with an archive on a disk that can hang, and another one on an ordinary disk */
async function serve(args: readonly string[] = []) {
  const small = (i: number) => [`photos/${OTHER}/${i}.jpg`, randomBytes(20_000 + i, i)];
  const tree = await makeTree({
    "disk/1.jpg": randomBytes(24 << 20, 1),
    "disk/2.jpg": randomBytes(30_000, 2),
    [`photos/${OTHER}/large.jpg`]: randomBytes(12 << 20, 3),
    ...Object.fromEntries(Array.from({ length: 50 }, (_, i) => small(i))),
    [`photos/${HUNG}`]: { directory: true },
  });
  const stack = new AsyncDisposableStack();
  stack.use(tree);
  const program = stack.use(await start(["--folder", tree.join("photos"), ...args]));
  // Last, so that it is gone first: a process does not end while a call of it hangs
  const disk = stack.use(await mountDisk("hung", tree.join("disk"), tree.join("photos", HUNG)));
  return { tree, program, disk, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

type Site = Awaited<ReturnType<typeof serve>>;

function ask({ port }: Program, hash: string, init?: RequestInit) {
  return fetch(`http://127.0.0.1:${port}/archive/${hash}/`, init);
}

interface RangeOptions extends ExchangeOptions {
  readonly length: number;
  readonly hash?: string;
}

function askForRange({ port }: Program, start: number, options: RangeOptions) {
  const { hash = HUNG, length } = options;
  const range = `bytes=${start}-${start + length - 1}`;
  const head = `GET /archive/${hash}/ HTTP/1.1\r\nHost: x\r\nRange: ${range}\r\n\r\n`;
  return exchange(port, head, { within: 60_000, ...options });
}

/** Clients in the midst of downloads, which go on and come to their ends when they are told to */
async function begin({ program }: Site, count: number) {
  const goOn = Promise.withResolvers<void>();
  let begun = 0;
  const ends = Array.from({ length: count }, async (_, i) => {
    let first = true;
    const onBody = () => {
      if (first) begun++;
      first = false;
      return goOn.promise;
    };
    const start = i << 19;
    return { start, answer: await askForRange(program, start, { length: 8 << 20, onBody }) };
  });
  await until(() => begun === count, "all have begun", 15_000);
  return { ends, goOn: goOn.resolve };
}

/** Clients that want a part each, and none the same */
function askForParts({ program }: Site, count: number, hash = HUNG) {
  return Array.from({ length: count }, async (_, i) => {
    const start = (i << 19) + 1000;
    return { start, answer: await askForRange(program, start, { length: 1 << 19, hash }) };
  });
}

/** Everything but the archive on the disk that hangs is as ever */
async function assertOthersGoOn({ program }: Site, expected: Uint8Array) {
  const within = (ms = 20_000) => ({ signal: AbortSignal.timeout(ms) });
  const healthz = await fetch(`http://127.0.0.1:${program.port}/healthz`, within(5000));
  assert.equal(await healthz.text(), "ok\n");
  const head = await ask(program, OTHER, { method: "HEAD", ...within() });
  assert.equal(head.headers.get("content-length"), String(expected.length));
  const downloads = [1, 2, 3].map(async () => (await ask(program, OTHER, within())).bytes());
  for (const bytes of await Promise.all(downloads)) assert.deepEqual(bytes, expected);
}

for (const call of CALLS) {
  testOnDisk(`a disk whose ${call} hangs holds up its own archives only, and goes on`, async () => {
    await using site = await serve();
    const { program, disk } = site;
    const whole = await (await ask(program, HUNG)).bytes();
    const other = await (await ask(program, OTHER)).bytes();
    const begun = await begin(site, CLIENTS / 2);

    await disk.hang(call);
    begun.goOn();
    let ended = 0;
    const waiting = askForParts(site, CLIENTS);
    const count = () => void ended++;
    for (const client of waiting) client.then(count, count);
    await until(async () => await disk.hanging() > 0, "a call hangs");
    await assertOthersGoOn(site, other);
    const late = askForParts(site, 5);
    await assertOthersGoOn(site, other);
    assert.ok(await disk.hanging() > 0);
    assert.equal(ended, 0, "the disk still hangs");

    await disk.hang(null);
    for (const { start, answer } of await Promise.all([...begun.ends, ...waiting, ...late])) {
      assert.equal(answer.status, 206);
      assert.ok(answer.complete, program.stderr());
      assert.deepEqual(answer.body, whole.subarray(start, start + answer.body.length));
    }
    assert.deepEqual(await (await ask(program, HUNG)).bytes(), whole);
  });

  testOnDisk(`SIGTERM ends the service while ${call} hangs`, async () => {
    await using site = await serve(["--shutdown-timeout", "1"]);
    const { program, disk } = site;
    await (await ask(program, HUNG)).bytes();
    const goOn = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const onBody = () => (begun.resolve(), goOn.promise);
    const download = askForRange(program, 0, { length: 20 << 20, onBody });
    await begun.promise;
    await disk.hang(call);
    const clients = askForParts(site, CLIENTS);
    await until(async () => await disk.hanging() > 0, "a call hangs");
    program.kill("SIGTERM");
    // Those who wait for a listing: a status can still be chosen. Others were not heard any more
    const waiting = await Promise.all(call === "getattr" ? clients : []);
    for (const { answer: { status, headers, complete } } of waiting) {
      if (status === 0) continue;
      assert.deepEqual([status, headers.get("retry-after"), complete], [503, "5", true]);
    }
    assert.equal(waiting.some(({ answer }) => answer.status === 503), call === "getattr");
    await until(() => isOver(program), "it has ended", 10_000);
    // The system keeps what a process had, connections too, until its last call is over
    await disk.hang(null);
    assert.equal((await program.status).code, 0);
    goOn.resolve();
    assert.equal((await download).complete, false);
    if (call === "getattr") return;
    // Who is heard only now, on a busy machine, is refused; who was promised an archive sees it break.
    const answers = (await Promise.all(clients)).map(({ answer }) => answer);
    for (const { complete, status } of answers) assert.equal(complete, status === 503);
    assert.ok(answers.some(({ status }) => status === 206));
  });
}

testOnDisk("SIGTERM ends every wait for a disk that hangs with 503", async () => {
  await using site = await serve(["--shutdown-timeout", "1"]);
  const { program, disk } = site;
  await disk.hang("getattr");
  const signal = AbortSignal.timeout(20_000);
  const archive = fetch(`${program.url}archive/${HUNG}/`, { signal });
  await until(async () => await disk.hanging() === 1, "a listing hangs");
  const list = fetch(program.url, { signal });
  await until(async () => await disk.hanging() === 2, "the look at all folders hangs");
  program.kill("SIGTERM");
  for (const answer of await Promise.all([archive, list])) {
    assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "5"]);
    await answer.bytes();
  }
  await until(() => isOver(program), "it has ended", 10_000);
  await disk.hang(null);
  assert.equal((await program.status).code, 0);
});

testOnDisk("visits of / while a disk hangs take one thread, however many they are", async () => {
  await using site = await serve();
  const { program, disk } = site;
  const other = await (await ask(program, OTHER)).bytes();
  await disk.hang("getattr");
  const enough = performance.now() + 8000; // a thread counts as held up after three seconds
  while (performance.now() < enough) {
    const visit = fetch(program.url, { signal: AbortSignal.timeout(500) });
    await assert.rejects(visit, { name: "TimeoutError" });
  }
  assert.equal(await disk.hanging(), 1);
  await assertOthersGoOn(site, other);
  await disk.hang(null);
  const page = await (await fetch(program.url)).text();
  for (const hash of [HUNG, OTHER]) assert.ok(page.includes(`/archive/${hash}/`));
});

testOnDisk("four disks that hang hold up their own archives only", async () => {
  await using site = await serve();
  const { tree, program } = site;
  const other = await (await ask(program, OTHER)).bytes();
  await using disks = new AsyncDisposableStack();
  const hanging = ["a", "b", "c", "d"].map(async (letter) => {
    const hash = letter.repeat(32);
    Deno.mkdirSync(tree.join("photos", hash));
    const disk = disks.use(await mountDisk("hung", tree.join("disk"), tree.join("photos", hash)));
    await disk.hang("read");
    return { disk, clients: askForParts(site, CLIENTS / 2, hash) };
  });
  const all = await Promise.all(hanging);
  for (const { disk } of all) {
    await until(async () => await disk.hanging() > 0, "a read hangs on each", 15_000);
  }
  await assertOthersGoOn(site, other);
  await disks.disposeAsync(); // ends the reads with an error
  for (const { answer } of await Promise.all(all.flatMap(({ clients }) => clients))) {
    assert.equal(answer.complete, false);
  }
});

/** Whether a process has ended, though a thread of it may wait in the system for a disk */
function isOver({ pid }: Program): boolean {
  try {
    return /^State:\tZ/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return true;
  }
}

/**
 * What calls that hang may cost, however many clients were there. Each of the 32 threads that the
 * runtime has for blocking calls may hang, with a file and a buffer of at most 1 MiB. Two or three
 * threads of the pool may have been started for other archives; each counts as 2 and has 6
 * descriptors. The rest of the memory is what downloads from other archives take for a while.
 */
const MOST_MORE = { threads: 50, descriptors: 50, megabytes: 150 };

function costsOf({ pid }: Program) {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)![1]);
  return {
    threads: field("Threads"),
    descriptors: openFiles(pid).length,
    megabytes: field("VmRSS") / 1024,
  };
}

for (const call of CALLS) {
  testOnDisk(`visitors who leave while ${call} hangs leave nothing behind`, async () => {
    await using site = await serve();
    const { program, disk } = site;
    const other = await (await ask(program, OTHER)).bytes();
    const before = costsOf(program);
    await disk.hang(call);
    for (let wave = 0; wave < 2; wave++) {
      const clients = await Promise.all(Array.from({ length: 200 }, (_, i) => askAndWait(site, i)));
      await until(async () => await disk.hanging() > 0, "a call hangs");
      await until(() => costsOf(program).descriptors >= before.descriptors + 200, "all are there");
      for (const client of clients) client.close();
      const most = before.descriptors + MOST_MORE.descriptors;
      await until(() => costsOf(program).descriptors <= most, "nearly all are gone");
    }
    await assertOthersGoOn(site, other);
    const after = costsOf(program);
    for (const kind of ["threads", "descriptors", "megabytes"] as const) {
      const more = after[kind] - before[kind];
      assert.ok(more <= MOST_MORE[kind], `${more} ${kind} more`);
    }
    await disk.hang(null);
    await until(async () => await disk.hanging() === 0, "no call hangs");
    await until(() => !openFiles(program.pid).some((path) => path.includes(HUNG)), "none is open");
  });
}

/** A client that asks for a part, and does not even wait for the head of the answer */
async function askAndWait({ program }: Site, i: number): Promise<Deno.Conn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: program.port });
  const range = `Range: bytes=${i * 100_000}-${i * 100_000 + 999_999}`;
  const head = `GET /archive/${HUNG}/ HTTP/1.1\r\nHost: x\r\n${range}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head));
  return connection;
}
