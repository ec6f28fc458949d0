import assert from "node:assert/strict";
import { validatorsOf } from "./validators.ts";

const STATE = { version: "1", settled: true, lastModified: 1000 };

Deno.test("validatorsOf(): a date is strong once it is two seconds past", () => {
  const at = (now: number) => validatorsOf(STATE, now);
  assert.deepEqual(at(999.9), { etag: '"1"', lastModified: null, dateIsStrong: false });
  assert.deepEqual(at(1000), { etag: '"1"', lastModified: 1000, dateIsStrong: false });
  assert.deepEqual(at(1001.9), { etag: '"1"', lastModified: 1000, dateIsStrong: false });
  assert.deepEqual(at(1002), { etag: '"1"', lastModified: 1000, dateIsStrong: true });
});

Deno.test("validatorsOf(): what is not settled has a weak tag and a weak date", () => {
  assert.deepEqual(validatorsOf({ ...STATE, settled: false }, 5000), {
    etag: 'W/"1"',
    lastModified: 1000,
    dateIsStrong: false,
  });
});

Deno.test("validatorsOf(): neither a version nor a date is needed", () => {
  assert.deepEqual(validatorsOf({ version: null, settled: true, lastModified: null }, 5000), {
    etag: null,
    lastModified: null,
    dateIsStrong: false,
  });
});
