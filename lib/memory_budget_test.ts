import assert from "node:assert/strict";
import { MemoryBudget, MemoryBudgetError } from "./memory_budget.ts";

const MIB = 1 << 20;

Deno.test("reserve() counts until the reservation is disposed of, and not twice", async () => {
  const budget = new MemoryBudget({ limit: 10 * MIB });
  const first = await budget.reserve(6 * MIB);
  assert.equal(budget.used, 6 * MIB);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(budget.used, 0);
});

Deno.test("reserve() waits for room, in the order in which it was asked", async () => {
  const budget = new MemoryBudget({ limit: 10 });
  const first = await budget.reserve(8);
  const order: string[] = [];
  const second = budget.reserve(4).then((reservation) => (order.push("second"), reservation));
  const third = budget.reserve(3).then((reservation) => (order.push("third"), reservation));
  assert.equal(budget.waiting, 2);
  first[Symbol.dispose]();
  const [a, b] = await Promise.all([second, third]);
  assert.deepEqual(order, ["second", "third"]);
  a[Symbol.dispose]();
  b[Symbol.dispose]();
  assert.deepEqual([budget.used, budget.waiting], [0, 0]);
});

Deno.test("reserve() is refused when there is no room in time, or never can be", async () => {
  const budget = new MemoryBudget({ limit: 10 * MIB, patience: 20, maxWaiting: 1 });
  using _held = await budget.reserve(8 * MIB);
  const late = budget.reserve(4 * MIB);
  await assert.rejects(budget.reserve(4 * MIB), MemoryBudgetError, "too many wait");
  await assert.rejects(late, {
    name: "MemoryBudgetError",
    message: "needs 4.0 MiB, and 8.0 MiB of --memory 10.0 MiB are in use",
  });
  await assert.rejects(budget.reserve(11 * MIB), {
    message: "needs 11.0 MiB, more than --memory 10.0 MiB",
  });
  assert.deepEqual([budget.used, budget.waiting], [8 * MIB, 0]);
});

Deno.test("the less memory there is, the fewer wait for it", async () => {
  for (const [limit, expected] of [[MIB, 64], [64 * MIB, 256], [2048 * MIB, 1000]]) {
    const budget = new MemoryBudget({ limit });
    const held = await budget.reserve(limit);
    const all = Array.from({ length: 1001 }, () => budget.reserve(1));
    assert.equal(budget.waiting, expected);
    held[Symbol.dispose]();
    const settled = await Promise.allSettled(all);
    const fulfilled = settled.filter(({ status }) => status === "fulfilled");
    assert.equal(fulfilled.length, expected, "and nobody else is served");
  }
});

Deno.test("whoever waits for much keeps nobody waiting who needs less", async () => {
  const budget = new MemoryBudget({ limit: 10 });
  const held = await budget.reserve(5);
  const large = budget.reserve(9);
  using small = await budget.reserve(1);
  assert.deepEqual([budget.waiting, small.bytes], [1, 1]);
  assert.equal(budget.tryReserve(9), null, "not before another one who needs as much");
  held[Symbol.dispose]();
  (await large)[Symbol.dispose]();
});

Deno.test("whoever leaves while waiting makes room for those behind", async () => {
  const budget = new MemoryBudget({ limit: 10 });
  using held = await budget.reserve(8);
  const left = new AbortController();
  const first = budget.reserve(5, left.signal);
  const second = budget.reserve(6);
  assert.equal(budget.waiting, 2);
  left.abort(new Error("left"));
  await assert.rejects(first, /left/);
  assert.equal(budget.waiting, 1, "at once");
  held[Symbol.dispose]();
  using reservation = await second;
  assert.equal(reservation.bytes, 6);
  await assert.rejects(budget.reserve(1, AbortSignal.abort(new Error("gone"))), /gone/);
});

Deno.test("count() does not wait, and those who reserve wait until there is room again", async () => {
  const budget = new MemoryBudget({ limit: 10 });
  const counted = budget.count(25);
  assert.equal(budget.used, 25);
  const waiting = budget.reserve(1);
  assert.equal(budget.waiting, 1);
  counted[Symbol.dispose]();
  (await waiting)[Symbol.dispose]();
  assert.equal(budget.used, 0);
});

Deno.test("countShared() counts a thing once, until the last of its users is done", () => {
  const budget = new MemoryBudget({ limit: 100 });
  const thing = {};
  const [first, second] = [budget.countShared(thing, 30), budget.countShared(thing, 30)];
  using _other = budget.countShared({}, 5);
  assert.equal(budget.used, 35);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(budget.used, 35);
  second[Symbol.dispose]();
  assert.equal(budget.used, 5);
  budget.countShared(thing, 40)[Symbol.dispose]();
  assert.equal(budget.used, 5);
});

Deno.test("reserve() waits while the process has no room, unless nothing is counted at all", async () => {
  let room = 0;
  const budget = new MemoryBudget({ limit: 100, room: () => room });
  using first = await budget.reserve(10);
  const second = budget.reserve(10);
  assert.deepEqual([first.bytes, budget.used, budget.waiting], [10, 10, 1]);
  room = 10;
  (await second)[Symbol.dispose]();
  assert.equal(budget.waiting, 0);
});
