import assert from "node:assert/strict";
import { judge, withBounds } from "./bounds.ts";
import guard from "./guard.json" with { type: "json" };
import { parseLoad } from "./loads.ts";

const figure = "CPU time ÷ Go";

Deno.test("judge(): the median is compared, a single bad turn is not", () => {
  const measured = { load: "P", figure, values: [1, 1.1, 9] };
  assert.ok(judge(measured, { P: 1.1 }).holds);
  assert.ok(!judge(measured, { P: 1.09 }).holds);
});

Deno.test("judge(): names the load, the figure and the bound", () => {
  const { text } = judge({ load: "P:8", figure, values: [2, 3, 4] }, { "P:8": 1.5 });
  assert.equal(text, "OVER   P:8: CPU time ÷ Go 3.00 (2.00–4.00), bound 1.5");
});

Deno.test("judge(): a load without a bound is an error, not a success", () => {
  assert.throws(() => judge({ load: "V", figure, values: [1] }, { P: 2 }), RangeError);
});

Deno.test("withBounds(): replaces one, and refuses what is no number", () => {
  assert.deepEqual(withBounds({ P: 2, "P:8": 3 }, ["P:8=1.5"]), { P: 2, "P:8": 1.5 });
  for (const text of ["P", "P=", "=1", "P=x", "P=-1"]) {
    assert.throws(() => withBounds({}, [text]), RangeError, text);
  }
});

Deno.test("bench/guard.json: every bound is of a load that there is", () => {
  for (const load of Object.keys(guard.cpuOverGo)) assert.equal(parseLoad(load).name, load);
});
