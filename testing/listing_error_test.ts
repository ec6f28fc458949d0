import assert from "node:assert/strict";
import { start } from "./process.ts";
import { testWith } from "./tools.ts";
import { makeTree } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const OTHER = "e07b6a1d4c92583fb6d07f3a18c5e924";
const FILES = 3000;

/** Long names, so that the system hands the directory out in several pieces */
const photos = Object.fromEntries(
  Array.from({ length: FILES }, (_, i) => [`${HASH}/${"a-long-name-".repeat(5)}${i}.jpg`, ""]),
);

/** A service whose reads of one directory fail from the nth on, as on a disk that is going bad */
async function serve(directory: string, fault: string) {
  const tree = await makeTree({ ...photos, [`${HASH}/inner/b.jpg`]: "", [`${OTHER}/a.jpg`]: "1" });
  const inject = ["-e", "trace=getdents64", "-e", `inject=getdents64:error=${fault}`];
  const path = tree.join(directory);
  const prefix = ["strace", "-f", "-qq", "-P", path, ...inject, "-o", tree.join("strace.log")];
  const program = await start(["--folder", tree.path], { prefix });
  return {
    program,
    link: (hash: string, query = "") => `http://127.0.0.1:${program.port}/archive/${hash}/${query}`,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

for (const fault of ["EIO:when=1+", "EIO:when=2+", "ENOMEM:when=2+", "ESTALE:when=3+"]) {
  for (const directory of [HASH, `${HASH}/inner`]) {
    const many = directory === HASH;
    if (!many && !fault.includes("when=1+")) continue; // it is read in one go
    testWith(
      ["strace"],
      `a directory that cannot be read to its end is 503, never fewer files: ${fault}${
        many ? "" : ", inside"
      }`,
      async () => {
        await using site = await serve(directory, fault);
        const statuses = [];
        // Each thread of the runtime counts for itself: one of them may still get through.
        for (let attempt = 0; attempt < 5; attempt++) {
          const answer = await fetch(site.link(HASH, "?manifest"));
          statuses.push(answer.status);
          const text = await answer.text();
          if (answer.status !== 200) continue;
          assert.equal(JSON.parse(text).count, FILES + 1, "an archive is whole");
        }
        assert.ok(statuses.includes(503), statuses.join());
        assert.ok(statuses.every((status) => status === 503 || status === 200), statuses.join());
        const answer = await fetch(site.link(HASH));
        await answer.body?.cancel();
        if (answer.status === 503) assert.equal(answer.headers.get("retry-after"), "5");
        const [name] = fault.split(":");
        const line = new RegExp(`request failed with .*503.*${name}`);
        const logged = site.program.stderr().split("\n").filter((text) => line.test(text));
        assert.ok(logged.length > 0, site.program.stderr());
        for (const text of logged) assert.match(text, /"archive":"5d1c…"/);
        assert.ok(!site.program.stderr().includes(HASH));
        const other = await fetch(site.link(OTHER));
        assert.equal(other.status, 200);
        await other.bytes();
      },
    );
  }
}
