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

Deno.test("Patience: who took long before may take four times as long", () => {
  const patience = new Patience(300);
  patience.offered(0);
  patience.taken(75);
  assert.equal(patience.allowed, 300, "a short pause changes nothing");
  patience.offered(100);
  patience.taken(399);
  assert.equal(patience.allowed, 4 * 299);
  patience.offered(400);
  patience.taken(401);
  assert.equal(patience.allowed, 4 * 299, "the longest pause counts, not the last");
  patience.offered(1000);
  assert.equal(patience.left(1000 + 4 * 299 - 1), 1);
  assert.equal(patience.left(1000 + 4 * 299), 0);
});

Deno.test("Patience: pauses that grow no faster than fourfold never end a download", () => {
  const patience = new Patience(300);
  let now = 0;
  for (let pause = 130; pause < 1e6; pause *= 3.9) {
    patience.offered(now);
    now += pause;
    assert.ok(patience.left(now) > 0, `${pause} ms`);
    patience.taken(now);
  }
});

Deno.test("Patience: taken() without an offer says nothing", () => {
  const patience = new Patience(300);
  patience.taken(5000);
  assert.equal(patience.allowed, 300);
});
