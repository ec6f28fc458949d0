/**
 * The folder `zip/` as a package: fit to be published, the same bytes in every runtime, and what its
 * README shows works as it stands there.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import project from "../deno.json" with { type: "json" };
import library from "../zip/deno.json" with { type: "json" };
import * as zip from "../zip/mod.ts";
import { openBrowser } from "./browser.ts";
import { freePort } from "./free_port.ts";
import { entries, probe, RANGES, sha256 } from "./library/probe.js";
import {
  ROOT as CREDENTIALS,
  startObjectStore,
  STORE_REGION,
  testWithStore,
} from "./object_store.ts";
import { until } from "./process.ts";
import { extract, listWithPython, readWithAll } from "./readers.ts";
import { accept, run, testWith, tool } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const ZIP = join(ROOT, "zip");
const PROBE = join(ROOT, "testing/library");
const README = Deno.readTextFileSync(join(ZIP, "README.md"));
const NAME = "@zipferry/zip";

/** A Node that the library runs in: under a name of its own where the system has an older one */
const NODE = await newNode();

async function newNode(): Promise<string> {
  for (const name of ["node22", "node"]) {
    if (tool(name) === null) continue;
    const version = await accept(name, ["--version"]);
    if (Number(/^v(\d+)/.exec(version)?.[1]) >= 20) return name;
  }
  return "node of version 20 or later"; // which is not on the PATH
}

/** Beside the `node_modules` that has the package */
const PRINT = `import * as zip from "${NAME}";
import { probe } from "./probe.js";
console.log(JSON.stringify(await probe(zip)));
`;

/** What the runtimes have to agree on: what this process makes of the sources */
const expected = await probe(zip);

/** Blocks of code, by a word in them */
function block(word: string): string {
  const blocks = [...README.matchAll(/^```js ignore\n([^]*?)^```$/gm)].map(([, text]) => text);
  const found = blocks.filter((text) => text.includes(word));
  assert.equal(found.length, 1, `blocks with ${word}`);
  return found[0];
}

/** A folder with the package in it */
async function install(): Promise<Tree> {
  const tree = await makeTree({
    "package.json": '{ "type": "module" }',
    "node_modules/@zipferry": { directory: true },
  });
  await accept("tar", ["-xzf", await pack(tree)], { cwd: tree.join("node_modules/@zipferry") });
  Deno.renameSync(tree.join("node_modules/@zipferry/package"), tree.join("node_modules", NAME));
  Deno.copyFileSync(join(PROBE, "probe.js"), tree.join("probe.js"));
  return tree;
}

/** Path of the package as it would be published at npm */
async function pack(tree: Tree): Promise<string> {
  const path = tree.join("zip.tgz");
  const args = ["pack", "--allow-dirty", "--no-source-maps", "--output", path];
  await accept(Deno.execPath(), args, { cwd: ZIP });
  return path;
}

Deno.test("zip/deno.json has the version of the program, zip/LICENSE its license", () => {
  assert.equal(library.version, project.version);
  assert.equal(library.license, "MIT");
  const [own, whole] = ["zip/LICENSE", "LICENSE"].map((path) =>
    Deno.readTextFileSync(join(ROOT, path))
  );
  assert.equal(own, whole);
});

Deno.test("deno publish --dry-run: zip/ is fit to be published, without its tests", async () => {
  const env = { NO_COLOR: "1" };
  const args = ["publish", "--dry-run", "--allow-dirty"];
  const { code, stderr } = await run(Deno.execPath(), args, { cwd: ZIP, env, within: 120_000 });
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /warning|error/i);
  const files = [...stderr.matchAll(/^ +file:\/\/\S+\/zip\/(\S+) /gm)].map(([, file]) => file);
  for (const file of ["LICENSE", "README.md", "deno.json", "mod.ts", "http/range.ts"]) {
    assert.ok(files.includes(file), `${file} is among ${files}`);
  }
  assert.ok(!files.some((file) => /_test\.ts$|^parts\.ts$/.test(file)), `${files}`);
});

