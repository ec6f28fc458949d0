/**
 * The package for npm, packed, installed by npm from the packed file, and used.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import project from "../deno.json" with { type: "json" };
import { makePackage, permissionFlags, pointToBundles, startFlags } from "../tools/npm_package.ts";
import { ENTRY_POINTS } from "../tools/shipped.ts";
import { freePort } from "./free_port.ts";
import { until } from "./process.ts";
import { assertSameTree, extract } from "./readers.ts";
import { taskFlags } from "./task.ts";
import { accept, run, testWith } from "./tools.ts";
import { makeTree, type Tree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const TEST_PHOTOS = join(ROOT, "test_photos");
const HASH = "9f2c41d7e8ab05364c1e7f90d2b8635a";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const MINUTE = 60_000;

/** Bytes of the packed package: nobody wants a surprise in it */
const MAX_PACKED = 300_000;

const NPM = ["--offline", "--no-audit", "--no-fund", "--loglevel=error"];

Deno.test("permissionFlags() grants what deno.json grants, and never all", () => {
  assert.deepEqual(
    permissionFlags({ net: true, read: ["a", "b"], write: false, env: ["AWS_*"] }),
    ["--allow-net", "--allow-read=a,b", "--allow-env=AWS_*"],
  );
  const flags = startFlags();
  for (const flag of taskFlags("start")) if (flag !== "-P=serve") assert.ok(flags.includes(flag));
  assert.ok(!flags.some((flag) => /^(-A|-P|--allow-(all|write|ffi|import))/.test(flag)));
});

Deno.test("startFlags() give the permissions of deno task start", async () => {
  await using tree = await makeTree({
    "probe.ts": `const asked = [{ name: "net" }, { name: "read" }, { name: "write" },
      { name: "ffi" }, { name: "import" }, { name: "env" }, { name: "sys" }, { name: "run" },
      { name: "run", command: "zip" }, { name: "run", command: "sh" },
      { name: "sys", kind: "statfs" }, { name: "sys", kind: "hostname" },
      ...["PATH", "HOME", "PORT", "AWS_REGION", "ZIPFERRY_X", "SECRET"]
        .map((variable) => ({ name: "env", variable }))];
      console.log(asked.map((asked) => Deno.permissions.querySync(asked).state).join());`,
  });
  const probe = (flags: readonly string[]) =>
    accept(Deno.execPath(), ["run", ...flags, tree.join("probe.ts")], { cwd: ROOT });
  const asTask = [...taskFlags("start"), `--config=${join(ROOT, "deno.json")}`];
  const states = await probe(asTask);
  assert.match(states, /granted,granted,prompt|granted,granted,denied/);
  assert.equal(await probe(startFlags()), states);
});

Deno.test("pointToBundles() leads each thread to the file that its module became", () => {
  const code = (path: string) => `new Worker(import.meta.resolve("${path}"))`;
  const cases = [
    ["./worker.ts", "main.ts", "./storage/disk/worker.js"],
    ["./checksum_worker.ts", "main.ts", "./storage/checksum_worker.js"],
    ["./gathering_worker.ts", "storage/bucket/gathering_worker.ts", "./gathering_worker.js"],
    ["./checksum_worker.ts", "storage/disk/worker.ts", "../checksum_worker.js"],
  ];
  for (const [path, from, expected] of cases) {
    assert.equal(pointToBundles(code(path), from), code(expected));
  }
  assert.throws(() => pointToBundles(code("./other.ts"), "main.ts"), /find module of a thread/);
});

/** The package as npm packs it, and a folder in which npm has installed that */
interface Installed extends AsyncDisposable {
  readonly tree: Tree;
  readonly tarball: string;
  /** Names of the files in it */
  readonly names: readonly string[];
  readonly size: number;
  /** The package's folder */
  readonly folder: string;
}

