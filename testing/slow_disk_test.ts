import assert from "node:assert/strict";
import { mountDisk, testOnDisk } from "./odd_disk.ts";
import { start } from "./process.ts";
import { accept } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const LARGE = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const SMALL = "e07b6a1d4c92583fb6d07f3a18c5e924";
const ORDINARY = "0b9e3d7c5a12486f8e1d4c7b6a930f25";

/** A serving thread that never waits for the disk answers sooner, in milliseconds */
const AT_ONCE_MS = 1000;

/** Archives on a disk where each call takes 20 ms, and one on an ordinary disk */
async function serve() {
  const large = (seed: number) => randomBytes(8 << 20, seed);
  const small = (i: number) => [`disk/small/${i}.jpg`, randomBytes(3000 + i, i)];
  const tree = await makeTree({
    "disk/large/1.jpg": large(1),
    "disk/large/2.jpg": large(2),
    "disk/large/3.jpg": large(3),
    ...Object.fromEntries(Array.from({ length: 150 }, (_, i) => small(i))),
    [`photos/${ORDINARY}/1.jpg`]: randomBytes(9 << 20, 4),
    [`photos/${ORDINARY}/2.jpg`]: randomBytes(2000, 5),
    [`photos/${LARGE}`]: { directory: true },
    [`photos/${SMALL}`]: { directory: true },
  });
  const photos = (hash: string) => tree.join("photos", hash);
  const stack = new AsyncDisposableStack();
  stack.use(tree);
  stack.use(await mountDisk("slow", tree.join("disk", "large"), photos(LARGE)));
  stack.use(await mountDisk("slow", tree.join("disk", "small"), photos(SMALL)));
  const program = stack.use(await start(["--folder", tree.join("photos")]));
  return {
    tree,
    program,
    link: (hash: string) => `http://127.0.0.1:${program.port}/archive/${hash}/`,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

type Site = Awaited<ReturnType<typeof serve>>;

/** Downloads an archive, and lets unzip compare its files with those of a folder */
async function downloadWhole({ tree, link }: Site, hash: string, folder: string) {
  const answer = await fetch(link(hash));
  assert.equal(answer.status, 200);
  const path = tree.join(`${hash}.zip`);
  await Deno.writeFile(path, await answer.bytes());
  const unzipped = tree.join(`unzipped-${hash}`);
  await accept("unzip", ["-q", path, "-d", unzipped]); // compares each CRC-32
  await accept("diff", ["-r", unzipped, tree.join(folder)]);
}

/** Asks whether the service is there again and again; the longest answer in milliseconds */
async function watchHealth({ program }: Site, signal: AbortSignal): Promise<number> {
  let longest = 0;
  while (!signal.aborted) {
    const asked = performance.now();
    const answer = await fetch(`http://127.0.0.1:${program.port}/healthz`);
    assert.equal(await answer.text(), "ok\n");
    longest = Math.max(longest, performance.now() - asked);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return longest;
}

testOnDisk("a slow disk holds up its own archives only, and they come whole", async () => {
  await using site = await serve();
  const over = new AbortController();
  const health = watchHealth(site, over.signal);
  const large = downloadWhole(site, LARGE, "disk/large").then(() => LARGE);
  const small = downloadWhole(site, SMALL, "disk/small");
  const ordinary = downloadWhole(site, ORDINARY, `photos/${ORDINARY}`).then(() => ORDINARY);
  try {
    assert.equal(await Promise.race([large, ordinary]), ORDINARY, "it waits for no slow one");
    await Promise.all([large, small]);
  } finally {
    over.abort();
    await Promise.allSettled([large, small, ordinary]);
  }
  const longest = await health;
  assert.ok(longest < AT_ONCE_MS, `healthz took ${longest} ms`);
}, { tools: ["unzip", "diff"] });
