import assert from "node:assert/strict";
import { parse } from "content-disposition";
import fc from "fast-check";
import { attachment } from "./disposition.ts";

Deno.test("attachment() writes the name for every client, and one in ASCII for the others", () => {
  const cases: [string, string][] = [
    ["Anna & Petr.zip", "Anna & Petr.zip"],
    ["Café.zip", "Cafe.zip"],
    ["Ёлка.zip", "photos.zip"],
    ["a'b;c,(d)*.zip", "a'b;c,(d)*.zip"],
    ['a"b.zip', "photos.zip"],
    ["a\\b.zip", "photos.zip"],
    ["50%20.zip", "photos.zip"],
    ["a\r\nb.zip", "photos.zip"],
    ["😀.zip", "photos.zip"],
  ];
  for (const [name, plain] of cases) {
    const value = attachment(name, "photos.zip");
    assert.ok(value.startsWith(`attachment; filename="${plain}"; filename*=UTF-8''`), value);
    assert.equal(parse(value).parameters.filename, name, "as a client reads it");
  }
});

Deno.test("attachment() is a header field's value, whatever the name", () => {
  const property = fc.property(fc.string({ unit: "binary", minLength: 1 }), (name) => {
    const value = attachment(name, "photos.zip");
    const [, extended] = /^attachment; filename="[\x20-\x7e]+"; filename\*=UTF-8''(.*)$/
      .exec(value)!;
    assert.match(extended, /^(?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+$/); // RFC 8187 section 3.2.1
    assert.equal(decodeURIComponent(extended), name.toWellFormed());
  });
  fc.assert(property, { numRuns: 1000 });
});
