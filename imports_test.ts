import assert from "node:assert/strict";
import { dirname, relative, resolve, sep } from "node:path";

const ROOT = import.meta.dirname!;

/** What each room may import of ours, besides its own files: only what is on a floor below. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "main.ts": [
    ...["commands", "process", "handlers", "engines", "observe"],
    ...["storage", "storage/bucket", "storage/disk", "zip", "lib"],
  ],
  commands: [
    "commands/check",
    "commands/doctor",
    "commands/repair",
    "process",
    "handlers",
    "engines",
    "observe",
    "storage",
    "lib",
  ],
  "commands/check": ["storage", "lib"],
  "commands/doctor": ["lib"],
  "commands/repair": ["lib"],
  process: ["lib"],
  handlers: ["engines", "http", "templates", "observe", "zip/http", "storage", "lib"],
  engines: ["zip", "storage", "lib"],
  observe: ["lib"],
  templates: ["templates/languages", "lib"],
  "templates/languages": ["templates"],
  "storage/bucket": ["storage/bucket/credentials", "storage", "lib"],
  "storage/bucket/credentials": ["storage", "lib"],
  "storage/disk": ["storage", "lib"],
  storage: ["lib"],
  http: ["zip/http"],
  zip: ["zip/http"],
  "zip/http": [],
  lib: [],
};

/** Rooms whose files stand side by side: shared ones all may import, one may import them all. */
const SIDE_BY_SIDE: Readonly<
  Record<string, { readonly shared?: readonly string[]; readonly over?: string }>
> = {
  commands: {
    shared: [
      "commands/archives.ts",
      "commands/broken_archives.ts",
      "commands/capacity.ts",
      "commands/terminal.ts",
    ],
  },
  handlers: { shared: ["handlers/digest.ts", "handlers/token_pages.ts"], over: "handlers/mod.ts" },
  engines: { shared: ["engines/engine.ts"] },
};

interface Import {
  readonly from: string;
  readonly to: string;
}

Deno.test("imports only go down", () => {
  const imports = [...sources()].flatMap(importsOf).filter(({ to }) => to !== "deno.json");
  assert.ok(imports.length > 100, "the imports were found");
  for (const { from, to } of imports) {
    const [room, target] = [roomOf(from), roomOf(to)];
    const allowed = room === target || ALLOWED[room].includes(target);
    assert.ok(allowed, `${from} must not import ${to}`);
  }
});

Deno.test("handlers do not import each other, nor do engines or commands", () => {
  for (const { from, to } of [...sources()].flatMap(importsOf)) {
    const rule = SIDE_BY_SIDE[roomOf(from)];
    if (!rule || roomOf(from) !== roomOf(to)) continue;
    const allowed = from === rule.over || rule.shared?.includes(to);
    assert.ok(allowed, `${from} must not import ${to}`);
  }
});

Deno.test("every room of the program is known here", () => {
  const others = ["bench", "testing", "tools"];
  const rooms = [...Deno.readDirSync(ROOT)]
    .filter(({ name, isDirectory }) => isDirectory && !name.startsWith("."))
    .map(({ name }) => name)
    .filter((name) => !others.includes(name) && hasSources(name));
  const known = Object.keys(ALLOWED).filter((room) => /^[a-z]+$/.test(room));
  assert.deepEqual(rooms.sort(), known.sort());
});

/** Paths of the program's own files, from the root, without tests. */
function* sources(): Generator<string> {
  yield "main.ts";
  for (const room of Object.keys(ALLOWED).filter((room) => !room.endsWith(".ts"))) {
    yield* sourcesIn(room);
  }
}

function* sourcesIn(room: string): Generator<string> {
  for (const { name } of Deno.readDirSync(resolve(ROOT, room))) {
    if (name.endsWith(".ts") && !name.endsWith("_test.ts")) yield `${room}/${name}`;
  }
}

function hasSources(room: string) {
  return !sourcesIn(room).next().done;
}

function importsOf(from: string): Import[] {
  const text = Deno.readTextFileSync(resolve(ROOT, from));
  const paths = [...text.matchAll(/(?:from|import\.meta\.resolve\()\s*"(\.[^"]+)"/g)];
  return paths.map(([, path]) => {
    const to = relative(ROOT, resolve(ROOT, dirname(from), path)).replaceAll(sep, "/");
    return { from, to };
  });
}

function roomOf(path: string) {
  return path.includes("/") ? dirname(path) : path;
}
