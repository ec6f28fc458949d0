import assert from "node:assert/strict";
import { Attempts } from "./attempts.ts";

Deno.test("Attempts: a client has ten a minute, others have theirs", () => {
  let now = 0;
  const attempts = new Attempts({ now: () => now });
  for (let i = 0; i < 10; i++) {
    assert.ok(attempts.allows("192.0.2.1"));
    attempts.failed("192.0.2.1");
  }
  assert.ok(!attempts.allows("192.0.2.1"));
  assert.ok(attempts.allows("192.0.2.2"));
  now = 59_999;
  assert.ok(!attempts.allows("192.0.2.1"));
  now = 60_000;
  assert.ok(attempts.allows("192.0.2.1"));
});

Deno.test("Attempts: many clients take no memory without end, and keep nobody else out", () => {
  const attempts = new Attempts({ now: () => 0 });
  for (let i = 0; i < 20_000; i++) attempts.failed(`client ${i}`);
  assert.ok(attempts.allows("somebody else"));
});
