/**
 * A server that is measured: it is started and waited for, and its CPU time and memory are read
 * from `/proc`.
 *
 * @module
 */

const TICKS_PER_SECOND = 100; // USER_HZ, the same on every current Linux
const PAGE_KB = 4;

/** How long a server may take to end, in milliseconds. */
const PATIENCE_MS = 3000;

/** A running server. */
export interface Server extends AsyncDisposable {
  /** Its port on 127.0.0.1. */
  readonly port: number;
  /** CPU seconds of it and its children, including those that have ended. */
  cpuSeconds(): number;
  /** Memory of it and its children now, in kB. */
  memory(): number;
  /** Its peak memory so far plus the current memory of its children, in kB. */
  peakMemory(): number;
}

/** Starts a command that serves on a port, and waits until it answers. */
export async function startServer(command: readonly string[], port: number): Promise<Server> {
  const [program, ...args] = command;
  const child = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
  let ended = false;
  child.status.then(() => ended = true);
  for (let tries = 0;; tries++) {
    if (ended || tries > 600) throw new Error(`start server: ${command.join(" ")}`);
    try {
      (await Deno.connect({ port })).close();
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    port,
    cpuSeconds: () => sum(family(child.pid), cpuTicks) / TICKS_PER_SECOND,
    memory: () => sum(family(child.pid), ({ rss }) => rss) * PAGE_KB,
    peakMemory: () => {
      const children = family(child.pid).filter(({ pid }) => pid !== child.pid);
      return peakOf(child.pid) + sum(children, ({ rss }) => rss) * PAGE_KB;
    },
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill("SIGTERM"); // nginx ends its workers only when it is asked to stop
      const patience = setTimeout(() => ended || child.kill("SIGKILL"), PATIENCE_MS);
      await child.status;
      clearTimeout(patience);
    },
  };
}

/** proc(5): the "high water mark" of a process's memory, in kB. */
function peakOf(pid: number) {
  const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  return Number(kilobytes);
}

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly own: number;
  readonly reaped: number;
  readonly rss: number;
}

function cpuTicks({ own, reaped }: Stat) {
  return own + reaped;
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
      own: fields[11] + fields[12],
      reaped: fields[13] + fields[14],
      rss: fields[21],
    };
  } catch {
    return null; // it has just ended
  }
}

function sum<T>(items: readonly T[], value: (item: T) => number) {
  return items.reduce((total, item) => total + value(item), 0);
}
