/**
 * The servers that a benchmark compares: each is a command that serves a photos folder on a port.
 *
 * @module
 */

import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { crc32 } from "node:zlib";
import { taskFlags } from "../testing/task.ts";
import { tool } from "../testing/tools.ts";

const HERE = import.meta.dirname!;
const ROOT = join(HERE, "..");

/** Loads that slow servers are measured with, as the others would take hours. */
const FEW_LOADS = ["P", "T"];

/**
 * mod_zip remembers nothing, so that cold is the same as warm, and its archive of 100,000 files broke
 * off.
 */
const MOD_ZIP_LOADS = ["P", "P:8", "V", "T"];

/** One server. */
export interface Rival {
  /** Its name in the table. */
  readonly name: string;
  /** The command that serves the folder; throws what is missing. */
  readonly command: (options: ServeOptions) => Promise<readonly string[]> | readonly string[];
  /** Path of an archive. @default `/archive/<hash>/` */
  readonly path?: (hash: string) => string;
  /** Loads it takes part in, unless it is asked for by name. @default all of them */
  readonly loads?: readonly string[];
}

/** What a server is started with. */
export interface ServeOptions {
  /** TCP port on 127.0.0.1. */
  readonly port: number;
  /** Absolute path of the photos folder. */
  readonly root: string;
  /** A folder for files that the server needs. */
  readonly scratch: string;
}

/** The server that ratios are told of. */
export const BASE = "Go archive/zip";

/** All servers; the first is this project's. */
export const rivals: readonly Rival[] = [
  { name: "zipferry", command: (options) => zipferry(options) },
  { name: BASE, command: buildGo },
  { name: "nginx (finished file)", command: serveFinished, path: (hash) => `/${hash}.zip` },
  {
    name: "nginx mod_zip",
    command: (options) => serveModZip(options, { checksums: false }),
    loads: MOD_ZIP_LOADS,
  },
  {
    name: "nginx mod_zip, CRC-32 given",
    command: (options) => serveModZip(options, { checksums: true }),
    loads: MOD_ZIP_LOADS,
  },
  {
    name: "zipferry --engine zip --level 0",
    command: (options) => zipferry(options, "--engine", "zip", "--level", "0"),
    loads: FEW_LOADS,
  },
  { name: "aiohttp + zip -0", command: (options) => original(options, "-0"), loads: FEW_LOADS },
  {
    name: "the original (aiohttp + zip)",
    command: (options) => original(options),
    loads: FEW_LOADS,
  },
  nodeLibrary("archiver"),
  nodeLibrary("yazl"),
  nodeLibrary("client-zip"),
  nodeLibrary("zip.js", "@zip.js/zip.js"),
  {
    name: "dufs",
    command: ({ port, root }) => {
      need("dufs");
      const options = ["--allow-archive", "--compress", "none", "--log-format", ""];
      return ["dufs", ...options, "-b", "127.0.0.1", "-p", String(port), root];
    },
    path: (hash) => `/${hash}?zip`,
    loads: FEW_LOADS,
  },
  {
    name: "miniserve",
    command: ({ port, root }) => {
      need("miniserve");
      return ["miniserve", "-z", "-i", "127.0.0.1", "-p", String(port), root];
    },
    path: (hash) => `/${hash}/?download=zip`,
    loads: FEW_LOADS,
  },
];

/** What this project's service is started with. */
export interface ZipferryOptions extends Pick<ServeOptions, "port" | "root"> {
  /** The folder of its code. @default this project's */
  readonly code?: string;
}

/** The command that serves with this project's code and the permissions of `deno task start`. */
export function zipferry(
  { port, root, code = ROOT }: ZipferryOptions,
  ...flags: string[]
): readonly string[] {
  const main = join(code, "main.ts");
  // More than any load here asks for: refusals are no downloads.
  const most = ["--max-downloads", "2000"];
  const own = ["--port", String(port), "--folder", root, ...most, ...flags];
  return [Deno.execPath(), "run", ...taskFlags("start"), main, ...own];
}

/** aiohttp comes into the scratch folder, whatever Python there is. */
async function original({ port, root, scratch }: ServeOptions, ...flags: string[]) {
  need("zip");
  const python = join(scratch, "venv/bin/python");
  if (!existsSync(python)) await run("python3", "-m", "venv", join(scratch, "venv"));
  await run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "aiohttp");
  return [python, join(HERE, "rivals/original.py"), String(port), root, ...flags];
}

