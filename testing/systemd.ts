/**
 * A small Debian that is booted with systemd in a container of `systemd-nspawn`, to try units in.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { taskFlags } from "./task.ts";
import { accept, run, strict, testWith } from "./tools.ts";
import { makeTree, type Tree } from "./tree.ts";

/** Where a checkout of the project is in the machine, and the working folder of steps */
export const CHECKOUT = "/root/zipferry";

const PROJECT = fileURLToPath(new URL("../", import.meta.url));

/** What the checkout in the machine holds: the units, and what an image is made of */
const PARTS = [
  "deploy",
  ...Deno.readTextFileSync(join(PROJECT, ".dockerignore")).matchAll(/^!(.+)$/gm)
    .map(([, name]) => name),
];

const PACKAGES = ["apt", "curl", "procps", "rpm", "systemd", "systemd-sysv", "zip"];

/** Names a tar file: the first machine writes its disk there, and others unpack it */
const DISK_VARIABLE = "TEST_DISK";

/** Where the stand-in for an executable finds the program: put what is in `CHECKOUT` there */
export const PROGRAM = "/usr/local/lib/zipferry";

/** What a release would compile: this runs the same program, with the same permissions */
export const STAND_IN = `#!/bin/sh
export DENO_DIR=${PROGRAM}/.deno
exec deno run --cached-only ${taskFlags("start:checksums").join(" ")} ${PROGRAM}/main.ts "$@"
`;

/** The sections of docs/systemd.md that are about packages: testing/package_test.ts runs them */
export const ABOUT_PACKAGES = ["Install a package", "Upgrade and remove a package"];

/** Seconds that all steps may take together */
const MAX_SECONDS = 240;

/** A machine that is not running yet; disposal removes its disk */
export interface Machine extends AsyncDisposable {
  /** Absolute path of something on its disk, as seen from outside */
  join(...parts: string[]): string;
  /**
   * Boots the machine, runs the steps in it one after the other, also after one that failed, and
   * turns it off.
   *
   * @param steps shell scripts by name
   */
  boot(steps: Readonly<Record<string, string>>): Promise<Map<string, StepResult>>;
}

/** What a step left behind */
export interface StepResult {
  /** Exit code: of the first command that failed, or 0; null for a step that did not end */
  readonly code: number | null;
  readonly stdout: string;
  /** The commands as they were run, and what they wrote to standard error */
  readonly trace: string;
}

/**
 * Registers a test that needs to boot machines: as root, on Linux, with the programs for it.
 *
 * @param others further programs that the test needs
 */
export function testWithMachine(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  others: readonly string[] = [],
): void {
  const tools = ["mmdebstrap", "systemd-nspawn", ...others];
  if (Deno.build.os === "linux" && Deno.uid() === 0) testWith(tools, name, fn);
  else if (strict()) Deno.test(name, () => Promise.reject(new Error("boot a machine: not root")));
  else Deno.test({ name: `${name} (skipped: not root on Linux)`, ignore: true, fn });
}

/** Makes a machine with a checkout of this project, and with `deno` */
export async function makeMachine(): Promise<Machine> {
  const tree = await makeTree();
  try {
    await makeDisk(tree.path);
    await copyProject(tree.join(CHECKOUT));
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
  return {
    join: tree.join,
    boot: (steps) => boot(tree, steps),
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}

/** The shell blocks of a Markdown file, in one script for each heading that has some */
export function shellBlocks(markdown: string): Record<string, string> {
  const blocks: Record<string, string> = {};
  for (const section of markdown.split(/^#+ /m).slice(1)) {
    const title = section.slice(0, section.indexOf("\n"));
    const scripts = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, script]) => script);
    if (scripts.length > 0) blocks[title] = scripts.join("");
  }
  return blocks;
}

async function makeDisk(path: string): Promise<void> {
  const archive = Deno.env.get(DISK_VARIABLE);
  if (!archive) return await bootstrap(path);
  if (!existsSync(archive)) await bootstrap(archive);
  await accept("tar", ["-C", path, "-xf", archive]);
}

/** Into a folder, or into a file whose name ends in `.tar` */
async function bootstrap(path: string): Promise<void> {
  const options = [
    "--variant=essential",
    `--include=${PACKAGES.join()}`,
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
  ];
  await accept("mmdebstrap", [...options, "bookworm", path]);
}

/** The project and its dependencies, so that `deno` needs no network in the machine */
async function copyProject(path: string): Promise<void> {
  Deno.mkdirSync(path, { recursive: true });
  await accept("cp", ["-r", ...PARTS.map((name) => join(PROJECT, name)), path]);
  const { denoDir } = JSON.parse(await accept(Deno.execPath(), ["info", "--json"]));
  Deno.mkdirSync(join(path, ".deno"));
  await accept("cp", ["-r", join(denoDir, "npm"), join(path, ".deno")]);
}

async function boot(tree: Tree, steps: Readonly<Record<string, string>>) {
  writeSteps(tree, Object.values(steps));
  const deno = `--bind-ro=${Deno.realPathSync(Deno.execPath())}:/usr/local/bin/deno`;
  const flags = ["--quiet", "--boot", "--register=no", "--keep-unit", "--private-network", deno];
  const { stdout, stderr } = await run("systemd-nspawn", [...flags, `--directory=${tree.path}`], {
    within: (MAX_SECONDS + 30) * 1000,
  });
  const said = new TextDecoder().decode(stdout) + stderr;
  return new Map(Object.keys(steps).map((name, i) => [name, readResult(tree, i, said)]));
}

function writeSteps(tree: Tree, steps: readonly string[]): void {
  const units = "etc/systemd/system";
  for (const [i, step] of steps.entries()) write(tree.join(`steps/${i}`), step);
  write(tree.join("steps/run"), RUN_STEPS);
  write(tree.join(units, "steps.service"), STEPS_UNIT);
  write(tree.join(units, "default.target.d/steps.conf"), "[Unit]\nWants=steps.service\n");
  Deno.mkdirSync(tree.join("results"));
}

function readResult(tree: Tree, i: number, said: string): StepResult {
  const read = (what: string) => {
    try {
      return Deno.readTextFileSync(tree.join(`results/${i}.${what}`));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  };
  const code = read("code");
  return {
    code: code === null ? null : Number(code),
    stdout: read("out") ?? "",
    trace: read("err") ?? `it was not begun: ${said}`,
  };
}

const STEPS_UNIT = `
[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
WorkingDirectory=${CHECKOUT}
Environment=HOME=/root
TimeoutStartSec=${MAX_SECONDS}
ExecStart=/bin/bash /steps/run
`;

/** The exit code comes last: it says that the step came to its end */
const RUN_STEPS = `
for ((i = 0; ; i++)); do
  [ -e /steps/$i ] || exit 0
  timeout 60 bash -euxo pipefail /steps/$i >/results/$i.out 2>/results/$i.err </dev/null
  echo $? >/results/$i.code
done
`;

function write(path: string, text: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.writeTextFileSync(path, text);
}
