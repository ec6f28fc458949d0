import assert from "node:assert/strict";
import { evaluatePreconditions, isRangeWanted, parseHttpDate } from "./preconditions.ts";
import type { Validators } from "./preconditions.ts";

const TIME = Date.UTC(1994, 10, 6, 8, 49, 37) / 1000;
const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER = "Sun, 06 Nov 1994 08:49:38 GMT";

const strong: Validators = { etag: '"abc"', lastModified: TIME, dateIsStrong: true };
const weak: Validators = { etag: 'W/"abc"', lastModified: TIME, dateIsStrong: false };
const none: Validators = { etag: null, lastModified: TIME, dateIsStrong: false };
const undated: Validators = { etag: '"abc"', lastModified: null, dateIsStrong: false };

type Fields = Record<string, string>;

Deno.test("evaluatePreconditions() follows the order of the headers", () => {
  const cases: readonly [Fields, Validators, 304 | 412 | null][] = [
    [{}, strong, null],
    [{ "if-match": '"abc"' }, strong, null],
    [{ "if-match": '"x", "abc"' }, strong, null],
    [{ "if-match": "*" }, strong, null],
    [{ "if-match": "*" }, none, null],
    [{ "if-match": '"x"' }, strong, 412],
    [{ "if-match": 'W/"abc"' }, strong, 412],
    [{ "if-match": '"abc"' }, weak, 412],
    [{ "if-match": 'W/"abc"' }, weak, 412],
    [{ "if-match": "abc" }, strong, 412],
    [{ "if-match": '"abc"' }, none, 412],
    [{ "if-unmodified-since": DATE }, strong, null],
    [{ "if-unmodified-since": AFTER }, strong, null],
    [{ "if-unmodified-since": BEFORE }, strong, 412],
    [{ "if-unmodified-since": "yesterday" }, strong, null],
    [{ "if-match": '"abc"', "if-unmodified-since": BEFORE }, strong, null],
    [{ "if-none-match": '"abc"' }, strong, 304],
    [{ "if-none-match": 'W/"abc"' }, strong, 304],
    [{ "if-none-match": '"abc"' }, weak, 304],
    [{ "if-none-match": '"x", W/"abc"' }, strong, 304],
    [{ "if-none-match": "*" }, strong, 304],
    [{ "if-none-match": '"x"' }, strong, null],
    [{ "if-none-match": "abc" }, strong, null],
    [{ "if-none-match": '"aW/bc"' }, strong, null],
    [{ "if-none-match": "," }, strong, null],
    [{ "if-none-match": '"abc"' }, none, null],
    [{ "if-none-match": '"x"', "if-modified-since": DATE }, strong, null],
    [{ "if-modified-since": DATE }, strong, 304],
    [{ "if-modified-since": AFTER }, strong, 304],
    [{ "if-modified-since": BEFORE }, strong, null],
    [{ "if-modified-since": "junk" }, strong, null],
    [{ "if-none-match": '"abc"' }, undated, 304],
    [{ "if-match": '"x"', "if-none-match": '"abc"' }, strong, 412],
    [{ "if-match": '"abc"', "if-none-match": '"abc"' }, strong, 304],
    [{ "if-unmodified-since": BEFORE, "if-modified-since": DATE }, strong, 412],
  ];
  for (const [headers, validators, expected] of cases) {
    const actual = evaluatePreconditions(new Headers(headers), validators);
    assert.equal(actual, expected, JSON.stringify({ headers, etag: validators.etag }));
  }
});

Deno.test("isRangeWanted() trusts only a strong tag or the exact date", () => {
  const cases: readonly [string | null, Validators, boolean][] = [
    [null, strong, true],
    [null, weak, true],
    ['"abc"', strong, true],
    ['"x"', strong, false],
    ['W/"abc"', strong, false],
    ['W/"abc"', weak, false],
    ['"abc"', weak, false],
    ['"abc", "x"', strong, false],
    ["*", strong, false],
    [DATE, strong, true],
    [BEFORE, strong, false],
    [AFTER, strong, false],
    [DATE, weak, false],
    [DATE, none, false],
    ["junk", strong, false],
    ["junk", { ...undated, dateIsStrong: true }, false],
    [DATE, undated, false],
    ['"abc"', undated, true],
    ["", strong, false],
  ];
  for (const [ifRange, validators, expected] of cases) {
    const headers = new Headers(ifRange === null ? {} : { "if-range": ifRange });
    assert.equal(isRangeWanted(headers, validators), expected, String(ifRange));
  }
});

Deno.test("parseHttpDate() reads the three forms of a date, in GMT whatever the time zone", () => {
  const cases: readonly [string | null, number | null][] = [
    [DATE, TIME],
    ["Sunday, 06-Nov-94 08:49:37 GMT", TIME],
    ["Sun Nov  6 08:49:37 1994", TIME],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
    ["Sun, 06 Foo 1994 08:49:37 GMT", null],
    ["Sun, 06 Nov 1994 08:49:37", null],
    ["1994-11-06T08:49:37Z", null],
    ["", null],
    [null, null],
  ];
  for (const [text, expected] of cases) assert.equal(parseHttpDate(text), expected, String(text));
});

Deno.test("parseHttpDate() takes a year of two digits for one at most 50 years ahead", () => {
  const now = new Date().getUTCFullYear();
  for (const [ahead, expected] of [[0, now], [50, now + 50], [51, now - 49], [99, now - 1]]) {
    const digits = String((now + ahead) % 100).padStart(2, "0");
    const seconds = parseHttpDate(`Sunday, 06-Nov-${digits} 08:49:37 GMT`);
    const time = new Date(seconds! * 1000);
    assert.equal(time.getUTCFullYear(), expected, digits);
  }
});