function nodeLibrary(name: string, npmPackage = name): Rival {
  return {
    name: `Node, ${name}`,
    command: async ({ port, root, scratch }) => {
      const options = ["--no-audit", "--no-fund", "--silent"];
      await run("npm", "install", "--prefix", scratch, ...options, npmPackage);
      // Beside node_modules, since that is where Node looks for packages.
      const script = join(scratch, "node.mjs");
      await Deno.copyFile(join(HERE, "rivals/node.mjs"), script);
      return ["node", script, String(port), root, name];
    },
    loads: FEW_LOADS,
  };
}

async function buildGo({ port, root, scratch }: ServeOptions) {
  const program = join(scratch, "go-rival");
  await run("go", "build", "-o", program, join(HERE, "rivals/go.go"));
  return [program, String(port), root];
}

/** Makes the archives beforehand: an upper bound for servers that make them while sending. */
async function serveFinished({ port, root, scratch }: ServeOptions) {
  for await (const { name, isDirectory } of Deno.readDir(root)) {
    const file = join(scratch, `${name}.zip`);
    if (!isDirectory || existsSync(file)) continue;
    const zip = new Deno.Command("zip", { args: ["-0rq", file, "."], cwd: join(root, name) });
    await zip.output();
  }
  const server = `server { listen 127.0.0.1:${port}; root ${scratch}; }`;
  return await nginx("finished", scratch, { servers: server });
}

/**
 * mod_zip makes the archive of a list that another server gives it. Here that is a finished file, so
 * listing the folder costs nothing. With CRC-32 in the list it need not compute them, and sends
 * with sendfile.
 */
async function serveModZip(
  { port, root, scratch }: ServeOptions,
  { checksums }: { readonly checksums: boolean },
) {
  const module = join(scratch, "ngx_http_zip_module.so");
  if (!existsSync(module)) throw new Error("the module has to be built: see docs/performance.md");
  const name = checksums ? "listed" : "unlisted";
  const lists = join(scratch, name);
  await Deno.mkdir(lists, { recursive: true });
  for await (const folder of Deno.readDir(root)) {
    const list = join(lists, folder.name);
    if (!folder.isDirectory || existsSync(list)) continue;
    await Deno.writeTextFile(list, await listFor(join(root, folder.name), { checksums }));
  }
  const socket = `unix:${scratch}/${name}.sock`;
  return await nginx(name, scratch, {
    head: `load_module ${module};`,
    servers: `
      server { listen 127.0.0.1:${port};
        location /archive/ { proxy_pass http://${socket}; }
        location /files/ { internal; alias ${root}/; } }
      server { listen ${socket}; default_type text/plain; add_header X-Archive-Files zip;
        root ${lists}; rewrite ^/archive/(.*)/$ /$1; }`,
  });
}

/** Lines of CRC-32 or `-`, size, location and name, sorted by name. */
async function listFor(folder: string, { checksums }: { readonly checksums: boolean }) {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  let list = "";
  for (const path of paths) {
    const { isFile, size } = await Deno.stat(join(folder, path));
    if (!isFile) continue;
    const known = checksums ? await checksumOf(join(folder, path)) : "-";
    list += `${known} ${size} /files/${basename(folder)}/${path} ${path}\n`;
  }
  return list;
}

async function checksumOf(file: string) {
  let crc = 0;
  for await (const bytes of (await Deno.open(file)).readable) crc = crc32(bytes, crc);
  return crc.toString(16).padStart(8, "0");
}

interface NginxOptions {
  /** Directives of the main context. */
  readonly head?: string;
  /** Blocks `server`. */
  readonly servers: string;
}

/** An nginx of its own, with all its files in the scratch folder. */
async function nginx(name: string, scratch: string, { head = "", servers }: NginxOptions) {
  const conf = join(scratch, `${name}.conf`);
  await Deno.remove(join(scratch, `${name}.sock`)).catch(() => {}); // of one that was killed
  const kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${scratch}/${name}-${kind};`).join(" ");
  await Deno.writeTextFile(
    conf,
    `${head} daemon off; pid ${scratch}/${name}.pid; error_log stderr; user root;
     worker_processes auto; events {} http { access_log off; sendfile on; ${kept} ${servers} }`,
  );
  need("nginx");
  return ["nginx", "-p", scratch, "-c", conf];
}

function need(program: string) {
  if (tool(program) === null) throw new Error(`${program} is not installed`);
}

/** Runs a program that has to succeed. */
async function run(program: string, ...args: string[]) {
  if (!program.includes("/")) need(program);
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  if (!success) throw new Error(`${basename(program)}: ${said}`);
}
