import assert from "node:assert/strict";
import { deedsOf } from "./kills.ts";

const MEMBERS = { replicas: 3, volumeServers: 3, gateways: 2 };

Deno.test("deedsOf() kills one of each kind a minute, and starts it half a minute later", () => {
  const deeds = deedsOf(10, MEMBERS);
  for (const kind of ["replicas", "volumeServers", "gateways"] as const) {
    const own = deeds.filter((deed) => deed.of === kind);
    const kills = own.filter(({ act }) => act === "kill");
    assert.deepEqual(kills.map(({ second }) => Math.floor(second / 60)), [...Array(10).keys()]);
    assert.deepEqual(new Set(kills.map(({ index }) => index)).size, MEMBERS[kind]);
    // The next thing done to a kind is always to start what was killed: never are two down.
    for (let i = 0; i < own.length; i += 2) {
      const { second, index } = own[i];
      assert.deepEqual(own.slice(i, i + 2), [
        { of: kind, index, second, act: "kill" },
        { of: kind, index, second: second + 30, act: "start" },
      ]);
    }
  }
});

Deno.test("deedsOf() starts again what was killed in a minute that is not over", () => {
  const deeds = deedsOf(0.5, MEMBERS);
  assert.equal(deeds.filter(({ act }) => act === "kill").length, 3);
  assert.equal(deeds.filter(({ act }) => act === "start").length, 3);
});
