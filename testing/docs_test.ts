/**
 * The documentation holds: links lead somewhere, and what it says to run was run.
 *
 * @module
 */

import assert from "node:assert/strict";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import { parse } from "yaml";
import { optionsTable } from "../lib/options.ts";
import { BadNames } from "../storage/disk/bad_names.ts";
import { childrenOf, type Program, runToEnd, said, start, until } from "./process.ts";
import { exchange } from "./raw.ts";
import { assertSameTree, extract, listWithPython } from "./readers.ts";
import { run, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree, type TreeFile } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const DOCS = [...Deno.readDirSync(join(ROOT, "docs"))].map(({ name }) => `docs/${name}`);
const ROOT_PAGES = ["README.md", "README.ru.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
const PAGES = [...ROOT_PAGES, "zip/README.md", ...DOCS.filter(isPage)].sort();

/** Pages whose blocks this file runs; testing/readme_test.ts runs those of the READMEs */
const OURS = ["docs/security.md", "docs/migration.md", "docs/cms.md", "docs/manifest.md"];
const WINDOWS = "docs/windows.md";

/** Languages of blocks that are more than something to look at */
const CODE = ["console", "sh", "php", "python", "json", "nginx", "xml", "ini", "powershell"];

const ISSUE_TEMPLATES = ".github/ISSUE_TEMPLATE";

/** Blocks that are not run, by the start of their text, and why not */
const NOT_RUN: Readonly<Record<string, string>> = {
  "<?php // download.php": "needs a web server: testing/cms_test.ts has one",
  "<?php // wordpress_label.php": "needs WordPress: testing/label_test.ts stands in for it",
  "<?php // bitrix_label.php": "needs Bitrix: testing/label_test.ts stands in for it",
  "hash=$(openssl rand -hex 16)\nlftp": "needs an FTP server: testing/cms_test.ts has one",
  "mount --bind": "changes the machine: testing/nosymfollow_test.ts does it in a namespace",
  "docker compose": "needs Docker: the container's own tests run compose",
};

/** Commands that go on until they are stopped, as they stand in a page */
const SERVERS = [
  "deno task start -f photos -P 8081",
  "deno run --no-prompt --allow-net=127.0.0.1:8080",
];

/** What the commands of a page find in their folder */
const HASH = "9c41f0d2b7e8563a1fd04e7b92c6a385";
const LINKED = "3b70e6a5184fd92c7da1530b9ec84f26";
const MTIME = new Date("2024-05-06T07:08:09Z");
const SHELF: Readonly<Record<string, string | Uint8Array | TreeFile>> = {
  [`photos/${HASH}/IMG_0001.jpg`]: randomBytes(300_000),
  [`photos/${LINKED}/Байкал/Утро на мысе.jpg`]: randomBytes(28_274),
  "photos/not a hash/IMG_0002.jpg": "x",
  "photos/Baikal trip/IMG_0003.jpg": "x",
  "photos/link": { symlink: HASH },
  "album/IMG_0003.jpg": "x",
  "upload/php3A1.tmp": { content: randomBytes(1_200_000), mtime: MTIME, mode: 0o600 },
  "upload/php3A2.tmp": { content: "y", mtime: MTIME, mode: 0o600 },
};

const TOOLS = ["bash", "curl", "diff", "find", "grep", "jq", "openssl", "php", "python3", "unzip"];

/** For what is written for a shell, and for names that only Linux has */
function onLinux(tools: readonly string[], name: string, fn: () => Promise<void>) {
  if (Deno.build.os === "linux") testWith(tools, name, fn);
  else Deno.test({ name: `${name} (skipped: Linux only)`, ignore: true, fn });
}

/** A fenced block of a page */
interface Block {
  readonly language: string;
  readonly text: string;
}

/** A question of an issue form, as GitHub's syntax for issue forms has it */
interface Field {
  readonly type: string;
  readonly id?: string;
  readonly attributes: {
    readonly label?: string;
    readonly value?: string;
    readonly options?: readonly unknown[];
  };
}

/** An issue form */
interface Form {
  readonly name: string;
  readonly description: string;
  readonly body: readonly Field[];
}

/** A folder, the program that serves its photos, and the hash that was printed last */
interface Stage extends AsyncDisposable {
  readonly tree: Tree;
  readonly program: Program;
  hash: string;
}

Deno.test("docs/: every link leads to a file, and to a heading of it", () => {
  const broken = PAGES.flatMap((page) => linksOf(read(page)).filter((link) => !leads(page, link)));
  assert.deepEqual(broken, []);
  const links = PAGES.flatMap((page) => linksOf(read(page)));
  assert.ok(links.length > 40 && links.some((link) => link.includes("#")), "links were found");
});

Deno.test("leads() notices a link into the void, or to no heading", () => {
  assert.ok(leads("docs/cms.md", "../README.md#options"));
  assert.ok(leads("docs/cms.md", "#file-names"));
  assert.ok(!leads("docs/cms.md", "#file-name"));
  assert.ok(!leads("docs/cms.md", "README.md"));
  assert.deepEqual(linksOf("[a](b.md) `[c](d)` ![e](f.svg)\n```\n[g](h)\n```\n"), [
    "b.md",
    "f.svg",
  ]);
});

Deno.test("optionsTable() stands in both READMEs", () => {
  for (const page of ["README.md", "README.ru.md"]) {
    assert.ok(
      read(page).includes(`<!-- options -->\n\n${optionsTable()}\n\n<!-- /options -->`),
      page,
    );
  }
});

for (const page of ["README.md", "docs/cms.md"]) {
  const translation = page.replace(".md", ".ru.md");
  Deno.test(`${translation} has the sections and commands of ${page}`, () => {
    const [english, russian] = [read(page), read(translation)];
    const commands = (text: string) =>
      blocksOf(text).filter(({ language }) => CODE.includes(language))
        .map(({ text }) => text.replaceAll(/ +# .*$/gm, ""));
    assert.deepEqual(commands(russian), commands(english));
    const levels = (text: string) => headingsOf(text).map(({ level }) => level);
    assert.deepEqual(levels(russian), levels(english));
    const names = [basename(page), basename(translation)]; // they link to each other
    const pages = (text: string) =>
      new Set(
        linksOf(text).filter((link) => !link.startsWith("#") && !names.includes(link))
          .map((link) => link.replace(".ru.md", ".md")),
      );
    assert.deepEqual(pages(russian), pages(english));
  });
}

Deno.test("deno@2.9.6: every page names the version that .ci/run pins", () => {
  const pinned = /npm install .*deno@([\d.]+)/.exec(read(".ci/run"))?.[1];
  for (const page of PAGES) {
    for (const [, version] of read(page).matchAll(/deno@([\d.]+\d)/g)) {
      assert.equal(version, pinned, page);
    }
  }
});

Deno.test("NOT_RUN and SERVERS: each stands in a page", () => {
  const texts = [...OURS, WINDOWS].flatMap((page) => blocksOf(read(page))).map(({ text }) => text);
  for (const start of [...Object.keys(NOT_RUN), ...SERVERS]) {
    assert.ok(texts.some((text) => text.startsWith(start) || text.includes(`$ ${start}`)), start);
  }
});

Deno.test("docs/: every JSON block is JSON", () => {
  for (const page of PAGES) {
    for (const { language, text } of blocksOf(read(page))) {
      if (language === "json") assert.doesNotThrow(() => JSON.parse(text), page);
    }
  }
});

Deno.test("issue templates are valid forms, and send vulnerabilities to SECURITY.md", () => {
  const names = [...Deno.readDirSync(join(ROOT, ISSUE_TEMPLATES))].map(({ name }) => name).sort();
  assert.deepEqual(names, ["bug_report.yml", "config.yml", "feature_request.yml"]);
  for (const name of names.filter((name) => name !== "config.yml")) {
    const text = read(`${ISSUE_TEMPLATES}/${name}`);
    assertForm(parse(text), name);
    for (const [, page] of text.matchAll(/`((?:docs\/)?[A-Za-z]+\.md)`/g)) {
      assert.ok(PAGES.includes(page), `${name}: ${page}`);
    }
  }
  const config = parse(read(`${ISSUE_TEMPLATES}/config.yml`));
  assert.deepEqual(Object.keys(config).sort(), ["blank_issues_enabled", "contact_links"]);
  assert.equal(config.blank_issues_enabled, false);
  const [{ name, url, about, ...others }] = config.contact_links;
  assert.deepEqual([config.contact_links.length, others], [1, {}]);
  assert.match(new URL(url).pathname, /^\/[^/]+\/zipferry\/security\/policy$/);
  assert.ok(name && about.includes("SECURITY.md"));
});

testWith(["python3"], "architecture.svg is well-formed and only a picture", async () => {
  const picture = read("docs/architecture.svg");
  await assertXml(picture);
  assert.ok(picture.length < 12_000, `${picture.length} bytes`);
  assert.doesNotMatch(picture, /<script|<foreignObject|href=|url\((?!#)|@import/i);
});

for (const page of OURS) {
  onLinux(TOOLS, `${page}: what can be run was run`, async () => {
    await using stage = await prepare();
    for (const block of blocksOf(read(page))) await runBlock(block, stage);
  });
}

testWith(
  TOOLS,
  "docs/cms.md: an album from PHP is downloaded, counted and taken away",
  async () => {
    await using stage = await prepare();
    writePhpBlocks(stage);
    const photos = stage.tree.join("photos");
    const before = namesIn(photos);

    const [, hash] = /\/archive\/([0-9a-f]{32})\/\n$/.exec(await php(stage, "publish.php")) ?? [];
    assert.deepEqual(namesIn(photos), [...before, hash].sort());
    assert.equal(Deno.statSync(join(photos, hash)).mode! & 0o777, 0o755);
    const file = Deno.statSync(join(photos, hash, "IMG_0001.jpg"));
    assert.deepEqual([file.mode! & 0o777, file.mtime], [0o644, MTIME]);

    const { status, headers, body } = await get(stage, `/archive/${hash}/`);
    assert.deepEqual([status, body.length], [200, Number(headers.get("content-length"))]);
    assert.match(headers.get("etag")!, /^"/, "strong at once, since the times are the originals'");
    Deno.writeFileSync(stage.tree.join("album.zip"), body);
    const entries = await listWithPython(stage.tree.join("album.zip"));
    assert.deepEqual(entries.map(({ name }) => name), ["IMG_0001.jpg", "Утро на мысе.jpg"]);
    await extract(stage.tree.join("album.zip"), stage.tree.join("unpacked"));
    await assertSameTree(stage.tree.join("unpacked"), join(photos, hash));

    localise(stage, "label.php");
    assert.equal(await php(stage, "label.php", hash), "Download (2 files, 1.2 MB)\n");
    const withdraw = `<?php require 'photos.php'; withdraw_photos('photos', '${hash}');`;
    Deno.writeTextFileSync(stage.tree.join("withdraw.php"), withdraw);
    assert.equal(await php(stage, "withdraw.php"), "");
    assert.deepEqual(namesIn(photos), before);
    assert.equal((await get(stage, `/archive/${hash}/`)).status, 404);
    assert.equal(await php(stage, "label.php", hash), "No photos yet\n");
  },
);

testWith(
  TOOLS,
  "docs/cms.md: an album that fails leaves nothing, and no name leads out",
  async () => {
    await using stage = await prepare();
    writePhpBlocks(stage);
    const before = namesIn(stage.tree.join("photos"));
    const names = ["../out.jpg", "a\\b.jpg", "a/b.jpg", ".hidden", "", "a\0b"];
    for (
      const [name, source] of [["b.jpg", "missing"], ...names.map((n) => [n, "album/IMG_0003.jpg"])]
    ) {
      const album = JSON.stringify({ "a.jpg": "album/IMG_0003.jpg", [name]: source });
      const code = `<?php require 'photos.php';
      try { publish_photos('photos', json_decode($argv[1], true)); echo 'published'; }
      catch (RuntimeException $error) { echo 'refused'; }`;
      Deno.writeTextFileSync(stage.tree.join("try.php"), code);
      assert.match(await php(stage, "try.php", album), /refused$/, name);
      assert.deepEqual(namesIn(stage.tree.join("photos")), before, name);
    }
  },
);

onLinux(["python3"], "docs/migration.md: what it says of folders is so", async () => {
  await using tree = await makeTree({
    "photos/empty-0123456789abcdef": { directory: true },
    "photos/mixed-0123456789abcdef/a.jpg": "a",
    "photos/mixed-0123456789abcdef/.hidden": "h",
    "photos/mixed-0123456789abcdef/Thumbs.db": "t",
    "photos/mixed-0123456789abcdef/b?.jpg": "b",
    "photos/mixed-0123456789abcdef/folder/c.jpg": "c",
    "photos/mixed-0123456789abcdef/void": { directory: true },
    "photos/mixed-0123456789abcdef/out": { symlink: "../../secret" },
    "photos/mixed-0123456789abcdef/in": { symlink: "a.jpg" },
    "photos/linked-0123456789abcdef": { symlink: "mixed-0123456789abcdef" },
    "photos/имя": { directory: true },
    "secret": "s",
  });
  await using plain = await start(["-f", tree.join("photos"), "-l"]);
  await using lenient = await start(["-f", tree.join("photos"), "--hidden", "--follow-symlinks"]);
  const statuses = ["empty", "linked"].map(async (name) => {
    const path = `/archive/${name}-0123456789abcdef/`;
    return [
      (await get({ program: plain }, path)).status,
      (await get({ program: lenient }, path)).status,
    ];
  });
  assert.deepEqual(await Promise.all(statuses), [[404, 404], [404, 404]]);
  await said(plain, /folders that no link can reach/);
  const names = async (program: Program) => {
    const { body } = await get({ program }, "/archive/mixed-0123456789abcdef/");
    Deno.writeFileSync(tree.join("a.zip"), body);
    return (await listWithPython(tree.join("a.zip"))).map(({ name }) => name);
  };
  assert.deepEqual(await names(plain), ["a.jpg", "b_.jpg", "folder/c.jpg", "void/"]);
  assert.deepEqual(await names(lenient), [
    ".hidden",
    "a.jpg",
    "b_.jpg",
    "folder/c.jpg",
    "in",
    "void/",
  ]);
  for (const line of plain.stderr().trim().split("\n")) {
    assert.ok(!line.includes("mixed-0123456789abcdef"), line);
    JSON.parse(line);
  }
});

Deno.test("docs/migration.md: with -d 0.5 a download comes in chunks of 32 KiB", async () => {
  const path = "photos/with-a-photo-in-it/1.jpg";
  await using tree = await makeTree({ [path]: randomBytes(4.5 * 32 * 1024) });
  await using program = await start(["-f", tree.join("photos"), "-d", "0.5"]);
  const started = performance.now();
  const { status, complete } = await get({ program }, "/archive/with-a-photo-in-it/");
  const seconds = (performance.now() - started) / 1000;
  assert.deepEqual([status, complete], [200, true]);
  assert.ok(seconds > 1.9, `five chunks, so four waits of half a second: ${seconds} s`);
});

testWith(["python3"], `${WINDOWS}: what needs no Windows`, async () => {
  const blocks = blocksOf(read(WINDOWS));
  for (const { language, text } of blocks) {
    if (language === "xml") await assertXml(text);
    else if (language === "ini") assert.equal(parseEnv(text).PHOTOS_DIR, "D:\\new photos");
    else assert.ok(["powershell", ""].includes(language), text); // no PowerShell here
  }
  assert.notEqual(parseEnv('PHOTOS_DIR="D:\\new photos"').PHOTOS_DIR, "D:\\new photos");
  await using empty = await makeTree();
  const { code, stderr } = await runToEnd(["--engine", "zip"], { env: { PATH: empty.path } });
  assert.equal(code, 2);
  const quoted = (start: string) => blocks.find(({ text }) => text.startsWith(start))?.text.trim();
  assert.ok(stderr.split("\n").includes(quoted("zipferry: ")!), stderr);
  const names = new BadNames();
  for (const name of ["CON.d", "in/photo.jpg."]) names.add(name, "windows");
  assert.throws(() => names.assertNone(), { message: quoted("list folder: ") });
});

/** Files as the pages assume them, served on a free port */
async function prepare(): Promise<Stage> {
  const tree = await makeTree(SHELF);
  try {
    const program = await start(["--folder", tree.join("photos")]);
    const dispose = async () => {
      await program[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    };
    return { tree, program, hash: HASH, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
}

/** Fields that GitHub requires, and no others: it rejects a form that has any it does not know */
function assertForm({ name, description, body, ...others }: Form, file: string) {
  assert.ok(name && description && body.length > 0, file);
  assert.deepEqual(Object.keys(others), ["labels"], file);
  const questions = body.filter(({ type }) => type !== "markdown");
  assert.ok(questions.length > 0, file);
  for (const { type, id, attributes, ...others } of body) {
    assert.ok(Object.keys(others).every((key) => key === "validations"), `${file}: ${id}`);
    assert.ok(["markdown", "input", "textarea", "dropdown", "checkboxes"].includes(type), type);
    if (type === "markdown") assert.ok(attributes.value, file);
    else assert.ok(attributes.label && /^[a-z]+$/.test(id ?? ""), `${file}: ${id}`);
    const hasOptions = type === "dropdown" || type === "checkboxes";
    assert.equal(hasOptions, (attributes.options ?? []).length > 0, `${file}: ${id}`);
  }
  assert.equal(
    new Set(questions.map(({ id }) => id)).size,
    questions.length,
    `${file}: ids differ`,
  );
  const labels = new Set(questions.map(({ attributes }) => attributes.label));
  assert.equal(labels.size, questions.length, `${file}: labels differ`);
}

async function runBlock({ language, text }: Block, stage: Stage) {
  if (Object.keys(NOT_RUN).some((start) => text.startsWith(start))) return;
  switch (language) {
    case "console":
      for (const { command, output } of transcript(text)) await runLine(command, output, stage);
      break;
    case "sh":
      if (isServer(text)) await assertServes(text, stage);
      else await shell(text, stage);
      break;
    case "php":
    case "python":
      await script(language, text, stage);
      break;
    case "":
    case "json": // all of them are parsed above
    case "nginx": // testing/cms_test.ts
      break;
    default:
      assert.fail(`a block in ${language}: say how it is run`);
  }
}

async function runLine(command: string, output: string, stage: Stage) {
  if (isServer(command)) return await assertServes(command, stage, output);
  const printed = await shell(command, stage, { anyCode: true });
  const expected = onPort(output, stage).split("…").map((part) => RegExp.escape(part)).join(".*");
  assert.match(printed, new RegExp(`^${expected}$`), command);
}

/** Runs commands in the stage's folder; those with deno in the project, but on the stage's photos */
async function shell(text: string, stage: Stage, options: { readonly anyCode?: boolean } = {}) {
  const { tree } = stage;
  const inProject = /\bdeno\b/.test(text);
  const commands = onPort(inProject ? onShelf(text, tree) : text, stage);
  const { code, stdout, stderr } = await run("bash", ["-euc", commands], {
    cwd: inProject ? ROOT : tree.path,
    env: { ...environment(), hash: stage.hash },
    within: 30_000,
  });
  const printed = new TextDecoder().decode(stdout).replaceAll("\r\n", "\n");
  if (!options.anyCode) assert.equal(code, 0, `${text}\n${printed}${stderr}`);
  stage.hash = lastHash(printed) ?? stage.hash;
  return code === 0 ? printed : printed + stderr;
}

/** Starts what goes on until it is stopped, on a free port, and stops it when it listens */
async function assertServes(text: string, { tree }: Stage, output = "") {
  const command = onShelf(text, tree).replaceAll(/\b808[01]\b/g, "0");
  const child = new Deno.Command("bash", {
    args: ["-c", command],
    cwd: ROOT,
    env: { ...environment(), PORT: "0" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  let printed = "";
  const reading = (async () => {
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) printed += part;
  })();
  let ended = false;
  const status = child.status.finally(() => ended = true);
  try {
    await until(() => printed.includes("\n") || ended, `${text}: listens`, 30_000);
  } finally {
    if (!ended) offspring(child.pid).forEach((pid) => Deno.kill(pid, "SIGTERM"));
    await Promise.all([status, reading]);
  }
  assert.match(printed, /^Listening on http:\/\/127\.0\.0\.1:\d+\/\n$/, await errors);
  if (output) assert.equal(printed.replace(/:\d+\//, ":8080/"), output);
}

/** A script is a file of its own, named in its first line; others may require it */
async function script(language: "php" | "python", text: string, stage: Stage) {
  const name = nameOf(text);
  Deno.writeTextFileSync(stage.tree.join(name), onPort(text, stage));
  const interpreter = language === "php" ? "php" : "python3";
  await shell(`${interpreter} ${name} "$hash"`, stage);
}

async function php({ tree }: Stage, file: string, ...args: string[]) {
  const { stdout, stderr } = await run("php", [file, ...args], { cwd: tree.path, within: 20_000 });
  assert.doesNotMatch(stderr, /Fatal|Parse error/);
  return new TextDecoder().decode(stdout);
}

/** The page's PHP, each block as a file of the name that it gives itself */
function writePhpBlocks({ tree }: Stage) {
  for (const { text } of phpBlocks()) Deno.writeTextFileSync(tree.join(nameOf(text)), text);
}

function phpBlocks() {
  return blocksOf(read("docs/cms.md")).filter(({ language }) => language === "php");
}

function localise(stage: Stage, file: string) {
  const path = stage.tree.join(file);
  Deno.writeTextFileSync(path, onPort(Deno.readTextFileSync(path), stage));
}

function get({ program }: { readonly program: Program }, path: string) {
  return exchange(program.port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
}

async function assertXml(text: string) {
  const parse = "import sys, xml.dom.minidom as x; x.parse(sys.stdin.buffer)";
  const { code, stderr } = await run("python3", ["-c", parse], { stdin: text });
  assert.equal(code, 0, stderr);
}

/** The running executable is the one that commands call */
function environment() {
  return { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`, NO_COLOR: "1" };
}

function onPort(text: string, { program }: Stage) {
  return text.replaceAll(/127\.0\.0\.1:808[01]/g, `127.0.0.1:${program.port}`);
}

function onShelf(text: string, tree: Tree) {
  return text
    .replaceAll(/\bnpx --yes deno@[\d.]+/g, "deno")
    .replaceAll(/\b(?:photos|checksums\.sqlite)(?=[\s,]|$)/g, (name) => tree.join(name));
}

function isServer(text: string) {
  const line = text.split("\n")[0].trim();
  return SERVERS.some((server) => line === server || line.startsWith(`${server} --allow-read`));
}

/** The process and all that come from it, children first */
function offspring(pid: number): number[] {
  return [...childrenOf(pid).flatMap(offspring), pid];
}

function lastHash(text: string) {
  return [...text.matchAll(/\/archive\/([0-9a-f]{32})\/$/gm)].at(-1)?.[1];
}

function nameOf(text: string) {
  const [, name] = /^(?:<\?php \/\/|#) (\w+\.\w+)$/m.exec(text.split("\n")[0]) ?? [];
  assert.ok(name, `a name in the first line: ${text}`);
  return name;
}

function namesIn(folder: string) {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function isPage(path: string) {
  return path.endsWith(".md");
}

function read(page: string) {
  return Deno.readTextFileSync(join(ROOT, page));
}

/** Commands behind `$`, each with the lines that it prints */
function transcript(text: string) {
  return text.split(/^\$ /m).slice(1).map((part) => {
    const end = part.indexOf("\n") + 1;
    return { command: part.slice(0, end).trim(), output: part.slice(end) };
  });
}

/** Fenced blocks, those in lists too, without the indentation of the fence */
function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^( *)```(\w*)(?: ignore)?\n([^]*?)^\1```$/gm)].map((
    [, indent, language, body],
  ) => ({
    language,
    text: body.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  }));
}

function withoutBlocks(text: string) {
  return text.replaceAll(/^( *)```\w*(?: ignore)?\n[^]*?^\1```$/gm, "");
}

/** Targets of links and pictures that are no addresses */
function linksOf(text: string): string[] {
  const prose = withoutBlocks(text).replaceAll(/`[^`\n]*`/g, (code) => "x".repeat(code.length));
  return [...prose.matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)]
    .map(([, link, source]) => link ?? source)
    .filter((link) => !/^[a-z]+:/.test(link));
}

function headingsOf(text: string) {
  return [...withoutBlocks(text).matchAll(/^(#+) (.+)$/gm)]
    .map(([, marks, title]) => ({ level: marks.length, title }));
}

function leads(page: string, link: string) {
  const [path, fragment] = link.split("#");
  const target = path === "" ? page : join(dirname(page), decodeURIComponent(path));
  if (!exists(target)) return false;
  return fragment === undefined || anchorsOf(read(target)).includes(decodeURIComponent(fragment));
}

function exists(path: string) {
  try {
    return Boolean(Deno.statSync(join(ROOT, path)));
  } catch {
    return false;
  }
}

/** What GitHub makes of headings: lower case, spaces to hyphens, no punctuation */
function anchorsOf(text: string) {
  return headingsOf(text).map(({ title }) =>
    title.toLowerCase().replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, "").replaceAll(" ", "-")
  );
}

Deno.test("docs/architecture.md names files that exist, and every folder of the project", () => {
  const page = read("docs/architecture.md");
  const named = [...page.matchAll(/`([a-z][\w./]*(?:\/|\.ts|\.md|\.json))`/g)].map(([, name]) =>
    name
  );
  const missing = named.filter((name) => name.includes("/") && !exists(name));
  assert.deepEqual(missing, []);
  const made = ["dist", ".git", ".coverage", ".mutants"];
  const folders = [...Deno.readDirSync(ROOT)]
    .filter(({ name, isDirectory }) => isDirectory && !made.includes(name))
    .map(({ name }) => name);
  const [, rooms] = /```\n([^]*?)```/.exec(page)!;
  assert.deepEqual(folders.filter((name) => !rooms.includes(`\n${name}/`)), []);
});
