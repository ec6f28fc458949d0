import assert from "node:assert/strict";
import { dirname, relative, resolve, sep } from "node:path";

const ROOT = import.meta.dirname!;

/** What each part may import of ours, besides its own files. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["handlers", "engines", "http", "templates", "storage", "lib", "deno.json"],
  handlers: ["engines", "http", "templates", "storage", "lib"],
  engines: ["zip", "storage", "lib"],
  templates: ["lib"],
  storage: ["lib"],
  http: [],
  zip: [],
  lib: [],
};

/** Parts whose files stand side by side: a shared one all may import, one over them all. */
const SIDE_BY_SIDE: Readonly<Record<string, { readonly shared?: string; readonly over?: string }>> =
  {
    handlers: { over: "handlers/mod.ts" },
    engines: { shared: "engines/engine.ts" },
  };

interface Import {
  readonly from: string;
  readonly to: string;
}

Deno.test("imports only go down", () => {
  const imports = [...sources()].flatMap(importsOf);
  assert.ok(imports.length > 50, "the imports were found");
  for (const { from, to } of imports) {
    const [part, target] = [partOf(from), partOf(to)];
    const allowed = part === target || ALLOWED[part].includes(target);
    assert.ok(allowed, `${from} must not import ${to}`);
  }
});

Deno.test("handlers do not import each other, nor do engines", () => {
  for (const { from, to } of [...sources()].flatMap(importsOf)) {
    const rule = SIDE_BY_SIDE[partOf(from)];
    if (!rule || partOf(from) !== partOf(to)) continue;
    assert.ok(from === rule.over || to === rule.shared, `${from} must not import ${to}`);
  }
});

/** Paths of the program's own files, from the root, without tests. */
function* sources(): Generator<string> {
  yield "main.ts";
  for (const part of Object.keys(ALLOWED).filter((part) => !part.endsWith(".ts"))) {
    for (const { name } of Deno.readDirSync(resolve(ROOT, part))) {
      if (name.endsWith(".ts") && !name.endsWith("_test.ts")) yield `${part}/${name}`;
    }
  }
}

function importsOf(from: string): Import[] {
  const text = Deno.readTextFileSync(resolve(ROOT, from));
  const paths = [...text.matchAll(/(?:from|import\.meta\.resolve\()\s*"(\.[^"]+)"/g)];
  return paths.map(([, path]) => {
    const to = relative(ROOT, resolve(ROOT, dirname(from), path)).replaceAll(sep, "/");
    return { from, to };
  });
}

function partOf(path: string) {
  return path.split("/")[0];
}
