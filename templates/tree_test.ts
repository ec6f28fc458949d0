import assert from "node:assert/strict";
import fc from "fast-check";
import { type TreeEntry, walkTree } from "./tree.ts";

function entriesOf(names: readonly string[]): TreeEntry[] {
  const bytes = (name: string) => new TextEncoder().encode(name);
  const compare = (a: string, b: string) => {
    const [one, other] = [bytes(a), bytes(b)];
    const at = one.findIndex((value, i) => value !== other[i]);
    return at < 0 ? one.length - other.length : one[at] - (other[at] ?? -1);
  };
  return [...names].sort(compare).map((name, i) => ({
    name,
    size: name.endsWith("/") ? 0 : i + 1,
  }));
}

/** The steps in short: `+a/ 2 5` opens, `-` closes */
function short(names: readonly string[]): string[] {
  return [...walkTree(entriesOf(names))].map((step) =>
    step.kind === "file"
      ? step.name
      : step.kind === "open"
      ? `+${step.name} ${step.files} ${step.size}`
      : "-"
  );
}

Deno.test("walkTree() opens and closes each folder once, folders first", () => {
  assert.deepEqual(short(["a.jpg", "a/1.jpg", "a-1.jpg", "a/b/2.jpg", "a0.jpg"]), [
    ...["+a 2 7", "+b 1 4", "2.jpg", "-", "1.jpg", "-"],
    ...["a-1.jpg", "a.jpg", "a0.jpg"],
  ]);
  assert.deepEqual(short(["empty/", "x/y/"]), ["+empty 0 0", "-", "+x 0 0", "+y 0 0", "-", "-"]);
  assert.deepEqual(short([]), []);
});

Deno.test("walkTree() goes past every file once, whatever the folders", () => {
  const segment = fc.string({ unit: "grapheme", minLength: 1, maxLength: 3 })
    .map((text) => text.replaceAll("/", "-").toWellFormed());
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  fc.assert(fc.property(fc.uniqueArray(path, { maxLength: 30 }), (paths) => {
    const names = paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`)));
    const entries = entriesOf(names);
    const seen: string[] = [];
    let depth = 0;
    const folders = new Set<string>();
    for (const step of walkTree(entries)) {
      if (step.kind === "file") seen.push(step.path);
      else if (step.kind === "close") depth--;
      else {
        depth++;
        assert.ok(!folders.has(step.path), `opened twice: ${step.path}`);
        folders.add(step.path);
        const inside = entries.filter(({ name }) => name.startsWith(step.path));
        assert.equal(step.files, inside.length);
        assert.equal(step.size, inside.reduce((sum, { size }) => sum + size, 0));
      }
    }
    assert.equal(depth, 0);
    assert.deepEqual(seen.sort(), [...names].sort());
  }));
});
