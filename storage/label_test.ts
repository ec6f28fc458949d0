import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { decodeLabel, fileNameOf, parseLabel, plainFileName } from "./label.ts";
import { safeName } from "./names.ts";

function labelOf(data: unknown) {
  const { label, problems } = parseLabel(JSON.stringify(data));
  assert.deepEqual(problems, [], JSON.stringify(data));
  return label;
}

Deno.test("parseLabel(): all that a label may say", () => {
  const label = {
    $schema: "label.schema.json",
    title: "  Свадьба\nАни и Пети ",
    note: "Спасибо!",
    expires: "2027-01-31T18:00:00+03:00",
    notBefore: "2026-12-01",
    download: "page",
    accent: "#8A3ffc",
  };
  assert.deepEqual(labelOf(label), {
    title: "Свадьба Ани и Пети",
    note: "Спасибо!",
    expires: Date.UTC(2027, 0, 31, 15),
    notBefore: Date.UTC(2026, 11, 1),
    download: "page",
    accent: "#8a3ffc",
  });
  assert.deepEqual(labelOf({}), {});
  assert.deepEqual(labelOf({ title: null, expires: null, note: "" }), {});
  assert.deepEqual(parseLabel('\ufeff{"title":"x"}'), { label: { title: "x" }, problems: [] });
});

Deno.test("parseLabel(): a date is the whole day, a time has its zone", () => {
  const cases: [string, number][] = [
    ["2027-01-31", Date.UTC(2027, 1, 1)],
    ["2028-02-29", Date.UTC(2028, 2, 1)],
    ["2027-01-31T00:00:00Z", Date.UTC(2027, 0, 31)],
    ["2027-01-31t00:00:00.25z", Date.UTC(2027, 0, 31) + 250],
    ["2027-01-31 23:59:60Z", Date.UTC(2027, 1, 1)],
    ["2027-01-31T12:30:00-05:30", Date.UTC(2027, 0, 31, 18)],
    ["2027-01-31T00:30:00+0300", Date.UTC(2027, 0, 30, 21, 30)],
    ["2027-01-31T00:30:00+03:00", Date.UTC(2027, 0, 30, 21, 30)],
    ["0001-01-01T00:00:00Z", Date.parse("0001-01-01T00:00:00Z")],
  ];
  for (const [expires, time] of cases) assert.equal(labelOf({ expires }).expires, time, expires);
  assert.equal(labelOf({ notBefore: "2027-01-31" }).notBefore, Date.UTC(2027, 0, 31));
});

Deno.test("parseLabel(): a broken end keeps it closed, whatever else is broken does not", () => {
  const broken = [
    ...["", "soon", "31.01.2027", "2027-02-29", "2027-1-31", "2027-01-31T18:00", "2027-13-01"],
    ...["2027-01-31T18:00:00", "2027-01-31T24:00:00Z", "2027-01-31T18:00:00+3", 1893456000, {}, []],
    ...[true, "2027-01-31T18:00:00Z x", "+002027-01-31"],
  ];
  for (const expires of broken) {
    const { label, problems } = parseLabel(JSON.stringify({ title: "x", expires }));
    assert.deepEqual(label, { title: "x", expires: "broken" }, JSON.stringify(expires));
    assert.match(problems.join(), /^expires is not a date such as /);
  }
  for (const name of ["expire", "Expires", "expiry", "expires_at"]) {
    const { label, problems } = parseLabel(JSON.stringify({ [name]: "2027-01-31" }));
    assert.deepEqual(label, { expires: "broken" }, "nobody can say what was meant");
    assert.deepEqual(problems, [`"${name}" is no field of a label`]);
  }
  const others = {
    title: 1,
    note: [],
    notBefore: "soon",
    download: "x",
    accent: "red",
    colour: "x",
  };
  for (const [name, value] of Object.entries(others)) {
    const { label, problems } = parseLabel(JSON.stringify({ [name]: value }));
    assert.deepEqual([label, problems.length], [{}, 1], name);
    assert.ok(problems[0].includes(name));
  }
});

