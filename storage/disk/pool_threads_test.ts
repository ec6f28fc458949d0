import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "./pool.ts";

/** What a thread answers to a task: nothing for ever, or what the test says */
type Reply = (call: { readonly task: string }) => unknown;

/** Stands in for the runtime's threads, until it is disposed of */
function fakeThreads(options: { readonly reply?: Reply; readonly refuse?: () => boolean }) {
  const original = globalThis.Worker;
  const counts = { started: 0, ended: 0, refused: 0 };
  class FakeWorker extends EventTarget {
    onmessage: ((event: MessageEvent) => void) | null = null;
    onerror: ((event: ErrorEvent) => void) | null = null;

    constructor() {
      super();
      if (options.refuse?.()) {
        counts.refused++;
        throw new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)");
      }
      counts.started++;
      queueMicrotask(() => this.#say({ ready: true }));
    }

    postMessage(call: { readonly task: string }) {
      const answer = options.reply?.(call);
      if (answer !== undefined) queueMicrotask(() => this.#say(answer));
    }

    terminate() {
      counts.ended++;
    }

    #say(data: unknown) {
      this.onmessage?.(new MessageEvent("message", { data }));
    }
  }
  globalThis.Worker = FakeWorker as unknown as typeof Worker;
  return { counts, [Symbol.dispose]: () => void (globalThis.Worker = original) };
}

const REQUEST = { root: "/nowhere" };

Deno.test("Pool: start() starts all threads, and no more come with the tasks", async () => {
  using threads = fakeThreads({ reply: () => ({ result: [] }) });
  using pool = new Pool({ workers: 3 });
  assert.equal(threads.counts.started, 0);
  await pool.start();
  assert.equal(threads.counts.started, 3);
  await Promise.all(Array.from({ length: 10 }, () => pool.run("directories", REQUEST)));
  assert.equal(threads.counts.started, 3);
});

Deno.test("Pool: without start() a thread comes with the first task that needs it", async () => {
  using threads = fakeThreads({ reply: () => ({ result: [] }) });
  using pool = new Pool({ workers: 3 });
  await pool.run("directories", REQUEST);
  await pool.run("directories", REQUEST);
  assert.equal(threads.counts.started, 1);
});

Deno.test("Pool: where the system starts no thread, a task fails and may be tried again", async () => {
  let refusing = true;
  using threads = fakeThreads({ reply: () => ({ result: [] }), refuse: () => refusing });
  using pool = new Pool({ workers: 2 });
  await pool.start();
  assert.equal(threads.counts.refused, 2);
  const failure = { name: "StorageError", code: "EBUSY", message: /starts no thread/ };
  await assert.rejects(pool.run("directories", REQUEST), failure);
  assert.equal(threads.counts.refused, 2, "it is not tried again at once");
  refusing = false;
  await sleep(1100);
  assert.deepEqual(await pool.run("directories", REQUEST), []);
});

Deno.test("Pool: where one thread is left, it does what others cannot be started for", async () => {
  let refusing = false;
  using _ = fakeThreads({ reply: () => ({ result: [] }), refuse: () => refusing });
  using pool = new Pool({ workers: 2 });
  await pool.run("directories", REQUEST);
  refusing = true;
  const all = await Promise.all(Array.from({ length: 5 }, () => pool.run("directories", REQUEST)));
  assert.equal(all.length, 5);
});

Deno.test("Pool: a task that finds no descriptor is done again, with what was kept back", async () => {
  let left = 3;
  const calls: string[] = [];
  using _ = fakeThreads({
    reply: () => left-- > 0 ? { code: "EMFILE", message: "EMFILE" } : { result: [] },
  });
  const descriptors = {
    lend: <T>(work: () => T) => (calls.push("lend"), work()),
    runOut: () => void calls.push("run out"),
  };
  using pool = new Pool({ workers: 1, descriptors });
  assert.deepEqual(await pool.run("directories", REQUEST), []);
  assert.deepEqual(calls, ["lend", "run out", "run out", "run out"]);
});

Deno.test("Pool: a task that is to be done again ends with its client, and with the pool", async () => {
  using _ = fakeThreads({ reply: () => ({ code: "ENFILE", message: "ENFILE" }) });
  const pool = new Pool({ workers: 1 });
  const leaving = new AbortController();
  const reason = new Error("the client left");
  const left = pool.run("directories", REQUEST, { signal: leaving.signal });
  const closed = pool.run("directories", REQUEST);
  const ended = Promise.allSettled([left, closed]);
  await sleep(20);
  leaving.abort(reason);
  pool[Symbol.dispose]();
  const [first, second] = await ended;
  assert.ok(first.status === "rejected" && first.reason === reason);
  assert.ok(second.status === "rejected" && second.reason.code === "ECANCELED");
});
