import assert from "node:assert/strict";
import { start } from "../testing/process.ts";
import { makeTree } from "../testing/tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";

Deno.test("staging folders and junk are no reason for a warning", async () => {
  await using tree = await makeTree({
    [`${HASH}/a.jpg`]: "1",
    [`.${HASH}/half.jpg`]: "1",
    ".upload-7f3a/half.jpg": "1",
    "@eaDir/x": "1",
    "__MACOSX/x": "1",
  });
  await using program = await start(["-f", tree.path]);
  program.kill("SIGKILL");
  await program.status; // all that it wrote is here
  assert.equal(program.stderr(), "");
});

Deno.test("a folder that no link reaches is named, and the command that helps", async () => {
  const windows = Deno.build.os === "windows";
  const name = windows ? "Wedding 2026" : "Свадьба 2026";
  await using tree = await makeTree({ [`${name}/a.jpg`]: "1", [`.${HASH}/half.jpg`]: "1" });
  await using program = await start(["-f", tree.path]);
  program.kill("SIGKILL");
  await program.status;
  const { level, message, properties } = JSON.parse(program.stderr());
  assert.deepEqual([level, properties], ["WARN", { count: 1, names: [name] }]);
  assert.match(message, /command new$/);
});

Deno.test("the list goes on on further pages, each with the policy of a page", async () => {
  const names = Array.from({ length: 150 }, (_, i) => `album-${i}-0123456789abcdef`);
  await using tree = await makeTree(
    Object.fromEntries(names.map((name) => [`${name}/a.jpg`, "1"])),
  );
  await using program = await start(["-f", tree.path]);
  const seen: string[] = [];
  for (const [path, count] of [["", 100], ["?page=2", 50], ["?page=3", 50]] as const) {
    const answer = await fetch(program.url + path);
    const text = await answer.text();
    const links = [...text.matchAll(/href="\/archive\/([^"/]+)\/"/g)].map(([, name]) => name);
    assert.equal(links.length, count);
    if (path !== "?page=3") seen.push(...links);
    assert.match(answer.headers.get("content-security-policy")!, /^default-src 'none'; /);
    assert.equal(answer.headers.get("content-length"), String(new Blob([text]).size));
  }
  assert.deepEqual(seen.sort(), names.sort());
  program.kill("SIGKILL");
  await program.status;
  assert.equal(program.stderr(), "");
});