Deno.test("parseLabel(): what is no JSON object is broken, and closed if it speaks of an end", () => {
  for (
    const text of ["", "{", "[]", "null", '"x"', "1", '{"title": "Ани', '{"title": "x",}']
      .concat('{"note": "Nothing expires here",}')
  ) {
    assert.deepEqual(parseLabel(text), { label: {}, problems: ["is no JSON object"] }, text);
  }
  const closed = [
    '{"expires": "2027-01-31",}',
    '{"title": "x", "expir',
    "{“title”: “x”, “expires”: “2027-01-31”}",
    "{„title“: „x“,\n „expires“: „31.01.2027“}",
    "{'expires': '2027-01-31'}",
    "{«expires»: «2027-01-31»}",
    "{expires: 31.01.2027}",
    "title: x\nexpires: 2027-01-31\n",
  ];
  for (const text of closed) {
    assert.deepEqual(parseLabel(text).label, { expires: "broken" }, text);
  }
});

Deno.test("parseLabel(): any JSON and any text give a label of the right form, and bounded", () => {
  const field = fc.constantFrom("title", "note", "expires", "notBefore", "download", "accent", "x");
  const text = fc.oneof(
    fc.json(),
    fc.string({ unit: "binary" }),
    fc.dictionary(field, fc.jsonValue()).map((data) => JSON.stringify(data)),
    fc.dictionary(field, fc.string({ maxLength: 5000 })).map((data) => JSON.stringify(data)),
    fc.uint8Array().map((bytes) => decodeLabel(Uint8Array.from(bytes))),
  );
  const property = fc.property(text, (text) => {
    const { label } = parseLabel(text);
    const { title = "x", note = "x", expires = 0, notBefore = 0, download, accent } = label;
    assert.ok(title.length > 0 && title.length <= 200 && title.isWellFormed());
    assert.ok(note.length > 0 && note.length <= 2000);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(title + note, /[\u0000-\u001f\u007f-\u009f\ufffd]/);
    assert.ok(expires === "broken" || Number.isFinite(expires));
    assert.ok(Number.isFinite(notBefore));
    assert.ok([undefined, "page", "zip"].includes(download));
    assert.ok(accent === undefined || /^#[\da-f]{6}$/.test(accent));
  });
  fc.assert(property, { numRuns: 1000 });
});

Deno.test("decodeLabel(): UTF-8, and UTF-16 with its mark; what is neither shows", () => {
  const text = '{"title":"Ёлка"}';
  const utf16 = Buffer.from(`\ufeff${text}`, "utf16le");
  const forms = [
    Buffer.from(text),
    Buffer.from(`\ufeff${text}`),
    utf16,
    Buffer.from(utf16).swap16(),
  ];
  for (const bytes of forms) assert.equal(decodeLabel(Uint8Array.from(bytes)), text);
  const windows = Uint8Array.from([...Buffer.from('{"title":"'), 0xb8, ...Buffer.from('"}')]);
  const { label, problems } = parseLabel(decodeLabel(windows));
  assert.deepEqual([label, problems], [{}, ["title is not a text in UTF-8"]]);
});

Deno.test("fileNameOf(): a name that every system can create, with room at its end", () => {
  const cases: [string, string | null][] = [
    ["Свадьба Ани и Пети", "Свадьба Ани и Пети.zip"],
    ["Anna & Petr.zip", "Anna & Petr.zip"],
    ["a/b\\c:d?", "a_b_c_d_.zip"],
    ["..", null],
    ["../../etc/passwd", "_.._etc_passwd.zip"],
    [".hidden", "hidden.zip"],
    ["\u00a0. \u3000hidden", "hidden.zip"],
    ["con", "_con.zip"],
    ["???", null],
    ["exe.\u202egpj", "exe._gpj.zip"],
    ["e\u0301te\u0301", "été.zip"],
    ["name. . ", "name____.zip"],
    ["", null],
    ["\u3000", null],
    ["\ufeff_ .zip", null],
  ];
  for (const [title, name] of cases) assert.equal(fileNameOf(title), name, title);
  const spaces = fc.constantFrom(..." ._\u00a0\u2003\u3000\ufeff/");
  const unit = fc.oneof(fc.string({ unit: "binary", minLength: 1, maxLength: 1 }), spaces);
  const property = fc.property(fc.string({ unit, maxLength: 400 }), (title) => {
    const name = fileNameOf(title);
    if (name === null) return;
    assert.equal(safeName(name), name);
    assert.match(name, /\.zip$/);
    assert.doesNotMatch(name, /^\./);
    assert.ok(Buffer.byteLength(name) <= 204, name);
  });
  fc.assert(property, { numRuns: 2000 });
  assert.equal(plainFileName("7rQx1a2bXXXX"), "photos-7rQx1a2b.zip");
});
