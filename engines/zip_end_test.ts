import assert from "node:assert/strict";
import { writeEndOfCentralDirectory } from "../zip/records.ts";
import { END_BYTES, entriesAtEnd, lastBytes } from "./zip_end.ts";

/** The end of an archive, after some bytes of its central directory */
function endOf(entries: number, offset = 1000): Uint8Array {
  const target = new Uint8Array(40 + END_BYTES).fill(0x50);
  const length = writeEndOfCentralDirectory(target.subarray(40), { entries, offset, size: 60 });
  return target.subarray(0, 40 + length);
}

Deno.test("entriesAtEnd(): what the end of central directory tells, with ZIP64 and without", () => {
  for (const entries of [0, 1, 258, 65_534, 65_535, 65_536, 10_000_000]) {
    for (const offset of [0, 0xffff_fffe, 0xffff_ffff, 2 ** 40]) {
      const tail = lastBytes(new Uint8Array(), endOf(entries, offset));
      assert.equal(entriesAtEnd(tail), entries, `${entries} at ${offset}`);
    }
  }
});

Deno.test("entriesAtEnd(): null where no archive ends", () => {
  for (const length of [0, 1, 21, 22, 98]) assert.equal(entriesAtEnd(new Uint8Array(length)), null);
  assert.equal(entriesAtEnd(endOf(1).slice(0, -1)), null);
});

Deno.test("lastBytes(): of pieces of any length", () => {
  const all = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
  for (const length of [1, 7, END_BYTES - 1, END_BYTES, END_BYTES + 1, 600, 1000]) {
    let tail: Uint8Array = new Uint8Array();
    for (let at = 0; at < all.length; at += length) {
      tail = lastBytes(tail, all.subarray(at, at + length));
    }
    assert.deepEqual(tail, all.slice(-END_BYTES), `${length}`);
  }
  assert.deepEqual(lastBytes(new Uint8Array(), all.subarray(0, 3)), all.slice(0, 3));
});
