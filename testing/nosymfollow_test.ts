/**
 * Photos on a mount that follows no symlinks, as `docs/security.md` recommends.
 *
 * @module
 */

import assert from "node:assert/strict";
import { start } from "./process.ts";
import { exchange } from "./raw.ts";
import { listWithPython } from "./readers.ts";
import { testWith } from "./tools.ts";
import { makeTree } from "./tree.ts";

const PAGE = await Deno.readTextFile(new URL("../docs/security.md", import.meta.url));
const HASH = "4d7a90e15fc83b26a0d97c31e85bf402";

testWith(
  ["unshare", "mount", "python3", "sh"],
  "security.md: nosymfollow keeps symlinks out and the service working",
  async () => {
    if (Deno.build.os !== "linux" || Deno.uid() !== 0) return; // others may not mount
    await using tree = await makeTree({
      [`photos/${HASH}/a.jpg`]: "a",
      [`photos/${HASH}/folder/b.jpg`]: "b",
      [`photos/${HASH}/link.jpg`]: { symlink: "a.jpg" },
      "photos/linked-0123456789": { symlink: HASH },
    });
    const photos = tree.join("photos");
    const [, recipe] = /```sh\n(mount --bind [^]*?)```/.exec(PAGE)!;
    const mount = recipe.replaceAll("/srv/photos", photos);
    const refused = `! cat ${photos}/${HASH}/link.jpg 2>/dev/null`;
    const prefix = ["unshare", "--mount", "sh", "-euc", `${mount}${refused}; exec "$@"`, "sh"];
    await using program = await start(["--folder", photos], { prefix });
    const get = (name: string) =>
      exchange(program.port, `GET /archive/${name}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
    const { status, body } = await get(HASH);
    assert.equal(status, 200);
    await Deno.writeFile(tree.join("a.zip"), body);
    const names = (await listWithPython(tree.join("a.zip"))).map(({ name }) => name);
    assert.deepEqual(names, ["a.jpg", "folder/b.jpg"]);
    assert.equal((await get("linked-0123456789")).status, 404);
  },
);
