import assert from "node:assert/strict";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import dev from "../deno.dev.json" with { type: "json" };
import project from "../deno.json" with { type: "json" };

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Folders of what is no part of the program, and of hidden files */
const AROUND = /^(?:bench|testing|tools|test_photos|dist|\..*)$/;

const lock = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.lock")));

Deno.test("deno.lock has the packages of the program, none of tests and tools", () => {
  const texts = [...sources(ROOT)].map((path) => Deno.readTextFileSync(path));
  const names = texts.flatMap((text) => all(text, /^[^*\n]*\bfrom "([^"]+)"/gm))
    .filter((name) => !/^(?:\.|node:)/.test(name));
  const imports: Readonly<Record<string, string>> = project.imports;
  const types = texts.flatMap((text) => all(text, /@ts-types="(npm:[^"]+)"/g));
  const specifiers = new Set([...names.map((name) => imports[name] ?? name), ...types]);
  assert.deepEqual([...specifiers].sort(), Object.keys(lock.specifiers).sort());
  assert.deepEqual(Object.values(imports).sort(), [...specifiers].filter(isRuntime).sort());
});

Deno.test("deno.lock has no package that none of the program's depends on", () => {
  const packages: Record<string, { dependencies?: string[] }> = lock.npm;
  const direct = Object.keys(lock.specifiers).map((specifier) => specifier.slice("npm:".length));
  const names = Object.values(packages).flatMap(({ dependencies = [] }) => dependencies);
  const indirect = Object.keys(packages).filter((name) => !direct.includes(name));
  for (const name of indirect) assert.ok(names.includes(name.replace(/(?<=.)@.*/, "")), name);
});

Deno.test("deno.dev.json has the program's packages as they are in deno.json", () => {
  const imports: Readonly<Record<string, string>> = dev.imports;
  for (const [name, specifier] of Object.entries(project.imports)) {
    assert.equal(imports[name], specifier, name);
  }
});

Deno.test(".dockerignore lets in every folder of the program, and what starts it", () => {
  const modules = [...sources(ROOT)].map((path) => relative(ROOT, path).split(sep)[0]);
  const ignored = Deno.readTextFileSync(join(ROOT, ".dockerignore"));
  const admitted = [...ignored.matchAll(/^!(.+)$/gm)].map(([, name]) => name);
  const rest = ["deno.json", "deno.lock", "deploy/image"];
  assert.deepEqual(admitted.sort(), [...new Set(modules), ...rest].sort());
});

/** Absolute paths of the program's own modules, without tests */
function* sources(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory && !AROUND.test(name)) yield* sources(join(folder, name));
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) yield join(folder, name);
  }
}

function all(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, match]) => match);
}

function isRuntime(specifier: string): boolean {
  return !specifier.startsWith("npm:@types/");
}
