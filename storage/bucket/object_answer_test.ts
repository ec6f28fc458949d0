import assert from "node:assert/strict";
import { StorageError } from "../errors.ts";
import { type ByteRun, checkBody, crc32Of, factsOf, mtimeOf } from "./object_answer.ts";

const TIME = "Fri, 02 Jan 2026 03:04:05 GMT";

Deno.test("factsOf() reads the fields of HeadObject", () => {
  const fields = { "content-length": "7", etag: '"e1"', "last-modified": TIME };
  assert.deepEqual(factsOf("k", { headers: new Headers(fields) }), {
    ...{ key: "k", size: 7, etag: '"e1"', lastModifiedMs: Date.parse(TIME) },
    ...{ mtimeMs: null, crc32: null },
  });
  const more = { "x-amz-meta-mtime": "1700000000.5", "x-amz-checksum-crc32": "AAAAAQ==" };
  const { mtimeMs, crc32 } = factsOf("k", { headers: new Headers({ ...fields, ...more }) });
  assert.deepEqual([mtimeMs, crc32], [1_700_000_000_500, 1]);
  for (const name of Object.keys(fields)) {
    const headers = new Headers(fields);
    headers.delete(name);
    assert.throws(
      () => factsOf("k", { headers }),
      (error) => error instanceof StorageError && error.code === "EPROTO",
      name,
    );
  }
});

Deno.test("mtimeOf() reads seconds with a fraction and rounds down", () => {
  const times: readonly (readonly [string | null, number | null])[] = [
    ["1700000000", 1_700_000_000_000],
    ["1700000000.123456789", 1_700_000_000_123],
    ["1699999999.9999999", 1_699_999_999_999],
    ["0.1", 100],
    ["-1", -1000],
    ["-1.5", -1500],
    ["-0.0001", -1],
    ["8640000000000", 8.64e15],
    ["8640000000001", null],
    ["1e9", null],
    ["1700000000.", null],
    [" 1", null],
    ["2026-01-02T03:04:05Z", null],
    ["", null],
    [null, null],
  ];
  for (const [text, time] of times) assert.equal(mtimeOf(text), time, `${text}`);
});

Deno.test("crc32Of() takes the CRC-32 of a whole object only", () => {
  const [crc32, type, etag] = ["x-amz-checksum-crc32", "x-amz-checksum-type", "etag"];
  const cases: readonly (readonly [Readonly<Record<string, string>>, number | null])[] = [
    [{ [crc32]: "y/Q5Jg==", [type]: "FULL_OBJECT", [etag]: '"e"' }, 0xcbf43926],
    [{ [crc32]: "y/Q5Jg==", [type]: "FULL_OBJECT", [etag]: '"e-2"' }, 0xcbf43926],
    [{ [crc32]: "y/Q5Jg==", [etag]: '"e"' }, 0xcbf43926],
    [{ [crc32]: "y/Q5Jg==", [etag]: '"e-2"' }, null],
    [{ [crc32]: "y/Q5Jg==", [type]: "COMPOSITE", [etag]: '"e-2"' }, null],
    [{ [crc32]: "y/Q5Jg==-2", [type]: "COMPOSITE", [etag]: '"e-2"' }, null],
    [{ [crc32]: "y/Q5Jg==-2", [etag]: '"e"' }, null],
    [{ [crc32]: "y/Q5", [etag]: '"e"' }, null],
    [{ [crc32]: "", [etag]: '"e"' }, null],
    [{ [type]: "FULL_OBJECT", [etag]: '"e"' }, null],
  ];
  for (const [fields, value] of cases) assert.equal(crc32Of(new Headers(fields)), value);
});

Deno.test("checkBody() takes the run and the version that were asked for, and no other", () => {
  const object = { key: "secret", etag: '"e1"', size: 10 };
  const check = (run: ByteRun, status: number, fields: Readonly<Record<string, string>>) => {
    try {
      checkBody(object, run, { status, headers: new Headers({ etag: '"e1"', ...fields }) });
      return "";
    } catch (error) {
      assert.ok(error instanceof StorageError && !error.message.includes("secret"));
      return error.code;
    }
  };
  const [whole, part] = [{ start: 0, end: 10 }, { start: 2, end: 5 }];
  const range = { "content-range": "bytes 2-4/10", "content-length": "3" };

  assert.equal(check(whole, 200, { "content-length": "10" }), "");
  assert.equal(check(whole, 200, {}), "", "chunked");
  assert.equal(check(whole, 200, { etag: "e1" }), "", "quotes left out");
  assert.equal(check(part, 206, range), "");

  assert.equal(check(whole, 200, { etag: '"e2"', "content-length": "10" }), "ESTALE");
  assert.equal(check(whole, 200, { etag: 'W/"e1"', "content-length": "10" }), "ESTALE");
  assert.equal(check(whole, 200, { "content-length": "9" }), "ESTALE");
  assert.equal(check(whole, 206, { "content-length": "10" }), "EPROTO");
  assert.equal(check(whole, 204, {}), "EPROTO");
  assert.equal(check(part, 200, { "content-length": "10" }), "EPROTO");
  assert.equal(check(part, 206, { ...range, etag: '"e2"' }), "ESTALE");
  assert.equal(check(part, 206, { ...range, "content-range": "bytes 2-4/11" }), "ESTALE");
  assert.equal(check(part, 206, { ...range, "content-range": "bytes 2-5/10" }), "EPROTO");
  assert.equal(check(part, 206, { ...range, "content-range": "bytes 1-4/10" }), "EPROTO");
  assert.equal(check(part, 206, { ...range, "content-range": "bytes 2-4/*" }), "EPROTO");
  assert.equal(check(part, 206, { ...range, "content-length": "4" }), "EPROTO");
  assert.equal(check(part, 206, {}), "EPROTO");
  assert.throws(
    () => checkBody(object, whole, { status: 200, headers: new Headers() }),
    /no ETag/,
  );
});
