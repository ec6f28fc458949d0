import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { run } from "../testing/tools.ts";
import { makeTree } from "../testing/tree.ts";

const TOOL = fileURLToPath(new URL("mutants.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../deno.dev.json", import.meta.url));

async function mutants(...args: string[]) {
  const command = ["run", "--config", CONFIG, "--allow-all", TOOL, ...args];
  const { code, stdout, stderr } = await run(Deno.execPath(), command, {
    env: { NO_COLOR: "1" },
    within: 300_000,
  });
  assert.equal(code, 0, stderr);
  return new TextDecoder().decode(stdout);
}

Deno.test("deno task mutants: --list names each fault, --sample takes the same ones each time", async () => {
  const all = (await mutants("--list", "--files", "zip/http/entity_tag.ts")).trim().split("\n");
  assert.ok(all.includes("zip/http/entity_tag.ts:21:10 condition is true: settled → true"));
  const some = ["--list", "--rooms", "http", "--sample", "5"];
  const [first, again, other] = await Promise.all([
    mutants(...some),
    mutants(...some),
    mutants(...some, "--seed", "2"),
  ]);
  assert.equal(first.trim().split("\n").length, 5);
  assert.equal(first, again);
  assert.notEqual(first, other);
});

Deno.test("deno task mutants: faults are caught, the report is kept, the tree stays as it is", async () => {
  await using tree = await makeTree();
  const source = new URL("../zip/http/entity_tag.ts", import.meta.url);
  const before = Deno.readTextFileSync(source);
  const report = tree.join("report.json");
  const args = ["--narrow", "--report", report, "--files", "zip/http/entity_tag.ts"];
  const output = await mutants(...args, "--match", "condition is (true|false): settled");
  assert.match(output, /^1\/2 caught by "entityTag\(\).*": zip\/http\/entity_tag\.ts:21:10 /m);
  assert.match(output, /^all +2 +2 +0 +0 +0 +100\.0 %$/m);
  assert.equal(Deno.readTextFileSync(source), before);
  const { results } = JSON.parse(Deno.readTextFileSync(report));
  assert.deepEqual(Object.values<{ verdict: string }>(results).map(({ verdict }) => verdict), [
    ...["caught", "caught"],
  ]);
  const again = await mutants(...args, "--match", "condition is (true|false): settled");
  assert.doesNotMatch(again, /^1\/2/m, "what was decided is not tried again");
  assert.match(again, /^all +2 +2 /m);
});
