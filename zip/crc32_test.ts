import assert from "node:assert/strict";
import fc from "fast-check";
import { crc32 as zlib } from "node:zlib";
import { crc32, crc32ByTable } from "./crc32.ts";

Deno.test("crc32() and crc32ByTable() know the check value", () => {
  const digits = new TextEncoder().encode("123456789");
  for (const crc of [crc32, crc32ByTable]) {
    assert.equal(crc(digits), 0xcbf43926);
    assert.equal(crc(new Uint8Array()), 0);
    assert.equal(crc(new Uint8Array(), 0xcbf43926), 0xcbf43926);
  }
});

Deno.test("crc32ByTable() agrees with zlib, however the bytes are cut", () => {
  const bytes = fc.uint8Array({ maxLength: 70 });
  const property = fc.property(bytes, bytes, fc.nat(7), (first, second, skipped) => {
    const before = crc32ByTable(first);
    assert.equal(before, zlib(first));
    const rest = second.subarray(skipped); // at any address
    assert.equal(crc32ByTable(rest, before), zlib(rest, before));
    assert.equal(crc32(rest, before), zlib(rest, before));
    assert.equal(crc32ByTable(rest, before), crc32ByTable(Uint8Array.of(...first, ...rest)));
  });
  fc.assert(property, { numRuns: 2000 });
});
