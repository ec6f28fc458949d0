import assert from "node:assert/strict";
import { ConfigError } from "../../lib/config.ts";
import { quote } from "../../lib/quote.ts";
import { makeTree } from "../../testing/tree.ts";
import { isWholeDisk, openRoot } from "./root.ts";

Deno.test("openRoot() is the folder itself, without links on the way", async () => {
  await using tree = await makeTree({ "a/b/photo.jpg": "1" });
  assert.equal(await openRoot(tree.join("a/b")), tree.join("a/b"));
  assert.equal(await openRoot(`${tree.join("a")}/./b/../b/`), tree.join("a/b"));
  if (Deno.build.os === "windows") return;
  await Deno.symlink("a/b", tree.join("link"));
  assert.equal(await openRoot(tree.join("link")), tree.join("a/b"));
});

Deno.test("openRoot() refuses what is no folder, and a whole disk, and says why", async () => {
  await using tree = await makeTree({ "file": "1", "folder": { directory: true } });
  const cases: [string, RegExp][] = [
    [
      tree.join("missing"),
      /^--folder: .*missing.* cannot be read as a folder: there is none; create it, or /,
    ],
    [
      tree.join("file"),
      /^--folder: .*file.* cannot be read as a folder: it is a file; name the folder that it is in$/,
    ],
  ];
  if (Deno.build.os !== "windows") {
    cases.push(["/", /^--folder: "\/" is a whole disk; give a folder in it$/]);
    cases.push([`${tree.path}/folder/../../../../../../..`, /is a whole disk/]);
  }
  for (const [folder, message] of cases) {
    await assert.rejects(openRoot(folder), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("openRoot() looks into the folder: one that cannot be listed is refused", async () => {
  await using tree = await makeTree();
  const { readDir } = Deno;
  const { PermissionDenied, NotCapable } = Deno.errors;
  const cases: [Error, RegExp][] = [
    [
      new PermissionDenied("EACCES: no"),
      /: the user of this process may not read it; allow it to /,
    ],
    [new NotCapable("no"), /: not permitted, start deno with --allow-read=\S+$/],
    [new Error("EIO: no"), /: EIO: no; look at the disk and the path$/],
  ];
  try {
    for (const [error, message] of cases) {
      Deno.readDir = () => {
        throw error;
      };
      await assert.rejects(openRoot(tree.path), { name: "ConfigError", message });
    }
  } finally {
    Deno.readDir = readDir;
  }
});

Deno.test("openRoot(): where the runtime wants all permissions, it says so in words of its own", async () => {
  await using tree = await makeTree();
  const { realPath } = Deno;
  Deno.realPath = (path) =>
    Promise.reject(
      new Deno.errors.NotCapable(
        `Requires all access to ${JSON.stringify(path)}, run again with the --allow-all flag`,
      ),
    );
  try {
    const name = quote(tree.path);
    await assert.rejects(openRoot(tree.path), {
      message: `--folder: ${name} cannot be read as a folder: ` +
        "Deno opens it only with all permissions, start deno with --allow-all",
    });
  } finally {
    Deno.realPath = realPath;
  }
});

Deno.test("isWholeDisk(): a disk, not a folder in it, nor one that is shared in a network", () => {
  const whole = ["C:\\", "z:\\", "\\\\?\\C:\\", "\\\\nas\\C$", "\\\\localhost\\d$\\"];
  const folders = [
    "C:\\photos",
    "\\\\nas\\photos",
    "\\\\nas\\photos\\",
    "\\\\192.168.1.5\\photos\\",
    "\\\\nas\\photos\\2026",
    "\\\\nas\\C$\\photos",
    "\\\\?\\C:\\photos",
  ];
  for (const path of whole) assert.equal(isWholeDisk(path, "windows"), true, path);
  for (const path of folders) assert.equal(isWholeDisk(path, "windows"), false, path);
  assert.equal(isWholeDisk("/", "linux"), true);
  assert.equal(isWholeDisk("/srv", "linux"), false);
});
