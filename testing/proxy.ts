/**
 * nginx, HAProxy and Caddy, set up by the very samples in `deploy/` that owners of sites start from.
 *
 * @module
 */

import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./free_port.ts";
import { startServer } from "./server.ts";
import { run } from "./tools.ts";
import { makeTree, type Tree } from "./tree.ts";

const DEPLOY = new URL("../deploy/", import.meta.url);

/** Another process may take a port between its choice and its use */
const ATTEMPTS = 3;

/** How a proxy is started */
export interface ProxyOptions {
  /** Ports of the service on 127.0.0.1: one or two, for HAProxy always two */
  readonly upstreams: readonly number[];
  /**
   * Absolute path of a Unix socket of the service, which takes the place of the first port: the
   * sample's line for that is put in
   */
  readonly socket?: string;
  /** Changes the sample, to see what a line in it is good for */
  readonly edit?: (sample: string) => string;
  /** nginx only: lines for the `http` block around the sample, with paths below its own folder */
  readonly http?: string;
  /**
   * The folder with the pages for errors is where the sample looks for it
   *
   * @default true
   */
  readonly errorPages?: boolean;
  /**
   * Put in the sample's lines for TLS and HTTP/2; makes a certificate with `openssl`
   *
   * @default false
   */
  readonly tls?: boolean;
}

/** A running proxy; disposal ends it and removes its files */
export interface Proxy extends AsyncDisposable {
  /** Origin with a slash at its end */
  readonly url: string;
  readonly port: number;
  /** Of the process that was started: nginx works in children of it */
  readonly pid: number;
  /** Absolute path of something in its folder, where nginx keeps temporary files in `temp/` */
  join(...parts: string[]): string;
  /** Everything that it has logged so far, wherever to */
  log(): string;
}

/**
 * Starts nginx with `deploy/nginx.conf` and waits until it listens.
 *
 * @throws {Error} With what nginx said, when it ends first
 */
export function startNginx(options: ProxyOptions): Promise<Proxy> {
  return startProxy(async (tree, port) => {
    const logs = [tree.join("access.log"), tree.join("error.log")];
    await writeSample(tree, "nginx.conf", options, [
      ...nginxUpstreams(options),
      ["access_log /var/log/nginx/access.log", `access_log ${logs[0]}`],
      ["error_log /var/log/nginx/error.log", `error_log ${logs[1]}`],
      ...options.tls ? await nginxWithTls(tree, port) : nginxWithoutTls(port),
    ]);
    Deno.writeTextFileSync(tree.join("main.conf"), nginxMain(options.http));
    Deno.mkdirSync(tree.join("temp"));
    return {
      command: "nginx",
      args: nginxArgs(tree, "main.conf"),
      scheme: schemeOf(options),
      logs,
    };
  });
}

/**
 * Starts nginx with `deploy/compose/nginx.conf`, which is a whole configuration, and waits until it
 * listens.
 *
 * @throws {Error} With what nginx said, when it ends first
 */
export function startComposeNginx(options: ProxyOptions): Promise<Proxy> {
  const { upstreams: [first], http = "", edit = (text) => text } = options;
  const inFolder = (text: string) => edit(text).replaceAll("/tmp/", "");
  return startProxy(async (tree, port) => {
    await writeSample(tree, "compose/nginx.conf", { ...options, edit: inFolder }, [
      ["pid nginx.pid;", `pid nginx.pid; ${asRoot("user root;")}`],
      ["error_log /dev/stderr", "error_log stderr"],
      ["http {", `http { ${http}`],
      ["server zipferry:8080;", `server 127.0.0.1:${first};`],
      ["listen 8080;", `listen 127.0.0.1:${port};`],
      ["root /etc/nginx;", "root /usr/local/share;"],
    ]);
    return { command: "nginx", args: nginxArgs(tree, "nginx.conf"), scheme: "http" };
  });
}

/**
 * Starts HAProxy with `deploy/haproxy.cfg` and waits until it listens.
 *
 * @throws {Error} With what HAProxy said, when it ends first
 */
export function startHaproxy(options: ProxyOptions): Promise<Proxy> {
  const { upstreams: [first, second], socket, tls } = options;
  return startProxy(async (tree, port) => {
    const certificate = "/etc/haproxy/photos.example.org.pem";
    await writeSample(tree, "haproxy.cfg", options, [
      ["bind :80\n", tls ? "" : `bind 127.0.0.1:${port}\n`],
      ...tls
        ? [
          ["# bind :443", `bind 127.0.0.1:${port}`],
          [certificate, (await makeCertificate(tree)).both],
        ] as const
        : [],
      ...socket
        ? [
          ["server first 127.0.0.1:8080", ""],
          ["# server third unix@/run/zipferry/zipferry.sock", `server third unix@${socket}`],
        ] as const
        : [["server first 127.0.0.1:8080", `server first 127.0.0.1:${first}`]] as const,
      ["server second 127.0.0.1:8081", second ? `server second 127.0.0.1:${second}` : ""],
    ]);
    const args = ["-db", "-f", tree.join("haproxy.cfg")];
    return { command: "haproxy", args, scheme: schemeOf(options) };
  });
}