testWith(["npm"], "deno pack: the package has its code, its types and nothing else", async () => {
  await using tree = await makeTree({ "package.json": '{ "type": "module" }' });
  const flags = ["--offline", "--no-audit", "--no-fund", "--no-package-lock"];
  await accept("npm", ["install", ...flags, await pack(tree)], { cwd: tree.path });
  const folder = tree.join("node_modules", NAME);
  const { name, version, license, type, dependencies } = JSON.parse(
    Deno.readTextFileSync(join(folder, "package.json")),
  );
  assert.deepEqual(
    { name, version, license, type, dependencies },
    {
      name: NAME,
      version: project.version,
      license: "MIT",
      type: "module",
      dependencies: undefined,
    },
  );
  const files = [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile).map(({ name }) =>
    name
  );
  assert.ok(files.includes("README.md") && files.includes("LICENSE"), `${files}`);
  for (const file of files) {
    assert.match(file, /\.js$|\.d\.ts$|^(?:README\.md|LICENSE|package\.json)$/);
  }

  // What whoever writes TypeScript sees of it.
  Deno.writeTextFileSync(
    tree.join("use.ts"),
    `import { planZip, type ZipEntry, zipResponse } from "${NAME}";
import { parseRange } from "${NAME}/range";
import { evaluatePreconditions } from "${NAME}/preconditions";
const entry: ZipEntry = { name: "a", size: 0, modified: new Date() };
const response: Response = zipResponse(new Request("http://localhost/"), await planZip([entry]));
// @ts-expect-error a size is a number
export const wrong: ZipEntry = { ...entry, size: "0" };
console.log(response.status, parseRange("bytes=0-1", 9), evaluatePreconditions(new Headers(), {
  etag: null,
  lastModified: null,
  dateIsStrong: false,
}));
`,
  );
  const checked = ["run", "--check", "--no-lock", "--node-modules-dir=manual", "use.ts"];
  const output = await accept(Deno.execPath(), checked, { cwd: tree.path, env: { NO_COLOR: "1" } });
  assert.equal(output, "200 { start: 0, end: 2 } null\n");
});

Deno.test("@zipferry/zip: what the runtimes have to agree on is right", async () => {
  const { answers, size, etag, unmodified, short, cancelled } = expected;
  const plan = await zip.planZip(entries(zip));
  const whole = await new Response(plan.open()).bytes();
  assert.deepEqual([size, etag, whole.length], [plan.size, plan.etag, plan.size]);
  assert.deepEqual([unmodified, cancelled], [304, true]);
  assert.equal(short, "read entry: ended at byte 99 instead of 100: a");
  assert.deepEqual(answers.map(([range]) => range), RANGES);
  for (const [range, status, contentRange, length, digest] of answers) {
    if (status === 416) {
      assert.equal(contentRange, `bytes */${size}`);
      continue;
    }
    const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(contentRange ?? "bytes 0-999999999/")!;
    const slice = whole.subarray(Number(first), Number(last) + 1);
    assert.deepEqual([length, digest], [slice.length, await sha256(slice)], `${range}`);
  }
  await using tree = await makeTree({ "a.zip": whole });
  await readWithAll(tree.join("a.zip"));
});

for (
  const [name, command, args] of [
    ["Deno", Deno.execPath(), ["run", "--no-lock", "--node-modules-dir=manual"]],
    ["Node", NODE, []],
    ["Bun", "bun", ["run"]],
  ] as const
) {
  const tools = name === "Deno" ? ["tar"] : ["tar", command];
  testWith(tools, `@zipferry/zip in ${name}: the same bytes, tags, ranges and errors`, async () => {
    await using tree = await install();
    Deno.writeTextFileSync(tree.join("print.js"), PRINT);
    const output = await accept(command, [...args, "print.js"], { cwd: tree.path, within: 60_000 });
    assert.deepEqual(JSON.parse(output), JSON.parse(JSON.stringify(expected)));
  });
}

