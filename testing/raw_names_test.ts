/**
 * Names in CP1251, as FTP programs of old left them: what the owner and a visitor are told, and that
 * what the documentation recommends puts them right.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Program, start, until } from "./process.ts";
import { exchange } from "./raw.ts";
import { run, testWith, tool } from "./tools.ts";
import { makeTree } from "./tree.ts";

const HASH = "c1a7f3d2905e4b68a7d1046e5b92f83c";
const GOOD = "e95b20c7d4184f6f9a3b70d25c8e61fa";

/** An album with two files and a folder of such names, and one with a good name */
async function makeAlbums() {
  const tree = await makeTree({
    [`photos/${GOOD}/Утро.jpg`]: "good",
    [`photos/${HASH}/a.jpg`]: "a",
  });
  const script = `import os, sys
os.chdir(os.fsencode(sys.argv[1]))
folder = "Байкал".encode("cp1251")
os.mkdir(folder)
for name in (folder + b"/x.jpg", "Утро.jpg".encode("cp1251"), "Вечер.jpg".encode("cp1251")):
  open(name, "w").write("photo")`;
  const { code } = await run("python3", ["-c", script, tree.join("photos", HASH)]);
  assert.equal(code, 0);
  return tree;
}

async function ask({ port }: Program, path: string, language: string) {
  const head = [`GET ${path} HTTP/1.1`, "Host: localhost", `Accept-Language: ${language}`];
  const answer = await exchange(port, `${head.join("\r\n")}\r\n\r\n`);
  return { ...answer, text: new TextDecoder().decode(answer.body) };
}

if (Deno.build.os === "linux") { // others refuse such names
  testWith(["python3"], "names that are not UTF-8: the owner is told at the start", async () => {
    await using tree = await makeAlbums();
    await using program = await start(["-f", tree.join("photos")]);
    const warning = /"level":"WARN[^\n]*"archive":"c1a7…"[^\n]*3 names are not valid UTF-8/;
    await until(() => warning.test(program.stderr()), "the log names it");
    assert.ok(!program.stderr().includes(HASH));
    assert.ok(!program.stderr().includes(GOOD.slice(0, 4)));
  });

  testWith(["python3"], "names that are not UTF-8: a visitor is told whom to ask", async () => {
    await using tree = await makeAlbums();
    await using program = await start(["-f", tree.join("photos")]);
    for (const path of [`/archive/${HASH}/`, `/archive/${HASH}/?manifest`]) {
      const english = await ask(program, path, "en");
      assert.equal(english.status, 500);
      assert.match(english.text, /Trying again will not help.*tell the person/);
      assert.doesNotMatch(english.text, /later|valid UTF-8/);
      const russian = await ask(program, path, "ru");
      assert.match(russian.text, /Повторять попытку бесполезно/);
      assert.doesNotMatch(russian.text, /позже/);
    }
    const error = /"level":"ERROR[^\n]*"archive":"c1a7…"[^\n]*3 names are not valid UTF-8/;
    await until(() => error.test(program.stderr()), "the log names it");
    assert.equal((await ask(program, `/archive/${GOOD}/`, "en")).status, 200);
    assert.ok((await ask(program, "/", "en")).text.includes(GOOD));
  });

  Deno.test({
    name: "docs/names.md: convmv puts names right",
    ignore: tool("convmv") === null || tool("python3") === null,
    async fn() {
      await using tree = await makeAlbums();
      const root = tree.join("photos");
      const args = ["-f", "cp1251", "-t", "utf8", "-r"];
      assert.equal((await run("convmv", [...args, root])).code, 0);
      await using program = await start(["-f", root]);
      assert.equal((await ask(program, `/archive/${HASH}/`, "en")).status, 500, "only tried");
      assert.equal((await run("convmv", [...args, "--notest", root])).code, 0);
      const { status, text } = await ask(program, `/archive/${HASH}/?manifest`, "en");
      assert.equal(status, 200);
      const names = JSON.parse(text).files.map(({ name }: { name: string }) => name);
      assert.deepEqual(names, ["a.jpg", "Байкал/x.jpg", "Вечер.jpg", "Утро.jpg"]);
    },
  });
}