/**
 * Starts Caddy with `deploy/Caddyfile` and waits until it listens.
 *
 * @throws {Error} With what Caddy said, when it ends first
 */
export function startCaddy(options: ProxyOptions): Promise<Proxy> {
  const { upstreams: [first, second], socket, tls } = options;
  return startProxy(async (tree, port) => {
    const files = tls && await makeCertificate(tree);
    const site = `${files ? "https" : "http"}://:${port} {\n\tbind 127.0.0.1`;
    await writeSample(tree, "Caddyfile", options, [
      ["\n{\n", "\n{\n\tadmin off\n\tauto_https disable_redirects\n"],
      ["photos.example.org {", site],
      ...files
        ? [[
          "# tls /etc/caddy/photos.example.org.pem /etc/caddy/photos.example.org.key",
          `tls ${files.certificate} ${files.key}`,
        ]] as const
        : [],
      ...socket
        ? [
          ["\tto 127.0.0.1:8080\n", "\n"],
          ["# to unix//run/zipferry/zipferry.sock", `to unix/${socket}`],
        ] as const
        : [["\tto 127.0.0.1:8080\n", `\tto 127.0.0.1:${first}\n`]] as const,
      ...second ? [["# to 127.0.0.1:8081", `to 127.0.0.1:${second}`]] as const : [],
    ]);
    const args = ["run", "--adapter", "caddyfile", "--config", tree.join("Caddyfile")];
    return { command: "caddy", args, scheme: schemeOf(options) };
  });
}

/** Lets a proxy look at its sample as it lies in `deploy/`; what it says of it, empty for nothing */
export async function checkSample(proxy: "nginx" | "haproxy" | "caddy"): Promise<string> {
  await using tree = await makeTree({ "temp": { directory: true } });
  const [command, ...args] = {
    nginx: ["nginx", "-t", "-q", "-p", tree.path, "-c", "main.conf", "-e", "stderr"],
    haproxy: ["haproxy", "-c", "-q", "-dW", "-f", tree.join("haproxy.cfg")],
    caddy: ["caddy", "validate", "--adapter", "caddyfile", "--config", sampleOf("Caddyfile")],
  }[proxy];
  await writeSample(tree, "haproxy.cfg", { upstreams: [] }, []);
  // Whoever is not root may not have port 80 or write to /var/log, which nginx tries even now
  const pairs = [
    ...nginxWithoutTls(freePort()),
    ["/var/log/nginx/access.log", "access.log"],
    ["/var/log/nginx/error.log", "error.log"],
  ] as const;
  await writeSample(tree, "nginx.conf", { upstreams: [] }, pairs);
  Deno.writeTextFileSync(tree.join("main.conf"), nginxMain());
  const { code, stderr } = await run(command, args, { env: homeIn(tree) });
  return code === 0 ? warningsIn(stderr) : `exit code ${code}: ${stderr}`;
}

/** What a proxy is started with */
export interface Start {
  readonly command: string;
  readonly args: readonly string[];
  readonly scheme: "http" | "https";
  /** Files that it logs to, besides its output */
  readonly logs?: readonly string[];
}

/** Writes the files of a proxy that is to listen on this port of 127.0.0.1 */
export type Prepare = (tree: Tree, port: number) => Start | Promise<Start>;

type Pairs = readonly (readonly [from: string, to: string])[];

/**
 * Starts a proxy on a free port, with a folder of its own, and waits until it listens.
 *
 * @throws {Error} With what it said, when it ends first
 */
export async function startProxy(prepare: Prepare): Promise<Proxy> {
  for (let attempt = 1;; attempt++) {
    const tree = await makeTree();
    const port = freePort();
    try {
      return await launch(await prepare(tree, port), tree, port);
    } catch (error) {
      await tree[Symbol.asyncDispose]();
      const taken = error instanceof Error && /in use/i.test(error.message);
      if (!taken || attempt === ATTEMPTS) throw error;
    }
  }
}

