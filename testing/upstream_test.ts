/**
 * The reports for Deno hold: what they say to run prints what they say it prints.
 *
 * @module
 */

import assert from "node:assert/strict";
import { freePort } from "./free_port.ts";
import { run, testWith } from "./tools.ts";
import { makeTree } from "./tree.ts";

const PAGE = new URL("../docs/upstream.md", import.meta.url);
const TOOLS = ["bash", "curl", "strace"];

/** The port that the page names */
const PORT = "8123";

/** Whatever the commands have started ends with them, also where one of them fails */
const END_WITH_SHELL = `trap 'kill $(jobs -p) 2>/dev/null || true' EXIT`;

/** A heading, and the commands and their output below it */
const REPORT = /^## ([^\n]+)\n(?:(?!^## )[^])*?^```sh\n([^]*?)^```\n\n```text\n([^]*?)^```\n/gm;

const reports = [...Deno.readTextFileSync(PAGE).matchAll(REPORT)];

Deno.test("docs/upstream.md: each report has a reproduction and says what may go", () => {
  const page = Deno.readTextFileSync(PAGE);
  const titles = [...page.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
  assert.deepEqual(reports.map(([, title]) => title), titles.slice(1), "all but the first table");
  for (const part of ["**Right:**", "**Where:**", "**Here:**"]) {
    assert.equal(page.split(part).length - 1, reports.length, part);
  }
});

for (const [, title, commands, expected] of reports) {
  const name = `docs/upstream.md: ${title}`;
  if (Deno.build.os !== "linux") {
    Deno.test({ name: `${name} (skipped: Linux only)`, ignore: true, fn() {} });
  } else {
    testWith(TOOLS, name, async () => {
      await using tree = await makeTree();
      const script = commands.replaceAll(PORT, String(freePort()));
      const env = { NO_COLOR: "1", NO_PROXY: "*", no_proxy: "*", LC_ALL: "C.UTF-8" };
      const options = { cwd: tree.path, env, within: 60_000 };
      const { stdout, stderr } = await run(
        "bash",
        ["-euc", `${END_WITH_SHELL}\n${script}`],
        options,
      );
      assert.equal(new TextDecoder().decode(stdout), expected, stderr);
    });
  }
}
