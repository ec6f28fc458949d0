import assert from "node:assert/strict";
import { chartsOf } from "./http_charts.ts";
import { glanceTable, httpTable } from "./http_tables.ts";
import { machinesOf } from "./machines.ts";
import type { Environment, HttpRow, ResultFile, Sample } from "./results.ts";

const environment: Environment = {
  time: "2026-11-26T12:00:00.000Z",
  processor: "Some(R) Processor",
  cores: 2,
  versions: {},
};

Deno.test("httpTable(): user and kernel apart, and ratios to Go turn by turn", () => {
  const [, , ours] = httpTable(rowsOf([2, 3], [1, 3])).split("\n");
  const cells = ours.split("|").map((cell) => cell.trim());
  assert.deepEqual(cells.slice(4, 8), [
    "1.25 (1.00–1.50)",
    "1.25 (1.00–1.50)",
    "2.50 (2.00–3.00)",
    "1.50 (1.00–2.00)",
  ]);
});

Deno.test("httpTable(): a server that is missing has a row that says why", () => {
  const rows = [{ server: "dufs", load: "P", samples: [], missing: "dufs is not installed" }];
  assert.match(httpTable(rows), /\| dufs +\| not measured: dufs is not installed/);
});

Deno.test("glanceTable(): a loss is told as plainly as a gain", () => {
  assert.match(glanceTable([rowsOf([2, 2], [1, 1])]), /\*\*more\*\*: 2\.00/);
  assert.match(glanceTable([rowsOf([1, 1], [2, 2])]), /\| less: 0\.50/);
  assert.match(glanceTable([rowsOf([1, 3], [2, 2])]), /\| even: 1\.00/);
});

Deno.test("machinesOf(): of each processor and load the newest measurement", () => {
  const later = { ...environment, time: "2026-11-27T12:00:00.000Z" };
  const other = { ...environment, processor: "Other Processor" };
  const load = (name: string, rows: readonly HttpRow[]) =>
    rows.map((row) => ({ ...row, load: name }));
  const files: ResultFile<HttpRow>[] = [
    {
      file: "1",
      environment,
      results: [...load("T", rowsOf([1], [1])), ...load("P", rowsOf([1], [1]))],
    },
    { file: "2", environment: later, results: load("P", rowsOf([1], [1])) },
    { file: "3", environment: other, results: load("P", rowsOf([1], [1])) },
  ];
  const [first, second] = machinesOf(files);
  assert.deepEqual(first.loads.map(({ load, file }) => [load, file]), [["P", "2"], ["T", "1"]]);
  assert.deepEqual(second.loads.map(({ file }) => file), ["3"]);
  assert.equal(first.slug, "2-cores-of-some-processor");
});

Deno.test("chartsOf(): one file per figure, with all that was measured as text", () => {
  const [machine] = machinesOf([{ file: "1", environment, results: rowsOf([2], [1]) }]);
  const charts = chartsOf(machine);
  assert.deepEqual(charts.map(({ file }) => file.replace(machine.slug, "")), [
    "-cpu.svg",
    "-rate.svg",
    "-memory.svg",
  ]);
  assert.match(charts[0].svg, />2\.00 · 2\.00 × Go</);
});

/** Rows of this service and Go with these CPU times. */
function rowsOf(ours: readonly number[], go: readonly number[]): HttpRow[] {
  return [["zipferry", ours] as const, ["Go archive/zip", go] as const].map(([server, values]) => {
    return { server, load: "P", samples: values.map(sampleOf) };
  });
}

function sampleOf(cpu: number): Sample {
  return {
    megabytesPerSecond: 1000,
    userSecondsPerGigabyte: cpu / 2,
    kernelSecondsPerGigabyte: cpu / 2,
    cpuSecondsPerGigabyte: cpu,
    firstByteMs: 1,
    memory: 100,
  };
}
