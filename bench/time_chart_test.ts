import assert from "node:assert/strict";
import { timeChart } from "./time_chart.ts";

Deno.test("timeChart() draws each series from zero to its highest value, within the panel", () => {
  const points = [{ x: 0, y: 0 }, { x: 1, y: 50 }, { x: 2, y: 200 }];
  const svg = timeChart("Memory", [{ title: "MB", points }, { title: "files", points }]);
  const lines = [...svg.matchAll(/<polyline points="([^"]+)"/g)].map(([, text]) => text);
  assert.equal(lines.length, 2);
  const [first, second] = lines.map((line) => line.split(" ").map((point) => point.split(",")));
  assert.deepEqual(first.map(([x]) => x), ["60.0", "380.0", "700.0"]);
  const heights = first.map(([, y]) => Number(y));
  assert.ok(heights[0] > heights[1] && heights[1] > heights[2]);
  assert.equal(Number(second[0][1]) - heights[0], 130);
  assert.match(svg, />200</);
});
