import assert from "node:assert/strict";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import {
  compareUtf8,
  isGuessable,
  isHash,
  isHidden,
  isJunk,
  safeName,
  UniqueNames,
} from "./names.ts";

const DEVICES = ["con", "prn", "aux", "nul", "com0", "com1", "com9", "lpt0", "lpt1", "lpt9"];

Deno.test("isHash() takes the alphabet of a hash only", () => {
  const good = [
    "3b70e6a5184fd92c7da1530b9ec84f26",
    "a",
    "0",
    "Z",
    "a-b_C",
    "a--",
    "console",
    "com10",
    "a".repeat(128),
  ];
  const bad = [
    "",
    "a".repeat(129),
    ".",
    "..",
    ".a",
    "a.b",
    "-a",
    "_a",
    "a/b",
    "/a",
    "a/",
    "../a",
    "a/../b",
    "a\\b",
    "..\\a",
    "%2e%2e",
    "a%2fb",
    "a b",
    " a",
    "a ",
    "a\n",
    "\na",
    "a\r",
    "a\0",
    "a\nb",
    "a:b",
    "C:",
    "~",
    "a?",
    "a*",
    "a,b",
    "a+b",
    "a@b",
    "ё",
    "é",
    "ａ",
    "К", // Cyrillic
    "\u212a", // KELVIN SIGN, which is a k where case is ignored
    "\u017f", // LONG S, likewise
    "а".repeat(32),
    "a\u200b",
    "a\u0301",
    "\ufeffa",
  ];
  for (const name of good) assert.equal(isHash(name), true, JSON.stringify(name));
  for (const name of bad) assert.equal(isHash(name), false, JSON.stringify(name));
});

Deno.test("isHash() takes no name of a Windows device, in any case", () => {
  for (const name of DEVICES) {
    for (const cased of [name, name.toUpperCase(), name[0].toUpperCase() + name.slice(1)]) {
      assert.equal(isHash(cased), false, cased);
    }
    assert.equal(isHash(`${name}x`), true, `${name}x`);
    assert.equal(isHash(`x${name}`), true, `x${name}`);
  }
});

Deno.test("isGuessable(), isHidden(), isJunk()", () => {
  assert.equal(isGuessable("a".repeat(15)), true);
  assert.equal(isGuessable("a".repeat(16)), false);
  for (const name of [".a", ".DS_Store", "._x", "..."]) assert.equal(isHidden(name), true, name);
  for (const name of ["a", "a.", "_"]) assert.equal(isHidden(name), false, name);
  for (
    const name of ["Thumbs.db", "THUMBS.DB", "desktop.ini", "Desktop.ini", "__MACOSX", "@eaDir"]
  ) {
    assert.equal(isJunk(name), true, name);
  }
  for (const name of ["thumbs.jpg", "a.db", "MACOSX", "eaDir"]) {
    assert.equal(isJunk(name), false, name);
  }
});

Deno.test("safeName() changes what some system cannot create, and nothing else", () => {
  const cases: [string, string][] = [
    ["IMG_0001.JPG", "IMG_0001.JPG"],
    ["Ёлка 🎄 (2).jpg", "Ёлка 🎄 (2).jpg"],
    ["日本語", "日本語"],
    [" lead", " lead"],
    [".hidden", ".hidden"],
    ["..a", "..a"],
    ["a..b", "a..b"],
    ["-rf", "-rf"],
    ["@x", "@x"],
    ["[a];'$&!#%^~`{}+=,", "[a];'$&!#%^~`{}+=,"],
    ["e\u0301.jpg", "é.jpg"], // NFD to NFC
    ["и\u0306", "й"],
    ["a:b", "a_b"],
    ["C:x", "C_x"],
    ['<>"|?*', "______"],
    ["a\\b", "a_b"],
    ["..\\..\\evil", ".._.._evil"],
    ["a/b", "a_b"],
    ["a\nb\tc\x1b[31m\x7f", "a_b_c_[31m_"],
    ["a\x00\x85\x9f", "a___"],
    ["a.", "a_"],
    ["a ", "a_"],
    ["a. .", "a___"],
    [".", "_"],
    ["..", "__"],
    [" ", "_"],
    ["\u00a0", "\u00a0"], // a no-break space is no space to Windows
    ["con", "_con"],
    ["CON.txt", "_CON.txt"],
    ["Nul.tar.gz", "_Nul.tar.gz"],
    ["con ", "con_"],
    ["con .txt", "_con .txt"], // Windows drops spaces before the extension
    ["aux.", "aux_"],
    ["LPT1.jpg", "_LPT1.jpg"],
    ["COM¹", "_COM¹"],
    ["com³.x", "_com³.x"],
    ["conin$", "_conin$"],
    ["CONOUT$", "_CONOUT$"],
    ["console.txt", "console.txt"],
    ["com10", "com10"],
    ["icon", "icon"],
    ["", ""],
  ];
  for (const [name, expected] of cases) {
    assert.equal(safeName(name), expected, JSON.stringify(name));
  }
  for (const name of DEVICES) {
    assert.equal(safeName(name), `_${name}`);
    assert.equal(safeName(`${name}.txt`), `_${name}.txt`);
    assert.equal(safeName(name.toUpperCase()), `_${name.toUpperCase()}`);
  }
});

