import assert from "node:assert/strict";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { run, testWith } from "../testing/tools.ts";
import {
  isCutByWindows,
  isDevice,
  isGuessable,
  isHash,
  isHidden,
  isSelected,
  safeName,
  UniqueNames,
  utf8Order,
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

Deno.test("isDevice() takes any extension, and spaces before it", () => {
  for (const name of ["CON.d", "nul.txt", "Aux", "com1 .jpg", "LPT¹.tar.gz", "conin$"]) {
    assert.equal(isDevice(name), true, name);
  }
  for (const name of ["CONCERT.jpg", "com.jpg", "com10.jpg", "a.con", ".nul"]) {
    assert.equal(isDevice(name), false, name);
  }
});

Deno.test("isCutByWindows() is true for dots and spaces at the end", () => {
  for (const name of ["a.", "a ", "a. .", "..."]) assert.equal(isCutByWindows(name), true, name);
  for (const name of ["a", ".a", " a", "a.b", "a\u00a0", "a。"]) {
    assert.equal(isCutByWindows(name), false, name);
  }
});

Deno.test("isHash() takes no name of junk, which holds what was deleted", () => {
  for (const name of ["RECYCLER", "recycler", "Recycled"]) assert.equal(isHash(name), false, name);
  assert.equal(isHash("RECYCLER2"), true);
});

Deno.test("isGuessable(), isHidden()", () => {
  assert.equal(isGuessable("a".repeat(15)), true);
  assert.equal(isGuessable("a".repeat(16)), false);
  for (const name of [".a", ".DS_Store", "._x", "..."]) assert.equal(isHidden(name), true, name);
  for (const name of ["a", "a.", "_"]) assert.equal(isHidden(name), false, name);
});

Deno.test("isSelected() lets in hidden names and junk as told, and unfinished files never", () => {
  const cases: [string, boolean[]][] = [ // by default, hidden, with junk, both
    ["a.jpg", [true, true, true, true]],
    [".a.jpg", [false, true, false, true]],
    ["Thumbs.db", [false, false, true, true]],
    ["lost+found", [false, false, true, true]],
    ["Icon\r", [false, false, true, true]],
    [".DS_Store", [false, false, false, true]],
    ["._a.jpg", [false, false, false, true]],
    ["a.jpg.part", [false, false, false, false]],
    [".a.jpg.part", [false, false, false, false]],
    [".a.jpg.aB3dE9", [false, false, false, false]],
  ];
  for (const [name, expected] of cases) {
    const selections = [{}, { hidden: true }, { includeJunk: true }, {
      hidden: true,
      includeJunk: true,
    }];
    const selected = selections.map((selection) => isSelected(name, selection));
    assert.deepEqual(selected, expected, JSON.stringify(name));
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
    ["photo\u202egpj.exe", "photo_gpj.exe"], // shown as photoexe.jpg
    ["\u202a\u202b\u202c\u202d\u202e", "_____"],
    ["a\u2066b\u2067c\u2068d\u2069", "a_b_c_d_"],
    ["\u200eא\u200f.jpg", "\u200eא\u200f.jpg"], // marks that turn nothing around
    ["", "_"],
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
    assert.doesNotMatch(safe, /[/\\:<>"|?*\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    assert.ok(Buffer.byteLength(safe) <= 255);
    assert.doesNotMatch(safe, /[. ]$/); // and so neither "." nor ".."
    assert.doesNotMatch(safe, /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i);
    assert.equal(safe, safe.normalize("NFC"));
    assert.equal(safeName(safe), safe);
  });
  fc.assert(property, { numRuns: 5000 });
});

Deno.test("safeName() shortens what has more than 255 bytes, and keeps the extension", () => {
  const zalgo = "a" + "\u0317".repeat(200);
  const cases: [string, string][] = [
    ["a".repeat(255), "a".repeat(255)],
    ["a".repeat(256), "a".repeat(255)],
    [`${"a".repeat(252)}.jpg`, `${"a".repeat(251)}.jpg`],
    [`${"я".repeat(200)}.jpg`, `${"я".repeat(125)}.jpg`],
    [`${"я".repeat(200)}.jpeg`, `${"я".repeat(125)}.jpeg`],
    [`${"👩‍👩‍👧".repeat(50)}.jpg`, `${"👩‍👩‍👧".repeat(13)}.jpg`], // 18 bytes each
    [`con.${"a".repeat(251)}`, `_co.${"a".repeat(251)}`],
    [`nulx.${"a".repeat(251)}`, `_nu.${"a".repeat(251)}`], // not cut to the name of a device
    [`a.${"b".repeat(300)}`, `a.${"b".repeat(253)}`],
    [`.${"b".repeat(300)}`, `.${"b".repeat(254)}`],
    [`${"a".repeat(254)} b`, `${"a".repeat(254)}_`],
    ["\u0958".repeat(85), "\u0915\u093c".repeat(42)], // NFC makes it longer
    [zalgo, "a" + "\u0317".repeat(127)],
    [`${zalgo}.jpg`, "a" + "\u0317".repeat(125) + ".jpg"],
  ];
  for (const [name, expected] of cases) {
    const safe = safeName(name);
    assert.ok(Buffer.byteLength(safe) <= 255, name);
    assert.equal(safe, expected, name);
    assert.equal(safeName(safe), safe, name);
  }
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
    [["ß", "ẞ", "ss", "ſs"], ["ß", "ẞ (2)", "ss (3)", "ſs (4)"]],
    [["ﬁ", "FI"], ["ﬁ", "FI (2)"]],
    [["İ", "i\u0307"], ["İ", "i\u0307 (2)"]],
    [["K", "k"], ["K", "k (2)"]], // KELVIN SIGN
    [["ᾳ", "ΑΙ"], ["ᾳ", "ΑΙ (2)"]],
    [["և", "եւ"], ["և", "եւ (2)"]],
    [["ΟΔΟΣ", "οδος", "οδοσ"], ["ΟΔΟΣ", "οδος (2)", "οδοσ (3)"]],
    [["a\u200db", "ab"], ["a\u200db", "ab (2)"]], // HFS+ ignores joiners
    [["и", "й"], ["и", "й"]],
    [["е", "ё"], ["е", "ё"]],
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

Deno.test("UniqueNames shortens a name for its number, and keeps the extension", () => {
  const cases: [string, string][] = [
    [`${"a".repeat(251)}.jpg`, `${"a".repeat(247)} (2).jpg`],
    [`${"a".repeat(247)}.jpg`, `${"a".repeat(247)} (2).jpg`],
    ["a".repeat(255), `${"a".repeat(251)} (2)`],
    [`${"я".repeat(125)}.jpg`, `${"я".repeat(123)} (2).jpg`],
    [`a.${"b".repeat(253)}`, `a.${"b".repeat(249)} (2)`],
  ];
  for (const [name, expected] of cases) {
    const unique = new UniqueNames();
    assert.equal(unique.claim(name), name);
    assert.equal(unique.claim(name), expected);
  }
});

Deno.test("UniqueNames gives different names of at most 255 bytes, whatever comes", () => {
  const unit = fc.constantFrom(..."aAßẞяЯ.ﬁ ", "😀", "e\u0301", "\u0317", "👩‍👩‍👧", "\u0958");
  const long = fc.string({ unit, minLength: 60, maxLength: 300 });
  const names = fc.array(fc.oneof(long, fc.string({ unit, minLength: 1, maxLength: 3 })));
  fc.assert(fc.property(names, names, (some, more) => {
    const unique = new UniqueNames();
    const claimed = [...some, ...more, ...some].map((name) => unique.claim(safeName(name)));
    for (const name of claimed) {
      assert.ok(name !== "" && Buffer.byteLength(name) <= 255 && name.isWellFormed());
      assert.equal(safeName(name), name, "still a safe one");
    }
    const folded = claimed.map((name) => name.toLowerCase().toUpperCase());
    assert.equal(new Set(folded).size, claimed.length);
  }));
});

Deno.test("UniqueNames takes its time for each name, and not for each pair of them", () => {
  const unique = new UniqueNames();
  const count = 30_000;
  const start = performance.now();
  for (let i = 1; i < count; i++) unique.claim("a.jpg");
  assert.equal(unique.claim("a.jpg"), `a (${count}).jpg`);
  assert.ok(performance.now() - start < 5_000);
});

// Python's str.casefold() is Unicode's full case folding, and was made from CaseFolding.txt
testWith(["python3"], "UniqueNames keeps apart what full case folding makes equal", async () => {
  const script = `import json, unicodedata
found = {}
for code in range(0x110000):
  char = chr(code)
  if 0xd800 <= code < 0xe000 or unicodedata.category(char) == "Cn": continue
  nfd = lambda text: unicodedata.normalize("NFD", text)
  folded = nfd(nfd(char).casefold())
  if folded != char: found[char] = folded
print(json.dumps(found))`;
  const { code, stdout } = await run("python3", ["-c", script]);
  assert.equal(code, 0);
  const folding: Record<string, string> = JSON.parse(new TextDecoder().decode(stdout));
  const pairs = Object.entries(folding);
  assert.ok(pairs.length > 14_000);
  const areKeptApart = (a: string, b: string) => {
    const unique = new UniqueNames();
    return unique.claim(a) === a && unique.claim(b) !== b;
  };
  for (const [char, folded] of pairs) {
    assert.ok(areKeptApart(char, folded), `${char} ${folded}`);
    assert.ok(areKeptApart(`x${char}y`, `X${folded}Y`), `${char} ${folded}`);
  }
  // The other way round: what is numbered without need
  const unique = new UniqueNames();
  const seen = new Set<string>();
  const needless = pairs.filter(([char]) => !/\p{Default_Ignorable_Code_Point}/u.test(char))
    .map(([, folded]) => folded)
    .filter((folded) => !seen.has(folded) && seen.add(folded))
    .filter((folded) => unique.claim(folded) !== folded);
  assert.deepEqual(needless, []);
});

Deno.test("utf8Order() sorts by bytes, above U+FFFF too", () => {
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
  const ofAll = utf8Order(sorted);
  for (const [i, a] of sorted.entries()) {
    for (const [j, b] of sorted.entries()) {
      assert.equal(Math.sign(ofAll(a, b)), Math.sign(i - j), `${a} and ${b}`);
      assert.equal(Math.sign(utf8Order([a, b])(a, b)), Math.sign(i - j), `${a} and ${b} alone`);
    }
  }
  const text = fc.string({ unit: "binary", maxLength: 5 });
  fc.assert(fc.property(text, text, (a, b) => {
    assert.equal(
      Math.sign(utf8Order([a, b])(a, b)),
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    );
  }));
});
