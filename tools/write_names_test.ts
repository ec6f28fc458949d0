import assert from "node:assert/strict";
import { withTables } from "./write_names.ts";

const page = Deno.readTextFileSync(new URL("../docs/names.md", import.meta.url));

Deno.test("docs/names.md has the tables of the program; else run tools/write_names.ts", () => {
  const lines = page.replaceAll("\r\n", "\n");
  assert.equal(withTables(lines), lines);
});

Deno.test("withTables() writes both tables", () => {
  const empty = page.replace(/^\|.*\n/gm, "");
  assert.ok(!empty.includes("lost+found` |"));
  const written = withTables(empty);
  for (
    const name of ["`*.filepart`", "`lost+found`", "`Icon\\r`", "`Icon\\uf00d`", "`$RECYCLE.BIN`"]
  ) {
    assert.ok(written.includes(name), name);
  }
});
