import assert from "node:assert/strict";
import fc from "fast-check";
import { chooseAnswer, hasContent, type Representation } from "./answer.ts";

const WHOLE: Representation = {
  size: 1000,
  validators: { etag: '"abc"', lastModified: null, dateIsStrong: false },
  hasRanges: true,
};

function ask(
  headers: Record<string, string>,
  { method = "GET", ...state }: Partial<Representation> & { readonly method?: string } = {},
) {
  return chooseAnswer({ method, headers: new Headers(headers) }, { ...WHOLE, ...state });
}

Deno.test("chooseAnswer(): the whole, a range, or a state", () => {
  const whole = {
    status: 200,
    range: null,
    length: 1000,
    fields: { "content-length": "1000" },
  };
  const part = {
    status: 206,
    range: { start: 10, end: 20 },
    length: 10,
    fields: { "content-range": "bytes 10-19/1000", "content-length": "10" },
  };
  assert.deepEqual(ask({}), whole);
  assert.deepEqual(ask({ range: "bytes=10-19" }), part);
  assert.deepEqual(ask({ range: "bytes=10-19", "if-range": '"abc"' }), part);
  assert.deepEqual(ask({ range: "bytes=10-19", "if-range": '"old"' }), whole);
  assert.deepEqual(ask({ range: "bytes=1000-" }), {
    status: 416,
    fields: { "content-range": "bytes */1000" },
  });
  assert.deepEqual(ask({ "if-none-match": '"abc"', range: "bytes=10-19" }), {
    status: 304,
    fields: {},
  });
  assert.deepEqual(ask({ "if-match": '"old"', range: "bytes=1000-" }), {
    status: 412,
    fields: {},
  });
});

Deno.test("chooseAnswer(): no range for HEAD, nor of bytes that differ each time", () => {
  for (const range of ["bytes=10-19", "bytes=1000-"]) {
    assert.equal(ask({ range }, { method: "HEAD" }).status, 200);
    assert.equal(ask({ range }, { hasRanges: false }).status, 200);
  }
});

Deno.test("chooseAnswer(): a whole of unknown size has no length, but its state", () => {
  const state = { size: null };
  const expected = { status: 200, range: null, length: null, fields: {} };
  assert.deepEqual(ask({ range: "bytes=0-1" }, state), expected);
  assert.equal(ask({ "if-none-match": '"abc"' }, state).status, 304);
});

Deno.test("chooseAnswer(): the fields say what the range is", () => {
  const property = fc.property(fc.nat(2000), fc.nat(2000), fc.nat(1500), (first, more, size) => {
    const answer = ask({ range: `bytes=${first}-${first + more}` }, { size });
    if (!hasContent(answer)) {
      assert.ok(first >= size);
      return assert.deepEqual(answer.fields, { "content-range": `bytes */${size}` });
    }
    const { start, end } = answer.range!;
    assert.equal(answer.status, 206);
    assert.deepEqual([start, end], [first, Math.min(first + more + 1, size)]);
    assert.equal(answer.length, end - start);
    assert.deepEqual(answer.fields, {
      "content-range": `bytes ${start}-${end - 1}/${size}`,
      "content-length": `${end - start}`,
    });
  });
  fc.assert(property, { numRuns: 500 });
});
