import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { type Program, start } from "./process.ts";
import { startNginx } from "./proxy.ts";
import { assertSameTree, extract } from "./readers.ts";
import { accept, FULL_ZIP, run, strict, testWith } from "./tools.ts";
import { DEFAULT_MTIME, makeTree, randomBytes, type Tree, type TreeFile } from "./tree.ts";

const HASH = "b7e20c94d15f4a6f83c2907ed6a1f548";
const PATH = `archive/${HASH}/`;

/** About 12 MB, and names that a link has to escape */
function album(): Record<string, Uint8Array | TreeFile> {
  const files: Record<string, Uint8Array | TreeFile> = {
    "День первый/Утро & вечер.jpg": randomBytes(2_500_000, 1),
    "День первый/100% солнца.jpg": randomBytes(1_500_000, 2),
    "День второй/Море.jpg": randomBytes(3_000_000, 3),
    "День второй/пусто": { directory: true, mtime: DEFAULT_MTIME },
    "обложка.jpg": randomBytes(5_000_000, 4),
  };
  const placed = Object.entries(files).map(([name, file]) => [`photos/${HASH}/${name}`, file]);
  const folders = ["", "/День первый", "/День второй"].map((name) => [
    `photos/${HASH}${name}`,
    { directory: true, mtime: DEFAULT_MTIME },
  ]);
  return Object.fromEntries([...folders, ...placed]);
}

function serve(tree: Tree, ...args: string[]): Promise<Program> {
  return start(["--folder", tree.join("photos"), ...args]);
}

/** A choice, and a part of all */
const CHOICE = new URLSearchParams([["file", "День первый/"], ["file", "обложка.jpg"]]).toString();
const CHOSEN = [["choice", CHOICE], ["part", "part=1&size=8M"]] as const;

for (const [what, query] of CHOSEN) {
  testWith(["nginx", "curl"], `a ${what} is resumed through nginx on another replica`, async () => {
    await using tree = await makeTree(album());
    await using copy = await makeTree(album());
    await using first = await serve(tree);
    const url = (origin: string) => `${origin}${PATH}?${query}`;
    const whole = Buffer.from(await (await fetch(url(first.url))).bytes());
    const path = tree.join("resumed.zip");
    Deno.writeFileSync(path, whole.subarray(0, 3_333_333));
    await using second = await serve(copy);
    await using proxy = await startNginx({ upstreams: [second.port] });
    const status = await accept("curl", [
      ...["-sS", "-C", "-", "-o", path, "-w", "%{http_code} %header{etag}", url(proxy.url)],
    ]);
    const head = await fetch(url(first.url), { method: "HEAD" });
    assert.equal(status, `206 ${head.headers.get("etag")}`);
    assert.ok(Buffer.from(Deno.readFileSync(path)).equals(whole));
    assert.equal(head.headers.get("content-length"), `${whole.length}`);
  });
}

testWith(
  [FULL_ZIP, "unzip"],
  "--engine zip: a choice and all parts are archives of just those files, and no receipt of the whole",
  async () => {
    await using tree = await makeTree(album());
    await using program = await serve(tree, "--engine", "zip", "--part-size", "4M");
    const link = `${program.url}${PATH}`;
    const manifest = await (await fetch(`${link}?manifest`)).json();
    assert.ok(manifest.parts.length > 2);
    for (const { number, length, query } of manifest.parts) {
      assert.equal(length, null);
      const path = tree.join(`${number}.zip`);
      const answer = await fetch(`${link}?${query}`);
      assert.equal(answer.headers.get("accept-ranges"), "none");
      await Deno.writeFile(path, await answer.bytes());
      await accept("unzip", ["-tq", path]);
      await extract(path, tree.join("parts"));
    }
    await assertSameTree(tree.join("parts"), tree.join("photos", HASH));
    const chosen = tree.join("chosen.zip");
    await Deno.writeFile(chosen, await (await fetch(`${link}?${CHOICE}`)).bytes());
    const { stdout } = await run("unzip", ["-Z1", chosen]);
    assert.equal(new TextDecoder().decode(stdout).trim().split("\n").length, 3);
    const status = await (await fetch(`${link}?status`)).json();
    assert.deepEqual([status.delivered, status.versions], [false, []]);
    const beyond = await fetch(`${link}?part=99&size=4M`);
    assert.equal(beyond.status, 404);
    await beyond.body?.cancel();
    const page = await (await fetch(`${link}?page`)).text();
    assert.equal(page.match(/class="part"/g)?.length, manifest.parts.length);
  },
);

