import assert from "node:assert/strict";
import { parseOnly } from "./only.ts";

Deno.test("parseOnly() takes names of scenarios, and tells which there are", () => {
  const scenarios = { slow: 1, fast: 2 };
  assert.deepEqual(parseOnly("slow", scenarios), ["slow"]);
  assert.deepEqual(parseOnly("fast,slow", scenarios), ["fast", "slow"]);
  for (const [text, unknown] of [["slow,fats", "fats"], ["", ""], ["toString", "toString"]]) {
    assert.throws(() => parseOnly(text, scenarios), {
      name: "RangeError",
      message: `--only: ${unknown}: allowed are slow,fast`,
    });
  }
});
