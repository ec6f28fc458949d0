import assert from "node:assert/strict";
import type { Config } from "../lib/config.ts";
import { quote } from "../lib/quote.ts";
import { runToEnd, said, start } from "../testing/process.ts";
import { tool } from "../testing/tools.ts";
import { makeTree } from "../testing/tree.ts";
import { needsAll, permissionsFor, read, requirePermissions, write } from "./permissions.ts";

const HASH = "0f6a3c92b7d14e58a9c07e21fb35d846";

/** Tells, when the program begins to listen, what it may do by then */
const PROBE = `
const { serve } = Deno;
Deno.serve = (...args) => {
  for (const name of ["read", "write", "run", "ffi", "import"]) {
    console.error(name + ": " + Deno.permissions.querySync({ name }).state);
  }
  return serve(...args);
};
`;

Deno.test("the program gives back the permissions that it has no use for", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/photo.jpg`]: "1", "probe.ts": PROBE });
  const flags = ["--no-prompt", "--allow-all", `--preload=${tree.join("probe.ts")}`];
  const cases: [string[], string[]][] = [
    [[], ["read"]],
    [["--checksums", tree.join("index.sqlite")], ["read", "write"]],
    ...(tool("zip") ? [[["--engine", "zip"], ["read", "run"]] as [string[], string[]]] : []),
  ];
  for (const [args, expected] of cases) {
    await using program = await start(["-f", tree.join("photos"), ...args], { flags });
    await said(program, /^import: /m);
    const states = [...program.stderr().matchAll(/^(\w+): (granted|denied|prompt)$/gm)];
    assert.equal(states.length, 5, program.stderr());
    const kept = states.filter(([, , state]) => state === "granted").map(([, name]) => name);
    assert.deepEqual(kept, expected, args.join(" "));
  }
});

const MEMORY_DISK = "/dev/shm";

Deno.test({
  name: "--folder: with --allow-all the photos may be where the runtime wants all permissions",
  ignore: Deno.build.os !== "linux" || !isFolder(MEMORY_DISK),
  async fn() {
    const folder = await Deno.makeTempDir({ dir: MEMORY_DISK, prefix: "zipferry-" });
    try {
      await Deno.mkdir(`${folder}/${HASH}`);
      await Deno.writeTextFile(`${folder}/${HASH}/photo.jpg`, "1");
      const narrow = await runToEnd(["-f", folder]);
      assert.equal(narrow.code, 2);
      assert.equal(
        narrow.stderr,
        `zipferry: --folder: "${folder}" cannot be read as a folder: ` +
          "Deno opens it only with all permissions, start deno with --allow-all\n",
      );
      await using program = await start(["-f", folder], { flags: ["--no-prompt", "--allow-all"] });
      const response = await fetch(`${program.url}archive/${HASH}/`);
      assert.equal(response.status, 200);
      assert.equal((await response.bytes()).length, Number(response.headers.get("content-length")));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("needsAll() is true for shares of Windows, and for devices", () => {
  const cases: [typeof Deno.build.os, string, boolean][] = [
    ["windows", "\\\\nas\\photos", true],
    ["windows", "\\\\nas\\photos\\2026", true],
    ["windows", "\\\\?\\UNC\\nas\\photos", true],
    ["windows", "\\\\.\\pipe\\photos", true],
    ["windows", "\\\\?\\C:\\photos", false],
    ["windows", "C:\\photos", false],
    ["windows", "C:\\dev\\photos", false],
    ["linux", "/dev/shm/photos", true],
    ["linux", "/proc/1/root/photos", true],
    ["linux", "/sys", true],
    ["linux", "/device/photos", false],
    ["linux", "/srv/dev/photos", false],
    ["linux", "\\\\nas\\photos", false],
    ["darwin", "/dev/fd/3", true],
    ["darwin", "/proc/photos", false],
  ];
  for (const [system, path, expected] of cases) {
    assert.equal(needsAll(path, system), expected, `${system}: ${path}`);
  }
});

Deno.test({
  name: "requirePermissions(): a path that leads to a share takes all permissions on Windows",
  permissions: { read: true, write: true },
  async fn() {
    const { realPath } = Deno;
    const leadsTo = (path: string | Error): Disposable => {
      Deno.realPath = () => path instanceof Error ? Promise.reject(path) : Promise.resolve(path);
      return { [Symbol.dispose]: () => void (Deno.realPath = realPath) };
    };
    const refused = (path: string) => ({
      name: "ConfigError",
      message: `${quote(path)} is on a network or a device, which Deno opens only with ` +
        "all permissions: start deno with --allow-all",
    });
    const there = ["\\\\nas\\photos", "//nas/photos/2026", "\\\\nas\\photos\\2026\\1\\2\\3"];
    const isGone = new Deno.errors.NotFound("os error 2");
    for (const path of there) {
      using _ = leadsTo(isGone); // or not there yet
      await assert.rejects(requirePermissions([read(path)], "windows"), refused(path));
      await assert.rejects(requirePermissions([write(path)], "windows"), refused(path));
      await requirePermissions([read(path)], "linux");
    }
    const mapped = "Z:\\photos";
    for (const to of ["\\\\nas\\photos\\2026", new Deno.errors.NotCapable("Requires all access")]) {
      using _ = leadsTo(to);
      await assert.rejects(requirePermissions([read(mapped)], "windows"), refused(mapped));
    }
    for (const to of ["C:\\photos", isGone]) {
      using _ = leadsTo(to);
      await requirePermissions([read(mapped), write("C:\\index.sqlite")], "windows");
    }
  },
});

Deno.test("permissionsFor() names an address of IPv6 as the runtime reads it", async () => {
  const config = { folder: "photos", hostname: "::1", port: 18080 } as Config;
  const metrics = { hostname: "::1", port: 19464 };
  const needed = permissionsFor({ ...config, metrics });
  const flags = needed.map(({ flag }) => flag);
  assert.deepEqual(flags.slice(1), ["--allow-net=[::1]:18080", "--allow-net=[::1]:19464"]);
  for (const { descriptor } of needed) await Deno.permissions.query(descriptor);
});

function isFolder(path: string) {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
