/**
 * The Compose files as Docker's own parser reads them, in what a fresh clone holds.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CREDENTIAL_VARIABLES } from "../lib/bucket.ts";
import { variables } from "../lib/options.ts";
import { accept, run, strict, testWith } from "./tools.ts";
import { makeTree, type Tree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const BUCKET = "deploy/compose/bucket.yaml";
const PAGES = [
  ...["README.md", "README.ru.md", "compose.yaml", "compose.nginx.yaml", BUCKET, ".docker_env"],
  ...["docs/containers.md", "docs/kubernetes.md", "docs/migration.md"],
];

/** A service as compose-go tells of it, as far as these tests look at it */
interface Service {
  readonly ports?: readonly { readonly published: string; readonly host_ip?: string }[];
  readonly user?: string;
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly volumes?: readonly Volume[];
  readonly command?: readonly string[] | null;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly [key: string]: unknown;
}

interface Volume {
  readonly type: string;
  readonly source: string;
  readonly target: string;
}

function volumesOf({ volumes = [] }: Service): readonly Volume[] {
  return volumes;
}

type Load = (args: readonly string[]) => Promise<Readonly<Record<string, Service>>>;

/** Registers a test in what git has of this project; it may load that as Compose would */
function testInClone(name: string, fn: (clone: Tree, load: Load) => Promise<void>) {
  testWith(["git", "go"], name, async (t) => {
    await using clone = await makeTree();
    await using tools = await makeTree();
    const index = ["checkout-index", "--all", `--prefix=${clone.path}/`];
    await accept("git", ["-C", ROOT, ...index]);
    const program = tools.join("compose");
    const { code, stderr } = await run("go", ["build", "-o", program, "."], {
      cwd: join(ROOT, "testing", "compose"),
      within: 300_000,
    });
    if (code !== 0 && !strict() && /dial tcp|lookup|i\/o timeout/.test(stderr)) {
      return void await t.step({ name: "skipped: no modules of Go", ignore: true, fn() {} });
    }
    assert.equal(code, 0, stderr);
    await fn(clone, async (args) => {
      const env = { PATH: Deno.env.get("PATH")! };
      return JSON.parse(
        await accept(program, [...args, clone.path], { env, clearEnv: true }),
      ).services;
    });
  });
}

/** `--env-file` and `-f` of every command of Compose that the pages show */
function commandsInPages(): string[][] {
  const texts = PAGES.map((page) => Deno.readTextFileSync(join(ROOT, page)));
  const commands = texts.flatMap((text) => [...text.matchAll(/docker compose( [^`\n]*?) up\b/g)]);
  return commands.map(([, flags]) => flags.trim().split(" "));
}

testInClone(
  "docker compose: every line that the pages show works in a fresh clone",
  async (clone, load) => {
    const commands = commandsInPages();
    assert.ok(commands.length >= 7, `${commands.length} commands`);
    for (const flags of commands) {
      const services = await load(flags);
      const front = services.nginx ?? services.zipferry;
      assert.deepEqual(front.ports?.map(({ published }) => published), ["8080"], flags.join(" "));
      if (!services.store) assert.deepEqual(services.zipferry.environment, { PHOTOS_DIR: null });
      for (const { type, source } of Object.values(services).flatMap(volumesOf)) {
        if (type === "bind") assert.ok(Deno.statSync(source), source);
      }
    }
    assert.deepEqual(
      (await load([])).zipferry,
      (await load(["--env-file", ".docker_env"])).zipferry,
    );
    await Deno.remove(clone.join(".docker_env"));
    await assert.rejects(() => load(["--env-file", ".docker_env"]), /find env file/);
  },
);

testInClone(".docker_env: its comments are settings that Compose takes", async (clone, load) => {
  const path = clone.join(".docker_env");
  const text = await Deno.readTextFile(path);
  const set = text.replaceAll(/^# (?=[A-Z_]+=)/gm, "").replace("=8080", "=127.0.0.1:9000");
  await Deno.writeTextFile(path, set);
  await Deno.writeTextFile(clone.join(".env"), "PORT=1\nPHOTOS_DIR=other\n");
  const { zipferry } = await load(["--env-file", ".docker_env"]);
  const [{ published, host_ip }] = zipferry.ports!;
  assert.deepEqual([host_ip, published], ["127.0.0.1", "9000"]);
  assert.equal(zipferry.user, "33:33");
  assert.deepEqual(zipferry.environment, { PHOTOS_DIR: "/srv/photos" });
  const [, photos] = volumesOf(zipferry);
  assert.deepEqual([photos.source, join(photos.target)], ["/srv/photos", "/srv/photos"]);
});

testInClone(
  "deploy/compose/bucket.yaml: replicas as in compose.nginx.yaml, which hold nothing",
  async (_clone, load) => {
    const { store, bucket, photos, ...front } = await load(["-f", BUCKET]);
    const like = await load(["-f", "compose.nginx.yaml"]);
    const { environment, volumes, depends_on, ...zipferry } = front.zipferry;
    assert.equal(volumes, undefined);
    assert.deepEqual(depends_on, {
      photos: { condition: "service_completed_successfully", required: true },
    });
    const known = [...variables, ...CREDENTIAL_VARIABLES];
    const strangers = Object.keys(environment!).filter((name) => !known.includes(name));
    assert.deepEqual(strangers, []);
    for (const key of ["mem_limit", "pids_limit", "ulimits", "sysctls", "read_only", "cap_drop"]) {
      assert.ok(zipferry[key]);
      assert.deepEqual(zipferry[key], like.zipferry[key], key);
    }
    assert.deepEqual(front.nginx, like.nginx);

    // What one says and another has to know.
    assert.equal(environment!.AWS_ENDPOINT_URL_S3, "http://store:7070");
    assert.equal(
      photos.environment!.RCLONE_CONFIG_STORE_ENDPOINT,
      environment!.AWS_ENDPOINT_URL_S3,
    );
    assert.equal(bucket.environment!.ADMIN_ENDPOINT_URL, environment!.AWS_ENDPOINT_URL_S3);
    assert.equal(bucket.environment!.READER_SECRET, environment!.AWS_SECRET_ACCESS_KEY);
    assert.ok(store.command!.includes("--port=:7070"));
    assert.ok(!("ports" in store), "nobody outside reaches the store");
    assert.deepEqual(volumesOf(store).map(({ target }) => target), ["/iam", "/objects"]);
  },
);

Deno.test(".dockerignore lets in every folder that main.ts takes modules from", async () => {
  const info = JSON.parse(
    await accept(Deno.execPath(), ["info", "--json", import.meta.resolve("../main.ts")]),
  );
  const modules: string[] = info.modules.map(({ specifier }: { specifier: string }) => specifier);
  const own = modules.filter((module) => module.startsWith("file:"))
    .map((module) => fileURLToPath(module).slice(ROOT.length).split(/[\\/]/)[0]);
  const allowed = (await Deno.readTextFile(join(ROOT, ".dockerignore"))).split("\n")
    .filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  assert.ok(new Set(own).size > 5);
  assert.deepEqual([...new Set(own)].filter((name) => !allowed.includes(name)), []);
});
