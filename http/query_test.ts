import assert from "node:assert/strict";
import fc from "fast-check";
import {
  MAX_FILES,
  NothingChosenError,
  parseArchiveQuery,
  QueryError,
  type QueryProblem,
} from "./query.ts";
import { encodeQuery } from "./target.ts";

const ALL = { view: "archive", download: false, files: [] };

function problemOf(query: string): QueryProblem {
  try {
    parseArchiveQuery(query);
  } catch (error) {
    assert.ok(error instanceof QueryError, String(error));
    assert.equal(error.name, "QueryError");
    assert.match(error.message, /^query: "/);
    return error.problem;
  }
  assert.fail(`taken: ${query}`);
}

Deno.test("parseArchiveQuery(): what a query asks for", () => {
  const signature = "A".repeat(43);
  const cases: [string, object][] = [
    ["", ALL],
    ["manifest", { ...ALL, view: "manifest" }],
    ["manifest=1&_=5", { ...ALL, view: "manifest" }],
    ["status=x", { ...ALL, view: "status" }],
    ["page", { ...ALL, view: "page" }],
    ["page=", { ...ALL, view: "page" }],
    ["download", { ...ALL, download: true }],
    ["file=a.jpg&file=b%2F&file=a.jpg", { ...ALL, files: ["a.jpg", "b/"] }],
    ["file=e%CC%81&file=%C3%A9", { ...ALL, files: ["é"] }],
    ["file=a+b&file=a%2Bb", { ...ALL, files: ["a b", "a+b"] }],
    ["part=2&size=2G", { ...ALL, part: { number: 2, size: 2 ** 31 } }],
    ["size=1&part=1000000", { ...ALL, part: { number: 1_000_000, size: 1 } }],
    ["part=1&part=1&size=10MiB", { ...ALL, part: { number: 1, size: 10 << 20 } }],
    [
      `expires=1893456000&signature=${signature}`,
      { ...ALL, signature: { expires: 1893456000, value: signature } },
    ],
    ["selection=x.y", { ...ALL, selection: "x.y" }],
    ["manifest&file=a", { ...ALL, view: "manifest", files: ["a"] }],
    ["page&file=a", { ...ALL, view: "page", files: ["a"] }],
  ];
  for (const [query, expected] of cases) {
    assert.deepEqual(parseArchiveQuery(query), expected, query);
  }
});

Deno.test("parseArchiveQuery(): what others add to links changes nothing", () => {
  const added = [
    ...["utm_source=x", "utm_medium=email", "utm_campaign=summer", "fbclid=IwAR0", "gclid=1"],
    ...["yclid=1", "ysclid=l1", "mc_eid=1", "mc_cid=1", "_openstat=a;b;c;d", "igshid=1", "si=1"],
    ...["msclkid=1", "dclid=1", "twclid=1", "ttclid=1", "_ga=1", "_hsenc=1", "ref=x", "source=y"],
    ...[
      "from=vk",
      "share=1",
      "wbraid=1",
      "gbraid=1",
      "srsltid=1",
      "roistat=1",
      "clid=1",
      "etext=1",
    ],
    ...[
      "lang=ru",
      "v=2",
      "t=1",
      "_=1",
      "",
      "=x",
      "site=1",
      "%",
      "manifesto",
      "xmanifest",
      "statuses",
    ],
  ];
  for (const name of added) {
    assert.deepEqual(parseArchiveQuery(name), ALL, name);
    const beside = parseArchiveQuery(`${name}&file=a&${name}`);
    assert.deepEqual(beside, { ...ALL, files: ["a"] }, name);
  }
});

Deno.test("parseArchiveQuery(): a value that is not allowed is named", () => {
  const cases: [string, string, string][] = [
    ...["page=2", "page=&page=2"].map((query) => [query, "page", "2"] as [string, string, string]),
    ["download=zip", "download", "zip"],
    ["file=", "file", ""],
    ["file=a&file", "file", ""],
    ...["", "0", "-1", "1.5", "01", "x", "1000001", " 1"].map((value) =>
      [`part=${value}&size=1`, "part", value] as [string, string, string]
    ),
    ...["", "0", "-1", "1.5G", "G", "2 G", "2P", "9999T"].map((value) =>
      [`part=1&size=${value}`, "size", value] as [string, string, string]
    ),
    ["part=1&part=2&size=1", "part", "2"],
    ["part=1&size=1&size=2", "size", "2"],
    ...["", "x", "-1", "1e9", "2027-01-31", "1234567890123"].map((value) =>
      [`expires=${value}&signature=x`, "expires", value] as [string, string, string]
    ),
    ["expires=1&signature=a&signature=b", "signature", "b"],
    ["selection=&selection=x", "selection", ""],
  ];
  for (const [query, name, value] of cases) {
    assert.deepEqual(
      problemOf(query),
      { kind: "value", parameter: name, value, known: name },
      query,
    );
  }
  const many = Array.from({ length: MAX_FILES }, (_, i) => `file=${i}`).join("&");
  assert.equal(parseArchiveQuery(many).files.length, MAX_FILES);
  assert.equal(problemOf(`${many}&file=x`).parameter, "file");
});

Deno.test("parseArchiveQuery(): the mark of the page's form means nothing beside names, and none without", () => {
  assert.deepEqual(parseArchiveQuery("selection=&file=a"), parseArchiveQuery("file=a"));
  assert.deepEqual(parseArchiveQuery("file=a&selection=&page"), parseArchiveQuery("file=a&page"));
  for (const query of ["selection=", "selection", "utm_source=x&selection=", "selection=&page"]) {
    assert.throws(() => parseArchiveQuery(query), NothingChosenError, query);
  }
});

Deno.test("parseArchiveQuery(): a combination that means nothing is named", () => {
  const excludes = [
    ["manifest&status", "status", "manifest"],
    ["page&manifest", "page", "manifest"],
    ["download&page", "download", "page"],
    ["status&file=a", "status", "file"],
    ["status&part=1&size=1", "status", "part"],
    ["page&part=1&size=1", "page", "part"],
    ["selection=a&file=b", "selection", "file"],
  ];
  for (const [query, parameter, known] of excludes) {
    assert.deepEqual(problemOf(query), { kind: "excludes", parameter, known }, query);
  }
  const needs = [["part", "size"], ["size", "part"], ["expires", "signature"], [
    "signature",
    "expires",
  ]];
  for (const [parameter, known] of needs) {
    assert.deepEqual(problemOf(`${parameter}=1`), { kind: "needs", parameter, known });
  }
});

Deno.test("parseArchiveQuery(): a name that is a letter off is one that was meant", () => {
  const cases: [string, string][] = [
    ["flie", "file"],
    ["files", "file"],
    ["fil", "file"],
    ["File", "file"],
    ["FILE", "file"],
    ["f%69lee", "file"],
    ["parts", "part"],
    ["pages", "page"],
    ["siez", "size"],
    ["expire", "expires"],
    ["signatur", "signature"],
    ["Signature", "signature"],
    ["selections", "selection"],
    ["downloads", "download"],
    ["mainfest", "manifest"],
    ["manifast", "manifest"],
    ["statsu", "status"],
  ];
  for (const [parameter, known] of cases) {
    const expected = { kind: "name", parameter: decodeURIComponent(parameter), known };
    assert.deepEqual(problemOf(`${parameter}=1`), expected, parameter);
    assert.deepEqual(problemOf(`utm_source=1&${parameter}`), expected, parameter);
  }
});

Deno.test("parseArchiveQuery(): every swap, change, gap and addition of a letter is noticed", () => {
  const name = fc.constantFrom("page", "download", "file", "part", "size", "expires", "selection");
  const typo = fc.record({
    name,
    at: fc.nat(8),
    kind: fc.constantFrom("swap", "change", "gap", "more"),
    letter: fc.constantFrom(..."qxzyw"),
  });
  const property = fc.property(typo, ({ name, at, kind, letter }) => {
    const i = at % (kind === "swap" ? name.length - 1 : name.length);
    const [before, after] = [name.slice(0, i), name.slice(i + 1)];
    const mistyped = {
      swap: before + name[i + 1] + name[i] + name.slice(i + 2),
      change: before + letter + after,
      gap: before + after,
      more: before + letter + name.slice(i),
    }[kind];
    fc.pre(mistyped !== name && !["site", "side", "art", "age", "port"].includes(mistyped));
    assert.equal(problemOf(mistyped).kind, "name", mistyped);
  });
  fc.assert(property, { numRuns: 2000 });
});

Deno.test("parseArchiveQuery(): any text is read or refused, the same after a redirect", () => {
  const outcome = (query: string) => {
    try {
      return parseArchiveQuery(query);
    } catch (error) {
      assert.ok(error instanceof QueryError, String(error));
      return error.problem;
    }
  };
  const words = fc.constantFrom(
    ...["file", "part", "size", "page", "manifest", "expires", "signature", "utm_source", "="],
    ...["&", "&", "=", "%", "%2", "%41", "+", "1", "2G", "ё", "\ud800", "\0", "a", "?", "#", "/"],
  );
  const query = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(words).map((parts) => parts.join("")),
  );
  const property = fc.property(query, (query) => {
    assert.deepEqual(outcome(encodeQuery(query)), outcome(query));
  });
  fc.assert(property, { numRuns: 3000 });
});

Deno.test("parseArchiveQuery(): any choice of names comes through, in any order, beside anything", () => {
  const names = fc.uniqueArray(
    fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }).map((name) =>
      name.toWellFormed().normalize("NFC")
    ),
    { maxLength: 20 },
  );
  const property = fc.property(names, fc.string(), (names, other) => {
    const pairs = names.map((name) => `file=${encodeURIComponent(name)}`);
    pairs.splice(names.length / 2, 0, `utm_content=${encodeURIComponent(other.toWellFormed())}`);
    assert.deepEqual(parseArchiveQuery(pairs.join("&")).files, names);
    const reversed = parseArchiveQuery(pairs.reverse().join("&"));
    assert.deepEqual(reversed.files, names.reverse());
  });
  fc.assert(property);
});
