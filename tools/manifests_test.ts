import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import project from "../deno.json" with { type: "json" };
import { standIn } from "../testing/task.ts";
import { accept, run, testOnLinux, testWith } from "../testing/tools.ts";
import { makeTree, type Tree } from "../testing/tree.ts";
import { TARGETS } from "./compile.ts";
import { ManifestError, manifests, parseSums, type Release } from "./manifests.ts";

const SCRIPT = fileURLToPath(new URL("manifests.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../deno.dev.json", import.meta.url));
const LICENSE = fileURLToPath(new URL("../LICENSE", import.meta.url));
const SMOKE = fileURLToPath(new URL("../.ci/smoke", import.meta.url));
const URLS = "https://github.com/some-one/zipferry/releases/download/1.2.3/";

/** As Arch Linux names it; the stand-in of a test runs on any */
const ARCHITECTURE = "x86_64";

/** A sum for each executable, that tells which one it is of */
const SUMS = Object.values(TARGETS).map((suffix) => {
  const name = `zipferry-1.2.3-${suffix}`;
  return `${sumOf(name)}  ${name}\n`;
}).join("");

const RELEASE: Release = {
  version: "1.2.3",
  repository: "some-one/zipferry",
  sums: parseSums(SUMS),
  licenseSum: sumOf("LICENSE"),
};

