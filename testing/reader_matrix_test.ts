import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { differences, type Findings, parseCells, render } from "../tools/reader_matrix.ts";
import { run, testWith } from "./tools.ts";

const CONFIG = fileURLToPath(new URL("../deno.dev.json", import.meta.url));
const SCRIPT = fileURLToPath(new URL("../tools/reader_matrix.ts", import.meta.url));
const PROGRAMS = ["bsdtar", "busybox", "7z", "go", "jar", "java", "lsar", "perl", "php", "python3"];

function findings(complaint: string | null, tree = "plain"): Findings {
  return {
    machine: "a machine",
    versions: new Map([["busybox unzip", "1.0"]]),
    vigilance: new Map([["busybox unzip", true]]),
    cells: [{ engine: "store", reader: "busybox unzip", tree, complaint }],
  };
}

Deno.test("render() writes what parseCells() reads", () => {
  const cells = parseCells(render(findings("run busybox: exit code 1\nunzip: short read")));
  assert.equal(cells.get("Readers|busybox unzip|Version"), "1.0");
  assert.equal(cells.get("Readers|busybox unzip|Sees a flipped bit"), "yes");
  assert.equal(cells.get("Readers|unzip|Version"), "not on this machine");
  assert.equal(cells.get("store|busybox unzip|plain"), "no ZIP64");
  assert.equal(cells.get("store|unzip|plain"), "–");
  assert.equal(cells.get("store|busybox unzip|hostile names"), undefined);
});

Deno.test("render() explains a failure in a footnote and quotes the reader", () => {
  const known = render(findings("run busybox: exit code 1\nunzip: short read"));
  assert.match(known, /\| no ZIP64 ¹ \|/);
  assert.match(
    known,
    /^1\. It knows .*\. \*\*busybox unzip\*\* \(plain\): `unzip: short read`\.$/m,
  );
  const unknown = render(findings("run busybox: exit code 1\nunzip: never seen"));
  assert.match(unknown, /\| fails ¹ \|/);
  assert.match(unknown, /: `unzip: never seen`\.$/m);
});

Deno.test("differences() compares cells, not versions, and not what takes long", () => {
  const [good, bad] = [findings(null), findings("unzip: short read")].map(render);
  assert.deepEqual(differences(good, good), []);
  assert.deepEqual(differences(good.replaceAll(" 1.0 ", " 2.0 "), good), []);
  assert.deepEqual(differences(good, bad), [
    'store, busybox unzip, plain: published "ok", seen "no ZIP64"',
  ]);
  assert.ok(differences("", good).length > 10);
  assert.ok(differences(good, "").length > 10);

  const huge = render({ ...findings(null, "past 4 GiB") });
  const quick = render({ ...findings(null), cells: [] });
  assert.deepEqual(differences(huge, quick), []);
  assert.notDeepEqual(differences(good, quick), []);
});

testWith([...PROGRAMS, "unzip", "zip", "zipinfo", "ziptool"], "docs/readers.md holds", async () => {
  const args = ["run", "--config", CONFIG, "--no-prompt", "--allow-all", SCRIPT, "--quick"];
  const { code, stdout, stderr } = await run(Deno.execPath(), args);
  assert.equal(code, 0, new TextDecoder().decode(stdout) + stderr);
});
