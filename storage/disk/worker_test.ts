import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { makeTree, randomBytes } from "../../testing/tree.ts";
import { identityOf } from "../listing.ts";
import { packSlices } from "./packed_slices.ts";
import type { Answer, Call } from "./worker.ts";
import type { Walked } from "./walk.ts";

const HASH = "0123456789abcdef";

interface Reply {
  readonly answer: Answer;
  /** What is handed over instead of copied */
  readonly transfer: readonly unknown[];
}

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Call>) => Promise<void>) | null;
  postMessage?: (answer: Answer, transfer: readonly unknown[]) => void;
};

/** The module says that it is ready, and looks at a file now and then, which no test could wait for */
async function importQuietly(url: string) {
  const { setTimeout } = globalThis;
  const said: unknown[] = [];
  scope.postMessage = (answer) => said.push(answer);
  globalThis.setTimeout = (() => 0) as unknown as typeof setTimeout;
  try {
    await import(url);
  } finally {
    delete scope.postMessage;
    globalThis.setTimeout = setTimeout;
  }
  assert.deepEqual(said, [{ ready: true }]);
}

/** The worker's module without a thread: asks it, and sees what it posts */
async function loadWorker() {
  const url = new URL("./worker.ts", import.meta.url).href; // not in this file's own module graph
  await importQuietly(url);
  const { onmessage } = scope;
  assert.ok(onmessage);
  scope.onmessage = null;
  return async (task: Call["task"], request: unknown): Promise<Reply> => {
    const replies: Reply[] = [];
    scope.postMessage = (answer, transfer) => replies.push({ answer, transfer });
    try {
      await onmessage(new MessageEvent("message", { data: { task, request } }));
    } finally {
      delete scope.postMessage;
    }
    assert.equal(replies.length, 1);
    return replies[0];
  };
}

function resultOf<T>({ answer }: Reply): T {
  assert.ok("result" in answer, JSON.stringify(answer));
  return answer.result as T;
}

const ask = await loadWorker();

Deno.test("worker: buffers are handed over, not copied", async () => {
  const content = randomBytes(5000);
  await using tree = await makeTree({ [`${HASH}/a`]: content });
  const [root, path] = [tree.path, tree.join(HASH, "a")];
  const { dev, ino, size, mtime } = Deno.statSync(path);
  const identity = identityOf({ dev, ino, size, mtimeMs: mtime!.getTime() });
  const file = { hash: HASH, path: "a", location: `${HASH}/a`, identity, crc32: 0 };

  const slices = [{ ...file, offset: 10, length: 100, position: 5 }];
  const filled = await ask("fill", { root, length: 200, slices: packSlices(slices) });
  const { buffer, checksums } = resultOf<{ buffer: Uint8Array; checksums: number[] }>(filled);
  assert.deepEqual(filled.transfer, [buffer.buffer]);
  assert.deepEqual(buffer.subarray(5, 105), content.subarray(10, 110));
  assert.deepEqual(checksums, [crc32(content.subarray(10, 110))]);

  Deno.utimeSync(tree.join(HASH), 1, 1);
  Deno.utimeSync(root, 1, 1);
  const listed = await ask("list", { root, hash: HASH, selection: {} });
  const { listing } = resultOf<Walked>(listed);
  assert.deepEqual(listed.transfer, [listing!.numbers.buffer]);
  assert.deepEqual((await ask("list", { root, hash: "unknown", selection: {} })).transfer, []);

  const slice = { ...file, offset: 0, length: size };
  const scanned = await ask("checksum", { root, slice });
  assert.deepEqual(scanned, { answer: { result: crc32(content) }, transfer: [] });
  const directories = await ask("directories", { root });
  assert.deepEqual(directories, { answer: { result: [HASH] }, transfer: [] });
});

Deno.test("worker: failures have a code, and no path of the disk", async () => {
  await using tree = await makeTree({ [`${HASH}/a`]: "1" });
  const root = tree.path;
  const gone = await ask("directories", { root: tree.join("missing") });
  assert.deepEqual(gone, { answer: { code: "ENOENT", message: "ENOENT" }, transfer: [] });
  const file = { hash: HASH, path: "in/b", location: `${HASH}/b`, identity: "1:2:3:4", crc32: 0 };
  const slice = { ...file, offset: 0, length: 1, position: 0 };
  const message = "read file: ENOENT: in/b";
  for (
    const [task, request] of [["fill", { slices: packSlices([slice]) }], ["checksum", {
      slice,
    }]] as const
  ) {
    const { answer, transfer } = await ask(task, { root, length: 1, ...request });
    assert.deepEqual([answer, transfer], [{ code: "ENOENT", message }, []]);
  }
  const changed = { ...slice, path: "a", location: `${HASH}/a` };
  const { answer } = await ask("checksum", { root, slice: changed });
  assert.deepEqual(answer, {
    ...{ code: "ESTALE", message: "read file: changed since it was listed: a" },
  });
  const index = await ask("recall", { index: tree.join("no/index"), keys: [] });
  assert.ok("code" in index.answer && index.answer.code === "EINDEX");
});
