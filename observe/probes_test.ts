import assert from "node:assert/strict";
import { PROBE_HEADER, probeOf, Probes, SENT_HEADER } from "./probes.ts";

const HASH = "b27e40c9a6d1485f93e8027d5ac1f64b";
const markOf = (number: number) => number.toString(16).padStart(32, "0");
const request = (mark: string) => new Request("http://x/", { headers: { [PROBE_HEADER]: mark } });

function end(probes: Probes, probe: string | undefined, bytes: number) {
  const download = { hash: HASH, etag: null, size: null, start: 0, length: null, probe };
  probes.ended(download, { kind: "cancelled", bytes, seconds: 1 });
}

Deno.test("probeOf() takes 32 hexadecimal digits and nothing else", () => {
  assert.equal(probeOf(request(markOf(10))), markOf(10));
  assert.equal(probeOf(new Request("http://x/")), undefined);
  for (const bad of ["1", "A".repeat(32), "g".repeat(32), "0".repeat(33)]) {
    assert.equal(probeOf(request(bad)), undefined, bad);
  }
});

Deno.test("Probes tells what went out to the mark and the hash that it went to", () => {
  const probes = new Probes();
  assert.deepEqual(probes.fieldsFor(request(markOf(1)), HASH), { [PROBE_HEADER]: markOf(1) });
  end(probes, markOf(1), 100);
  end(probes, markOf(1), 11);
  end(probes, undefined, 5);
  assert.equal(probes.fieldsFor(request(markOf(1)), HASH)[SENT_HEADER], "111");
  assert.equal(probes.fieldsFor(request(markOf(2)), HASH)[SENT_HEADER], undefined);
  assert.equal(probes.fieldsFor(request(markOf(1)), "other")[SENT_HEADER], undefined);
  assert.deepEqual(probes.fieldsFor(new Request("http://x/"), HASH), {});
});

Deno.test("Probes forgets the oldest of more than 64", () => {
  const probes = new Probes();
  for (let i = 0; i < 65; i++) end(probes, markOf(i), i);
  assert.equal(probes.fieldsFor(request(markOf(0)), HASH)[SENT_HEADER], undefined);
  assert.equal(probes.fieldsFor(request(markOf(1)), HASH)[SENT_HEADER], "1");
});
