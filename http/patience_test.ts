import assert from "node:assert/strict";
import { Patience } from "./patience.ts";

Deno.test("Patience: a client has stalled when it took nothing for the whole time", () => {
  const patience = new Patience(300);
  assert.equal(patience.left(1000), 300, "nothing was offered yet");
  patience.offered(1000);
  assert.equal(patience.left(1000), 300);
  assert.equal(patience.left(1299), 1);
  assert.equal(patience.left(1300), 0);
  assert.equal(patience.left(9999), 0);
});

Deno.test("Patience: what the source takes is not the client's time", () => {
  const patience = new Patience(300);
  patience.offered(0);
  patience.taken(1);
  assert.equal(patience.left(100_000), 300);
  patience.offered(100_000);
  assert.equal(patience.left(100_299), 1);
});

Deno.test("Patience: who took long before may take twenty times as long, up to an hour", () => {
  const patience = new Patience(300);
  patience.offered(0);
  patience.taken(15);
  assert.equal(patience.allowed, 300, "a short pause changes nothing");
  patience.offered(100);
  patience.taken(399);
  assert.equal(patience.allowed, 20 * 299);
  patience.offered(400);
  patience.taken(401);
  assert.equal(patience.allowed, 20 * 299, "the longest pause counts, not the last");
  patience.offered(1000);
  assert.equal(patience.left(1000 + 20 * 299 - 1), 1);
  assert.equal(patience.left(1000 + 20 * 299), 0);
  patience.taken(1000 + 600_000);
  assert.equal(patience.allowed, 3_600_000);
  const day = new Patience(86_400_000);
  day.offered(0);
  day.taken(80_000_000);
  assert.equal(day.allowed, 86_400_000);
});

Deno.test("Patience: a client of 1 KiB per second goes on for ever, as the system's buffers grow", () => {
  const patience = new Patience(300_000);
  let now = 0;
  for (const seconds of [133, 101, 552, 552, 1024, 1843, 1843, 1843]) {
    patience.offered(now);
    now += seconds * 1000;
    assert.ok(patience.left(now) > 0, `${seconds} s`);
    patience.taken(now);
  }
});

Deno.test("Patience: taken() without an offer says nothing", () => {
  const patience = new Patience(300);
  patience.taken(5000);
  assert.equal(patience.allowed, 300);
});
