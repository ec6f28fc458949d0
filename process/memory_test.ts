import assert from "node:assert/strict";
import { until } from "../testing/process.ts";
import { defaultBudget, memoryFacts, memoryLimit, MemoryWatch } from "./memory.ts";

const MIB = 1 << 20;
const GIB = 1 << 30;

Deno.test("defaultBudget() is half of the least of what there is, less where that is little", () => {
  const heap = 4 * GIB;
  const cases = [
    [{ constrained: 512 * MIB, total: 8 * GIB, heap }, 256 * MIB],
    [{ constrained: 256 * MIB, total: 8 * GIB, heap }, 64 * MIB],
    [{ constrained: 128 * MIB, total: 8 * GIB, heap }, 32 * MIB],
    [{ constrained: 2 ** 63, total: GIB, heap }, GIB / 2],
    [{ constrained: Infinity, total: 64 * GIB, heap }, 2 * GIB],
    [{ constrained: Infinity, heap }, 256 * MIB],
    [{ constrained: 2 ** 63, total: undefined, heap }, 256 * MIB],
  ] as const;
  for (const [facts, expected] of cases) assert.equal(defaultBudget(facts), expected);
});

Deno.test("memoryLimit() is what the container or the machine has, if that is known", () => {
  const heap = GIB;
  assert.equal(memoryLimit({ constrained: 256 * MIB, total: 8 * GIB, heap }), 256 * MIB);
  assert.equal(memoryLimit({ constrained: 2 ** 63, total: GIB, heap }), GIB);
  assert.equal(memoryLimit({ constrained: Infinity, heap }), null);
});

Deno.test("memoryFacts() are those of this machine", () => {
  const { constrained, total, heap } = memoryFacts();
  assert.equal(total, Deno.systemMemoryInfo().total);
  assert.ok(constrained > 0 && heap > MIB);
});

Deno.test("memoryFacts() take what is told of the container where that is less", () => {
  const { constrained } = memoryFacts();
  assert.equal(memoryFacts(String(32 * MIB)).constrained, Math.min(32 * MIB, constrained));
  assert.equal(memoryFacts(String(2 ** 63)).constrained, Math.min(2 ** 63, constrained));
  assert.equal(memoryFacts("").constrained, constrained);
  for (const told of ["max", "256M", "-1", "0", "1e9", " "]) {
    assert.throws(() => memoryFacts(told), {
      name: "ConfigError",
      message:
        `ZIPFERRY_CONTAINER_MEMORY: must be a number of bytes, such as 268435456, not "${told}"`,
    });
  }
});

Deno.test("MemoryWatch: there is room for what is left, and garbage is collected where it is tight", async () => {
  const memory = { resident: 100 * MIB, collected: 0, looks: 0, counted: 0 };
  using watch = new MemoryWatch({ constrained: 256 * MIB, total: 8 * GIB, heap: 4 * GIB }, {
    resident: () => {
      memory.looks++;
      return memory.resident;
    },
    counted: () => memory.counted,
    collect: () => {
      memory.collected++;
      memory.resident = 120 * MIB;
    },
  });
  const roomAtFirst = watch.room();
  memory.counted = 30 * MIB;
  assert.equal(watch.room(), roomAtFirst - 30 * MIB, "it will be taken yet");
  assert.ok(roomAtFirst > 100 * MIB && roomAtFirst < 256 * MIB);
  await until(() => memory.looks > 2, "it looks again and again");
  assert.deepEqual([memory.collected, watch.room()], [0, roomAtFirst], "there is enough");
  memory.resident = 250 * MIB;
  await until(() => Promise.resolve(memory.collected === 1), "garbage was collected");
  assert.equal(watch.room(), roomAtFirst - 20 * MIB);
});

Deno.test("MemoryWatch: without a limit there is always room", () => {
  using watch = new MemoryWatch({ constrained: 2 ** 63, heap: 4 * GIB });
  assert.equal(watch.room(), Infinity);
});
