import assert from "node:assert/strict";
import fc from "fast-check";
import { addRange, type ByteRange, countBytes, isWhole } from "./byte_ranges.ts";

const SIZE = 24;
const range = fc.tuple(fc.nat(SIZE), fc.nat(SIZE)).map(([a, b]) => ({
  start: Math.min(a, b),
  end: Math.max(a, b),
}));

Deno.test("addRange(), countBytes() and isWhole() say what a map of bytes says", () => {
  fc.assert(fc.property(fc.array(range), (added) => {
    const map = new Array<boolean>(SIZE).fill(false);
    let set: ByteRange[] = [];
    for (const { start, end } of added) {
      map.fill(true, start, end);
      set = addRange(set, { start, end });
    }
    const known = map.map((_, at) => set.some(({ start, end }) => at >= start && at < end));
    assert.deepEqual(known, map);
    assert.equal(countBytes(set), map.filter(Boolean).length);
    assert.equal(isWhole(set, SIZE), map.every(Boolean));
    for (const [i, { start, end }] of set.entries()) {
      assert.ok(start < end && (i === 0 || set[i - 1].end < start), JSON.stringify(set));
    }
  }));
});

Deno.test("addRange() with a limit leaves bytes out, and never makes any up", () => {
  fc.assert(fc.property(fc.array(range), fc.integer({ min: 1, max: 3 }), (added, max) => {
    const all = added.reduce<ByteRange[]>((set, one) => addRange(set, one), []);
    const some = added.reduce<ByteRange[]>((set, one) => addRange(set, one, max), []);
    assert.ok(some.length <= max);
    assert.ok(some.every((a) => all.some((b) => b.start <= a.start && a.end <= b.end)));
  }));
  const few = [{ start: 0, end: 10 }, { start: 20, end: 21 }];
  assert.deepEqual(addRange(few, { start: 30, end: 40 }, 2), [few[0], { start: 30, end: 40 }]);
});

Deno.test("isWhole(): sizes beyond 4 GiB, and a whole of no bytes", () => {
  const size = 2 ** 40;
  const set = addRange([{ start: 0, end: size - 1 }], { start: size - 1, end: size });
  assert.deepEqual(set, [{ start: 0, end: size }]);
  assert.ok(isWhole(set, size) && !isWhole(set, size + 1) && !isWhole([], 1) && isWhole([], 0));
});
