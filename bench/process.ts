/**
 * A server that is measured: it is started and waited for, and its CPU time and memory are read
 * from `/proc`.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";

const TICKS_PER_SECOND = 100; // USER_HZ, the same on every current Linux
const PAGE_BYTES = 4096;

/** How long a server may take to end, in milliseconds. */
const PATIENCE_MS = 3000;

/** A server that takes no CPU time for so long is at rest, in milliseconds. */
const REST_MS = 700;

/** A running server. */
export interface Server extends AsyncDisposable {
  /** Its port on 127.0.0.1. */
  readonly port: number;
  /** Its process. */
  readonly pid: number;
  /** CPU time of it and its children, including those that have ended. */
  cpu(): CpuTime;
  /** Resident memory of it and its children now, in bytes. */
  memory(): number;
  /** The part of that which is not mapped from files, such as the executable, in bytes. */
  anonymousMemory(): number;
  /** Its peak memory so far plus the current memory of its children, in bytes. */
  peakMemory(): number;
}

/**
 * CPU seconds. Each is told in ticks of 10 ms, rounded down, so the difference of two sums is off by
 * less than 20 ms for a single process. The sum is exact otherwise. How it divides into user and
 * kernel is sampled by the kernel at its own ticks, unless it was built to count.
 */
export interface CpuTime {
  /** Of program code. */
  readonly user: number;
  /** Of the kernel, on its behalf. */
  readonly kernel: number;
}

/** Starts a command that serves on a port, and waits until it answers. */
export async function startServer(command: readonly string[], port: number): Promise<Server> {
  const [program, ...args] = command;
  const child = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
  let ended = false;
  child.status.then(() => ended = true);
  for (let tries = 0;; tries++) {
    if (ended || tries > 600) {
      if (!ended) child.kill("SIGKILL");
      throw new Error(`start server: ${command.join(" ")}`);
    }
    try {
      (await Deno.connect({ port })).close();
      break;
    } catch {
      await sleep(50);
    }
  }
  return {
    port,
    pid: child.pid,
    cpu: () => {
      const processes = family(child.pid);
      return {
        user: sum(processes, ({ userTicks }) => userTicks) / TICKS_PER_SECOND,
        kernel: sum(processes, ({ kernelTicks }) => kernelTicks) / TICKS_PER_SECOND,
      };
    },
    memory: () => sum(family(child.pid), ({ pages }) => pages) * PAGE_BYTES,
    anonymousMemory: () => sum(family(child.pid), ({ pid }) => statusOf(pid, "RssAnon")),
    peakMemory: () => {
      const children = family(child.pid).filter(({ pid }) => pid !== child.pid);
      return statusOf(child.pid, "VmHWM") + sum(children, ({ pages }) => pages) * PAGE_BYTES;
    },
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill("SIGTERM"); // nginx ends its workers only when it is asked to stop
      const patience = setTimeout(() => ended || child.kill("SIGKILL"), PATIENCE_MS);
      await child.status;
      clearTimeout(patience);
    },
  };
}

/**
 * Waits until a server does nothing: after its start it may still look at all archives, which would
 * count for the download that is measured. Gives up after a minute.
 */
export async function untilAtRest(server: Server): Promise<void> {
  const end = performance.now() + 60_000;
  for (let before = NaN; performance.now() < end;) {
    const { user, kernel } = server.cpu();
    if (user + kernel === before) return;
    before = user + kernel;
    await sleep(REST_MS);
  }
}

/** A line of `status` in bytes (proc(5)): `VmHWM` is the "high water mark" of resident memory. */
function statusOf(pid: number, name: "VmHWM" | "RssAnon") {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(new RegExp(`${name}:\\s*(\\d+)`).exec(status)![1]) * 1024;
}

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly userTicks: number;
  readonly kernelTicks: number;
  readonly pages: number;
}

/** A process and all its descendants (proc(5): fields 4, 14 to 17 and 24 of `stat`). */
function family(pid: number): Stat[] {
  const all = [...Deno.readDirSync("/proc")]
    .filter(({ name }) => /^\d+$/.test(name))
    .flatMap(({ name }) => readStat(Number(name)) ?? []);
  const members = new Set([pid]);
  for (let before = 0; before < members.size;) {
    before = members.size;
    for (const stat of all) if (members.has(stat.parent)) members.add(stat.pid);
  }
  return all.filter((stat) => members.has(stat.pid));
}

function readStat(pid: number): Stat | null {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
    return {
      pid,
      parent: fields[1],
      userTicks: fields[11] + fields[13],
      kernelTicks: fields[12] + fields[14],
      pages: fields[21],
    };
  } catch {
    return null; // it has just ended
  }
}

function sum<T>(items: readonly T[], value: (item: T) => number) {
  return items.reduce((total, item) => total + value(item), 0);
}
