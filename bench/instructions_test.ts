import assert from "node:assert/strict";
import { parsePerf } from "./instructions.ts";

Deno.test("parsePerf(): reads the count, and knows when there is none", () => {
  assert.equal(parsePerf("1234567,,instructions:u,1000,100.00,,\n"), 1_234_567);
  assert.equal(parsePerf("# started on …\n\n<not supported>,,instructions:u,0,100.00,,\n"), null);
  assert.equal(parsePerf("<not counted>,,instructions:u,0,0.00,,\n"), null);
  assert.equal(parsePerf(""), null);
});
