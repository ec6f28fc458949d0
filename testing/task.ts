/**
 * How `deno.json` says that the program is started.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import project from "../deno.json" with { type: "json" };

/** The configuration that has the permissions, for a script that lies somewhere else */
export const CONFIG = fileURLToPath(new URL("../deno.json", import.meta.url));

/** A task that starts the program */
export type Task = "start" | "start:checksums" | "start:network" | "new";

/** The flags of `deno run` in a task: what stands between `run` and the script */
export function taskFlags(name: Task): string[] {
  const words = project.tasks[name].command.split(/\s+/);
  const [run, script] = [words.indexOf("run"), words.indexOf("main.ts")];
  if (run < 0 || script < run) throw new Error(`read task ${name}: ${words.join(" ")}`);
  return words.slice(run + 1, script);
}

/** A shell script that does what an executable would: it runs the program of this checkout */
export function standIn(
  flags: readonly string[] = taskFlags("start:checksums"),
  deno: string = Deno.execPath(),
): string {
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const command = [deno, "run", ...flags, main].map((word) => `'${word}'`).join(" ");
  return `#!/bin/sh\nexec ${command} "$@"\n`;
}

/** Whether the program may read an environment variable */
export function mayRead(variable: string): boolean {
  return project.permissions.serve.env.some((pattern) =>
    pattern.endsWith("*") ? variable.startsWith(pattern.slice(0, -1)) : variable === pattern
  );
}
