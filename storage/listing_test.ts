import assert from "node:assert/strict";
import {
  EntryColumns,
  type EntryState,
  filesOf,
  identityOf,
  type PackedListing,
  unpackListing,
} from "./listing.ts";

const STATE: EntryState = { dev: 1, ino: 2, size: 3, mtimeMs: 4500, mode: 0o644 };

const ABOUT = {
  hash: "h",
  fingerprint: "f",
  lastModified: 4,
  changed: 5,
  steady: true,
  settled: true,
  leftOut: ["link"],
};

function packed(columns: EntryColumns): PackedListing {
  return { ...columns.pack(), ...ABOUT };
}

Deno.test("identityOf() tells files apart by device, inode, size and time, not by mode", () => {
  const other = { dev: 9, ino: 9, size: 9, mtimeMs: 4501 };
  const identities = Object.entries(other).map(([field, value]) =>
    identityOf({ ...STATE, [field]: value })
  );
  assert.equal(new Set([identityOf(STATE), ...identities]).size, 5);
  assert.equal(identityOf({ ...STATE, ino: null }), identityOf({ ...STATE, ino: 0 }));
  const swapped = identityOf({ ...STATE, dev: 23, ino: 1 });
  assert.notEqual(swapped, identityOf({ ...STATE, dev: 2, ino: 31 }));
});

Deno.test("EntryColumns: what goes in comes out, however many there are", () => {
  for (const count of [1, 2, 1023, 1024, 1025, 5000]) {
    const columns = new EntryColumns();
    for (let i = 0; i < count; i++) {
      const state = {
        dev: i,
        ino: i % 2 ? null : i + 1,
        size: i + 2,
        mtimeMs: 1000 * i + 999,
        mode: i + 4,
      };
      columns.push(`n${i}`, state, i % 3 ? undefined : { path: `p${i}`, location: `l/${i}` });
    }
    assert.equal(columns.length, count);
    const { entries, memory, ...about } = unpackListing(packed(columns));
    assert.deepEqual(about, ABOUT);
    assert.ok(memory > 300 * count && memory < 10_000 + 1000 * count, `${memory} bytes`);
    assert.equal(entries.length, count);
    entries.forEach((entry, i) => {
      const { hash, name, path, location, size, mtime, mode, identity } = entry;
      const place = i % 3
        ? { path: name, location: `h/${name}` }
        : { path: `p${i}`, location: `l/${i}` };
      assert.deepEqual({ hash, name, path, location, size, mtime, mode }, {
        hash: "h",
        name: `n${i}`,
        ...place,
        size: i + 2,
        mtime: i,
        mode: i + 4,
      });
      const state = { dev: i, ino: i % 2 ? null : i + 1, size: i + 2, mtimeMs: 1000 * i + 999 };
      assert.equal(identity, identityOf(state));
    });
  }
});

Deno.test("filesOf() leaves empty folders out", () => {
  const columns = new EntryColumns();
  for (const name of ["a", "b/", "c/d", "e/f/"]) columns.push(name, STATE);
  assert.deepEqual(filesOf(unpackListing(packed(columns))).map(({ name }) => name), ["a", "c/d"]);
});

Deno.test("a disk whose times tell nothing: neither identity nor version has a time in it", () => {
  const at = (steady: boolean, change: Partial<EntryState> = {}) => {
    const columns = new EntryColumns();
    columns.push("a", { ...STATE, ...change });
    return unpackListing({ ...packed(columns), steady }).entries[0];
  };
  for (const field of ["identity", "version"] as const) {
    const later = { mtimeMs: STATE.mtimeMs + 1 };
    assert.notEqual(at(true, later)[field], at(true)[field], field);
    assert.equal(at(false, later)[field], at(false)[field], field);
    assert.notEqual(at(false)[field], at(true)[field], field);
    assert.notEqual(at(false, { size: 9 })[field], at(false)[field], field);
    assert.notEqual(at(true, { size: 9 })[field], at(true)[field], field);
  }
  assert.notEqual(at(false, { ino: 9 }).identity, at(false).identity);
  assert.notEqual(at(false, { dev: 9 }).identity, at(false).identity);
});
