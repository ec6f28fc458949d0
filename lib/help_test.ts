import assert from "node:assert/strict";
import { COMMAND_FLAGS, COMMANDS } from "./commands.ts";
import { helpFor, topics } from "./help.ts";
import { GROUPS, longFlag, OPTIONS, type OptionSpec } from "./options.ts";

const SPECS = Object.values<OptionSpec<unknown>>(OPTIONS);

Deno.test("helpFor(): the first screen fits 40 lines of 80 columns", () => {
  const lines = helpFor().trimEnd().split("\n");
  assert.ok(lines.length <= 40, `${lines.length} lines`);
  assert.deepEqual(lines.filter((line) => line.length > 80), []);
});

Deno.test("helpFor(): the first screen has every command, a dozen options, and where the rest is", () => {
  const screen = helpFor();
  for (const [name, { brief }] of Object.entries(COMMANDS)) {
    assert.match(screen, new RegExp(`^  ${name} .*${RegExp.escape(brief)}$`, "m"));
  }
  const shown = SPECS.filter(({ brief }) => brief !== undefined);
  assert.equal(shown.length, 12);
  for (const { flags = "", brief = "" } of shown) {
    assert.match(screen, new RegExp(`^  ${RegExp.escape(flags)} +${RegExp.escape(brief)}`, "m"));
  }
  assert.match(screen, /--hostname <address> .*\(default: 127\.0\.0\.1\)$/m);
  for (const topic of ["all", ...Object.keys(GROUPS)]) assert.match(screen, new RegExp(topic));
});

Deno.test("helpFor(): each topic fits 80 columns, and is about itself", () => {
  for (const topic of topics()) {
    const text = helpFor(topic);
    assert.deepEqual(text.split("\n").filter((line) => line.length > 80), [], topic);
    assert.match(text, /[^\n]\n$/, topic);
    assert.doesNotMatch(text, /\n\n\n/, topic);
    assert.notEqual(text, helpFor(), topic);
  }
  assert.equal(helpFor("nothing"), helpFor());
});

Deno.test("helpFor(): a group has its own options and no others", () => {
  for (const group of Object.keys(GROUPS)) {
    const text = helpFor(group);
    for (const spec of SPECS) {
      const term = new RegExp(`^  (?:-\\w, )?${spec.flags ? longFlag(spec) : spec.variable} `, "m");
      assert.equal(term.test(text), spec.group === group, `${group}: ${term}`);
    }
  }
});

Deno.test("helpFor(): a command has its own flags and options and no others", () => {
  for (const [name, { options }] of Object.entries(COMMANDS)) {
    const text = helpFor(name);
    for (const flag of COMMAND_FLAGS) {
      const shown = text.includes(`  ${flag.flags} `);
      assert.equal(shown, flag.commands.some((command) => command === name), flag.name);
    }
    if (options.length === SPECS.length) continue; // those of the service: too many to repeat
    for (const [key, spec] of Object.entries<OptionSpec<unknown>>(OPTIONS)) {
      const shown = new RegExp(`^  (?:-\\w, )?${longFlag(spec) || spec.variable} `, "m").test(text);
      assert.equal(shown, options.some((option) => option === key), `${name}: ${key}`);
    }
    assert.match(text, new RegExp(`^Usage: zipferry ${name}\\b`));
    assert.match(text, new RegExp(`^Examples:\n  zipferry ${name}\\b`, "m"));
  }
});
