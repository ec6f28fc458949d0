import assert from "node:assert/strict";
import { applyMutant, mutantsOf } from "./mutate.ts";

/** Every text that one fault makes of this one, with the name of the fault */
function faults(source: string): [string, string][] {
  return mutantsOf(source).map((mutant) => [mutant.operator, applyMutant(source, mutant)]);
}

Deno.test("mutantsOf() makes each kind of fault", () => {
  const cases: [string, string, string][] = [ // operator, before, one of those after
    ["condition is true", "if (a < b) c();", "if (true) c();"],
    ["condition is false", "if (a < b) c();", "if (false) c();"],
    ["condition negated", "if (a(b)) c();", "if (!(a(b))) c();"],
    ["condition is false", "while (a) b();", "while (false) b();"],
    ["operator", "if (a < b) c();", "if (a <= b) c();"],
    ["operator", "x = a === b;", "x = a !== b;"],
    ["operator", "x = a + 1;", "x = a - 1;"],
    ["operator", "i++;", "i--;"],
    ["operator", "a ??= b;", "a = b;"],
    ["order reversed", "list.sort((a, b) => b.at - a.at);", "list.sort((a, b) => a.at - b.at);"],
    ["equal becomes prefix", 'x = q === "a";', 'x = (q)?.startsWith("a");'],
    ["right side of ?? dropped", "x = a ?? b;", "x = a;"],
    ["left side of || dropped", "x = a || (b && c);", "x = (b && c);"],
    ["! dropped", "x = !a;", "x = a;"],
    ["await dropped", "await a();", "a();"],
    ["statement dropped", "a(); b();", "a(); ;"],
    [".catch() dropped", "a().catch(() => {});", "a();"],
    ["catch dropped", "try { a(); } catch { b(); }", "try { a(); } catch (e) { throw e; }"],
    ["finally dropped", "try { a(); } finally { b(); }", "{ a(); }"],
    ["argument dropped", "a(b, { c });", "a(b);"],
    ["argument dropped", "a(b,);", "a();"],
    ["argument dropped", "new A(b, c);", "new A(b);"],
    ["?. becomes .", "x = a?.b;", "x = a.b;"],
    ["element dropped", 'x = ["-X", "-q"];', 'x = ["-q"];'],
    ["property dropped", "x = { a, ...b };", "x = ({ a });"],
    ["text emptied", 'x = "a";', 'x = "";'],
    ["text emptied", "x = `a${b}`;", 'x = "";'],
    ["number", "x = 1_000;", "x = 1001;"],
    ["boolean", "x = true;", "x = false;"],
    ["^ dropped", "x = /^a$/i;", "x = /a$/i;"],
    ["$ dropped", "x = /^a$/i;", "x = /^a/i;"],
    ["flag dropped", "x = /^a$/i;", "x = /^a$/;"],
    ["method", "x = Math.min(a, b);", "x = Math.max(a, b);"],
    [".slice() dropped", "x = a.slice(0, 3);", "x = a;"],
  ];
  for (const [operator, before, after] of cases) {
    const made = faults(before).filter(([name]) => name === operator).map(([, text]) => text);
    assert.ok(made.includes(after), `${before}\n${JSON.stringify(made)}`);
  }
});

Deno.test("mutantsOf() leaves types, imports, and words for people alone", () => {
  const texts = [
    'import { a } from "./a.ts";',
    'import type { A } from "./a.ts";',
    'type A = "a" | "b" | 1;',
    "interface A { readonly a: true; }",
    "declare const a: 1;",
  ];
  for (const text of texts) assert.deepEqual(faults(text), [], text);
  const words = faults('function f(): never { throw new Error(`bad: ${a}`, { cause: "b" }); }');
  assert.deepEqual(words, []);
  assert.deepEqual(faults('log.warn("bad", { count: 1 });'), [[
    "statement dropped",
    ";",
  ]]);
});

Deno.test("mutantsOf() tells where a fault is", () => {
  const [{ line, column, start, end }] = mutantsOf("f();\n  if (a) b();")
    .filter(({ operator }) => operator === "condition is true");
  assert.deepEqual([line, column, start, end], [2, 7, 11, 12]);
});

Deno.test("every fault of the program's own files can be parsed", () => {
  for (const path of ["../zip/stream.ts", "../storage/disk/walk.ts", "../handlers/mod.ts"]) {
    const source = Deno.readTextFileSync(new URL(path, import.meta.url));
    const mutants = mutantsOf(source);
    assert.ok(mutants.length > 50);
    for (const mutant of mutants.filter((_, i) => i % 7 === 0)) {
      const text = applyMutant(source, mutant);
      assert.notEqual(text, source);
      mutantsOf(text);
    }
  }
});
