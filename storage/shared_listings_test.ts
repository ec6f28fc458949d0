import assert from "node:assert/strict";
import { MemorySource } from "../testing/memory_source.ts";
import { EntryColumns, type Listing, type PackedListing } from "./listing.ts";
import { PendingListings, SharedListings } from "./shared_listings.ts";

/** Listings that end when they are told to; each knows how many were begun before it */
function countedListings() {
  const begun: PromiseWithResolvers<Listing | null>[] = [];
  const list = () => {
    const listing = Promise.withResolvers<Listing | null>();
    begun.push(listing);
    return listing.promise;
  };
  return { begun, list };
}

/** Lets all go on that can */
const tick = () => new Promise((resolve) => setTimeout(resolve));

const source = new MemorySource({ "first/a": "1", "second/a": "1", "fourth/a": "1" });
const listingOf = (hash: string) => source.list(hash);

Deno.test("PendingListings: who asks while a folder is listed shares the listing after it", async () => {
  const pending = new PendingListings<Listing | null>();
  const { begun, list } = countedListings();
  const first = pending.get("a", list);
  const crowd = Array.from({ length: 5 }, () => pending.get("a", list));
  assert.equal(begun.length, 1);
  begun[0].resolve(await listingOf("first"));
  assert.equal((await first)?.hash, "first");
  await tick();
  assert.equal(begun.length, 2, "the next one begins when the first one has ended");
  const late = pending.get("a", list); // the second one has begun before: too old
  begun[1].resolve(await listingOf("second"));
  await tick();
  const hashes = (await Promise.all(crowd)).map((listing) => listing?.hash);
  assert.deepEqual(hashes, Array(5).fill("second"));
  begun[2].resolve(null);
  assert.equal(await late, null);
  assert.equal(begun.length, 3);
  const afterwards = pending.get("a", list);
  assert.equal(begun.length, 4, "nothing is kept");
  begun[3].resolve(await listingOf("fourth"));
  assert.equal((await afterwards)?.hash, "fourth");
});

Deno.test("PendingListings: a listing that fails does so for those who asked for it only", async () => {
  const pending = new PendingListings<Listing | null>();
  const { begun, list } = countedListings();
  const first = pending.get("a", list);
  const second = pending.get("a", list);
  begun[0].reject(new Error("EACCES"));
  await assert.rejects(first, /EACCES/);
  await tick();
  begun[1].resolve(await listingOf("second"));
  assert.equal((await second)?.hash, "second");
});

Deno.test("PendingListings: folders are listed beside each other", () => {
  const pending = new PendingListings<Listing | null>();
  const { begun, list } = countedListings();
  for (const hash of ["a", "b", "c"]) pending.get(hash, list);
  assert.equal(begun.length, 3);
});

/** A packed listing of one file, new each time */
function packed(change: Partial<PackedListing> = {}, place?: string): PackedListing {
  const columns = new EntryColumns();
  const state = { size: 1, mtimeMs: 2, mode: 3, dev: 4, ino: 5 };
  columns.push("a", state, place ? { path: "a", location: place } : undefined);
  const about = {
    hash: "h",
    fingerprint: "f",
    lastModified: 6,
    changed: 7,
    settled: true,
    steady: true,
    leftOut: ["link"],
  };
  return { ...columns.pack(), ...about, ...change };
}

Deno.test("SharedListings: a listing is shared only by those that are the same in everything", () => {
  const shared = new SharedListings();
  const first = shared.unpack("h", packed());
  assert.equal(shared.unpack("h", packed()), first);
  assert.notEqual(shared.unpack("other", packed()), first);
  const numbers = [0, 1, 2, 3, 4].map((field) => {
    const { numbers } = packed();
    numbers[field]++;
    return { numbers };
  });
  const changes = [
    ...[
      { names: "b" },
      { settled: false },
      { steady: false },
      { changed: 9 },
      { lastModified: 7 },
      { leftOut: [] },
      ...numbers,
    ]
      .map((change) => packed(change)),
    packed({ leftOut: ["other"] }),
    packed({}, "elsewhere/a"),
  ];
  for (const other of changes) {
    const shared = new SharedListings();
    const before = shared.unpack("h", packed());
    const after = shared.unpack("h", other);
    assert.notEqual(after, before, JSON.stringify(other));
    assert.equal(shared.unpack("h", other), after, "the newest one is shared from then on");
    assert.notEqual(shared.unpack("h", packed()), before);
  }
});
