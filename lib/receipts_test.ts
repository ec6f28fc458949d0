import assert from "node:assert/strict";
import fc from "fast-check";
import { applyUpdate, receiptOf, type ReceiptState, type RequestUpdate } from "./receipts.ts";

const SIZE = 16;
const TAG = '"1-a"';

/** An update of the request `a`, which sends everything */
function update(change: Partial<RequestUpdate>): RequestUpdate {
  return {
    id: "a",
    hash: "h",
    etag: TAG,
    size: SIZE,
    start: 0,
    bytes: 0,
    isFirst: true,
    ended: null,
    at: 1000,
    ...change,
  };
}

/** Takes in one update after the other */
function applyAll(updates: readonly Partial<RequestUpdate>[]) {
  let state: ReceiptState | undefined;
  const delivered = updates.map((change) => {
    const applied = applyUpdate(state, update(change));
    state = applied.state;
    return applied.delivered;
  });
  assert.ok(state);
  return { state, receipt: receiptOf(state), delivered };
}

const ended = { ended: "complete" } as const;
const cut = { ended: "cancelled" } as const;

Deno.test("applyUpdate(): one request that sends everything is a delivery", () => {
  const { receipt, delivered } = applyAll([
    { at: 1000 },
    { at: 2000, bytes: 9, isFirst: false },
    { at: 3000, bytes: SIZE, isFirst: false, ...ended },
  ]);
  assert.deepEqual(delivered, [false, false, true]);
  assert.deepEqual(receipt, {
    etag: TAG,
    size: SIZE,
    requests: 1,
    bytes: SIZE,
    deliveries: 1,
    covered: 0,
    firstRequest: 1000,
    lastRequest: 3000,
    firstDelivery: 3000,
    lastDelivery: 3000,
  });
});

Deno.test("applyUpdate(): what was a choice of files is the whole once all others are gone", () => {
  const { receipt } = applyAll([{ chosen: true, ...ended }, { id: "b", chosen: true }]);
  assert.equal(receipt.chosen, true);
  const whole = applyAll([{ chosen: true, ...ended }, { id: "b" }]);
  assert.equal(whole.receipt.chosen, undefined);
});

Deno.test("applyUpdate(): parts are a delivery when no byte is missing", () => {
  const cases: [string, Partial<RequestUpdate>[], boolean[]][] = [
    ["a resume", [{ bytes: 9, ...cut }, { id: "b", start: 9, bytes: 7, ...ended }], [false, true]],
    ["with overlap", [{ bytes: 9, ...cut }, { id: "b", start: 5, bytes: 11, ...ended }], [
      false,
      true,
    ]],
    ["a gap", [{ bytes: 8, ...cut }, { id: "b", start: 9, bytes: 7, ...ended }], [false, false]],
    ["the end alone", [{ start: 9, bytes: 7, ...ended }], [false]],
    ["a cut", [{ bytes: 15, ...cut }], [false]],
    ["reset after the last byte", [{ bytes: SIZE, ended: "failed" }], [false]],
    ["given up after the last byte", [{ bytes: SIZE, ended: "stalled" }], [false]],
    [
      "a process that ended without a word",
      [{ bytes: 9 }, { id: "b", start: 9, bytes: 7, ...ended }],
      [false, true],
    ],
  ];
  for (const [name, updates, expected] of cases) {
    assert.deepEqual(applyAll(updates).delivered, expected, name);
  }
});

Deno.test("applyUpdate(): bytes of one delivery do not count for the next", () => {
  const parts = [{ bytes: 9, ...cut }, { id: "b", start: 9, bytes: 7, ...ended }];
  const { delivered, receipt } = applyAll([...parts, parts[1], parts[0]]);
  assert.deepEqual(delivered, [false, true, false, true]);
  assert.deepEqual([receipt.deliveries, receipt.covered, receipt.bytes], [2, 0, 32]);
  const open = applyAll([{ bytes: 9 }, parts[1], { bytes: 12, isFirst: false, ...cut }]);
  assert.deepEqual(open.delivered, [false, true, false]);
  assert.deepEqual([open.receipt.covered, open.receipt.bytes], [3, 19]);
});

Deno.test("applyUpdate(): without a strong tag only a whole request is a delivery", () => {
  for (const etag of [null, 'W/"1-a"']) {
    const size = etag === null ? null : SIZE;
    const parts = [{ bytes: 9, ...cut }, { id: "b", start: 9, bytes: 7, ...ended }];
    const all = [...parts, { bytes: SIZE, ...ended }].map((part) => ({ ...part, etag, size }));
    assert.deepEqual(applyAll(all).delivered, [false, false, true], String(etag));
    assert.equal(applyAll(all).receipt.covered, 0);
  }
});

Deno.test("applyUpdate(): what is kept of running requests has a bound", () => {
  const many = Array.from({ length: 500 }, (_, i) => ({ id: `${i}`, start: i % SIZE, bytes: 1 }));
  const { state } = applyAll([...many, { ...many[3], bytes: 2, isFirst: false }]);
  assert.ok(state.open.length <= 64);
  assert.equal(state.requests, 500);
});

Deno.test("applyUpdate(): as many deliveries as a map of bytes tells", () => {
  const part = fc.tuple(fc.nat(SIZE - 1), fc.nat(SIZE)).map(([start, length]) => ({
    start,
    bytes: Math.min(length, SIZE - start),
  }));
  fc.assert(fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
    const map = new Array<boolean>(SIZE).fill(false);
    let deliveries = 0;
    for (const { start, bytes } of parts) {
      if (bytes === SIZE) {
        deliveries++;
        continue;
      }
      map.fill(true, start, start + bytes);
      if (!map.every(Boolean)) continue;
      deliveries++;
      map.fill(false);
    }
    const updates = parts.map((part, i) => ({ ...part, id: `${i}`, ...ended }));
    const { receipt } = applyAll([{ bytes: 0 }, ...updates]);
    assert.equal(receipt.deliveries, deliveries);
    assert.equal(receipt.covered, map.filter(Boolean).length);
  }));
});
