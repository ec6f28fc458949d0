import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mountDisk, testOnDisk } from "../../testing/odd_disk.ts";
import { accept, testWith } from "../../testing/tools.ts";
import { makeTree } from "../../testing/tree.ts";
import { isOnLocalDisk } from "./file_system.ts";

/** Types as `stat -f -c %t` prints them, by linux/magic.h and the sources of the file systems */
const LOCAL_TYPES = [
  "ef53", // ext2, ext3, ext4
  "58465342", // XFS
  "9123683e", // Btrfs
  "f2f52010", // F2FS
  "ca451a4e", // bcachefs
  "2fc12fc1", // ZFS
  "1021994", // tmpfs
];

const linux = Deno.build.os === "linux";

async function typeOf(folder: string): Promise<string> {
  return (await accept("stat", ["-f", "-c", "%t", folder])).trim();
}

/** What a program with these permissions is told of a folder */
function askWith(permissions: readonly string[], folder: string): Promise<string> {
  const module = new URL("./file_system.ts", import.meta.url).href;
  const code = `import { isOnLocalDisk } from ${JSON.stringify(module)};
    console.log(isOnLocalDisk(${JSON.stringify(folder)}));`;
  const flags = ["--quiet", "--no-prompt", "--no-config", ...permissions];
  return accept(Deno.execPath(), ["run", ...flags, "-"], { stdin: code });
}

if (linux) {
  testWith(["stat"], "isOnLocalDisk() goes by the type of the file system", async () => {
    await using tree = await makeTree();
    for (const folder of [tree.path, "/", "/proc", "/sys", "/dev/shm", "/dev"]) {
      if (!existsSync(folder)) continue; // in a container
      const type = await typeOf(folder);
      assert.equal(isOnLocalDisk(folder), LOCAL_TYPES.includes(type), `${folder}: ${type}`);
    }
    assert.equal(isOnLocalDisk("/proc"), false);
  });
}

testOnDisk("isOnLocalDisk() is false of a FUSE disk, whatever is behind it", async () => {
  await using tree = await makeTree({ "disk/photo": "1", "mount": { directory: true } });
  const before = isOnLocalDisk(tree.join("mount"));
  {
    await using _disk = await mountDisk("hung", tree.join("disk"), tree.join("mount"));
    assert.equal(isOnLocalDisk(tree.join("mount")), false);
    assert.equal(isOnLocalDisk(tree.join("disk")), before);
  }
  assert.equal(isOnLocalDisk(tree.join("mount")), before);
});

Deno.test("isOnLocalDisk() is false of what is not there", async () => {
  await using tree = await makeTree({ "file": "1" });
  assert.equal(isOnLocalDisk(tree.join("missing")), false);
  assert.equal(isOnLocalDisk(tree.join("file/missing")), false);
});

Deno.test("isOnLocalDisk() is false without the permission, and asks nobody for it", async () => {
  await using tree = await makeTree();
  assert.equal(await askWith(["--allow-read"], tree.path), "false\n");
  const allowed = await askWith(["--allow-read", "--allow-sys=statfs"], tree.path);
  assert.equal(allowed, `${isOnLocalDisk(tree.path)}\n`);
});

Deno.test("isOnLocalDisk() cannot tell on other systems than Linux", { ignore: linux }, () => {
  assert.equal(isOnLocalDisk(Deno.cwd()), false);
});
