import assert from "node:assert/strict";
import { entityTag } from "./entity_tag.ts";
import { evaluatePreconditions, isRangeWanted } from "./preconditions.ts";

const VERSION = "1-314f21f83362345a76bdf8476be1e7a0";

Deno.test("entityTag() quotes the version, and marks it as weak until it is settled", () => {
  assert.equal(
    entityTag({ version: VERSION, settled: true }),
    '"1-314f21f83362345a76bdf8476be1e7a0"',
  );
  assert.equal(
    entityTag({ version: VERSION, settled: false }),
    'W/"1-314f21f83362345a76bdf8476be1e7a0"',
  );
});

Deno.test("entityTag() is null for bytes that are not the same each time", () => {
  assert.equal(entityTag({ version: null, settled: true }), null);
  assert.equal(entityTag({ version: null, settled: false }), null);
});

Deno.test("entityTag() makes tags that conditional requests compare as they should", () => {
  for (const settled of [true, false]) {
    const etag = entityTag({ version: VERSION, settled })!;
    const validators = { etag, lastModified: 0, dateIsStrong: settled };
    const evaluate = (field: string, tag: string) =>
      evaluatePreconditions(new Headers({ [field]: tag }), validators);
    const other = entityTag({ version: `${VERSION}x`, settled })!;

    assert.equal(evaluate("if-none-match", etag), 304);
    assert.equal(evaluate("if-none-match", other), null);
    assert.equal(evaluate("if-match", etag), settled ? null : 412);
    assert.equal(evaluate("if-match", other), 412);
    assert.equal(isRangeWanted(new Headers({ "if-range": etag }), validators), settled);
  }
});
