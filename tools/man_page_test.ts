import assert from "node:assert/strict";
import { helpFor } from "../lib/help.ts";
import { variables } from "../lib/options.ts";
import { accept, run, testWith } from "../testing/tools.ts";
import { makeTree } from "../testing/tree.ts";
import { allFlags, commandLine } from "./command_line.ts";
import { manPage } from "./man_page.ts";

/** A letter and a backspace, in front of the letter that stays */
const OVERSTRUCK = new RegExp(".\b", "gu");

const line = commandLine();
const page = manPage(line, { version: "1.2.3", date: new Date("2026-01-31T12:00:00Z") });

Deno.test("manPage() is ASCII, and its head has version and day", () => {
  assert.match(page, /^[\n -~]+$/);
  assert.match(page, /^\.TH ZIPFERRY 1 "2026-01-31" "zipferry 1\.2\.3" /m);
});

Deno.test("allFlags() has every flag of the help", () => {
  const inHelp = [...helpFor("all").matchAll(/^ +(?:-\w, )?--([a-z\d-]+)/gm)].map(([, name]) =>
    name
  );
  assert.deepEqual(allFlags(line).map(({ long }) => long).sort(), [...new Set(inHelp)].sort());
});

onLinux(["mandoc"], "zipferry(1) names every flag, variable and command", async () => {
  const text = await render();
  const lines = text.split("\n").map((line) => line.trim());
  for (const { short, long, value } of allFlags(line)) {
    const label = value ? value.optional ? ` [${value.label}]` : ` ${value.label}` : "";
    const term = `${short ? `-${short}, ` : ""}--${long}${label}`;
    assert.ok(lines.some((line) => line === term || line.startsWith(`${term} `)), term);
  }
  for (const name of [...variables, ...line.credentials]) {
    assert.match(text, new RegExp(`\\b${name}\\b`), name);
  }
  for (const { name, examples } of line.commands) {
    assert.match(text, new RegExp(`^ +zipferry ${name} \\[option \\.\\.\\.\\]`, "m"));
    for (const example of examples) assert.ok(lines.includes(example), example);
  }
  assert.ok(text.includes("30m, 12h, 7d, 2w, …"), "letters beyond ASCII");
});

onLinux(["groff", "mandoc"], "zipferry(1) has no warnings of groff and mandoc", async () => {
  const bad = page.replace(".SH EXAMPLES", ".XX\n.SH EXAMPLES");
  await using tree = await makeTree({ "zipferry.1": page, "bad.1": bad });
  const warnings = async (name: string) => {
    const groff = await run("groff", ["-ww", "-man", "-z", "-T", "utf8", tree.join(name)]);
    const mandoc = await run("mandoc", ["-T", "lint", "-W", "style", tree.join(name)]);
    return [groff.stderr, new TextDecoder().decode(mandoc.stdout)];
  };
  assert.deepEqual(await warnings("zipferry.1"), ["", ""]);
  for (const text of await warnings("bad.1")) assert.match(text, /XX/);
});

/** The page as a terminal shows it, without bold and underlined */
async function render(): Promise<string> {
  await using tree = await makeTree({ "zipferry.1": page });
  const args = ["-T", "utf8", "-O", "width=200", tree.join("zipferry.1")];
  return (await accept("mandoc", args)).replaceAll(OVERSTRUCK, "");
}

/** Elsewhere these programs are others by the same names, or of another age */
function onLinux(tools: readonly string[], name: string, fn: () => Promise<void>) {
  if (Deno.build.os === "linux") testWith(tools, name, fn);
  else Deno.test({ name: `${name} (skipped: Linux only)`, ignore: true, fn });
}
