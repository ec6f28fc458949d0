/**
 * A replica on Windows and one on Linux are the same service. First by pure functions, on any system;
 * then by Deno for Windows itself, under Wine.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createStoreEngine } from "../engines/store.ts";
import { quote } from "../lib/quote.ts";
import { entityTag } from "../zip/http/entity_tag.ts";
import { Checksums } from "../storage/checksums.ts";
import { DiskSource } from "../storage/disk/disk.ts";
import { walkArchive } from "../storage/disk/walk.ts";
import { unpackListing } from "../storage/listing.ts";
import { runToEnd, start, until } from "./process.ts";
import { DEFAULT_MTIME, makeTree, randomBytes, type Tree, type TreeFile } from "./tree.ts";
import { makeWindows, testWithWine } from "./wine.ts";

const HASH = "5b0e7a91c4d2f8366a1dbe49702fc583";
const OTHER = "c7d15e08b93a426f80e1f7ab6493d25c";

/** What the runtime tells of modes: on Windows 0666, or 0444 of what is read-only, for folders too */
const MODES = { linux: [0o644, 0o755], windows: [0o666, 0o444] } as const;

const PAST = [new Date("1969-07-20T20:17:40Z"), new Date("1969-07-20T20:17:40Z")] as const;

const FOLDER = { directory: true, mtime: DEFAULT_MTIME };

/** Photos, Cyrillic and decomposed names, a time between seconds, an empty file and folder */
function makeAlbum(): Promise<Tree> {
  const files: Record<string, TreeFile> = {
    ".": FOLDER,
    [HASH]: FOLDER,
    [`${HASH}/Поход`]: FOLDER,
    [`${HASH}/IMG_0001.jpg`]: { content: randomBytes(1_500_000, 1) },
    [`${HASH}/Поход/Ёлка 1.jpg`]: { content: randomBytes(70_000, 2) },
    [`${HASH}/Поход/и\u0306.txt`]: { content: "decomposed" },
    [`${HASH}/new.jpg`]: { content: "new", mtime: new Date(1_700_000_000_123) },
    [`${HASH}/empty.jpg`]: {},
    [`${HASH}/Пусто`]: FOLDER,
  };
  const withModes = Object.entries(files).map(([path, file]) => {
    return [path, { ...file, mode: file.directory ? 0o755 : 0o644 }];
  });
  return makeTree(Object.fromEntries(withModes));
}

/** Lets the runtime tell these modes, until it is disposed of */
function tellModes([file, folder]: readonly [number, number]): Disposable {
  const { lstatSync } = Deno;
  Deno.lstatSync = (path) => {
    const stat = lstatSync(path);
    return { ...stat, mode: stat.isDirectory ? folder : file };
  };
  return { [Symbol.dispose]: () => void (Deno.lstatSync = lstatSync) };
}

/** The archive of the album, as a replica on this system makes it, or one on another system would */
async function archiveOf(tree: Tree, system: typeof Deno.build.os = Deno.build.os) {
  using source = new DiskSource({ root: tree.path });
  const options = { root: tree.path, hash: HASH, selection: {}, system };
  const { listing } = await walkArchive(options);
  const engine = createStoreEngine({ source, checksums: new Checksums(source) });
  const archive = engine.prepare(unpackListing(listing!));
  const bytes = await new Response(await archive.open()).bytes();
  await engine.close();
  return { etag: entityTag({ version: archive.version, settled: true }), sha256: sha256(bytes) };
}