/** A site with the package, the probe, and photos whose server knows ranges */
function serveSite(tree: Tree, photos: Readonly<Record<string, Uint8Array<ArrayBuffer>>>) {
  const types: Record<string, string> = { js: "text/javascript", html: "text/html" };
  const asked: string[] = [];
  const handler = (request: Request) => {
    const path = decodeURI(new URL(request.url).pathname.slice(1)) || "index.html";
    const photo = photos[path.replace("photos/", "")];
    if (photo) {
      asked.push(`${request.method} ${path}`);
      return rangeOf(photo, request);
    }
    try {
      const type = types[path.split(".").at(-1)!];
      return new Response(
        Deno.readFileSync(tree.join(path.replace(/^zip\//, `node_modules/${NAME}/`))),
        {
          headers: { "content-type": type },
        },
      );
    } catch {
      return new Response(null, { status: 404 });
    }
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  const url = `http://127.0.0.1:${server.addr.port}/`;
  return { url, asked, [Symbol.asyncDispose]: () => server.shutdown() };
}

function rangeOf(bytes: Uint8Array<ArrayBuffer>, { method, headers }: Request): Response {
  const fields = {
    "etag": '"1"',
    "last-modified": "Mon, 06 May 2024 07:08:09 GMT",
    "content-length": String(bytes.length),
  };
  if (method === "HEAD") return new Response(null, { headers: fields });
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "") ?? assert.fail();
  const part = bytes.subarray(Number(first), Number(last) + 1);
  return new Response(part, {
    status: 206,
    headers: { ...fields, "content-length": String(part.length) },
  });
}

testWith(
  ["tar", "chromium"],
  "@zipferry/zip in Chromium: in a page, and in the README's service worker",
  async (t) => {
    await using tree = await install();
    Deno.writeTextFileSync(tree.join("index.html"), '<a href="photos.zip">All</a>');
    Deno.writeTextFileSync(tree.join("sw.js"), block("sw.js, registered"));
    const photos = {
      "first.jpg": randomBytes(3_000_000, 1),
      "second.jpg": randomBytes(500_000, 2),
    };
    await using site = serveSite(tree, photos);
    await using browser = await openBrowser();
    const page = await browser.newPage();
    await page.goto(site.url);

    await t.step(
      "in a page: the same bytes, tags, ranges and errors, with tables for the CRC-32",
      async () => {
        const found = await page.evaluate(`Promise.all([import("/zip/mod.js"), import("/probe.js")])
      .then(([zip, { probe }]) => probe(zip))`);
        assert.deepEqual(found, JSON.parse(JSON.stringify(expected)));
        assert.equal(await page.evaluate("typeof process"), "undefined");
      },
    );

    await t.step("a service worker sends photos of the site as one download", async () => {
      await page.evaluate(`navigator.serviceWorker.register("/sw.js", { type: "module" })
      .then(() => navigator.serviceWorker.ready)`);
      await page.reload(); // from now on the worker answers
      const saved = await download(page, tree.join("photos.zip"));
      await extract(tree.join("photos.zip"), tree.join("out"), { with: "python" });
      for (const [name, content] of Object.entries(photos)) {
        assert.ok(Buffer.from(content).equals(Deno.readFileSync(tree.join("out", name))), name);
      }
      const part = await page.evaluate(
        `fetch("photos.zip", { headers: { range: "bytes=2999000-3001000" } })
      .then(async (response) => [response.status, [...new Uint8Array(await response.arrayBuffer())]])`,
      );
      assert.deepEqual(part, [206, [...saved.subarray(2_999_000, 3_001_001)]]);
      assert.ok(site.asked.includes("HEAD photos/first.jpg"), "the site has the photos");
    });
  },
);

/** What a click on the page's link saves */
async function download(page: Page, path: string): Promise<Uint8Array> {
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link").click(),
  ]);
  assert.equal(saved.suggestedFilename(), "photos.zip");
  await saved.saveAs(path);
  return Deno.readFileSync(path);
}

/** A server of the README in the package's folder, with photos in another one */
function serve(
  tree: Tree,
  { runtime, code }: { readonly runtime: readonly string[]; readonly code: string },
) {
  Deno.writeTextFileSync(tree.join("server.js"), code);
  const [command, ...args] = runtime;
  const child = new Deno.Command(command, {
    args: [...args, "server.js"],
    cwd: tree.path,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = [child.stdout, child.stderr].map((stream) => new Response(stream).text());
  return {
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // it ended by itself
      }
      await child.status;
      await Promise.all(output);
    },
  };
}

/** The README's server for each runtime, on a port of the test's */
function serverFor(name: string, port: number): string {
  const server = block("Deno.serve");
  const lines = server.slice(0, server.indexOf("Deno.serve"));
  const code = {
    Deno: server.replace("Deno.serve(", `Deno.serve({ port: ${port}, hostname: "127.0.0.1" }, `),
    Node: lines + block("createServer(").replace("listen(8000)", `listen(${port}, "127.0.0.1")`),
    Bun: lines +
      block("Bun.serve").replace("{ fetch", `{ port: ${port}, hostname: "127.0.0.1", fetch`),
  }[name]!;
  assert.ok(code.includes(`${port}`));
  return code;
}

for (
  const [name, tools, runtime] of [
    ["Deno", ["tar"], [Deno.execPath(), "run", "--no-lock", "--node-modules-dir=manual", "-A"]],
    ["Node", ["tar", NODE], [NODE]],
    ["Bun", ["tar", "bun"], ["bun", "run"]],
  ] as const
) {
  testWith(
    [...tools, "python3"],
    `zip/README.md: the server for ${name} sends, resumes, and resets what it cannot finish`,
    async () => {
      await using tree = await install();
      Deno.mkdirSync(tree.join("photos"));
      const photos = { "a.jpg": randomBytes(100_000, 1), "Ёлка.jpg": randomBytes(9_000_000, 2) };
      for (const [file, content] of Object.entries(photos)) {
        Deno.writeFileSync(tree.join("photos", file), content);
      }
      const port = freePort();
      const url = `http://127.0.0.1:${port}/`;
      await using _ = serve(tree, { runtime, code: serverFor(name, port) });
      await until(() => fetch(url, { method: "HEAD" }).then(() => true, () => false), "it listens");

      const head = await fetch(url, { method: "HEAD" });
      const whole = await fetch(url);
      const bytes = await whole.bytes();
      assert.equal(head.headers.get("content-length"), String(bytes.length));
      assert.match(whole.headers.get("content-disposition")!, /filename="photos\.zip"/);
      Deno.writeFileSync(tree.join("a.zip"), bytes);
      await readWithAll(tree.join("a.zip"));
      const listed = await listWithPython(tree.join("a.zip"));
      assert.deepEqual(listed.map(({ name }) => name).sort(), Object.keys(photos).sort());

      const etag = whole.headers.get("etag")!;
      const headers = { "range": "bytes=5000000-", "if-range": etag };
      const rest = await fetch(url, { headers });
      assert.deepEqual([rest.status, await rest.bytes()], [206, bytes.subarray(5_000_000)]);
      const unchanged = await fetch(url, { headers: { "if-none-match": etag } });
      assert.deepEqual([unchanged.status, await unchanged.text()], [304, ""]);

      Deno.truncateSync(tree.join("photos/Ёлка.jpg"), 8_000_000);
      await assert.rejects(fetch(url).then((response) => response.bytes()), "it looks complete");
      assert.equal((await fetch(url, { method: "HEAD" })).status, 200, "and serves on");
    },
  );
}

testWith(
  ["tar"],
  "zip/README.md, planZip(): the cache and the example do what they say",
  async () => {
    await using tree = await install();
    const count = `let opened = 0;
const content = new Blob([new Uint8Array(100_000)]);
const open = ({ start, end }) => (opened++, content.slice(start, end).stream());
const entries = [{ name: "a", size: 100_000, modified: new Date(0), version: "1", open }];`;
    const again = `const first = await new Response(plan.open()).bytes();
const next = await planZip(entries.map((entry) => ({ ...entry })), { checksums });
const second = await new Response(next.open()).bytes();
console.log(opened, first.length === second.length, known.size);`;
    const example = /```ts ignore\n([^]*?) \* ```/.exec(
      Deno.readTextFileSync(join(ZIP, "zip_plan.ts")),
    )!;
    const scripts = {
      "cache.js": `import { planZip } from "${NAME}";\n${count}\n${block("const known")}\n${again}`,
      "example.js": `${example[1].replaceAll(/^ \* ?/gm, "")}\nconsole.log(response.status);`,
    };
    for (const [name, text] of Object.entries(scripts)) {
      Deno.writeTextFileSync(tree.join(name), text);
    }
    const args = ["run", "--no-lock", "--node-modules-dir=manual"];
    const [cache, printed] = await Promise.all(
      Object.keys(scripts).map((name) =>
        accept(Deno.execPath(), [...args, name], { cwd: tree.path })
      ),
    );
    assert.equal(cache, "3 true 1\n", "two reads of the first archive, one of the second");
    assert.equal(printed, "200\n");
  },
);

testWithStore("zip/README.md: photos in a bucket are sent as one ZIP, and resumed", async () => {
  await using store = await startObjectStore();
  await store.createBucket("photos");
  const contents = {
    "album/a.jpg": randomBytes(90_000, 1),
    "album/Ёлка 1.jpg": randomBytes(5_000_000, 2),
  };
  const listed = [];
  for (const [Key, content] of Object.entries(contents)) {
    const ETag = await store.put("photos", Key, content);
    listed.push({ Key, Size: content.length, LastModified: "2024-05-06T07:08:09.000Z", ETag });
  }
  await using tree = await makeTree();
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const settings = { accessKeyId, secretAccessKey, region: STORE_REGION };
  const given = {
    ...settings,
    prefix: "album/",
    bucket: new URL("photos", store.endpoint).href,
    listed,
  };
  Deno.writeTextFileSync(
    tree.join("bucket.js"),
    `${block("aws4fetch").replace('"aws4fetch"', '"npm:aws4fetch@1.0.20"')}
import { planZip, zipResponse } from "${NAME}";
export async function answer(request) {
  return zipResponse(request, await planZip(listed.map(entryOf)));
}`.replace("const s3", `const {${Object.keys(given)}} = ${JSON.stringify(given)};\nconst s3`),
  );
  Deno.writeTextFileSync(
    tree.join("use.js"),
    `import { answer } from "./bucket.js";
const whole = await answer(new Request("http://localhost/"));
const bytes = await whole.bytes();
const headers = { "range": "bytes=60000-", "if-range": whole.headers.get("etag") };
const rest = await answer(new Request("http://localhost/", { headers }));
const same = Buffer.compare(await rest.bytes(), bytes.subarray(60000)) === 0;
Deno.writeFileSync("a.zip", bytes);
console.log(whole.status, rest.status, same);
import { Buffer } from "node:buffer";
`,
  );
  const args = ["run", "--no-lock", "--node-modules-dir=none", "-A"];
  const importMap = tree.join("map.json");
  const mod = new URL("../zip/mod.ts", import.meta.url).href;
  Deno.writeTextFileSync(importMap, JSON.stringify({ imports: { [NAME]: mod } }));
  const output = await accept(Deno.execPath(), [...args, `--import-map=${importMap}`, "use.js"], {
    cwd: tree.path,
    env: { NO_COLOR: "1" },
  });
  assert.equal(output, "200 206 true\n");
  await readWithAll(tree.join("a.zip"));
  assert.deepEqual((await listWithPython(tree.join("a.zip"))).map(({ name }) => name), [
    "a.jpg",
    "Ёлка 1.jpg",
  ]);
});
