import assert from "node:assert/strict";
import { StorageError } from "../errors.ts";
import { parseListAnswer } from "./list_answer.ts";

const TIME = "2026-01-02T03:04:05.678Z";

/** A list with these elements in it */
function listOf(...elements: string[]) {
  return `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>${
    elements.join("")
  }</ListBucketResult>`;
}

const LAST = "<IsTruncated>false</IsTruncated>";
const URL_ENCODED = "<EncodingType>url</EncodingType>";

function contents(key: string, fields: Readonly<Record<string, string>> = {}) {
  const all = { Key: key, LastModified: TIME, ETag: "&#34;e1&#34;", Size: "5", ...fields };
  const written = Object.entries(all).map(([name, value]) => `<${name}>${value}</${name}>`);
  return `<Contents>${written.join("")}<Owner><ID>x</ID></Owner></Contents>`;
}

Deno.test("parseListAnswer() gives objects, prefixes and where the next page begins", () => {
  const prefix = (text: string) => `<CommonPrefixes><Prefix>${text}</Prefix></CommonPrefixes>`;
  const page = parseListAnswer(listOf(
    "<IsTruncated>true</IsTruncated><NextContinuationToken>a=/+</NextContinuationToken>",
    contents("p/a&amp;b"),
    contents("p/c", { Size: "5368709121", ETag: "&quot;e2-2&quot;" }),
    prefix("p/x/"),
    prefix("p/y/"),
  ));
  const lastModifiedMs = Date.parse(TIME);
  assert.deepEqual(page, {
    objects: [
      { key: "p/a&b", size: 5, etag: '"e1"', lastModifiedMs },
      { key: "p/c", size: 5368709121, etag: '"e2-2"', lastModifiedMs },
    ],
    prefixes: ["p/x/", "p/y/"],
    next: "a=/+",
  });
  assert.deepEqual(parseListAnswer(listOf(LAST)), { objects: [], prefixes: [], next: null });
});

Deno.test("parseListAnswer() decodes keys where the answer says that they are encoded", () => {
  const text = "a+b%20c%2Bd%25%0A%D0%81";
  const keysOf = (...elements: string[]) => {
    const { objects, prefixes } = parseListAnswer(listOf(LAST, ...elements));
    return [...objects.map(({ key }) => key), ...prefixes];
  };
  const prefix = `<CommonPrefixes><Prefix>${text}/</Prefix></CommonPrefixes>`;
  assert.deepEqual(keysOf(contents(text), prefix, URL_ENCODED), [
    "a b c+d%\nЁ",
    "a b c+d%\nЁ/",
  ]);
  assert.deepEqual(keysOf(contents(text), prefix, "<EncodingType></EncodingType>"), [
    text,
    `${text}/`,
  ]);
  assert.deepEqual(keysOf(contents("100%"), contents("&#1;&#x1F600;")), ["100%", "\u0001😀"]);
});

Deno.test("parseListAnswer() adds the quotes that some stores leave out", () => {
  const [object] = parseListAnswer(listOf(LAST, contents("a", { ETag: "e1" }))).objects;
  assert.equal(object.etag, '"e1"');
});

Deno.test("parseListAnswer() leaves an object without an ETag to whoever needs one", () => {
  const { objects } = parseListAnswer(listOf(LAST, contents("a", { ETag: "" }), contents("b")));
  assert.deepEqual(objects.map(({ key, etag }) => [key, etag]), [["a", ""], ["b", '"e1"']]);
});

Deno.test("parseListAnswer() refuses a list that lacks something, and says what", () => {
  const bad: readonly (readonly [string, RegExp])[] = [
    [listOf(), /no IsTruncated/],
    [listOf("<IsTruncated>yes</IsTruncated>"), /last page/],
    [listOf("<IsTruncated>true</IsTruncated>"), /no token/],
    [listOf("<IsTruncated>true</IsTruncated><NextContinuationToken/>"), /no token/],
    [listOf(LAST, "<Contents><Key>a</Key></Contents>"), /no Size in Contents/],
    [listOf(LAST, contents("")), /no Key in Contents/],
    [listOf(LAST, contents("a", { Size: "-1" })), /no size/],
    [listOf(LAST, contents("a", { LastModified: "now" })), /no time/],
    [listOf(LAST, "<CommonPrefixes></CommonPrefixes>"), /no Prefix in CommonPrefixes/],
    [listOf(LAST, URL_ENCODED, contents("secret100%")), /not encoded/],
    [listOf(LAST, URL_ENCODED, contents("secret%FF")), /not encoded/],
  ];
  for (const [document, message] of bad) {
    assert.throws(() => parseListAnswer(document), (error) => {
      assert.ok(error instanceof StorageError && error.code === "EPROTO", document);
      assert.match(error.message, message);
      return !error.message.includes("secret");
    });
  }
});

Deno.test("parseListAnswer() refuses what is no whole list", () => {
  const whole = listOf(LAST, contents("a"));
  for (let length = 0; length < whole.length; length += 7) {
    assert.throws(() => parseListAnswer(whole.slice(0, length)), SyntaxError);
  }
  for (const other of ["<Error><Code>InternalError</Code></Error>", "<html></html>", "{}"]) {
    assert.throws(() => parseListAnswer(other), SyntaxError);
  }
});
