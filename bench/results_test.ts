import assert from "node:assert/strict";
import { type Environment, type HttpRow, parseResult, resultText } from "./results.ts";

Deno.test("parseResult(): reads what was written", () => {
  const environment: Environment = {
    time: "2026-11-26T12:00:00.000Z",
    processor: "a processor",
    cores: 2,
    versions: { Deno: "2.9.6" },
    commit: "abc+changes",
  };
  const results = [{ what: "a figure", values: [1, 2], digits: 0 }];
  const text = resultText(environment, results);
  assert.deepEqual(parseResult("x.json", text), { file: "x.json", environment, results });
});

Deno.test("parseResult(): a file without an environment tells its machine in one line", () => {
  const sample = { megabytesPerSecond: 1, cpuSecondsPerGigabyte: 2, firstByteMs: 3, memory: 100 };
  const results = [{ server: "zipferry", load: "P", samples: [sample] }];
  const text = JSON.stringify({ machine: "2 cores, AMD EPYC, Deno 2.9.6", results });
  const read = parseResult<HttpRow>("http-20261122T063112.json", text);
  assert.deepEqual(read.environment, {
    time: "2026-11-22T06:31:12Z",
    processor: "AMD EPYC",
    cores: 2,
    versions: { Deno: "2.9.6" },
  });
  assert.equal(read.results[0].samples[0].memory, 102.4, "1,000 kB of 1,024 bytes were a MB");
});
