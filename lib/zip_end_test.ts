import assert from "node:assert/strict";
import { writeEndOfCentralDirectory } from "../zip/records.ts";
import { END_BYTES, lastBytes, readZipEnd } from "./zip_end.ts";

/** The end of an archive, after some bytes of its central directory; its buffer goes on */
function endOf(entries: number, offset = 1000, before = 120): Uint8Array {
  const target = new Uint8Array(before + END_BYTES + 50).fill(0x50);
  const fields = { entries, offset, size: 60 };
  const length = writeEndOfCentralDirectory(target.subarray(before), fields);
  return target.subarray(0, before + length);
}

Deno.test("readZipEnd(): what the end of central directory tells, with ZIP64 and without", () => {
  for (const entries of [0, 1, 258, 65_534, 65_535, 65_536, 10_000_000]) {
    for (const start of [0, 0xffff_fffe, 0xffff_ffff, 2 ** 40]) {
      const length = entries >= 65_535 || start >= 0xffff_ffff ? END_BYTES : 22;
      for (const before of [0, 40, 120]) { // bytes of the directory that are read with it
        const tail = endOf(entries, start, before).subarray(-END_BYTES);
        assert.deepEqual(readZipEnd(tail), { entries, start, size: 60, length });
      }
    }
  }
});

Deno.test("readZipEnd(): null where no archive ends", () => {
  for (const length of [0, 1, 21, 22, 98]) assert.equal(readZipEnd(new Uint8Array(length)), null);
  assert.equal(readZipEnd(endOf(1).slice(0, -1)), null);
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