Deno.test("safeName() is safe for every name there is", () => {
  const special = fc.constantFrom(..."./\\: \u0000\n\u0085\u037e\u0338\u0301<", ...DEVICES, "COM²");
  const name = fc.array(fc.oneof(special, fc.string({ unit: "binary", maxLength: 3 })), {
    minLength: 1,
    maxLength: 6,
  }).map((parts) => parts.join("")).filter((name) => name !== "");
  const property = fc.property(name, (name) => {
    const safe = safeName(name);
    assert.notEqual(safe, "");
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(safe, /[/\\:<>"|?*\u0000-\u001f\u007f-\u009f]/);
    assert.doesNotMatch(safe, /[. ]$/); // and so neither "." nor ".."
    assert.doesNotMatch(safe, /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i);
    assert.equal(safe, safe.normalize("NFC"));
    assert.equal(safeName(safe), safe);
  });
  fc.assert(property, { numRuns: 5000 });
});

Deno.test("UniqueNames numbers the second of two names that are one somewhere", () => {
  const cases: [string[], string[]][] = [
    [["a", "b"], ["a", "b"]],
    [["a.jpg", "a.jpg", "a.jpg"], ["a.jpg", "a (2).jpg", "a (3).jpg"]],
    [["A.jpg", "a.jpg"], ["A.jpg", "a (2).jpg"]],
    [["Ё.JPG", "ё.jpg"], ["Ё.JPG", "ё (2).jpg"]],
    [["a", "a"], ["a", "a (2)"]],
    [["a.tar.gz", "a.tar.gz"], ["a.tar.gz", "a.tar (2).gz"]],
    [[".a", ".a"], [".a", ".a (2)"]],
    [["a (2).jpg", "a.jpg", "a.jpg"], ["a (2).jpg", "a.jpg", "a (3).jpg"]],
    [["a.jpg", "a.jpg", "a (2).jpg"], ["a.jpg", "a (2).jpg", "a (2) (2).jpg"]],
    [["straße", "STRASSE"], ["straße", "STRASSE (2)"]],
    [["ς", "Σ", "σ"], ["ς", "Σ (2)", "σ (3)"]],
  ];
  for (const [names, expected] of cases) {
    const unique = new UniqueNames();
    assert.deepEqual(names.map((name) => unique.claim(name)), expected);
  }
  const names = fc.array(fc.constantFrom("a", "A", "a (2)", "A (3)", "b", "a.b", "a (2).b"));
  fc.assert(fc.property(names, (names) => {
    const unique = new UniqueNames();
    const claimed = names.map((name) => unique.claim(name).toLowerCase());
    assert.equal(new Set(claimed).size, names.length);
  }));
});

Deno.test("compareUtf8() sorts by bytes, above U+FFFF too", () => {
  const sorted = [
    "",
    "A",
    "B",
    "a",
    "a/b",
    "aa",
    "é",
    "Ё",
    "ё",
    "日",
    "\ue000",
    "\uffff",
    "😀",
    "😁",
  ];
  for (const [i, a] of sorted.entries()) {
    for (const [j, b] of sorted.entries()) {
      assert.equal(Math.sign(compareUtf8(a, b)), Math.sign(i - j), `${a} and ${b}`);
    }
  }
  const text = fc.string({ unit: "binary", maxLength: 5 });
  fc.assert(fc.property(text, text, (a, b) => {
    assert.equal(Math.sign(compareUtf8(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }));
});
