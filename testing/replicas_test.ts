import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Program, type ProgramOptions, start, until } from "./process.ts";
import { startHaproxy, startNginx } from "./proxy.ts";
import { accept, run, testWith } from "./tools.ts";
import { DEFAULT_MTIME, makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "e41b90d7c3f5482aa6d80b1e57fc2930";
const PATH = `archive/${HASH}/`;

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

/** Far from each other in every way that a program can ask about */
const TOKYO = { TZ: "Asia/Tokyo", LANG: "C", LC_ALL: "C" };
const ST_JOHNS = { TZ: "America/St_Johns", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" };
const CHATHAM = { TZ: "Pacific/Chatham", LANG: "ru_RU.KOI8-R", LC_ALL: "ru_RU.KOI8-R" };

/** About 24 MB: photos, small files, an empty file and folder, Cyrillic, a time that is no whole second */
async function makeAlbum(): Promise<Tree> {
  const folder = `photos/${HASH}`;
  const numbers = [...Array(40).keys()];
  const tree = await makeTree({
    ...Object.fromEntries(
      numbers.slice(0, 8).map((i) => [`${folder}/${i}.jpg`, randomBytes(3_000_000 + i, i)]),
    ),
    ...Object.fromEntries(
      numbers.map((i) => [`${folder}/Поход/${i}.txt`, randomBytes(i * 99, i)]),
    ),
    [`${folder}/Поход/Ёлка.jpg`]: { content: randomBytes(50_000), mode: 0o640 },
    [`${folder}/I.jpg`]: { content: "July", mtime: new Date("2023-07-01T01:30:00Z") },
    [`${folder}/i.txt`]: { content: "January", mtime: new Date("1979-01-01T00:00:00Z") },
    [`${folder}/empty`]: { directory: true, mtime: DEFAULT_MTIME },
  });
  await accept("touch", ["-d", "2022-02-02T02:02:02.123456789Z", tree.join(folder, "0.jpg")]);
  return tree;
}

/** A replica of its own */
function serve(
  tree: Tree,
  env: ProgramOptions["env"],
  ...args: string[]
): Promise<Program> {
  return start(["--folder", tree.join("photos"), "--log", ...args], { env });
}

/**
 * A replica that runs as another user, whose tree and cache of modules are given to that user. As
 * the same user where there is no choice.
 */
async function serveAsNobody(tree: Tree, env: ProgramOptions["env"]): Promise<Program> {
  const prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const reach = ["test", "-x", Deno.execPath(), "-a", "-r", MAIN];
  const able = Deno.uid() === 0 &&
    (await run(prefix[0], [...prefix.slice(1), ...reach])).code === 0;
  if (!able) return await serve(tree, env);
  const { denoDir } = JSON.parse(await accept(Deno.execPath(), ["info", "--json"]));
  const cache = tree.join("deno");
  await Deno.mkdir(cache);
  await accept("cp", ["-r", join(denoDir, "npm"), cache]);
  await accept("chown", ["-R", "65534:65534", tree.path]);
  const args = ["--folder", tree.join("photos"), "--log"];
  const program = await start(args, { env: { ...env, DENO_DIR: cache }, prefix });
  assert.match(Deno.readTextFileSync(`/proc/${program.pid}/status`), /^Uid:\t65534\t/m);
  return program;
}

function sha256Of(path: string): string {
  return hash("sha256", Deno.readFileSync(path));
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** First bytes of all downloads that a replica logged */
function startsOf(program: Program): number[] {
  return program.stderr().split("\n")
    .filter((line) => line.includes('"download started"'))
    .map((line) => JSON.parse(line).properties.start);
}

/** What a download says of itself, and what it is */
async function download(url: string) {
  const response = await fetch(new URL(PATH, url));
  const [etag, length, modified] = ["etag", "content-length", "last-modified"]
    .map((name) => response.headers.get(name));
  return { etag, length, modified, sha256: hash("sha256", await response.bytes()) };
}

testWith(
  ["rsync", "setpriv"],
  "resume.md: copies of a folder are the same archive, whoever serves it",
  async () => {
    await using original = await makeAlbum();
    await using copy = await makeTree();
    await using synced = await makeTree({ "photos": { directory: true } });
    await accept("cp", ["-a", original.join("photos"), copy.path]);
    await accept("rsync", ["-t", "-r", original.join("photos", HASH), synced.join("photos")]);

    await using first = await serve(original, TOKYO);
    await using second = await serve(copy, ST_JOHNS);
    await using third = await serveAsNobody(synced, CHATHAM);
    const expected = await download(first.url);
    assert.match(`${expected.etag}`, /^"[^"]+"$/);
    assert.deepEqual(await download(second.url), expected);
    assert.deepEqual(await download(third.url), expected);

    // They are not the same by saying nothing: a millisecond makes another archive
    const changed = copy.join("photos", HASH, "0.jpg");
    await accept("touch", ["-d", "2022-02-02T02:02:02.124456789Z", changed]);
    assert.notEqual((await download(second.url)).etag, expected.etag);
  },
);

for (const [name, startProxy] of [["haproxy", startHaproxy], ["nginx", startNginx]] as const) {
  testWith([name, "curl"], `resume.md: behind ${name} it goes on elsewhere`, async () => {
    await using original = await makeAlbum();
    await using copy = await makeTree();
    await accept("cp", ["-a", original.join("photos"), copy.path]);
    await using first = await serve(original, TOKYO);
    await using second = await serve(copy, ST_JOHNS);
    const { etag, sha256 } = await download(first.url);

    await using proxy = await startProxy({ upstreams: [first.port, second.port] });
    const path = original.join("parts.zip");
    const parts = [1_000_000, 3_000_001, 8_000_000, 8_000_001, 20_000_000, Infinity];
    for (const size of parts) {
      // Each part is another connection, and so another replica; all must be of the same archive
      const condition = ["-H", `If-Range: ${etag}`];
      const args = ["-sS", "-C", `${sizeOf(path)}`, ...condition, new URL(PATH, proxy.url).href];
      await receive(args, path, size);
    }
    assert.equal(sha256Of(path), sha256);
    const starts = [0, ...parts.slice(0, -1)];
    assert.deepEqual(startsOf(first).slice(1), starts.filter((_, i) => i % 2 === 0));
    assert.deepEqual(startsOf(second), starts.filter((_, i) => i % 2 === 1));
  });
}

/** Appends what curl receives to a file, until that has so many bytes, then kills curl */
async function receive(args: readonly string[], path: string, size: number) {
  const child = new Deno.Command("curl", {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  for await (const chunk of child.stdout) {
    const room = size - sizeOf(path);
    Deno.writeFileSync(path, chunk.subarray(0, room), { append: true });
    if (chunk.length < room) continue;
    child.kill("SIGKILL");
    break;
  }
  const { code, signal } = await child.status;
  assert.equal(signal ?? code, size === Infinity ? 0 : "SIGKILL");
}

testWith(["haproxy"], "deploy/haproxy.cfg leaves out a replica that is not well", async () => {
  await using album = await makeAlbum();
  await using well = await serve(album, TOKYO);
  let checks = 0;
  await using ill = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    if (new URL(url).pathname !== "/readyz") return new Response("not an archive");
    checks++;
    return new Response("ill", { status: 503 });
  });
  const upstreams = [well.port, ill.addr.port];
  const edit = (sample: string) => sample.replace("inter 2s", "inter 50ms");
  await using proxy = await startHaproxy({ upstreams, edit });
  const expected = await download(well.url);
  await until(() => checks > 5, "both were checked a few times");
  for (let i = 0; i < 6; i++) assert.deepEqual(await download(proxy.url), expected);
  for (const path of ["", "healthz", "metrics", "archive", "archive/../healthz"]) {
    const response = await fetch(new URL(path, proxy.url));
    await response.body?.cancel();
    assert.equal(response.status, 404, path);
  }
});

testWith(
  ["haproxy", "curl"],
  "deploy/haproxy.cfg: one replica dies under 20 downloads, and all of them end well",
  async () => {
    await using original = await makeAlbum();
    await using copy = await makeTree();
    await accept("cp", ["-a", original.join("photos"), copy.path]);
    const slow = ["--delay", "0.02"];
    await using first = await serve(original, TOKYO, ...slow);
    await using second = await serve(copy, ST_JOHNS, ...slow);
    await using proxy = await startHaproxy({ upstreams: [first.port, second.port] });
    const url = new URL(PATH, proxy.url).href;
    const paths = [...Array(20).keys()].map((i) => original.join(`${i}.zip`));

    const codes: number[] = [];
    const downloads = paths.map(async (path) => {
      for (let code = -1; code !== 0 && codes.length < 100;) {
        ({ code } = await run("curl", ["-sS", "-C", "-", "-o", path, url], { within: 30_000 }));
        codes.push(code);
      }
    });
    await until(() => paths.every((path) => sizeOf(path) > 1_000_000), "all have begun", 20_000);
    first.kill("SIGKILL");
    await Promise.all(downloads);

    const cuts = codes.filter((code) => code !== 0).length;
    assert.ok(cuts >= 5 && cuts <= startsOf(first).length, `once for each that was cut: ${codes}`);
    const { sha256 } = await download(second.url);
    for (const path of paths) assert.equal(sha256Of(path), sha256);
    assert.equal(startsOf(second).filter((start) => start > 1_000_000).length, cuts);
  },
);
