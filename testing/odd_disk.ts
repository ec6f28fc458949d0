/**
 * Disks that behave as some network disks do, mounted by FUSE.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { until } from "./process.ts";
import { run, strict, testWith } from "./tools.ts";

const DISK = fileURLToPath(new URL("./odd_disk.py", import.meta.url));
const PYTHON = "/usr/bin/python3"; // the one that Debian's packages are for

/** What the disk does, as `odd_disk.py` describes it */
export type Habit = "inodes" | "now" | "opened" | "slow" | "hung";

/** Calls that a disk with the habit `hung` can let hang */
export type HangingCall = "getattr" | "open" | "read";

/** A mounted disk; disposal unmounts it, and ends the calls that hang on it with an error */
export interface OddDisk extends AsyncDisposable {
  /** Lets one kind of call hang from now on, or none; those of another kind that hang go on */
  hang(call: HangingCall | null): Promise<void>;
  /** How many calls hang now */
  hanging(): Promise<number>;
  /** Whether it could be unmounted as an administrator does it, which fails while a file is open */
  unmount(): Promise<boolean>;
}

const missing = await obstacle();

/** Registers a test that needs such a disk, and maybe programs: see `testWith` */
export function testOnDisk(
  name: string,
  fn: () => Promise<void>,
  { tools = [] }: { readonly tools?: readonly string[] } = {},
): void {
  if (missing === null) testWith(tools, name, fn);
  else if (strict() && missing === "no python3-fusepy") {
    Deno.test(name, () => assert.fail(missing));
  } else Deno.test({ name: `${name} (skipped: ${missing})`, ignore: true, fn });
}

/** Shows the files of one folder in another one, through a disk with that habit */
export async function mountDisk(habit: Habit, folder: string, mount: string): Promise<OddDisk> {
  const child = new Deno.Command(PYTHON, {
    args: [DISK, habit, folder, mount],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const orders = child.stdin.getWriter();
  const answers = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const ask = async (order: string) => {
    await orders.write(new TextEncoder().encode(`${order}\n`));
    let answer = "";
    while (!answer.endsWith("\n")) answer += (await answers.read()).value ?? "\n"; // in one piece or two
    return Number(answer);
  };
  await until(() => isMounted(mount), "the disk is there");
  return {
    async hang(call) {
      await ask(call ?? "");
    },
    hanging: () => ask("?"),
    unmount: async () => (await run("umount", [mount])).code === 0,
    async [Symbol.asyncDispose]() {
      await run("umount", ["-l", mount]);
      kill(child); // what hangs would keep it alive
      await child.status;
      await Promise.allSettled([orders.close(), answers.cancel()]);
    },
  };
}

/** Why such a disk cannot be had here, null if it can */
async function obstacle(): Promise<string | null> {
  if (Deno.build.os !== "linux") return "not Linux";
  const device = await Deno.stat("/dev/fuse").catch(() => null);
  if (!device) return "no /dev/fuse";
  if (Deno.uid() !== 0) return "not root, so no umount";
  const { code } = await run(PYTHON, ["-c", "import fusepy"]).catch(() => ({ code: 1 }));
  return code === 0 ? null : "no python3-fusepy";
}

function isMounted(mount: string) {
  return Deno.readTextFileSync("/proc/self/mounts").split("\n").some((line) =>
    line.split(" ")[1] === mount
  );
}

function kill(child: Deno.ChildProcess) {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended
  }
}
