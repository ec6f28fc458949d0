import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { parse } from "content-disposition";
import fc from "fast-check";
import {
  archiveHeaders,
  emptyBody,
  jsonResponse,
  pageResponse,
  redirectResponse,
  textResponse,
  tooManyResponse,
  withoutBody,
} from "./headers.ts";

const DISCREET = {
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-robots-tag": "noindex, nofollow",
};
const FIELDS = { filename: "photos-3b70e6a5.zip", lastModified: 784111777, etag: '"abc"' };

function fieldsOf({ headers }: { headers: Headers }): Record<string, string> {
  return Object.fromEntries(headers);
}

Deno.test("archiveHeaders() has every field that a download needs", () => {
  const expected = {
    ...DISCREET,
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache, no-transform",
    "content-disposition":
      "attachment; filename=\"photos-3b70e6a5.zip\"; filename*=UTF-8''photos-3b70e6a5.zip",
    "content-type": "application/zip",
    "etag": '"abc"',
    "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
    "x-accel-buffering": "no",
  };
  assert.deepEqual(Object.fromEntries(archiveHeaders(FIELDS)), expected);

  const { etag: _, ...others } = expected;
  const withoutTag = archiveHeaders({ ...FIELDS, etag: null });
  assert.deepEqual(Object.fromEntries(withoutTag), { ...others, "accept-ranges": "none" });

  const { "last-modified": _date, ...undated } = expected;
  const withoutDate = archiveHeaders({ ...FIELDS, lastModified: null });
  assert.deepEqual(Object.fromEntries(withoutDate), undated);
});

Deno.test("archiveHeaders() writes Last-Modified as RFC 9110 wants it", () => {
  const cases: [number, string][] = [
    [0, "Thu, 01 Jan 1970 00:00:00 GMT"],
    [-1, "Wed, 31 Dec 1969 23:59:59 GMT"],
    [4_102_444_800, "Fri, 01 Jan 2100 00:00:00 GMT"],
  ];
  for (const [lastModified, expected] of cases) {
    assert.equal(archiveHeaders({ ...FIELDS, lastModified }).get("last-modified"), expected);
  }
  assert.equal(archiveHeaders({ ...FIELDS, lastModified: null }).has("last-modified"), false);
});

Deno.test("archiveHeaders() refuses file names that it cannot write, and writes all others", () => {
  const bad = ["", 'a"b', "a\\b", "a/b", "a\r\nb", "a\nb", "a\0b", "a b", "a;b", "ё", "\u202egpj"];
  for (const filename of bad) {
    assert.throws(() => archiveHeaders({ ...FIELDS, filename }), TypeError, filename);
  }
  const filename = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom(..."aZ09_.-") }),
    fc.string({ unit: fc.constantFrom(..."aZ09_.-\r\n\0\"\\ ;ё\u202e%'*") }),
  );
  const property = fc.property(filename, (filename) => {
    if (!/^[A-Za-z0-9_.-]+$/.test(filename)) {
      assert.throws(() => archiveHeaders({ ...FIELDS, filename }), TypeError);
      return;
    }
    assert.equal(
      archiveHeaders({ ...FIELDS, filename }).get("content-disposition"),
      `attachment; filename="${filename}"; filename*=UTF-8''${filename}`,
    );
  });
  fc.assert(property, { numRuns: 2000 });
});

Deno.test("archiveHeaders() writes a better name beside one that every client can write", () => {
  const filename = "photos-1.zip";
  const of = (name: string) => {
    const value = archiveHeaders({ ...FIELDS, filename, name }).get("content-disposition")!;
    return { value, ...parse(value) };
  };
  const cases: [string, string][] = [
    ["Anna & Petr.zip", "Anna & Petr.zip"],
    ["Café.zip", "Cafe.zip"],
    ["Ёлка.zip", filename],
    ["a'b;c,d.zip", "a'b;c,d.zip"],
    ['a"b.zip', filename],
    ["a\\b.zip", filename],
    ["50%20.zip", filename],
    ["😀.zip", filename],
  ];
  for (const [name, plain] of cases) {
    const { value, parameters } = of(name);
    assert.ok(value.startsWith(`attachment; filename="${plain}"; filename*=UTF-8''`), value);
    assert.equal(parameters.filename, name, "as a client reads it");
  }
  const property = fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (text) => {
    const name = text.toWellFormed();
    const { value, parameters } = of(name);
    assert.match(value, /^attachment; filename="[\x20-\x7e]+"; filename\*=UTF-8''[\x21-\x7e]+$/);
    assert.equal(parameters.filename, name);
  });
  fc.assert(property, { numRuns: 1000 });
});