async function launch(start: Start, tree: Tree, port: number): Promise<Proxy> {
  const { command, args, scheme, logs = [] } = start;
  const server = await startServer(command, {
    ...{ name: command, args, env: homeIn(tree) },
    isReady: () => isListening(port),
  });
  return {
    url: `${scheme}://127.0.0.1:${port}/`,
    port,
    pid: server.pid,
    join: tree.join,
    log: () => [server.log(), ...logs.map((path) => Deno.readTextFileSync(path))].join(""),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

/** Caddy keeps certificates and settings below its user's home */
function homeIn({ path }: Tree): Record<string, string> {
  return { HOME: path, XDG_DATA_HOME: path, XDG_CONFIG_HOME: path };
}

function schemeOf({ tls }: ProxyOptions): Start["scheme"] {
  return tls ? "https" : "http";
}

function sampleOf(name: string): string {
  return fileURLToPath(new URL(name, DEPLOY));
}

/** Lines that are more than the course of things, of all that a proxy printed */
function warningsIn(text: string): string {
  return text.split("\n").filter((line) => /warn|alert|emerg|error/i.test(line)).join("\n");
}

/**
 * Writes a sample, with texts replaced of which each has to be there, once; and the pages for errors
 * that it takes from /usr/local/share
 */
async function writeSample(tree: Tree, name: string, options: ProxyOptions, pairs: Pairs) {
  const { edit = (text) => text, errorPages = true } = options;
  let text = edit(await Deno.readTextFile(sampleOf(name)));
  for (const [from, to] of pairs) {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`read sample: ${parts.length - 1} times: ${from}`);
    text = parts.join(to);
  }
  text = text.replaceAll("/usr/local/share", tree.path);
  await Deno.writeTextFile(tree.join(basename(name)), text);
  const errors = tree.join("zipferry-errors");
  await Deno.mkdir(errors, { recursive: true });
  for (const { name } of errorPages ? Deno.readDirSync(sampleOf("errors")) : []) {
    await Deno.copyFile(join(sampleOf("errors"), name), join(errors, name));
  }
}

function nginxArgs(tree: Tree, config: string): string[] {
  return ["-p", tree.path, "-c", config, "-e", "stderr", "-g", "daemon off;"];
}

/** A line that nginx wants of root only: else its workers become nobody */
function asRoot(line: string): string {
  return Deno.build.os !== "windows" && Deno.uid() === 0 ? line : "";
}

function nginxUpstreams({ upstreams: [first, second], socket }: ProxyOptions): Pairs {
  const other = second
    ? [["# server 127.0.0.1:8081;", `server 127.0.0.1:${second};`]] as const
    : [];
  if (!socket) return [["server 127.0.0.1:8080;", `server 127.0.0.1:${first};`], ...other];
  return [
    ["server 127.0.0.1:8080;", ""],
    ["# server unix:/run/zipferry/zipferry.sock;", `server unix:${socket};`],
    ...other,
  ];
}

function nginxWithoutTls(port: number): Pairs {
  return [["listen 80;", `listen 127.0.0.1:${port};`], ["listen [::]:80;", ""]];
}

async function nginxWithTls(tree: Tree, port: number): Promise<Pairs> {
  const { certificate, key } = await makeCertificate(tree);
  const live = "/etc/letsencrypt/live/photos.example.org";
  return [
    ["listen 80;", ""],
    ["listen [::]:80;", ""],
    ["# listen 443 ssl http2;", `listen 127.0.0.1:${port} ssl http2;`],
    [`# ssl_certificate ${live}/fullchain.pem;`, `ssl_certificate ${certificate};`],
    [`# ssl_certificate_key ${live}/privkey.pem;`, `ssl_certificate_key ${key};`],
    ["# ssl_protocols", "ssl_protocols"],
  ];
}

/** Files of a certificate for localhost, of its key, and of one after the other */
async function makeCertificate(tree: Tree) {
  const files = {
    certificate: tree.join("certificate.pem"),
    key: tree.join("key.pem"),
    both: tree.join("both.pem"),
  };
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"];
  const { code, stderr } = await run("openssl", [
    ...request,
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-keyout", files.key, "-out", files.certificate],
  ]);
  if (code !== 0) throw new Error(`make certificate: ${stderr}`);
  const texts = [files.certificate, files.key].map((path) => Deno.readTextFileSync(path));
  Deno.writeTextFileSync(files.both, texts.join(""));
  return files;
}

/** What the system's own main file has around the sample, with all files in one folder */
function nginxMain(http = ""): string {
  const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
    ${asRoot("user root;")}
    pid nginx.pid;
    events {}
    http {
      ${kinds.map((kind) => `${kind}_temp_path temp/${kind};`).join("\n")}
      access_log off;
      ${http}
      include nginx.conf;
    }
  `;
}

async function isListening(port: number): Promise<boolean> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    return connection.localAddr.port !== port; // a free port may be given to whoever asks for it
  } catch {
    return false;
  }
}
