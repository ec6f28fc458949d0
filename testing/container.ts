/**
 * The image of the `Dockerfile`, built and run with buildah, podman and runc. The base image that it
 * names is not fetched: a stand-in with the same layout is made of Debian's packages and the `deno`
 * that runs the tests. All of it lies in a store of its own, which is gone after the tests.
 *
 * Needs root, and a machine that may make containers.
 *
 * @module
 */

import assert from "node:assert/strict";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./free_port.ts";
import { until } from "./process.ts";
import { accept, run, type RunResult, strict, testWith, tool } from "./tools.ts";
import { makeTree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Programs that every test of a container needs */
const TOOLS = ["podman", "buildah", "runc", "mmdebstrap"];

/** Where Debian has the programs that give containers a network */
const NETWORK_TOOLS = ["/usr/lib/podman/netavark", "/usr/lib/podman/aardvark-dns"];

const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

const DENO_IMAGE = "docker.io/denoland/deno:2.9.6";
const NGINX_IMAGE = "docker.io/library/nginx:1.28-alpine";
const STORE_IMAGE = "docker.io/versity/versitygw:v1.8.0";
const RCLONE_IMAGE = "docker.io/rclone/rclone:1.71";

/** Left out, as in the slim variant of Debian's image */
const SLIM = ["doc", "info", "locale", "man"].map((name) =>
  `--dpkgopt=path-exclude=/usr/share/${name}/*`
);

/** Machines that lend out some of a system only refuse the limit of processes that podman sets */
const PROCESSES = "nproc=32768:32768";

/** How everything should be run: as the documentation says for hardened containers */
const HARDENED = [
  ...["--read-only", "--cap-drop=all", "--security-opt", "no-new-privileges"],
  ...["--memory", "256m", "--pids-limit", "64"],
  ...["--ulimit", PROCESSES, "--ulimit", "nofile=16384:16384"],
];

/** Of the containers: another one than podman's own, which may be in use */
const SUBNET = "10.213.77.0/24";

const MINUTE = 60_000;

/** The images of a test run, and the place where they lie */
export interface Images {
  /** Name of the image that the `Dockerfile` makes */
  readonly name: string;
  /** Bytes of the image, and of the stand-in for its base */
  readonly size: number;
  readonly baseSize: number;
  /** Environment that leads podman, buildah and podman-compose to the store */
  readonly env: Readonly<Record<string, string>>;
}

/** How a container is started */
export interface ContainerOptions {
  /** Folder of the host that becomes `/photos`; `args` may name others */
  readonly photos?: string;
  /** Of `podman run` */
  readonly args?: readonly string[];
  /** Of the program, after the name of the image */
  readonly flags?: readonly string[];
  /**
   * Port that the program listens on
   *
   * @default 8080
   */
  readonly port?: number;
}

/** A running container; disposal removes it */
export interface Container extends AsyncDisposable {
  readonly name: string;
  /** Port on 127.0.0.1 that leads to the program */
  readonly port: number;
  /** Origin with a slash at its end */
  readonly url: string;
  /** What the program has printed so far, to both of its outputs */
  log(): Promise<string>;
  /** A value of `podman inspect`, by its path in Go's notation */
  inspect(path: string): Promise<string>;
}

/** Registers a test that needs containers; skipped with a reason where they cannot be made */
export function testWithContainers(
  tools: readonly string[],
  name: string,
  fn: (images: Images) => Promise<void>,
): void {
  const reason = Deno.build.os !== "linux"
    ? "Linux only"
    : Deno.uid() !== 0
    ? "needs root"
    : NETWORK_TOOLS.every(exists)
    ? null
    : "no netavark and aardvark-dns";
  if (reason === null) {
    testWith([...TOOLS, ...tools], name, async () => await fn(await images()));
  } else if (strict()) Deno.test(name, () => assert.fail(`make containers: ${reason}`));
  else Deno.test({ name: `${name} (skipped: ${reason})`, ignore: true, fn: () => {} });
}

/** Starts a container of the image, hardened, and waits until the program listens */
export async function startContainer(
  { name: image, env }: Images,
  options: ContainerOptions,
): Promise<Container> {
  const { photos, args = [], flags = [], port: inside = 8080 } = options;
  const volumes = photos === undefined ? [] : ["--volume", `${photos}:/photos:ro`];
  const publish = ["--publish", `127.0.0.1::${inside}`];
  const name = `zipferry-${crypto.randomUUID()}`;
  const podman = (...words: string[]) => printed("podman", words, env);
  const remove = async () => void await run("podman", ["rm", "--force", "--time=0", name], { env });
  const log = async () => {
    const { stdout, stderr } = await run("podman", ["logs", name], { env });
    return new TextDecoder().decode(stdout) + stderr;
  };
  try {
    const words = ["run", "--detach", "--name", name, ...HARDENED, ...publish, ...volumes];
    await podman(...words, ...args, image, ...flags);
    await until(async () => /^Listening on/m.test(await log()), "the container listens", 20_000);
    const port = Number((await podman("port", name, `${inside}`)).split(":").at(-1));
    return {
      name,
      port,
      url: `http://127.0.0.1:${port}/`,
      log,
      inspect: (path) => podman("inspect", "--format", `{{${path}}}`, name),
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    const said = await log();
    await remove();
    throw new Error(`start container: ${said}`, { cause: error });
  }
}

/** Runs the image to its end, hardened; any exit code is a result */
export function runImage(
  { name, env }: Images,
  args: readonly string[],
  flags: readonly string[],
): Promise<RunResult> {
  const words = ["run", "--rm", ...HARDENED, ...args, name, ...flags];
  return run("podman", words, { env, within: MINUTE });
}

/** Who runs containers without root, and the first of the ids that the users in them get outside */
const VISITOR = { id: 20_993, first: 300_000 };

/**
 * Runs a script as a user who is not root, and has the image and a podman. The user exists in the
 * script's namespace only.
 *
 * @returns what the script printed to its standard output
 */
export async function runRootless({ name, env }: Images, script: string): Promise<string> {
  const { id, first } = VISITOR;
  const settings =
    '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n';
  await using tree = await makeTree({
    "etc/passwd": `root:x:0:0::/root:/bin/sh\nvisitor:x:${id}:${id}::/:/bin/sh\n`,
    "etc/group": `root:x:0:\nvisitor:x:${id}:\n`,
    "etc/subuid": `visitor:${first}:65536\n`,
    "etc/subgid": `visitor:${first}:65536\n`,
    "containers.conf": settings,
    "script": `podman load --quiet --input "$place/image.tar" >&2\n${script}`,
    "home": { directory: true, mode: 0o700 },
  });
  const { path } = tree;
  await accept("podman", ["save", "--output", tree.join("image.tar"), name], { env });
  await accept("chown", ["--recursive", `${id}:${id}`, path]);
  const become = `mount --make-rshared /
    for file in passwd group subuid subgid; do mount --bind "$place/etc/$file" "/etc/$file"; done
    exec setpriv --reuid ${id} --regid ${id} --clear-groups bash -eu "$place/script"`;
  const variables = {
    PATH: Deno.env.get("PATH")!,
    HOME: `${path}/home`,
    XDG_RUNTIME_DIR: `${path}/home`,
    CONTAINERS_CONF: `${path}/containers.conf`,
    place: path,
    image: name,
  };
  const args = ["--mount", "--propagation", "private", "bash", "-euc", become];
  return await accept("unshare", args, { cwd: "/", clearEnv: true, env: variables });
}

/** A copy of the project, with files of its owner, that podman-compose works in */
export interface ComposeProject extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Runs podman-compose, and throws when that fails */
  compose(...words: string[]): Promise<string>;
  /** Names of the running containers of a service */
  containers(service: string): Promise<string[]>;
  logs(container: string): Promise<string>;
}

/** What a project has besides the files of this one */
export interface ComposeOptions {
  /** Of compose.yaml and its like, none for what podman-compose takes by itself */
  readonly file?: string;
  /** Text of `.env`, none for no such file */
  readonly dotenv?: string;
  /** Folder of this machine that becomes `photos`, none for none */
  readonly photos?: string;
  /** What the file takes from the environment */
  readonly variables?: Readonly<Record<string, string>>;
}

/** Starts a project as its owner would, and waits until it listens */
export async function startCompose(
  images: Images,
  options: ComposeOptions,
): Promise<ComposeProject> {
  const tree = await makeTree();
  const project = `zipferry${Date.now()}`;
  const port = freePort();
  // This podman-compose has no --env-file: what stands in .docker_env is given as variables.
  const env = { ...images.env, ...options.variables, PORT: `127.0.0.1:${port}` };
  const file = options.file ? ["-f", options.file] : [];
  const always = ["-p", project, ...file, "--podman-run-args", `--ulimit ${PROCESSES}`];
  const compose = (...words: string[]) =>
    printed("podman-compose", [...always, ...words], env, tree.path);
  const podman = (...words: string[]) => printed("podman", words, images.env);
  const containers = async (service: string) => {
    const filter = `name=^${project}_${service}_`;
    return (await podman("ps", "--filter", filter, "--format", "{{.Names}}")).split("\n")
      .filter(Boolean);
  };
  const remove = async () => {
    await run("podman-compose", [...always, "down", "-t", "0"], { env, cwd: tree.path });
    await run("podman", ["network", "rm", "--force", `${project}_default`], { env });
    await tree[Symbol.asyncDispose]();
  };
  try {
    await accept("cp", [
      "-r",
      ...["compose.yaml", "compose.nginx.yaml", "deploy", "test_photos"]
        .map((name) => join(ROOT, name)),
      tree.path,
    ]);
    if (options.dotenv) await Deno.writeTextFile(tree.join(".env"), options.dotenv);
    if (options.photos) await accept("cp", ["-r", options.photos, tree.join("photos")]);
    await Deno.chmod(tree.path, 0o755); // for the user in the container
    await podman("tag", images.name, `localhost/${project}_zipferry`);
    await compose("up", "-d", "--no-build");
    await until(() => isListening(port), "the project listens", 20_000);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    port,
    url: `http://127.0.0.1:${port}/`,
    compose,
    containers,
    logs: async (container) => {
      const { stdout, stderr } = await run("podman", ["logs", container], { env });
      return new TextDecoder().decode(stdout) + stderr;
    },
    [Symbol.asyncDispose]: remove,
  };
}

/** Adds a stand-in for the image of nginx to the store, with Debian's nginx */
export function addNginxImage(images: Images): Promise<unknown> {
  nginxImage ??= addImage(
    images,
    NGINX_IMAGE,
    `RUN apt-get update && apt-get install --yes --no-install-recommends nginx-light
      CMD ["nginx", "-g", "daemon off;"]`,
  );
  return nginxImage;
}

/** Adds stand-ins for the images of versitygw, with the one of this machine, and of rclone */
export async function addStoreImages(images: Images): Promise<void> {
  await addImage(
    images,
    STORE_IMAGE,
    `COPY versitygw /usr/local/bin/versitygw
      ENTRYPOINT ["/usr/local/bin/versitygw"]`,
    [tool("versitygw")!],
  );
  await addImage(
    images,
    RCLONE_IMAGE,
    `RUN apt-get update && apt-get install --yes --no-install-recommends rclone
      ENTRYPOINT ["rclone"]`,
  );
}

/** Adds an image that is made of the base by these lines, and of files of this machine */
async function addImage(
  { env }: Images,
  name: string,
  lines: string,
  files: readonly string[] = [],
): Promise<void> {
  await using context = await makeTree({ Dockerfile: `FROM ${DENO_IMAGE}\n${lines}` });
  for (const file of files) await Deno.copyFile(file, context.join(basename(file)));
  await accept("buildah", [...BUILD, "--tag", name, context.path], { env });
}

const BUILD = ["build", "--pull-never", "--format", "docker", "--isolation", "chroot"];

let nginxImage: Promise<unknown> | undefined;
let made: Promise<Images> | undefined;

/** Makes the images once; whoever asks later gets the same ones */
function images(): Promise<Images> {
  made ??= makeImages();
  return made;
}

async function makeImages(): Promise<Images> {
  const folder = Deno.makeTempDirSync({ prefix: "zipferry-containers-" });
  const env = configure(folder);
  addEventListener("unload", () => removeStore(folder, env));
  await makeBase(folder, env);
  const name = "localhost/zipferry:test";
  await accept("buildah", [
    ...BUILD,
    ...["--volume", `${CERTIFICATES}:${CERTIFICATES}:ro`],
    ...["--build-arg", "DENO_TLS_CA_STORE=system", "--tag", name, ROOT],
  ], { env });
  const sizeOf = async (image: string) =>
    Number(await accept("podman", ["image", "inspect", "--format", "{{.Size}}", image], { env }));
  return { name, env, size: await sizeOf(name), baseSize: await sizeOf(DENO_IMAGE) };
}

/** Debian with `deno` in it, laid out as in the image that Deno's authors publish */
async function makeBase(folder: string, env: Images["env"]) {
  const archive = join(folder, "base.tar");
  const deno = Deno.realPathSync(Deno.execPath());
  await accept("mmdebstrap", [
    ...["--quiet", "--variant=minbase", "--include=ca-certificates"],
    ...["--dpkgopt=force-unsafe-io", ...SLIM],
    ...["--customize-hook=copy-in " + deno + " /usr/bin"],
    '--customize-hook=chroot "$1" useradd --uid 1993 --user-group deno',
    '--customize-hook=chroot "$1" install --directory --owner=deno --group=deno /deno-dir',
    ...["bookworm", archive],
  ], { env });
  const changes = ["ENV=DENO_DIR=/deno-dir/", "ENV=DENO_INSTALL_ROOT=/usr/local"];
  const words = changes.flatMap((change) => ["--change", change]);
  await accept("podman", ["import", "--quiet", ...words, archive, DENO_IMAGE], { env });
  await Deno.remove(archive);
}

/** A store in this folder, and the settings of podman that suit a machine without systemd */
function configure(folder: string): Images["env"] {
  const storage = join(folder, "storage.conf");
  const containers = join(folder, "containers.conf");
  Deno.writeTextFileSync(
    storage,
    `[storage]
driver = "overlay"
graphroot = "${folder}/graph"
runroot = "${folder}/run"
`,
  );
  Deno.writeTextFileSync(
    containers,
    `[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "${folder}/networks"
default_subnet = "${SUBNET}"
`,
  );
  return {
    CONTAINERS_STORAGE_CONF: storage,
    CONTAINERS_CONF: containers,
    TMPDIR: dirname(folder),
  };
}

function removeStore(folder: string, env: Images["env"]) {
  const podman = (...args: string[]) =>
    new Deno.Command("podman", { args, env, stdout: "null", stderr: "null" }).outputSync();
  podman("rm", "--all", "--force", "--time=0");
  podman("rmi", "--all", "--force");
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch {
    // The store may still be mounted, for a container that could not be removed
    new Deno.Command("umount", { args: [`${folder}/graph/overlay`], stderr: "null" }).outputSync();
    Deno.removeSync(folder, { recursive: true });
  }
}

/** What a program prints, without the line break at the end; it has to exit with 0 */
async function printed(
  command: string,
  args: readonly string[],
  env: Images["env"],
  cwd?: string,
): Promise<string> {
  return (await accept(command, args, { env, cwd })).trim();
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Whether somebody answers: the port of a container may be open before its program listens */
async function isListening(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    await response.body?.cancel();
    return response.status < 500;
  } catch {
    return false;
  }
}
