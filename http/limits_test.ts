import assert from "node:assert/strict";
import { DownloadLimit, PARTS_A_DOWNLOAD, type Release, RequestLimit } from "./limits.ts";

const WHOLE = { part: false };
const PART = { part: true };

function taken(result: Release | string): Release {
  assert.ok(typeof result === "function", String(result));
  return result;
}

Deno.test("RequestLimit: no more than there may be, in all and for one client", () => {
  const limit = new RequestLimit({ most: 3, mostPerClient: 2 });
  const first = taken(limit.take("a"));
  taken(limit.take("a"));
  assert.equal(limit.take("a"), "client");
  taken(limit.take("b"));
  assert.equal(limit.take("b"), "server");
  assert.equal(limit.take("a"), "client", "the client's own limit is told first");
  assert.equal(limit.active, 3);
  first();
  first(); // once is all that counts
  assert.equal(limit.active, 2);
  taken(limit.take("b"));
  assert.equal(limit.excess("c"), "server");
});

Deno.test("RequestLimit: of clients that nobody can tell apart, none has a limit of its own", () => {
  const limit = new RequestLimit({ most: 3, mostPerClient: 1 });
  for (let i = 0; i < 3; i++) taken(limit.take(""));
  assert.equal(limit.take(""), "server");
});

Deno.test("DownloadLimit: parts of one archive by one client are one download", () => {
  const limit = new DownloadLimit({ most: 2, mostPerClient: 1 });
  const key = { client: "a", hash: "h" };
  const whole = taken(limit.take(key, WHOLE));
  const parts = Array.from({ length: 8 }, () => taken(limit.take(key, PART)));
  assert.equal(limit.active, 1);
  assert.equal(limit.take(key, WHOLE), "client", "the whole once more is another download");
  assert.equal(limit.take({ client: "a", hash: "other" }, PART), "client");
  taken(limit.take({ client: "b", hash: "h" }, PART));
  assert.equal(limit.take({ client: "c", hash: "h" }, PART), "server");
  whole();
  assert.equal(limit.active, 2, "its parts go on");
  for (const part of parts) part();
  for (const part of parts) part();
  assert.equal(limit.active, 1);
  taken(limit.take(key, WHOLE));
});

Deno.test("DownloadLimit: a great many parts are more than one download", () => {
  const limit = new DownloadLimit({ most: 2 });
  const key = { client: "a", hash: "h" };
  const parts = Array.from(
    { length: 2 * PARTS_A_DOWNLOAD },
    () => taken(limit.take(key, PART)),
  );
  assert.equal(limit.active, 2);
  assert.equal(limit.take(key, PART), "server");
  parts[0]();
  parts[PARTS_A_DOWNLOAD] = taken(limit.take(key, PART));
  assert.equal(limit.take(key, PART), "server");
});

Deno.test("DownloadLimit: whatever comes and goes, in the end nothing is taken", () => {
  const limit = new DownloadLimit({ most: 5, mostPerClient: 3 });
  const held: Release[] = [];
  let state = 1;
  const random = (below: number) => (state = state * 48271 % 2147483647) % below;
  for (let i = 0; i < 20_000; i++) {
    const key = { client: `c${random(3)}`, hash: `h${random(3)}` };
    const result = limit.take(key, { part: random(2) === 0 });
    if (typeof result === "function") held.push(result);
    if (random(2) === 0) held.splice(random(held.length), 1)[0]?.();
    assert.ok(limit.active <= 5);
    assert.equal(limit.active === 0, held.length === 0);
  }
  for (const release of held) release();
  assert.equal(limit.active, 0);
});
