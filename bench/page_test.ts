import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CHARTS } from "./charts.ts";
import { chartsOf } from "./http_charts.ts";
import { machinesOf } from "./machines.ts";
import { markdownTable, replaceMarked } from "./markdown.ts";
import { pageParts, pageResults } from "./page.ts";
import { PAGE } from "./tables.ts";

Deno.test("docs/performance.md has the tables that `deno task bench:tables` writes", () => {
  const page = readFileSync(PAGE, "utf8");
  for (const [name, part] of Object.entries(pageParts(pageResults()))) {
    assert.equal(replaceMarked(page, name, part), page, `<!-- ${name} -->`);
  }
});

Deno.test("docs/performance/ has the charts that `deno task bench:charts` writes", () => {
  const charts = machinesOf(pageResults().http).flatMap(chartsOf);
  assert.deepEqual(readdirSync(CHARTS).sort(), charts.map(({ file }) => file).sort());
  for (const { file, svg } of charts) {
    assert.equal(readFileSync(join(CHARTS, file), "utf8"), svg, file);
  }
});

Deno.test("markdownTable(): columns are in line, as `deno fmt` would have them", () => {
  assert.equal(
    markdownTable([["a", "long"], ["longer", "b"]]),
    "| a      | long |\n| ------ | ---- |\n| longer | b    |",
  );
});

Deno.test("replaceMarked(): replaces one part, and wants its marks", () => {
  const page = "before\n<!-- a -->\n\nold\n\n<!-- /a -->\nafter\n";
  assert.equal(replaceMarked(page, "a", "new"), page.replace("old", "new"));
  assert.throws(() => replaceMarked(page, "b", "new"), Error);
});
