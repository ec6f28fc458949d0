import assert from "node:assert/strict";
import { MemoryObjects } from "../../testing/memory_objects.ts";
import { until } from "../../testing/process.ts";
import { OpenBodies, type OpenBodiesOptions } from "./open_bodies.ts";

const SIZE = 100;

async function setUp(options: OpenBodiesOptions = {}) {
  const bytes = Uint8Array.from({ length: SIZE }, (_, i) => i);
  const store = new MemoryObjects({ "a": bytes, "b": bytes });
  const [a, b] = [await store.head("a"), await store.head("b")];
  const bodies = new OpenBodies(store, options);
  const read = async (offset: number, length: number, rest: {
    readonly object?: typeof a;
    readonly reader?: object;
    readonly signal?: AbortSignal;
  } = {}) => {
    const { object = a, reader = bodies, signal } = rest;
    const into = new Uint8Array(length);
    await bodies.read(object, { reader, offset, into, signal });
    assert.deepEqual(into, bytes.slice(offset, offset + length));
  };
  return { store, bodies, read, a, b, [Symbol.dispose]: () => bodies[Symbol.dispose]() };
}

Deno.test("OpenBodies: one request serves all buffers of an object", async () => {
  using setup = await setUp();
  const { store, read } = setup;
  for (let at = 0; at < SIZE; at += 10) await read(at, 10);
  assert.deepEqual([store.counts.open, store.counts.read, store.counts.bodies], [1, 0, 0]);
});

Deno.test("OpenBodies: the last bytes, or a whole object, leave nothing open", async () => {
  using setup = await setUp();
  const { store, read } = setup;
  await read(0, SIZE);
  await read(90, 10);
  assert.deepEqual([store.counts.open, store.counts.read], [0, 2]);
});

Deno.test("OpenBodies: other bytes, another object or another reader have their own", async () => {
  using setup = await setUp();
  const { store, read, b } = setup;
  await read(0, 10);
  await read(0, 10, { object: b });
  await read(10, 10, { reader: {} });
  await read(20, 10);
  assert.equal(store.counts.open, 4);
  await read(10, 10, { object: b });
  await read(30, 10);
  assert.equal(store.counts.open, 4);
});

Deno.test("OpenBodies: a body is closed that is left alone, and one that its reader left", async () => {
  using setup = await setUp({ idle: 20 });
  const { store, bodies, read } = setup;
  await read(0, 10);
  assert.equal(bodies.size, 1);
  await until(() => store.counts.bodies === 0, "it is closed");
  await read(10, 10);
  assert.equal(store.counts.open, 2, "the rest comes with another request");
  using long = await setUp({ idle: 60_000 });
  const left = new AbortController();
  const reader = {};
  await long.read(0, 10, { reader, signal: left.signal });
  assert.equal(long.store.counts.bodies, 1);
  left.abort();
  assert.equal(long.store.counts.bodies, 0);
  await long.read(10, 10, { reader }).catch(() => {});
  assert.equal(long.store.counts.bodies, 0, "nothing is opened for a reader that has ended");
});

Deno.test("OpenBodies: a reader that leaves in the middle of a read closes its body", async () => {
  using setup = await setUp({ idle: 60_000 });
  const { store, read } = setup;
  const left = new AbortController();
  await read(0, 10, { signal: left.signal });
  store.before = () => new Promise(() => {});
  const late = read(10, 10, { signal: left.signal });
  await until(() => store.counts.running === 1, "it reads");
  left.abort(new Error("left"));
  assert.equal(store.counts.bodies, 0);
  await assert.rejects(late, /left/);
});

Deno.test("OpenBodies: beyond the bound, each buffer is a request of its own", async () => {
  using setup = await setUp({ maxOpen: 2 });
  const { store, bodies, read } = setup;
  const readers = [{}, {}, {}];
  for (const reader of readers) await read(0, 10, { reader });
  for (const reader of readers) await read(10, 10, { reader });
  assert.deepEqual([store.counts.open, store.counts.read, bodies.size], [2, 2, 2]);
});

Deno.test("OpenBodies: beyond the bound, a body that was left alone makes room for another", async () => {
  using setup = await setUp({ maxOpen: 2 });
  const { store, read } = setup;
  const readers = [{}, {}, {}];
  const { now } = performance;
  try {
    performance.now = () => 0;
    await read(0, 10, { reader: readers[0] });
    performance.now = () => 100;
    await read(0, 10, { reader: readers[1] });
    performance.now = () => 300;
    await read(0, 10, { reader: readers[2] });
    assert.deepEqual([store.counts.open, store.counts.bodies], [3, 2]);
    await read(10, 10, { reader: readers[1] });
    assert.deepEqual([store.counts.open, store.counts.read], [3, 0], "the others are still there");
  } finally {
    performance.now = now;
  }
});

Deno.test("OpenBodies: a read that fails closes its body", async () => {
  using setup = await setUp();
  const { store, read } = setup;
  await read(0, 10);
  store.put("a", "another");
  await assert.rejects(read(10, 10), { code: "ESTALE" });
  assert.equal(store.counts.bodies, 0);
});

Deno.test("OpenBodies.prepare(): a body that stands there is read, and closed if it is not", async () => {
  using setup = await setUp({ idle: 20 });
  const { store, bodies, read, a, b } = setup;
  bodies.prepare(a, { reader: bodies });
  bodies.prepare(a, { reader: bodies });
  await read(0, 10);
  await read(10, SIZE - 10);
  assert.deepEqual([store.counts.open, store.counts.bodies], [1, 0]);
  bodies.prepare(b, { reader: bodies });
  assert.equal(store.counts.bodies, 1);
  await until(() => store.counts.bodies === 0, "it is closed");
});

Deno.test("OpenBodies.prepare(): half of all places are left to those who want bytes now", async () => {
  using setup = await setUp({ maxOpen: 4 });
  const { store, bodies, a, b } = setup;
  for (const reader of [{}, {}]) for (const object of [a, b]) bodies.prepare(object, { reader });
  assert.equal(store.counts.open, 2);
});

Deno.test("OpenBodies.prepare(): nothing for a reader that has left", async () => {
  using setup = await setUp();
  const { store, bodies, a, b } = setup;
  const [reader, left] = [{}, new AbortController()];
  bodies.prepare(a, { reader, signal: left.signal });
  left.abort();
  bodies.prepare(b, { reader, signal: left.signal });
  assert.deepEqual([store.counts.open, store.counts.bodies], [1, 0]);
});

Deno.test("OpenBodies.adopt(): only what was asked for and not read, and only once", async () => {
  using setup = await setUp();
  const { store, bodies, read, a, b } = setup;
  await read(0, 10);
  assert.equal(bodies.adopt(a), null, "somebody reads it");
  bodies.prepare(b, { reader: bodies });
  const body = bodies.adopt(b);
  assert.equal(bodies.adopt(b), null);
  assert.equal(bodies.size, 1);
  const into = new Uint8Array(SIZE);
  await body?.read(into);
  assert.equal(into[99], 99);
  body?.close();
  assert.equal(store.counts.bodies, 1);
});

Deno.test("OpenBodies: disposal closes all", async () => {
  using setup = await setUp();
  const { store, bodies, read } = setup;
  await read(0, 10);
  bodies[Symbol.dispose]();
  assert.equal(store.counts.bodies, 0);
});
