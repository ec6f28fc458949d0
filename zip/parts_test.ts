import assert from "node:assert/strict";
import fc from "fast-check";
import { cutIntoParts } from "./parts.ts";
import { planArchive } from "./plan.ts";
import type { Entry } from "./records.ts";

const GIB = 2 ** 30;

function entry(name: string, size: number): Entry {
  return { name, size, mtime: 1_700_000_000, mode: 0o644 };
}

/** Names of any length, sizes on both sides of what needs ZIP64 */
const entries = fc.array(
  fc.tuple(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
    fc.oneof(fc.nat(5000), fc.integer({ min: 0, max: 5 * GIB })),
  ),
  { minLength: 1, maxLength: 60 },
).map((files) => files.map(([name, size], i) => entry(`${i} ${name}`, size)));

const sizes = fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 12 * GIB }));

Deno.test("cutIntoParts(): parts are as long as planned, in order, full, and together all", () => {
  fc.assert(
    fc.property(entries, sizes, (entries, size) => {
      const parts = cutIntoParts(entries, size);
      let next = 0;
      for (const { start, end, length } of parts) {
        assert.equal(start, next);
        assert.ok(end > start);
        assert.equal(length, planArchive(entries.slice(start, end)).size);
        assert.ok(length <= size || end - start === 1, "only one entry may be longer");
        if (end < entries.length) {
          const more = planArchive(entries.slice(start, end + 1)).size;
          assert.ok(more > size, "one more would not fit");
        }
        next = end;
      }
      assert.equal(next, entries.length);
    }),
    { numRuns: 300 },
  );
});

Deno.test("cutIntoParts(): 65,535 entries need a longer end, and it counts", () => {
  const many = Array.from({ length: 70_000 }, (_, i) => entry(`${i}`, 0));
  const { size } = planArchive(many.slice(0, 65_535));
  for (const limit of [size - 1, size]) {
    const [first] = cutIntoParts(many, limit);
    assert.equal(first.length, planArchive(many.slice(0, first.end)).size);
    assert.equal(first.end, limit === size ? 65_535 : 65_534);
  }
});
