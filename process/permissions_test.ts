import assert from "node:assert/strict";
import type { Config } from "../lib/config.ts";
import { start } from "../testing/process.ts";
import { makeTree } from "../testing/tree.ts";
import { permissionsFor } from "./permissions.ts";

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

Deno.test("permissionsFor() names an address of IPv6 as the runtime reads it", async () => {
  const config = { folder: "photos", hostname: "::1", port: 18080 } as Config;
  const metrics = { hostname: "::1", port: 19464 };
  const needed = permissionsFor({ ...config, metrics });
  const flags = needed.map(({ flag }) => flag);
  assert.deepEqual(flags.slice(1), ["--allow-net=[::1]:18080", "--allow-net=[::1]:19464"]);
  for (const { descriptor } of needed) await Deno.permissions.query(descriptor);
});
