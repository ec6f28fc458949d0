/**
 * The names in a directory, with something useful done in the meantime.
 *
 * @module
 */

/**
 * The runtime reads 32 names at a time, in a thread of its own. Before there are so many new ones, a
 * wait for that thread is not looked for: to look takes time as well.
 */
const LOOKED_FOR_AFTER = 24;

/** A wait is used for so many milliseconds: about as long as it lasts. */
const WORK_MS = 0.1;

/** What is done with names while there are more to come. */
export interface Meanwhile {
  /** Takes a name. */
  readonly take: (name: string) => void;
  /** Does a little of what there is to do; false if there is nothing left. It must not throw. */
  readonly work: () => boolean;
}

/**
 * Reads a directory to its end, in no order. With a warm cache two thirds of the time are spent waiting
 * for the next names: that is when `work` is called, again and again.
 *
 * Not by readDirSync: it drops every error after the first read, and with it the rest of the folder.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/fs/std_fs.rs} `read_dir`, `entry.ok()?`
 */
export async function readDirectory(path: string, { take, work }: Meanwhile): Promise<void> {
  const entries = Deno.readDir(path)[Symbol.asyncIterator]();
  for (let fresh = 1;; fresh++) {
    const next = entries.next();
    if (fresh >= LOOKED_FOR_AFTER && await isPending(next)) {
      fresh = 0;
      workFor(WORK_MS, work);
    }
    const { value, done } = await next;
    if (done) return;
    take(value.name);
  }
}

/** Whether a promise is one that the next microtasks will not settle. */
async function isPending(promise: Promise<unknown>) {
  let pending = true;
  const settle = () => {
    pending = false;
  };
  promise.then(settle, settle);
  await null;
  await null;
  return pending;
}

function workFor(milliseconds: number, work: () => boolean) {
  const end = performance.now() + milliseconds;
  while (work() && performance.now() < end);
}
