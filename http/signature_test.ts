import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { parseArchiveQuery } from "./query.ts";
import { canonicalText, isSigned, signedQuery, signLink } from "./signature.ts";

const HASH = "5b0d81c3f2a94e67a0c8d15e3b7f2694";
const SECRET = "for-tests-only-4f1c9a77";
const OTHER = "for-tests-only-b83e2d05";

Deno.test("canonicalText(): a line each, names once, in NFC and in the order of their bytes", () => {
  const expires = 1893456000;
  assert.equal(
    canonicalText({ hash: HASH, expires, files: [] }),
    `zipferry-link-v1\n${HASH}\n${expires}\n`,
  );
  const files = ["\u{1f600}.jpg", "\uff41.jpg", "b/", "e\u0301", "a b.jpg", "é"];
  assert.equal(
    canonicalText({ hash: HASH, expires, files }),
    `zipferry-link-v1\n${HASH}\n${expires}\na b.jpg\nb/\né\n\uff41.jpg\n\u{1f600}.jpg\n`,
  );
  for (const name of ["a\nb", "a\rb", "a\0"]) {
    assert.throws(() => canonicalText({ hash: HASH, expires, files: [name] }), RangeError);
  }
});

Deno.test("signLink(): HMAC-SHA-256 in base64url without padding", () => {
  const link = { hash: HASH, expires: 1893456000, files: ["b", "a"] };
  const expected = createHmac("sha256", SECRET)
    .update(`zipferry-link-v1\n${HASH}\n1893456000\na\nb\n`).digest("base64")
    .replaceAll("+", "-").replaceAll("/", "_").replace(/=$/, "");
  assert.equal(signLink(link, SECRET), expected);
  assert.match(expected, /^[\w-]{43}$/);
});

Deno.test("isSigned(): what signedQuery() makes is good, in any order, and nothing else is", () => {
  const name = fc.string({ minLength: 1, unit: "grapheme" }).map((name) => name.toWellFormed())
    .filter((name) => !/[\r\n\0]/.test(name));
  const hash = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,40}$/);
  const link = fc.record({
    hash,
    expires: fc.nat(),
    files: fc.uniqueArray(name, { maxLength: 6 }),
  });
  const property = fc.property(link, link, (link, other) => {
    const { files, signature } = parseArchiveQuery(signedQuery(link, SECRET));
    assert.ok(signature);
    const given = { hash: link.hash, files: files.toReversed(), signature };
    assert.ok(isSigned(given, [SECRET]));
    assert.ok(isSigned(given, [OTHER, SECRET]), "while secrets change");
    assert.ok(!isSigned(given, [OTHER]));
    assert.ok(!isSigned(given, []));
    if (other.hash !== link.hash) assert.ok(!isSigned({ ...given, hash: other.hash }, [SECRET]));
    const later = { ...signature, expires: signature.expires + 1 };
    assert.ok(!isSigned({ ...given, signature: later }, [SECRET]));
    const more = { ...given, files: [...files, "another"] };
    assert.equal(isSigned(more, [SECRET]), link.files.length === 0, "all of it includes a choice");
    if (link.files.length > 0) assert.ok(!isSigned({ ...given, files: [] }, [SECRET]));
  });
  fc.assert(property);
});

Deno.test("isSigned(): any other text is none", () => {
  const link = { hash: HASH, expires: 1893456000, files: [] };
  const right = signLink(link, SECRET);
  const check = (value: string) =>
    isSigned({ ...link, signature: { expires: link.expires, value } }, [SECRET]);
  assert.ok(check(right));
  const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (const letter of last) {
    const changed = right.slice(0, -1) + letter;
    assert.equal(check(changed), changed === right, "not even bits that decoding would drop");
  }
  const wrong = [
    "",
    "x",
    `${right}=`,
    ` ${right}`,
    right.slice(1),
    right.toUpperCase(),
    "é".repeat(43),
  ];
  for (const value of wrong) assert.ok(!check(value), value);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (value) => !check(value) || value === right),
  );
});

Deno.test("isSigned(): a name with a line break is never two names", () => {
  const signature = {
    expires: 1,
    value: signLink({ hash: HASH, expires: 1, files: ["a", "b"] }, SECRET),
  };
  assert.ok(isSigned({ hash: HASH, files: ["b", "a"], signature }, [SECRET]));
  assert.ok(!isSigned({ hash: HASH, files: ["a\nb"], signature }, [SECRET]));
});