Deno.test("stateOf(): what the runtime tells on Windows makes the bytes and the ETag of Linux", async () => {
  await using tree = await makeAlbum();
  const replicas = [];
  for (const system of ["linux", "windows"] as const) {
    using _ = tellModes(MODES[system]);
    replicas.push(await archiveOf(tree, system));
  }
  assert.match(replicas[0].etag ?? "", /^"/);
  assert.deepEqual(replicas[1], replicas[0]);
});

Deno.test("An archive has this SHA-256 and this ETag on every system that runs these tests", async () => {
  await using tree = await makeAlbum();
  assert.deepEqual(await archiveOf(tree), {
    etag: '"1-723054934f69e42cb349873795ff5f3d"',
    sha256: "3c807e05194876318ee1c3dc11d9f5aa48d38766c53c91564e65205f6945d965",
  });
});

/** Downloads an archive; a part of it with a range */
async function download(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(new URL(`archive/${HASH}/`, url), { headers });
  const names = ["etag", "content-length", "last-modified", "content-disposition"];
  const told = names.map((name) => response.headers.get(name));
  return { status: response.status, told, body: await response.bytes() };
}

function sha256(bytes: Uint8Array) {
  return createHash("sha256").update(bytes).digest("hex");
}

testWithWine("Deno for Windows, under Wine", async (t) => {
  await using tree = await makeAlbum();
  const old = tree.join(HASH, "old.jpg");
  await Deno.writeTextFile(old, "old");
  await Deno.utime(old, ...PAST);
  for (const folder of [tree.join(HASH), tree.path]) {
    await Deno.utime(folder, DEFAULT_MTIME, DEFAULT_MTIME);
  }
  await using home = await makeTree();
  await using windows = await makeWindows(home.path);
  const { options } = windows;
  await using linux = await start(["--folder", tree.path]);
  const expected = await download(linux.url);

  await t.step("has the version that is tested here", async () => {
    const { stdout } = await runToEnd(["--version"], options);
    assert.ok(stdout.includes(`Deno ${Deno.version.deno}, x86_64-pc-windows-msvc)`), stdout);
  });

  await t.step("makes the bytes, the ETag and the headers of Linux, and resumes them", async () => {
    await using program = await start(["--folder", tree.path], options);
    const whole = await download(program.url);
    assert.deepEqual([whole.status, whole.told], [200, expected.told]);
    assert.equal(sha256(whole.body), sha256(expected.body));
    const middle = Math.floor(whole.body.length / 2);
    const headers = { range: `bytes=${middle}-`, "if-range": expected.told[0]! };
    const rest = await download(program.url, headers);
    assert.equal(rest.status, 206);
    assert.deepEqual(rest.body, expected.body.subarray(middle));
    program.kill("SIGINT"); // Wine makes it Ctrl+C
    assert.equal((await program.status).code, 0);
  });

  await t.step("warns of names that Windows cannot open, and refuses their archive", async () => {
    const long = `${"d".repeat(150)}/${"d".repeat(150)}`;
    await using odd = await makeTree({
      [`${HASH}/CON.d`]: "",
      [`${HASH}/photo.jpg`]: "",
      [`${HASH}/photo.jpg.`]: "another one",
      [`${OTHER}/${long}/photo.jpg`]: "",
    });
    await using program = await start(["--folder", odd.path], options);
    const why = (hash: string, level: string) =>
      program.stderr().split("\n").slice(0, -1).map((line) => JSON.parse(line))
        .find(({ properties, ...line }) =>
          line.level === level && properties.archive === `${hash.slice(0, 4)}…`
        )?.properties.why;
    await until(() => why(HASH, "WARN") && why(OTHER, "WARN"), "both are warned of", 30_000);
    for (const [hash, names] of [[HASH, ["CON.d", "photo.jpg."]], [OTHER, [`${long}/photo.jpg`]]]) {
      const response = await fetch(`${program.url}archive/${hash}/`);
      assert.deepEqual([response.status, (await response.text()).includes("</html>")], [500, true]);
      for (const name of names) {
        const isNamed = () => why(String(hash), "ERROR")?.includes(`"${name}"`);
        await until(isNamed, `${name} is in the log`);
      }
    }
  });

  await t.step("serves a share with all permissions, and says so without", async () => {
    const share = await windows.share(tree.path, "photos");
    const refused = await runToEnd(["--folder", share], options);
    assert.equal(refused.code, 2);
    assert.equal(
      refused.stderr,
      `zipferry: ${quote(share, "windows")} is on a network or a device, which Deno opens only ` +
        "with all permissions: start deno with --allow-all\n",
    );
    const task = "start:network";
    await using program = await start(["--folder", share], { ...options, task });
    const { told, body } = await download(program.url);
    assert.deepEqual([told, sha256(body)], [expected.told, sha256(expected.body)]);
  });

  await t.step("has no Unix sockets, and says so", async () => {
    const { code, stderr } = await runToEnd(["--unix", "socket"], options);
    assert.deepEqual(
      [code, stderr],
      [2, "zipferry: --unix: not on Windows; use --hostname and --port\n"],
    );
  });
});