function sumOf(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Each address of a release in a text has the right checksum in the next line but `between` */
function assertSums(text: string, names: readonly string[]) {
  for (const name of names) {
    const at = text.indexOf(URLS + name);
    assert.ok(at >= 0, `${name} is there`);
    const [sum] = /\b[0-9a-f]{64}\b/i.exec(text.slice(at))!;
    assert.equal(sum.toLowerCase(), sumOf(name), name);
  }
  const found = text.split(URLS).length - 1;
  assert.equal(found, names.length, "no other address");
}

/** Whether this machine has a fault in a text; its exit code is 0 if not */
async function assertAccepted(command: string, args: readonly string[]) {
  const { code, stdout, stderr } = await run(command, args);
  assert.equal(code, 0, new TextDecoder().decode(stdout) + stderr);
}

Deno.test("parseSums() reads what sha256sum writes, and nothing else", () => {
  const [a, b] = [sumOf("a"), sumOf("b")];
  assert.deepEqual([...parseSums(`${a}  one\n${b} *two\n`)], [["one", a], ["two", b]]);
  for (const line of ["", a, `${a} one`, `${a.slice(1)}  one`, `${a}  one two`, `\\${a}  one`]) {
    if (line === "") assert.equal(parseSums(line).size, 0);
    else assert.throws(() => parseSums(`${b}  two\n${line}\n`), ManifestError, line);
  }
});

Deno.test("manifests() refuses a release that lacks an executable, and a repository that is none", () => {
  for (const suffix of Object.values(TARGETS)) {
    const sums = new Map(RELEASE.sums);
    sums.delete(`zipferry-1.2.3-${suffix}`);
    assert.throws(() => manifests({ ...RELEASE, sums }), {
      message: `SHA256SUMS: no line for zipferry-1.2.3-${suffix}`,
    });
  }
  for (const repository of ["zipferry", "a/b/c", 'a"/b', "a/b c", `${"o".repeat(33)}/zipferry`]) {
    assert.throws(() => manifests({ ...RELEASE, repository }), ManifestError, repository);
  }
});

// Nobody ships the schemas of Scoop and winget in a package, so what they require is asserted here.
Deno.test("zipferry.json is a manifest of Scoop", () => {
  const text = manifests(RELEASE)["zipferry.json"];
  const { version, license, homepage, architecture, bin, autoupdate, ...others } = JSON.parse(text);
  assert.deepEqual(
    [version, license, homepage, bin],
    ["1.2.3", "MIT", "https://github.com/some-one/zipferry", "zipferry.exe"],
  );
  assert.deepEqual(Object.keys(others).sort(), ["checkver", "description"]);
  const expected: Record<string, { url: string; hash: string }> = {
    "64bit": {
      url: `${URLS}zipferry-1.2.3-windows-x64.exe#/zipferry.exe`,
      hash: sumOf("zipferry-1.2.3-windows-x64.exe"),
    },
    arm64: {
      url: `${URLS}zipferry-1.2.3-windows-arm64.exe#/zipferry.exe`,
      hash: sumOf("zipferry-1.2.3-windows-arm64.exe"),
    },
  };
  assert.deepEqual(architecture, expected);
  for (const [name, { url }] of Object.entries<{ url: string }>(autoupdate.architecture)) {
    assert.equal(url.replaceAll("$version", version), expected[name].url);
  }
  assert.equal(autoupdate.hash.url, "$baseurl/SHA256SUMS");
});

Deno.test("some-one.zipferry*.yaml are manifests of winget", () => {
  const files = Object.entries(manifests(RELEASE)).filter(([name]) => name.endsWith(".yaml"));
  assert.deepEqual(files.map(([name]) => name), [
    "some-one.zipferry.yaml",
    "some-one.zipferry.installer.yaml",
    "some-one.zipferry.locale.en-US.yaml",
  ]);
  const [version, installer, locale] = files.map(([, text]) => parse(text));
  for (const manifest of [version, installer, locale]) {
    assert.equal(manifest.PackageIdentifier, "some-one.zipferry");
    assert.equal(manifest.PackageVersion, "1.2.3");
    assert.match(manifest.ManifestVersion, /^\d+\.\d+\.\d+$/);
  }
  for (const [name, text] of files) {
    const { ManifestType: type, ManifestVersion: version } = parse(text);
    const schema = `https://aka.ms/winget-manifest.${type}.${version}.schema.json`;
    assert.ok(text.startsWith(`# yaml-language-server: $schema=${schema}\n`), name);
  }
  assert.deepEqual([version.ManifestType, version.DefaultLocale], ["version", "en-US"]);

  assert.deepEqual(
    [installer.ManifestType, installer.InstallerType, installer.Commands],
    ["installer", "portable", ["zipferry"]],
  );
  const expected = ["x64", "arm64"].map((processor) => ({
    Architecture: processor,
    InstallerUrl: `${URLS}zipferry-1.2.3-windows-${processor}.exe`,
    InstallerSha256: sumOf(`zipferry-1.2.3-windows-${processor}.exe`).toUpperCase(),
  }));
  assert.deepEqual(installer.Installers, expected);

  assert.deepEqual([locale.ManifestType, locale.PackageLocale], ["defaultLocale", "en-US"]);
  for (const required of ["Publisher", "PackageName", "License", "ShortDescription"]) {
    assert.ok(locale[required].length >= 3 && locale[required].length <= 256, required);
  }
  const urls = Object.entries<string>(locale).filter(([name]) => name.endsWith("Url"));
  for (const [name, url] of urls) assert.match(url, /^https:\/\/github\.com\/some-one/, name);
  assert.ok(locale.Tags.length <= 16);
});

Deno.test("zipferry.rb has the executables of Linux and macOS with their sums", () => {
  const text = manifests(RELEASE)["zipferry.rb"];
  const names = Object.values(TARGETS).filter((suffix) => !suffix.endsWith(".exe"))
    .map((suffix) => `zipferry-1.2.3-${suffix}`);
  assert.equal(names.length, 4);
  assertSums(text, names);
  const urls = [...text.matchAll(/^ {2}on_(\w+) do\n {4}on_(\w+) do\n {6}url "(.*)"/gm)];
  assert.deepEqual(urls.map(([, system, processor, url]) => [system, processor, url]), [
    ["macos", "arm", `${URLS}zipferry-1.2.3-macos-arm64`],
    ["linux", "arm", `${URLS}zipferry-1.2.3-linux-arm64`],
  ]);
  assert.match(text, /^ {4}on_intel do\n {6}url ".*-macos-x64"$/m);
  assert.match(text, /^ {4}on_intel do\n {6}url ".*-linux-x64"$/m);
  const [, description] = /^ {2}desc "(.*)"$/m.exec(text)!;
  assert.ok(description.length <= 80 && !/^(A|An|The|Zipferry) |\.$/i.test(description));
  assert.ok(text.split("\n").every((line) => line.length <= 160 && line === line.trimEnd()));
});

testWith(["ruby"], "zipferry.rb is Ruby", async () => {
  await using tree = await makeTree({ "zipferry.rb": manifests(RELEASE)["zipferry.rb"] });
  await assertAccepted("ruby", ["-wc", tree.join("zipferry.rb")]);
  await using broken = await makeTree({
    "zipferry.rb": manifests(RELEASE)["zipferry.rb"].replace(/^end$/m, ""),
  });
  assert.notEqual((await run("ruby", ["-c", broken.join("zipferry.rb")])).code, 0);
});

Deno.test("PKGBUILD has the addresses and sums of both executables, and leaves them whole", () => {
  const text = manifests(RELEASE).PKGBUILD;
  assertSums(text, ["zipferry-1.2.3-linux-x64", "zipferry-1.2.3-linux-arm64"]);
  assert.ok(text.includes(`sha256sums=('${RELEASE.licenseSum}')`));
  assert.match(text, /^options=\('!strip' /m);
});

testOnLinux(
  ["curl", "diff", "fakeroot", "makepkg", "pacman", "unzip"],
  "PKGBUILD: makepkg makes a package, pacman installs it, and it serves (by a stand-in that runs deno)",
  async () => {
    await using tree = await makeTree();
    const [program, license] = [standIn(), await Deno.readTextFile(LICENSE)];
    const name = "zipferry-1.2.3-linux-x64";
    const release = {
      ...RELEASE,
      sums: new Map([...RELEASE.sums, [name, sumOf(program)]]),
      licenseSum: sumOf(license),
    };
    // What lies beside it is not fetched.
    Deno.writeTextFileSync(tree.join(name), program);
    Deno.writeTextFileSync(tree.join("zipferry-1.2.3-LICENSE"), license);
    Deno.writeTextFileSync(tree.join("PKGBUILD"), manifests(release).PKGBUILD);
    await makePackage(tree);

    const root = tree.join("root");
    const pacman = (...args: string[]) => accept("fakeroot", ["pacman", "--root", root, ...args]);
    Deno.mkdirSync(tree.join("root/var/lib/pacman"), { recursive: true });
    const noQuestions = ["--noconfirm", "-dd"]; // nor what it depends on: the root has nothing else
    const packed = tree.join(`zipferry-bin-1.2.3-1-${ARCHITECTURE}.pkg.tar.gz`);
    await pacman("-U", ...noQuestions, packed);
    const installed = tree.join("root/usr/bin/zipferry");
    assert.equal(Deno.statSync(installed).mode! & 0o777, 0o755);
    const { code, stdout, stderr } = await run(SMOKE, [installed]);
    assert.equal(code, 0, stderr);
    assert.match(new TextDecoder().decode(stdout), /\nworks\n$/);
    assert.match(await pacman("-Qkk", "zipferry-bin"), / 0 altered files$/m);
    const copy = tree.join("root/usr/share/licenses/zipferry-bin/LICENSE");
    assert.equal(Deno.readTextFileSync(copy), license);

    await pacman("-R", ...noQuestions, "zipferry-bin");
    assert.deepEqual([...Deno.readDirSync(root)].map(({ name }) => name), ["var"]);
  },
);

/** Runs makepkg in a folder; it refuses root, who lends the folder to nobody for that */
async function makePackage(tree: Tree) {
  const env = { CARCH: ARCHITECTURE, HOME: tree.path, PKGEXT: ".pkg.tar.gz" };
  const options = { cwd: tree.path, env };
  const command = ["makepkg", "--nodeps", "--noconfirm"];
  if (Deno.uid() !== 0) return await accept(command[0], command.slice(1), options);
  await accept("chown", ["-R", "nobody", tree.path]);
  await accept("setpriv", ["--reuid=nobody", "--clear-groups", "--", ...command], options);
  await accept("chown", ["-R", "root", tree.path]);
}

Deno.test("tools/manifests.ts writes them beside SHA256SUMS, or tells in one line why not", async () => {
  const names = Object.values(TARGETS).map((suffix) => `zipferry-${project.version}-${suffix}`);
  await using tree = await makeTree({
    SHA256SUMS: names.map((name) => `${sumOf(name)}  ${name}\n`).join(""),
  });
  const flags = ["--config", CONFIG, "--no-prompt", "--allow-read", `--allow-write=${tree.path}`];
  const write = (...args: string[]) => run(Deno.execPath(), ["run", ...flags, SCRIPT, ...args]);
  const { code, stderr } = await write("--folder", tree.path, "--repository", "some-one/zipferry");
  assert.equal(code, 0, stderr);
  const written = [...Deno.readDirSync(tree.path)].map(({ name }) => name).sort();
  const release = {
    ...RELEASE,
    version: project.version,
    sums: parseSums(await Deno.readTextFile(tree.join("SHA256SUMS"))),
    licenseSum: sumOf(await Deno.readFile(LICENSE)),
  };
  const expected = manifests(release);
  assert.deepEqual(written, ["SHA256SUMS", ...Object.keys(expected)].sort());
  for (const [name, text] of Object.entries(expected)) {
    assert.equal(await Deno.readTextFile(tree.join(name)), text, name);
  }

  const refused = await write("--folder", tree.path, "--repository", "zipferry");
  assert.equal(refused.code, 1);
  assert.equal(
    refused.stderr,
    'manifests: --repository: "zipferry" is not like OWNER/zipferry\n',
  );
});
