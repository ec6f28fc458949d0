import assert from "node:assert/strict";
import fc from "fast-check";
import { childOf, parseXml, textOf } from "./xml.ts";

Deno.test("parseXml() gives elements, their order and their text", () => {
  const root = parseXml(
    `<?xml version="1.0" encoding="UTF-8"?>\n<r xmlns="urn:a"><a>1</a><b/><a><![CDATA[<2>]]>3</a></r>`,
  );
  assert.equal(root.name, "r");
  assert.deepEqual(root.children.map(({ name, text }) => `${name}=${text}`), [
    "a=1",
    "b=",
    "a=<2>3",
  ]);
  assert.equal(textOf(root, "a"), "1");
  assert.equal(childOf(root, "c"), undefined);
  assert.equal(parseXml('<s:r xmlns:s="urn:a"/>').name, "r");
});

Deno.test("parseXml() knows references to any character, and characters that stand for themselves", () => {
  assert.equal(
    parseXml("<a>&#34;&quot;&amp;&lt;&gt;&apos;&#x1;&#13;&#xA;&#x80;&#128512;</a>").text,
    '""&<>\'\u0001\r\n\u0080😀',
  );
  for (const text of ["\u0080", "\u0085", "\u2028", "\u007f", "\t", "ё", "\ufffd", "😀"]) {
    assert.equal(parseXml(`<a>${text}</a>`).text, text);
    assert.equal(parseXml(`<?xml version="1.0"?><a>${text}</a>`).text, text);
  }
});

Deno.test("parseXml() gives any text back that was written by references", () => {
  const isCharacter = (char: string) => !/[\0\ufffe\uffff]/.test(char) && char.isWellFormed();
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const kept = [...text].filter(isCharacter);
    const written = kept.map((char) => `&#${char.codePointAt(0)};`).join("");
    assert.equal(parseXml(`<a>${written}</a>`).text, kept.join(""));
  }));
});

Deno.test("parseXml() takes no part of a document for the whole", () => {
  const whole = `<?xml version="1.0"?><r><a>x &amp; &#1;</a><b></b></r>`;
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => parseXml(whole.slice(0, length)), SyntaxError, whole.slice(0, length));
  }
  const bad = [
    "<a></b>",
    "<a></a><b></b>",
    "<a>&nbsp;</a>",
    "<a>\u0001</a>",
    "{}",
    "<!doctype html>",
  ];
  for (const document of bad) assert.throws(() => parseXml(document), SyntaxError, document);
});