testWith(
  ["cp", "diff", "unzip"],
  "parts that are unzipped one after the other are the folder",
  async () => {
    await using tree = await makeTree(album());
    await using program = await serve(tree, "--part-size", "5M");
    const link = `${program.url}${PATH}`;
    const { parts } = await (await fetch(`${link}?manifest`)).json();
    assert.ok(parts.length > 2);
    for (const { number, length, query } of parts) {
      const bytes = await (await fetch(`${link}?${query}`)).bytes();
      assert.equal(bytes.length, length);
      const path = tree.join(`${number}.zip`);
      Deno.writeFileSync(path, bytes);
      await accept("unzip", ["-tq", path]);
      await extract(path, tree.join(`part-${number}`));
      await Deno.mkdir(tree.join("together"), { recursive: true });
      await accept("cp", ["-a", `${tree.join(`part-${number}`)}/.`, tree.join("together")]);
    }
    await assertSameTree(tree.join("together"), tree.join("photos", HASH));
  },
);

testWith(
  ["nginx", "curl"],
  "a form with many names passes nginx and leads to what was chosen",
  async () => {
    const names = Array.from({ length: 1500 }, (_, i) => `Съёмка ${i}.jpg`);
    await using tree = await makeTree(
      Object.fromEntries(names.map((name) => [`photos/${HASH}/${name}`, name])),
    );
    await using program = await serve(tree);
    await using proxy = await startNginx({ upstreams: [program.port] });
    const form = new URLSearchParams(names.slice(0, 1200).map((name) => ["file", name]));
    Deno.writeTextFileSync(tree.join("form"), form.toString());
    const path = tree.join("chosen.zip");
    const link = `${proxy.url}${PATH}`;
    await accept("curl", ["-fsSL", "--data", `@${tree.join("form")}`, "-o", path, link]);
    await extract(path, tree.join("out"));
    const found = [...Deno.readDirSync(tree.join("out"))].map(({ name }) => name).sort();
    assert.deepEqual(found, names.slice(0, 1200).sort());
  },
);

/** Reads one member of a ZIP by ranges, with a package that others have made for that */
const CLIENTS = {
  remotezip: `import sys
from remotezip import RemoteZip
with RemoteZip(sys.argv[1]) as archive:
    sys.stdout.buffer.write(archive.read(sys.argv[2]))`,
  unzip_http: `import sys
from unzip_http import RemoteZipFile
archive = RemoteZipFile(sys.argv[1])
sys.stdout.buffer.write(archive.open(archive.files[sys.argv[2]]).read())`,
};

for (const [name, script] of Object.entries(CLIENTS)) {
  const isThere = (await run("python3", ["-c", `import ${name}`]).catch(() => null))?.code === 0;
  const isSkipped = !isThere && !strict();
  Deno.test({
    name: `manifest.md: ${name} reads one file of an archive, of a choice and of a part` +
      (isSkipped ? ` (skipped: no ${name} in python3)` : ""),
    ignore: isSkipped,
    async fn() {
      await using tree = await makeTree(album());
      await using program = await serve(tree, "--log");
      const member = "День первый/100% солнца.jpg";
      const expected = Buffer.from(album()[`photos/${HASH}/${member}`] as Uint8Array);
      for (const query of ["", `?${CHOICE}`, "?part=2&size=4M"]) {
        const url = `${program.url}${PATH}${query}`;
        const { code, stdout, stderr } = await run("python3", ["-c", script, url, member]);
        assert.equal(code, 0, stderr);
        assert.ok(Buffer.from(stdout).equals(expected), query);
      }
    },
  });
}

testWith(
  ["curl"],
  "manifest.md: the offset and the CRC-32 of a file are enough to get it",
  async () => {
    await using tree = await makeTree(album());
    await using program = await serve(tree);
    const link = `${program.url}${PATH}`;
    await (await fetch(link)).bytes();
    const { files, archive } = await (await fetch(`${link}?manifest`)).json();
    for (const { name, offset, size, crc32: sum } of files) {
      const range = `${offset}-${offset + size - 1}`;
      const { code, stdout } = await run("curl", [
        ...["-fsS", "-r", range, "-H", `If-Range: ${archive.etag}`, link],
      ]);
      assert.equal(code, 0);
      assert.ok(
        Buffer.from(stdout).equals(Buffer.from(album()[`photos/${HASH}/${name}`] as Uint8Array)),
      );
      assert.equal(crc32(stdout).toString(16).padStart(8, "0"), sum);
    }
  },
);
