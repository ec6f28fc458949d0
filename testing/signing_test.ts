/**
 * `docs/signing.md`: its recipes sign as the service does.
 *
 * @module
 */

import assert from "node:assert/strict";
import { isSigned, signedQuery } from "../http/signature.ts";
import { parseArchiveQuery } from "../http/query.ts";
import { start } from "./process.ts";
import { run, testWith } from "./tools.ts";
import { makeTree } from "./tree.ts";

const PAGE = Deno.readTextFileSync(new URL("../docs/signing.md", import.meta.url));
const SECRET = "for-tests-only-4f1c9a77";
const HASH = "5b0d81c3f2a94e67a0c8d15e3b7f2694";
const EXPIRES = 1893456000;

interface Vector {
  readonly files: readonly string[];
  readonly signature: string;
}

const VECTORS: readonly Vector[] = JSON.parse(blockOf("json", "["));

function blockOf(language: string, beginning: string): string {
  const blocks = [...PAGE.matchAll(/^```(\w*)\n([^]*?)^```$/gm)];
  const found = blocks.filter(([, name, text]) => name === language && text.startsWith(beginning));
  assert.equal(found.length, 1, `${language}: ${beginning}`);
  return found[0][2];
}

/** A link of the recipe is good, and has the signature of the page */
function assertLink(printed: Uint8Array, { files, signature }: Vector) {
  const link = new TextDecoder().decode(printed).trimEnd();
  const [path, query] = link.split("?");
  assert.equal(path, `/archive/${HASH}/`);
  const read = parseArchiveQuery(query);
  assert.deepEqual(read.signature, { expires: EXPIRES, value: signature }, link);
  assert.deepEqual(new Set(read.files), new Set(files));
  assert.ok(isSigned({ hash: HASH, files: read.files, signature: read.signature! }, [SECRET]));
}

Deno.test("docs/signing.md: the vectors are what the service signs", () => {
  assert.ok(VECTORS.length > 3 && PAGE.includes(SECRET) && PAGE.includes(HASH));
  for (const { files, signature } of VECTORS) {
    const query = signedQuery({ hash: HASH, expires: EXPIRES, files }, SECRET);
    assert.ok(query.endsWith(`expires=${EXPIRES}&signature=${signature}`), query);
  }
});

testWith(["php"], "docs/signing.md: the recipe in PHP makes the links of the vectors", async () => {
  const code = `${blockOf("php", "<?php // signed_link.php")}
echo signed_link($argv[1], (int) $argv[2], $argv[3], array_slice($argv, 4)), "\\n";`;
  await using tree = await makeTree({ "signed_link.php": code });
  for (const vector of VECTORS) {
    const args = ["signed_link.php", HASH, String(EXPIRES), SECRET, ...vector.files];
    const { code, stdout, stderr } = await run("php", args, { cwd: tree.path });
    assert.deepEqual([code, stderr], [0, ""]);
    assertLink(stdout, vector);
  }
});

testWith(
  ["python3"],
  "docs/signing.md: the recipe in Python makes the links of the vectors",
  async () => {
    const code = `${blockOf("python", "# signed_link.py")}
import sys
print(signed_link(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]))`;
    await using tree = await makeTree({ "signed_link.py": code });
    for (const vector of VECTORS) {
      const args = ["signed_link.py", HASH, String(EXPIRES), SECRET, ...vector.files];
      const { code, stdout, stderr } = await run("python3", args, { cwd: tree.path });
      assert.deepEqual([code, stderr], [0, ""]);
      assertLink(stdout, vector);
    }
  },
);

for (const shell of ["bash", "dash"]) {
  testWith([shell, "openssl"], `docs/signing.md: the recipe for a shell, in ${shell}`, async () => {
    const code = `${blockOf("sh", "# signed_link.sh")}\nsigned_link "$@"`;
    await using tree = await makeTree({ "signed_link.sh": code });
    const args = ["signed_link.sh", HASH, String(EXPIRES), SECRET];
    const { code: exit, stdout, stderr } = await run(shell, args, { cwd: tree.path });
    assert.deepEqual([exit, stderr], [0, ""]);
    assertLink(stdout, VECTORS[0]);
  });
}

/** What the page says after "With it:", in one line */
function usageOf(beginning: string): string {
  const [, line] = new RegExp(`^With it: \`(${beginning}[^\`]*)\``, "m").exec(PAGE) ?? [];
  assert.ok(line, beginning);
  return line;
}

/** Links that recipes made with the first of two secrets lead where they say */
async function assertLinksWork(printed: Uint8Array, kinds: readonly string[]) {
  await using tree = await makeTree({
    "photos": { directory: true },
    [`photos/${HASH}/cover.jpg`]: "1",
    [`photos/${HASH}/Ceremony/IMG_0001.jpg`]: "2",
    "link_secret": TWO_SECRETS,
  });
  const signed = ["--secret-file", tree.join("link_secret"), "--links", "signed"];
  await using program = await start(["--folder", tree.join("photos"), ...signed]);
  const links = new TextDecoder().decode(printed).trim().split("\n");
  assert.equal(links.length, kinds.length);
  for (const [i, link] of links.entries()) {
    const target = link.replace("https://photos.example.org", "").replace(/^\//, "");
    const answer = await fetch(program.url + target);
    assert.equal(answer.status, 200, link);
    assert.equal(answer.headers.get("content-type")?.split(";")[0], kinds[i], link);
    await answer.body?.cancel();
    const other = await fetch(program.url + target.replace(/expires=1/, "expires=2"));
    assert.equal(other.status, 404, link);
    await other.body?.cancel();
  }
}

const TWO_SECRETS = `${SECRET}\nthe-old-one-3f9d2c71\n`;
const [ZIP, HTML] = ["application/zip", "text/html"];

testWith(
  ["php"],
  "docs/signing.md: the links in PHP work, while a secret is changed too",
  async () => {
    const usage = blockOf("php", "$secret = trim(");
    const code = `${blockOf("php", "<?php // signed_link.php")}
$hash = '${HASH}';
${usage}
echo "$link\\n$two\\n$page\\n";`;
    await using tree = await makeTree({ "links.php": code, "link_secret": TWO_SECRETS });
    const { code: exit, stdout, stderr } = await run("php", ["links.php"], { cwd: tree.path });
    assert.deepEqual([exit, stderr], [0, ""]);
    await assertLinksWork(stdout, [ZIP, ZIP, HTML]);
  },
);

testWith(["python3"], "docs/signing.md: the link in Python works", async () => {
  const code = `${blockOf("python", "# signed_link.py")}
import time
hash = "${HASH}"
print(${usageOf("signed_link\\(hash")})`;
  await using tree = await makeTree({ "links.py": code, "link_secret": TWO_SECRETS });
  const { code: exit, stdout, stderr } = await run("python3", ["links.py"], { cwd: tree.path });
  assert.deepEqual([exit, stderr], [0, ""]);
  await assertLinksWork(stdout, [ZIP]);
});

testWith(["dash", "openssl"], "docs/signing.md: the link in a shell works", async () => {
  const code = `${blockOf("sh", "# signed_link.sh")}
hash=${HASH}
${usageOf('signed_link "')}`;
  await using tree = await makeTree({ "links.sh": code, "link_secret": TWO_SECRETS });
  const { code: exit, stdout, stderr } = await run("dash", ["links.sh"], { cwd: tree.path });
  assert.deepEqual([exit, stderr], [0, ""]);
  await assertLinksWork(stdout, [ZIP]);
});
