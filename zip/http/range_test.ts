import assert from "node:assert/strict";
import fc from "fast-check";
import { parseRange } from "./range.ts";

const SIZE = 1000;

Deno.test("parseRange() cuts the last byte to the size", () => {
  const cases: readonly [string, number, number][] = [
    ["bytes=0-0", 0, 1],
    ["bytes=0-99", 0, 100],
    ["bytes=300-", 300, 1000],
    ["bytes=999-", 999, 1000],
    ["bytes=-200", 800, 1000],
    ["bytes=-1", 999, 1000],
    ["bytes=0-999", 0, 1000],
    ["bytes=0-1000", 0, 1000],
    ["bytes=0-9999999999999999", 0, 1000],
    ["bytes=0-99999999999999999999", 0, 1000],
    ["bytes=5-9223372036854775806", 5, 1000],
    ["bytes=5-18446744073709551615", 5, 1000],
    [`bytes=5-${"9".repeat(60_000)}`, 5, 1000],
    ["bytes=-999999999", 0, 1000],
    ["bytes=-18446744073709551616", 0, 1000],
    [`bytes=-${"9".repeat(400)}`, 0, 1000],
    ["bytes=00000000000000000-1", 0, 2],
    [`bytes=${"0".repeat(400)}7-${"0".repeat(300)}9`, 7, 10],
    ["Bytes=5-5", 5, 6],
    ["bytes=007-009", 7, 10],
  ];
  for (const [header, start, end] of cases) {
    assert.deepEqual(parseRange(header, SIZE), { start, end }, header);
  }
});

Deno.test("parseRange() is unsatisfiable if no byte of the whole is in the range", () => {
  const beyond = [
    "bytes=1000-",
    "bytes=1000-1001",
    "bytes=2000-3000",
    "bytes=-0",
    `bytes=-${"0".repeat(400)}`,
    "bytes=9223372036854775806-",
    "bytes=99999999999999999999-",
    "bytes=9007199254740992-9007199254740993",
    "bytes=9007199254740993-9007199254740993",
    `bytes=${"9".repeat(400)}-${"9".repeat(400)}`,
  ];
  for (const header of beyond) {
    assert.equal(parseRange(header, SIZE), "unsatisfiable", header);
  }
  assert.equal(parseRange("bytes=0-", 0), "unsatisfiable");
});

Deno.test("parseRange() is null for everything else", () => {
  const ignored = [
    null,
    "",
    "bytes",
    "bytes=",
    "bytes=-",
    "=100",
    "bytes 0-1",
    "bytes=a-b",
    "bytes=0x1-2",
    "bytes=--5",
    "bytes=-5-",
    "bytes=1-2-3",
    "bytes=500-200",
    "bytes=0-1,5-8",
    "bytes=0-1, -1",
    "bytes=,",
    "bytes= 0-1",
    "bytes=0-1 ",
    "bytes=0 -1",
    "bytes=+1-2",
    "bytes=1.5-2",
    "bytes=1e3-",
    "bytes=9007199254740993-9007199254740992", // the same number, once they are numbers
    `bytes=${"9".repeat(400)}-${"9".repeat(399)}8`,
    `bytes=${"9".repeat(400)}-5`,
    `bytes=1-${"0".repeat(400)}`,
    "bytes=٣-٥",
    "bytes=０-９",
    "items=0-5",
    "bytes=0-1\n",
    `bytes=${",".repeat(65_536)}`,
    `bytes=${"0-1,".repeat(1000)}0-1`,
  ];
  for (const header of ignored) {
    assert.equal(parseRange(header, SIZE), null, String(header).slice(0, 40));
  }
});

Deno.test("parseRange() returns at least one byte, all within the whole, or no range", () => {
  const position = fc.oneof(fc.constant(""), fc.nat(2000).map(String));
  fc.assert(
    fc.property(position, position, fc.nat(1500), (first, last, size) => {
      const range = parseRange(`bytes=${first}-${last}`, size);
      if (range === null || range === "unsatisfiable") return;
      assert.ok(0 <= range.start && range.start < range.end && range.end <= size);
    }),
  );
});

Deno.test("parseRange() is exact for any number of digits and any size", () => {
  const digits = fc.tuple(
    fc.nat(3),
    fc.string({ unit: fc.constantFrom(..."0123456789"), size: "max", maxLength: 400 }),
  )
    .map(([zeros, rest]) => "0".repeat(zeros) + rest);
  const near = fc.bigInt(2n ** 53n - 5n, 2n ** 53n + 5n).map(String);
  const position = fc.oneof(fc.constant(""), fc.nat(2000).map(String), near, digits);
  const size = fc.oneof(fc.nat(1500), fc.maxSafeNat());
  fc.assert(
    fc.property(position, position, size, (first, last, size) => {
      assert.deepEqual(
        parseRange(`bytes=${first}-${last}`, size),
        expectedRange(first, last, size),
      );
    }),
    { numRuns: 5000 },
  );
});

/** Section 14.1.2 word for word, in whole numbers without a limit */
function expectedRange(first: string, last: string, size: number) {
  if (first === "" && last === "") return null;
  const end = BigInt(size);
  const least = (a: bigint, b: bigint) => a < b ? a : b;
  const start = first === "" ? end - least(BigInt(last), end) : BigInt(first);
  const stop = first === "" || last === "" ? end : BigInt(last) + 1n;
  if (first !== "" && last !== "" && stop <= start) return null;
  if (start >= end) return "unsatisfiable";
  return { start: Number(start), end: Number(least(stop, end)) };
}