async function install(): Promise<Installed> {
  const tree = await makeTree();
  try {
    const source = tree.join("package");
    await makePackage({ repository: "some-one/zipferry", commit: COMMIT, output: source });
    const [{ filename, size, files }] = JSON.parse(
      await accept("npm", ["pack", "--json", source], { cwd: tree.path }),
    );
    const tarball = tree.join(filename);
    // Deno is in npm's cache where npm has installed it for the tests.
    const place = ["install", "--prefix", tree.join("site"), tarball];
    const { code } = await run("npm", [...place, ...NPM], { cwd: tree.path });
    if (code !== 0) await accept("npm", [...place, ...NPM.slice(1)], { cwd: tree.path });
    return {
      tree,
      tarball,
      size,
      names: files.map(({ path }: { path: string }) => path),
      folder: tree.join("site/node_modules/zipferry"),
      [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
    };
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
}

/** A command that serves, in a process group of its own, as a terminal starts it */
async function serve(words: readonly string[], port: number, cwd: string) {
  const child = new Deno.Command("setsid", {
    args: [...words, "--folder", TEST_PHOTOS, "--port", `${port}`, "--settle", "0"],
    cwd,
    env: { LC_ALL: "C.UTF-8" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const group = child.pid;
  try {
    await until(() => isUp(port), `${words[0]} listens`, MINUTE);
  } catch (error) {
    await kill("KILL", -group);
    throw error;
  }
  return {
    child,
    group,
    async [Symbol.asyncDispose]() {
      await kill("KILL", -group);
      await child.status;
    },
  };
}

/** Sends a signal to a process, or to a group if the number is negative; it may be gone */
async function kill(signal: string, target: number) {
  await run("bash", ["-c", `kill -${signal} -- ${target}`]);
}

async function isUp(port: number): Promise<boolean> {
  try {
    return await (await fetch(`http://127.0.0.1:${port}/healthz`)).text() === "ok\n";
  } catch {
    return false;
  }
}

/** When the service that listens was started; undefined while none does */
async function startOf(port: number): Promise<string | undefined> {
  try {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return /^process_start_time_seconds (\S+)$/m.exec(text)?.[1];
  } catch {
    return undefined;
  }
}

async function assertDownloads(port: number) {
  const response = await fetch(`http://127.0.0.1:${port}/archive/${HASH}/`);
  await using tree = await makeTree({ "archive.zip": await response.bytes() });
  await extract(tree.join("archive.zip"), tree.join("files"));
  await assertSameTree(tree.join("files"), join(TEST_PHOTOS, HASH));
}

const TOOLS = ["bash", "diff", "npm", "npx", "setsid", "unzip"];

if (Deno.build.os !== "windows") {
  testWith(TOOLS, "npx zipferry: installed from the packed package, it works", async (t) => {
    await using installed = await install();
    const { tree, folder, names, size } = installed;
    const program = tree.join("site/node_modules/.bin/zipferry");
    const port = freePort();

    await t.step("it holds the program and the licences, and no source", () => {
      const bundles = ENTRY_POINTS.map((name) => `program/${name.replace(/\.ts$/, ".js")}`);
      const others = ["LICENSE", "README.md", "THIRD-PARTY-NOTICES", "package.json", "start.json"];
      assert.deepEqual([...names].sort(), [...bundles, ...others, "zipferry.js"].sort());
      assert.ok(size < MAX_PACKED, `${size} bytes`);
      const notices = Deno.readTextFileSync(join(folder, "THIRD-PARTY-NOTICES"));
      for (const specifier of Object.values(project.imports)) {
        const [, name, version] = /^npm:(.*)@([^@]*)$/.exec(specifier)!;
        assert.ok(notices.includes(`${name} ${version} (`), specifier);
      }
      for (const name of bundles) {
        const code = Deno.readTextFileSync(join(folder, name));
        assert.ok(!/import\.meta\.resolve\("[^"]*\.ts"\)/.test(code), name);
      }
    });

    await t.step("--version tells the commit, a bad option the way out", async () => {
      const version = await accept(program, ["--version"]);
      assert.ok(version.startsWith(`zipferry ${project.version} (commit ${COMMIT}, Deno 2.9.6`));
      const { code, stderr } = await run(program, ["--prot", "1"]);
      assert.deepEqual([code, /--prot/.test(stderr)], [2, true], stderr);
    });

    for (const [signal, target] of [["TERM", "launcher"], ["INT", "launcher"], ["INT", "group"]]) {
      await t.step(`a download, then SIG${signal} to the ${target}: ends with 0`, async () => {
        await using service = await serve([program], port, tree.path);
        await assertDownloads(port);
        await kill(signal, target === "group" ? -service.group : service.group);
        const { code, signal: by } = await service.child.status;
        assert.deepEqual([code, by], [0, null]);
        assert.equal(await isUp(port), false);
      });
    }

    // A shell stands between npx and the program. It does not pass on what npx alone is sent: SIGTERM
    // ends it, which the program notices; SIGINT of a terminal goes to all of them.
    for (const [signal, target] of [["TERM", "npx"], ["INT", "group"]]) {
      await t.step(`npx zipferry: SIG${signal} to the ${target} ends the service`, async () => {
        await using service = await serve(["npx", "zipferry"], port, tree.join("site"));
        await assertDownloads(port);
        await kill(signal, target === "group" ? -service.group : service.group);
        await until(async () => !(await isUp(port)), "the service ends", 10_000);
        await service.child.status;
      });
    }

    await t.step("a supervisor stops npx and starts it again on the same port", async () => {
      const script = `n=0; while [ $n -lt 2 ]; do n=$((n + 1)); npx zipferry "$@" & echo $! > pid;
        wait $!; done`;
      const loop = ["bash", "-c", script, "bash"];
      await using supervisor = await serve(loop, port, tree.join("site"));
      const npx = () => Number(Deno.readTextFileSync(tree.join("site/pid")));
      const first = npx();
      const before = await startOf(port);
      assert.ok(before);
      await kill("TERM", first);
      await until(() => npx() !== first, "it is started again", 20_000);
      // The first one may listen for a moment yet, since npx does not wait for it
      const isAnother = async () => ![undefined, before].includes(await startOf(port));
      await until(isAnother, "the second one listens", MINUTE);
      await assertDownloads(port);
      await kill("TERM", npx());
      assert.equal((await supervisor.child.status).signal, null);
      await until(async () => !(await isUp(port)), "the service ends", 10_000);
    });

    await t.step("threads: checksums, receipts and buckets find their modules", async () => {
      const file = tree.join("checksums.sqlite");
      const kept = ["--folder", TEST_PHOTOS, "--checksums", file];
      await accept(program, ["warm", ...kept]);
      assert.match(await accept(program, ["verify", ...kept]), /^[1-9]\d* good, 0 changed/m);

      const state = ["--state", tree.join("state.sqlite")];
      await using _service = await serve([program, ...state], port, tree.path);
      await assertDownloads(port);
      await until(() => Deno.statSync(tree.join("state.sqlite")).size > 0, "a receipt is kept");

      const module = pathToFileURL(join(folder, "program/storage/bucket/gathering_worker.js"));
      const worker = new Worker(module, { type: "module" });
      const { promise, resolve, reject } = Promise.withResolvers<MessageEvent>();
      worker.onmessage = resolve;
      worker.onerror = reject;
      worker.postMessage({ objects: { text: "", numbers: new Float64Array() } });
      const { data } = await promise;
      assert.ok("listing" in data || "code" in data, JSON.stringify(data));
      worker.terminate();
    });
  });
}
