/**
 * A memory cgroup (cgroups(7)), of version 1 or 2: what a container has of memory.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join } from "node:path";

const MOUNT = "/sys/fs/cgroup";

/** A group of processes that have so much memory together and no swap. */
export interface Cgroup extends Disposable {
  /** The command that runs another one in it. */
  command(command: readonly string[]): readonly string[];
  /** How many of its processes the kernel has killed for memory. */
  kills(): number;
}

/**
 * Makes a group. The root user alone may.
 *
 * @param bytes of memory, page cache included
 */
export function makeCgroup(name: string, bytes: number): Cgroup {
  const isFirst = existsSync(join(MOUNT, "memory"));
  const folder = isFirst ? join(MOUNT, "memory", name) : join(MOUNT, name);
  if (!isFirst) Deno.writeTextFileSync(join(MOUNT, "cgroup.subtree_control"), "+memory");
  if (!existsSync(folder)) Deno.mkdirSync(folder);
  const write = (file: string, value: string) => Deno.writeTextFileSync(join(folder, file), value);
  if (isFirst) write("memory.limit_in_bytes", String(bytes));
  else write("memory.max", String(bytes));
  if (!isFirst && existsSync(join(folder, "memory.swap.max"))) write("memory.swap.max", "0");
  const events = join(folder, isFirst ? "memory.oom_control" : "memory.events");
  const enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"';
  return {
    command: (command) => ["sh", "-c", enter, folder, ...command],
    kills: () => Number(/^oom_kill (\d+)$/m.exec(Deno.readTextFileSync(events))![1]),
    [Symbol.dispose]: () => Deno.removeSync(folder),
  };
}
