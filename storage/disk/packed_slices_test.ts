import assert from "node:assert/strict";
import { packSlices, type SliceToRead, unpackSlices } from "./packed_slices.ts";

Deno.test("unpackSlices(): gives what was packed", () => {
  const slices: SliceToRead[] = [
    {
      ...{ path: "a", location: "h/a", identity: "1:2:3:4" },
      ...{ offset: 2 ** 40, length: 1 << 20, position: 7, crc32: 0xffff_ffff },
    },
    {
      ...{ path: "in/Ünï \u{1f4f7}", location: "elsewhere/x", identity: "1:9007199254740993:0:" },
      ...{ offset: 0, length: 0, position: 0, crc32: 0 },
    },
  ];
  for (const some of [slices, slices.slice(1), []]) {
    assert.deepEqual(unpackSlices(structuredClone(packSlices(some))), some);
  }
});
