import assert from "node:assert/strict";
import { start } from "../testing/process.ts";
import { makeTree } from "../testing/tree.ts";

const HASH = "0f6a3c92b7d14e58a9c07e21fb35d846";

/** Tells, when the program begins to listen, what it may do by then */
const PROBE = `
const { serve } = Deno;
Deno.serve = (...args) => {
  for (const name of ["read", "write"]) {
    console.error(name + ": " + Deno.permissions.querySync({ name }).state);
  }
  return serve(...args);
};
`;

Deno.test("the program gives the permission to write back, unless it has to write", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/photo.jpg`]: "1", "probe.ts": PROBE });
  const flags = ["--no-prompt", "--allow-all", `--preload=${tree.join("probe.ts")}`];
  const cases: [string[], RegExp][] = [
    [[], /^write: (?:denied|prompt)$/m],
    [["--checksums", tree.join("index.sqlite")], /^write: granted$/m],
  ];
  for (const [args, expected] of cases) {
    await using program = await start(["-f", tree.join("photos"), ...args], { flags });
    assert.match(program.stderr(), expected, args.join(" "));
    assert.match(program.stderr(), /^read: granted$/m);
  }
});
