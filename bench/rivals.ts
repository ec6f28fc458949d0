/**
 * The servers that a benchmark compares: each is a command that serves a photos folder on a port.
 *
 * @module
 */

import { join } from "node:path";
import { taskFlags } from "../testing/task.ts";

const HERE = import.meta.dirname!;
const ROOT = join(HERE, "..");

/** One server. */
export interface Rival {
  /** Its name in the table. */
  readonly name: string;
  /** What must be there: programs on the PATH, `python:` modules, `npm:` packages. */
  readonly needs: readonly string[];
  /** The command that serves the folder. */
  readonly command: (options: ServeOptions) => Promise<readonly string[]> | readonly string[];
  /** Path of an archive. @default `/archive/<hash>/` */
  readonly path?: (hash: string) => string;
}

/** What a server is started with. */
export interface ServeOptions {
  /** TCP port on 127.0.0.1. */
  readonly port: number;
  /** Absolute path of the photos folder. */
  readonly root: string;
  /** A folder for files that the server needs, with `node_modules` in it. */
  readonly scratch: string;
}

const original = join(HERE, "rivals/original.py");
const python = ["python3", "python:aiohttp", "zip"];

/** All servers; the first is this project's. */
export const rivals: readonly Rival[] = [
  { name: "zipferry", needs: [], command: (options) => zipferry(options) },
  {
    name: "zipferry --engine zip --level 0",
    needs: ["zip"],
    command: (options) => zipferry(options, "--engine", "zip", "--level", "0"),
  },
  { name: "Go archive/zip", needs: ["go"], command: buildGo },
  { name: "nginx (finished file)", needs: ["nginx"], command: serveFinished, path: finishedPath },
  {
    name: "aiohttp + zip -0",
    needs: python,
    command: ({ port, root }) => ["python3", original, String(port), root, "-0"],
  },
  {
    name: "the original (aiohttp + zip)",
    needs: python,
    command: ({ port, root }) => ["python3", original, String(port), root],
  },
  nodeLibrary("archiver"),
  nodeLibrary("yazl"),
  nodeLibrary("client-zip"),
  nodeLibrary("zip.js", "@zip.js/zip.js"),
  {
    name: "dufs",
    needs: ["dufs"],
    command: ({ port, root }) => {
      const options = ["--allow-archive", "--compress", "none", "--log-format", ""];
      return ["dufs", ...options, "-b", "127.0.0.1", "-p", String(port), root];
    },
    path: (hash) => `/${hash}?zip`,
  },
  {
    name: "miniserve",
    needs: ["miniserve"],
    command: ({ port, root }) => ["miniserve", "-z", "-i", "127.0.0.1", "-p", String(port), root],
    path: (hash) => `/${hash}/?download=zip`,
  },
  {
    name: "nginx mod_zip",
    needs: [],
    command: () => Promise.reject(new Error("needs to be built with the sources of nginx")),
  },
];

/** The command that serves with this project's code and the permissions of `deno task start`. */
export function zipferry(
  { port, root }: Pick<ServeOptions, "port" | "root">,
  ...flags: string[]
): readonly string[] {
  const main = join(ROOT, "main.ts");
  const own = ["--port", String(port), "--folder", root, ...flags];
  return [Deno.execPath(), "run", ...taskFlags("start"), main, ...own];
}

function nodeLibrary(name: string, npmPackage = name): Rival {
  return {
    name: `Node, ${name}`,
    needs: ["node", `npm:${npmPackage}`],
    command: async ({ port, root, scratch }) => {
      // Beside node_modules, since that is where Node looks for packages.
      const script = join(scratch, "node.mjs");
      await Deno.copyFile(join(HERE, "rivals/node.mjs"), script);
      return ["node", script, String(port), root, name];
    },
  };
}

async function buildGo({ port, root, scratch }: ServeOptions) {
  const program = join(scratch, "go-rival");
  const args = ["build", "-o", program, join(HERE, "rivals/go.go")];
  const { success, stderr } = await new Deno.Command("go", { args }).output();
  if (!success) throw new Error(`build Go rival: ${new TextDecoder().decode(stderr)}`);
  return [program, String(port), root];
}

function finishedPath(hash: string) {
  return `/${hash}.zip`;
}

/** Makes the archives beforehand: an upper bound for servers that make them while sending. */
async function serveFinished({ port, root, scratch }: ServeOptions) {
  for await (const { name, isDirectory } of Deno.readDir(root)) {
    if (!isDirectory) continue;
    const file = join(scratch, `${name}.zip`);
    if (await Deno.stat(file).then(() => true, () => false)) continue;
    const args = ["-0", "-r", "-q", file, "."];
    await new Deno.Command("zip", { args, cwd: join(root, name) }).output();
  }
  const conf = join(scratch, "nginx.conf");
  await Deno.writeTextFile(
    conf,
    `daemon off; pid ${scratch}/nginx.pid; error_log stderr; user root; worker_processes 1;
     events {} http { access_log off; sendfile on;
       client_body_temp_path ${scratch}/body; proxy_temp_path ${scratch}/proxy;
       fastcgi_temp_path ${scratch}/fcgi; uwsgi_temp_path ${scratch}/uwsgi;
       scgi_temp_path ${scratch}/scgi;
       server { listen 127.0.0.1:${port}; root ${scratch}; } }`,
  );
  return ["nginx", "-p", scratch, "-c", conf];
}
