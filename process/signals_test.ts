import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { until } from "../testing/process.ts";
import { exchange } from "../testing/raw.ts";
import { accept, testWith } from "../testing/tools.ts";
import { makeTree, randomBytes } from "../testing/tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";

/** `deno task start` as a terminal starts it: in a process group of its own, which gets Ctrl+C */
async function startTask() {
  const tree = await makeTree({ [`${HASH}/photo.jpg`]: randomBytes(2_000_000) });
  const task = [Deno.execPath(), "task", "start"];
  const args = [...task, "-P", "0", "-f", tree.path, "-d", "0.2", "--log", "--settle", "0"];
  const child = new Deno.Command("setsid", {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  const ended = Promise.all([child.status, collect(child.stdout), collect(child.stderr)]);
  const listening = /Listening on http:\/\/127\.0\.0\.1:(\d+)\//;
  await until(() => listening.test(output), "it listens", 30_000);
  const signal = (name: string) => accept("kill", [`-${name}`, "--", `-${child.pid}`]);
  return {
    port: Number(listening.exec(output)?.[1]),
    output: () => output,
    /** Sends a signal to the whole group */
    signal,
    ended: ended.then(([status]) => status),
    async [Symbol.asyncDispose]() {
      await signal("KILL").catch(() => {}); // it may have ended
      await ended;
      await tree[Symbol.asyncDispose]();
    },
  };
}

type Task = Awaited<ReturnType<typeof startTask>>;

function download({ port }: Task, onBody: (bytes: number) => Promise<void>) {
  const request = `GET /archive/${HASH}/ HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  return exchange(port, request, { onBody });
}

testWith(["setsid", "kill"], "Ctrl+C under deno task lets a download finish", async () => {
  await using task = await startTask();
  let pressed = false;
  const { complete } = await download(task, async () => {
    if (pressed) return;
    pressed = true;
    // The group gets it, and the task passes it on; here it may come a few times more.
    for (let i = 0; i < 4; i++) {
      await task.signal("INT");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  assert.equal(complete, true, task.output());
  await task.ended;
  assert.match(task.output(), /download complete/);
});

testWith(["setsid", "kill"], "Ctrl+C again after a second ends the service at once", async () => {
  await using task = await startTask();
  let pressed = 0;
  const { complete } = await download(task, async (bytes) => {
    if (pressed === 0 || pressed === 1 && bytes > 700_000) { // 0.2 s for each 256 KiB and less
      pressed++;
      await task.signal("INT");
    }
    if (pressed === 1) await new Promise((resolve) => setTimeout(resolve, 20));
  });
  assert.equal(pressed, 2);
  assert.equal(complete, false);
  await task.ended;
  assert.match(task.output(), /download failed/);
});