Deno.test("pageResponse() has every field that a page needs, and its own ones win", async () => {
  const page = { language: "ru", csp: "default-src 'none'" };
  const response = pageResponse("<p>Ёлка</p>", page);
  assert.equal(response.status, 200);
  assert.deepEqual(fieldsOf(response), {
    ...DISCREET,
    "cache-control": "private, no-store",
    "content-language": "ru",
    "content-length": "15",
    "content-security-policy": "default-src 'none'",
    "content-type": "text/html; charset=utf-8",
    "vary": "accept-language",
  });
  assert.equal(await response.text(), "<p>Ёлка</p>");

  const other = pageResponse("", { ...page, status: 404, headers: { "vary": "*", "x-a": "b" } });
  assert.equal(other.status, 404);
  assert.equal(other.headers.get("vary"), "*");
  assert.equal(other.headers.get("x-a"), "b");
});

Deno.test("textResponse() counts bytes, and is 200 unless told otherwise", async () => {
  const response = textResponse("нет\n", 503);
  assert.equal(response.status, 503);
  assert.deepEqual(fieldsOf(response), {
    ...DISCREET,
    "cache-control": "no-store",
    "content-length": "7",
    "content-type": "text/plain; charset=utf-8",
  });
  assert.equal(await response.text(), "нет\n");
  assert.equal(textResponse("ok").status, 200);
});

Deno.test("jsonResponse() is indented, ends in a line break and counts bytes", async () => {
  const response = jsonResponse({ name: "Ё" });
  assert.equal(response.status, 200);
  assert.deepEqual(fieldsOf(response), {
    ...DISCREET,
    "cache-control": "private, no-cache",
    "content-length": "19",
    "content-type": "application/json",
    "etag": '"dddf2b5b70665f2582b030df9ee43bd6"',
  });
  const text = await response.text();
  assert.equal(text, '{\n  "name": "Ё"\n}\n');
});

Deno.test("jsonResponse() has a tag that follows each byte of the text", () => {
  const tagOf = (data: unknown) => jsonResponse(data).headers.get("etag");
  const states = [{}, { a: 1 }, { a: "1" }, { a: 1, b: 2 }, { b: 2, a: 1 }, [], null, "ё", "е"];
  assert.equal(new Set(states.map(tagOf)).size, states.length);
  for (const state of states) assert.equal(tagOf(state), tagOf(structuredClone(state)));
});

Deno.test("jsonResponse() and pageResponse() hand a long body over piece by piece", async () => {
  const page = { language: "en", csp: "default-src 'none'" };
  for (const length of [1, 16_383, 16_384, 16_385, 32_768, 32_769, 100_000]) {
    const text = "x".repeat(length);
    const bodies = [
      [jsonResponse(text).body, `"${text}"\n`],
      [pageResponse(text, page).body, text],
    ] as const;
    for (const [body, expected] of bodies) {
      const chunks = await Array.fromAsync(body!);
      assert.equal(Buffer.concat(chunks).toString(), expected);
      assert.ok(chunks.every((chunk) => chunk.length > 0 && chunk.length <= 16_384));
    }
  }
  const { body } = pageResponse("x".repeat(100_000), page);
  const reader = body!.getReader();
  await reader.read();
  await reader.cancel();
});

Deno.test("redirectResponse() is permanent, to a path, and keeps the query", () => {
  const cases: [string, string][] = [
    ["", "/archive/x/"],
    ["manifest", "/archive/x/?manifest"],
    ["?a=b&c", "/archive/x/??a=b&c"],
    ["имя=\r\nX: y", "/archive/x/?%D0%B8%D0%BC%D1%8F=%0D%0AX:%20y"],
  ];
  for (const [query, location] of cases) {
    const response = redirectResponse({ path: "/archive/x/", query });
    assert.equal(response.status, 301);
    assert.equal(response.body, null);
    assert.deepEqual(fieldsOf(response), { ...DISCREET, location });
  }
});

Deno.test("withoutBody() keeps the status and the header fields", () => {
  const response = textResponse("text", 404);
  const head = withoutBody(response);
  assert.equal(head.body, null);
  assert.equal(head.status, 404);
  assert.deepEqual(fieldsOf(head), fieldsOf(response));
});

Deno.test("withoutBody() has a body where no length is known, but an empty one", async () => {
  let started = false;
  const pull = () => {
    started = true;
  };
  const stream = new ReadableStream({ pull }, { highWaterMark: 0 });
  const head = withoutBody(new Response(stream, { status: 206 }));
  assert.equal(head.status, 206);
  assert.equal(head.body instanceof ReadableStream, true);
  assert.equal(await head.text(), "");
  assert.equal(started, false);
  assert.deepEqual(await Array.fromAsync(emptyBody()), []);
});

Deno.test("tooManyResponse() says when to come again, and has no body", () => {
  const { status, headers, body } = tooManyResponse();
  assert.deepEqual([status, body, headers.get("retry-after")], [429, null, "5"]);
  assert.equal(headers.get("referrer-policy"), "no-referrer");
});
