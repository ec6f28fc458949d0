import assert from "node:assert/strict";
import { formatSpread, pairRatios, spreadOf, tendency } from "./statistics.ts";

Deno.test("spreadOf(): median of an odd and of an even number, whatever the order", () => {
  assert.deepEqual(spreadOf([3, 1, 10]), { median: 3, least: 1, most: 10 });
  assert.deepEqual(spreadOf([4, 1, 2, 10]), { median: 3, least: 1, most: 10 });
  assert.throws(() => spreadOf([]), RangeError);
});

Deno.test("formatSpread(): one value stands alone", () => {
  assert.equal(formatSpread([2, 1, 3.456], 2), "2.00 (1.00–3.46)");
  assert.equal(formatSpread([1.25], 1), "1.3");
});

Deno.test("pairRatios(): each value over the one of its turn", () => {
  assert.deepEqual(pairRatios([2, 9], [1, 3]), [2, 3]);
  assert.deepEqual(pairRatios([2, 9], []), []);
});

Deno.test("tendency(): says more or less only if all turns agree", () => {
  assert.equal(tendency([1.1, 1.2]), "more");
  assert.equal(tendency([0.9, 0.8]), "less");
  assert.equal(tendency([0.9, 1.2, 1.3]), "even");
});
