/**
 * nginx and HAProxy, set up by the very samples in `deploy/` that owners of sites start from.
 *
 * @module
 */

import { until } from "./process.ts";
import { run } from "./tools.ts";
import { makeTree, type Tree } from "./tree.ts";

const DEPLOY = new URL("../deploy/", import.meta.url);

/** Another process may take a port between its choice and its use */
const ATTEMPTS = 3;

/** How a proxy is started */
export interface ProxyOptions {
  /** Ports of the service on 127.0.0.1: one or two for nginx, two for HAProxy */
  readonly upstreams: readonly number[];
  /** Changes the sample, to see what a line in it is good for */
  readonly edit?: (sample: string) => string;
}

/** How nginx is started */
export interface NginxOptions extends ProxyOptions {
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
}

/**
 * Starts nginx with `deploy/nginx.conf` and waits until it listens.
 *
 * @throws {Error} With what nginx said, when it ends first
 */
export function startNginx(options: NginxOptions): Promise<Proxy> {
  const [first, second] = options.upstreams;
  return startProxy(async (tree, port) => {
    const listen = options.tls ? await listenWithTls(tree, port) : listenPlain(port);
    const text = substitute(readSample("nginx.conf", options), [
      ["server 127.0.0.1:8080;", `server 127.0.0.1:${first};`],
      ...second ? [["# server 127.0.0.1:8081;", `server 127.0.0.1:${second};`] as const] : [],
      ...listen,
    ]);
    Deno.writeTextFileSync(tree.join("zipferry.conf"), text);
    Deno.writeTextFileSync(tree.join("main.conf"), nginxMain());
    Deno.mkdirSync(tree.join("temp"));
    const args = ["-p", tree.path, "-c", "main.conf", "-e", "stderr", "-g", "daemon off;"];
    return { command: "nginx", args, scheme: options.tls ? "https" : "http" };
  });
}

/**
 * Starts HAProxy with `deploy/haproxy.cfg` and waits until it listens.
 *
 * @throws {Error} With what HAProxy said, when it ends first
 */
export function startHaproxy(options: ProxyOptions): Promise<Proxy> {
  const [first, second] = options.upstreams;
  return startProxy((tree, port) => {
    const text = substitute(readSample("haproxy.cfg", options), [
      ["bind :80\n", `bind 127.0.0.1:${port}\n`],
      ["server first 127.0.0.1:8080", `server first 127.0.0.1:${first}`],
      ["server second 127.0.0.1:8081", `server second 127.0.0.1:${second}`],
    ]);
    Deno.writeTextFileSync(tree.join("haproxy.cfg"), text);
    return { command: "haproxy", args: ["-db", "-f", tree.join("haproxy.cfg")], scheme: "http" };
  });
}

interface Start {
  readonly command: string;
  readonly args: readonly string[];
  readonly scheme: string;
}

type Prepare = (tree: Tree, port: number) => Start | Promise<Start>;

async function startProxy(prepare: Prepare): Promise<Proxy> {
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

async function launch({ command, args, scheme }: Start, tree: Tree, port: number): Promise<Proxy> {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let running = true;
  const status = child.status.finally(() => running = false);
  const said = new Response(child.stderr).text();
  try {
    await until(async () => !running || await isListening(port), `${command} listens`);
  } catch (error) {
    child.kill("SIGKILL");
    await Promise.all([status, said]);
    throw error;
  }
  if (!running) throw new Error(`start ${command}: ${(await said).trim()}`);
  return {
    url: `${scheme}://127.0.0.1:${port}/`,
    port,
    pid: child.pid,
    join: tree.join,
    async [Symbol.asyncDispose]() {
      if (running) child.kill("SIGTERM");
      await Promise.all([status, said]);
      await tree[Symbol.asyncDispose]();
    },
  };
}

function readSample(name: string, { edit = (text) => text }: ProxyOptions): string {
  return edit(Deno.readTextFileSync(new URL(name, DEPLOY)));
}

/** Replaces texts of which each has to be there, once */
function substitute(text: string, pairs: Iterable<readonly [string, string]>): string {
  for (const [from, to] of pairs) {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`read sample: ${parts.length - 1} times: ${from}`);
    text = parts.join(to);
  }
  return text;
}

function listenPlain(port: number): [string, string][] {
  return [["listen 80;", `listen 127.0.0.1:${port};`], ["listen [::]:80;", ""]];
}

async function listenWithTls(tree: Tree, port: number): Promise<[string, string][]> {
  const [certificate, key] = [tree.join("certificate.pem"), tree.join("key.pem")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"];
  const { code, stderr } = await run("openssl", [...request, "-keyout", key, "-out", certificate]);
  if (code !== 0) throw new Error(`make certificate: ${stderr}`);
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

/** What the system's own main file has around the sample, with all files in one folder */
function nginxMain(): string {
  const root = Deno.build.os !== "windows" && Deno.uid() === 0; // else its workers become nobody
  const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
    ${root ? "user root;" : ""}
    pid nginx.pid;
    events {}
    http {
      ${kinds.map((kind) => `${kind}_temp_path temp/${kind};`).join("\n")}
      access_log off;
      include zipferry.conf;
    }
  `;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function isListening(port: number): Promise<boolean> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    return connection.localAddr.port !== port; // a free port may be given to whoever asks for it
  } catch {
    return false;
  }
}
