import assert from "node:assert/strict";
import { Slots, type SlotsOptions } from "./slots.ts";

/** Enters, and notes under a name whether there was a slot */
function makeVisitors(options: SlotsOptions) {
  const slots = new Slots(options);
  const told: string[] = [];
  const enter = async (name: string, device: string) => {
    const entered = await slots.enter(device);
    told.push(`${name} ${entered}`);
    return entered;
  };
  return { slots, told, enter, [Symbol.dispose]: () => slots[Symbol.dispose]() };
}

/** Lets those who were told of a slot note it */
async function settle() {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

/** Time that passes only when it is told to, until it is disposed */
function fakeClock() {
  const { setTimeout, clearTimeout, performance } = globalThis;
  const timers = new Map<number, { readonly at: number; readonly call: () => void }>();
  let now = 1000;
  let last = 0;
  const set = (call: () => void, delay: number) => {
    timers.set(++last, { at: now + delay, call });
    return last;
  };
  Object.assign(globalThis, {
    setTimeout: set,
    clearTimeout: (id: number) => void timers.delete(id),
    performance: { now: () => now },
  });
  return {
    /** So many milliseconds, one by one */
    async pass(milliseconds: number) {
      for (const end = now + milliseconds; now < end;) {
        now++;
        for (const [id, { at, call }] of timers) {
          if (at > now) continue;
          timers.delete(id);
          call();
        }
        await settle();
      }
    },
    [Symbol.dispose]: () =>
      void Object.assign(globalThis, { setTimeout, clearTimeout, performance }),
  };
}

Deno.test("Slots: at most so many of a device, and of all", () => {
  using slots = new Slots({ ofDevice: 2, ofAll: 3 });
  assert.deepEqual(slots.stats(), { running: 0, waiting: 0 });
  assert.equal(slots.enter("1"), true);
  assert.equal(slots.enter("1"), true);
  assert.ok(slots.enter("1") instanceof Promise, "the device is full");
  assert.equal(slots.enter("2"), true);
  assert.ok(slots.enter("2") instanceof Promise, "all are taken");
  assert.deepEqual(slots.stats(), { running: 3, waiting: 2 });
});

Deno.test("Slots: unless told otherwise, 8 of a device and 24 of all", () => {
  using slots = new Slots();
  for (const device of ["1", "2", "3"]) {
    for (let i = 0; i < 8; i++) assert.equal(slots.enter(device), true);
    assert.ok(slots.enter(device) instanceof Promise);
  }
  assert.ok(slots.enter("4") instanceof Promise);
});

Deno.test("Slots: a slot given back can be taken again", () => {
  using slots = new Slots({ ofDevice: 1, ofAll: 1 });
  for (const device of ["1", "1", "2", "1"]) {
    assert.equal(slots.enter(device), true);
    slots.leave(device);
  }
});

Deno.test("Slots: whoever waits longest gets the slot that is given back", async () => {
  using visitors = makeVisitors({ ofDevice: 1, ofAll: 9, maxWait: 60_000 });
  const { slots, told, enter } = visitors;
  await enter("a", "1");
  const waiting = ["b", "c", "d"].map((name) => enter(name, "1"));
  await settle();
  assert.deepEqual(told, ["a true"]);
  for (const expected of [["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]]) {
    slots.leave("1");
    await settle();
    assert.deepEqual(told, expected.map((name) => `${name} true`));
  }
  assert.ok(slots.enter("1") instanceof Promise, "the last one is still in");
  await Promise.all(waiting);
});

Deno.test("Slots: who waits for a full device holds up nobody of another one", async () => {
  using visitors = makeVisitors({ ofDevice: 2, ofAll: 3, maxWait: 60_000 });
  const { slots, told, enter } = visitors;
  for (const [name, device] of [["a", "1"], ["b", "1"], ["c", "2"]]) await enter(name, device);
  const first = enter("d", "1");
  const second = enter("e", "3");
  slots.leave("2");
  await second;
  assert.deepEqual(told.slice(3), ["e true"], "a slot of all is free, but none of device 1");
  slots.leave("1");
  await first;
  assert.deepEqual(told.slice(3), ["e true", "d true"]);
});

Deno.test("Slots: a slot of a device alone is no use while all are taken", async () => {
  using visitors = makeVisitors({ ofDevice: 2, ofAll: 2, maxWait: 60_000 });
  const { slots, told, enter } = visitors;
  await enter("a", "1");
  await enter("b", "2");
  const late = [enter("c", "1"), enter("d", "2")];
  await settle();
  assert.equal(told.length, 2);
  slots.leave("2");
  await late[0];
  await settle();
  assert.deepEqual(told.slice(2), ["c true"]);
  slots.leave("1");
  await late[1];
});

Deno.test("Slots: whoever waits too long gets none, and the others wait on", async () => {
  using clock = fakeClock();
  using visitors = makeVisitors({ ofDevice: 1, ofAll: 9, maxWait: 100 });
  const { slots, told, enter } = visitors;
  await enter("a", "1");
  const early = [enter("b", "1"), enter("c", "1")];
  await clock.pass(60);
  const late = [enter("d", "1"), enter("e", "1")];
  await clock.pass(39);
  assert.deepEqual(told, ["a true"]);
  await clock.pass(1);
  assert.deepEqual(told.slice(1), ["b false", "c false"]);
  slots.leave("1");
  await settle();
  assert.deepEqual(told.slice(3), ["d true"], "it waited 40 ms");
  await clock.pass(59);
  assert.equal(told.length, 4);
  await clock.pass(1);
  assert.deepEqual(told.slice(4), ["e false"]);
  slots.leave("1");
  assert.equal(slots.enter("1"), true, "those who left took no slot");
  await Promise.all([...early, ...late]);
});

Deno.test("Slots: whoever comes after others have waited has the whole time", async () => {
  using clock = fakeClock();
  using visitors = makeVisitors({ ofDevice: 1, ofAll: 9, maxWait: 100 });
  const { slots, told, enter } = visitors;
  await enter("a", "1");
  const second = enter("b", "1");
  await clock.pass(50);
  slots.leave("1"); // b is in, and nobody waits any more
  await second;
  const third = enter("c", "1");
  await clock.pass(99);
  assert.equal(told.length, 2);
  await clock.pass(1);
  assert.deepEqual(told.slice(2), ["c false"]);
  const fourth = enter("d", "1");
  await clock.pass(100);
  assert.deepEqual(told.slice(3), ["d false"]);
  await Promise.all([third, fourth]);
});

Deno.test("Slots: where others waited in vain nobody waits, until a read has ended there", async () => {
  using clock = fakeClock();
  using slots = new Slots({ ofDevice: 1, ofAll: 3, maxWait: 50 });
  assert.equal(slots.enter("1"), true);
  const waiting = slots.enter("1");
  assert.ok(waiting instanceof Promise);
  await clock.pass(50);
  assert.equal(await waiting, false);
  assert.equal(slots.enter("1"), false, "at once");
  assert.equal(slots.enter("2"), true, "another device is free");
  assert.ok(slots.enter("2") instanceof Promise, "and is waited for");
  slots.leave("1");
  assert.equal(slots.enter("1"), true);
  assert.ok(slots.enter("1") instanceof Promise);
});

Deno.test("Slots: disposal tells everybody who waits, or comes, that there is none", async () => {
  using visitors = makeVisitors({ ofDevice: 1, ofAll: 2, maxWait: 60_000 });
  const { slots, enter } = visitors;
  await enter("a", "1");
  await enter("b", "2");
  const waiting = [enter("c", "1"), enter("d", "2"), enter("e", "3")];
  slots[Symbol.dispose]();
  assert.deepEqual(await Promise.all(waiting), [false, false, false]);
  assert.equal(await slots.enter("1"), false);
  for (const device of ["1", "2"]) slots.leave(device); // those who were in come back later
  assert.equal(await slots.enter("1"), false);
});
