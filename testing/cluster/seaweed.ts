/**
 * SeaweedFS as a cluster: a master, volume servers that keep each object twice, a filer and S3
 * gateways. `weed` is built from `go.mod` of this folder where it is not installed.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startServer } from "../server.ts";
import { accept, tool } from "../tools.ts";
import type { Tree } from "../tree.ts";
import { type Launched, Member, type MemberKind, startTogether } from "./member.ts";

const MODULE = fileURLToPath(new URL("go.mod", import.meta.url));
const PACKAGE = "github.com/seaweedfs/seaweedfs/weed";

/** To build it takes minutes; to start one of its servers some seconds. In milliseconds. */
const BUILD_MS = 45 * 60_000;
const START_MS = 60_000;

/** Each object is on this server and on another one of the same rack */
const REPLICATION = "001";

/** Of what a server prints, so many characters are kept */
const LOG_LENGTH = 64 << 10;

/**
 * Servers listen here, and for each other at 10,000 above. Ports of outgoing connections begin at
 * 32,768 (ip(7), `ip_local_port_range`): none of them can take that of a server that is down.
 */
const [FIRST_PORT, LAST_PORT, RPC] = [20_000, 22_700, 10_000];

/** Whoever fills the bucket, and whoever only reads it */
export const WRITER = { accessKeyId: "root", secretAccessKey: "rootsecret" };
export const READER = { accessKeyId: "reader", secretAccessKey: "readersecret" };

/** What a cluster consists of */
export interface SeaweedOptions {
  /** Path of `weed` */
  readonly program: string;
  /** Where everything is kept */
  readonly tree: Tree;
  /** What {@link READER} may read */
  readonly bucket: string;
  readonly volumeServers: number;
  readonly gateways: number;
}

/** A cluster that runs; disposal kills all of it */
export interface Seaweed extends AsyncDisposable {
  readonly volumeServers: readonly Member[];
  readonly gateways: readonly Member[];
  /** Of those that are never killed */
  readonly others: readonly Launched[];
}

/**
 * Path of `weed`: the installed one, or else one that is built once and kept in the user's cache.
 *
 * @throws {Error} With what Go said, when it cannot be built
 */
export async function findWeed(): Promise<string> {
  const installed = tool("weed");
  if (installed !== null) return installed;
  const module = await Deno.readTextFile(MODULE);
  const version = /^require \S+ (\S+)$/m.exec(module)![1];
  const folder = join(cacheFolder(), "zipferry", `weed-${version}`);
  const program = join(folder, "weed");
  if (await Deno.stat(program).then(({ isFile }) => isFile, () => false)) return program;
  console.log(`Building SeaweedFS with Go, once, into ${folder}: this takes some minutes.`);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "go.mod"), module);
  const args = ["build", "-mod=mod", "-o", `${program}.new`, PACKAGE];
  await accept("go", args, { cwd: folder, within: BUILD_MS });
  await Deno.rename(`${program}.new`, program);
  return program;
}

/**
 * Starts all servers and waits until the master knows them and the gateways answer.
 *
 * @throws {Error} With what a server has printed, when it ends or does not answer in time
 */
export async function startSeaweed(options: SeaweedOptions): Promise<Seaweed> {
  const { tree, bucket } = options;
  const nextPort = portsOf();
  await using started = new AsyncDisposableStack();
  const rights = join(tree.path, "s3.json");
  await Deno.writeTextFile(rights, JSON.stringify(rightsOn(bucket)));
  const launch = (server: WeedServer) => launchServer(server, options);

  const masterPort = nextPort();
  const master = new URL(`http://127.0.0.1:${masterPort}`);
  const masterServer = started.use(
    await launch({
      name: "master",
      args: ["master", ...address(masterPort), "-mdir=.", "-peers=none"].concat(
        `-defaultReplication=${REPLICATION}`,
        "-volumeSizeLimitMB=1024",
        "-telemetry=false", // on unless told otherwise
      ),
      isReady: () => answers(new URL("/dir/status", master)),
    }),
  );
  const volumeServers = await startAll(options.volumeServers, started, (i) => {
    const port = nextPort();
    return member("volume server", { number: i + 1, port }, launch, {
      args: [
        ...["volume", ...address(port), `-master=${master.host}`, "-rack=r1"],
        ...["-dir=.", "-max=100", "-preStopSeconds=0"],
      ],
      isReady: () => hasNode(master, `127.0.0.1:${port}`),
    });
  });
  const filerPort = nextPort();
  const filerServer = started.use(
    await launch({
      name: "filer",
      args: ["filer", ...address(filerPort), `-master=${master.host}`, "-defaultStoreDir=."].concat(
        `-defaultReplicaPlacement=${REPLICATION}`,
        `-localSocket=${join(tree.path, "filer.sock")}`,
      ),
      isReady: () => answers(new URL(`http://127.0.0.1:${filerPort}/`)),
    }),
  );
  const gateways = await startAll(options.gateways, started, (i) => {
    const port = nextPort();
    return member("gateway", { number: i + 1, port }, launch, {
      args: [
        ...["s3", ...address(port), `-filer=127.0.0.1:${filerPort}`, `-config=${rights}`],
        ...["-port.iceberg=0", "-port.lance=0"],
        `-localSocket=${join(tree.path, `gateway-${i + 1}.sock`)}`,
      ],
      isReady: () => answers(new URL(`http://127.0.0.1:${port}/healthz`)),
    });
  });
  const all = started.move();
  return {
    volumeServers,
    gateways,
    others: [masterServer, filerServer],
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** One of the servers of `weed` */
interface WeedServer {
  /** Names the folder that it runs in */
  readonly name: string;
  readonly args: readonly string[];
  readonly isReady: () => Promise<boolean>;
}

function member(
  kind: MemberKind,
  { number, port }: { readonly number: number; readonly port: number },
  launch: (server: WeedServer) => Promise<Launched>,
  server: Omit<WeedServer, "name">,
): Member {
  const name = `${kind} ${number}`;
  const url = new URL(`http://127.0.0.1:${port}`);
  return new Member({ kind, name, url, launch: () => launch({ ...server, name }) });
}

async function startAll(
  count: number,
  started: AsyncDisposableStack,
  make: (i: number) => Member,
): Promise<Member[]> {
  const members = Array.from({ length: count }, (_, i) => started.use(make(i)));
  await startTogether(members);
  return members;
}

async function launchServer(
  { name, args, isReady }: WeedServer,
  { program, tree }: SeaweedOptions,
): Promise<Launched> {
  const folder = join(tree.path, name.replaceAll(" ", "-"));
  await Deno.mkdir(folder, { recursive: true });
  const [first, ...rest] = [...untilParentEnds(), program, ...args];
  const server = await startServer(first, {
    name,
    args: rest,
    cwd: folder,
    env: { HOME: folder, PATH: Deno.env.get("PATH") ?? "" }, // no configuration of the user's
    clearEnv: true,
    isReady,
    within: START_MS,
    kept: LOG_LENGTH,
  });
  return { ...server, [Symbol.asyncDispose]: () => server.stop("SIGKILL") };
}

/**
 * Words before a command so that it ends with this process, even if that is killed (prctl(2),
 * `PR_SET_PDEATHSIG`); none where util-linux has no `setpriv`.
 */
export function untilParentEnds(): string[] {
  return tool("setpriv") === null ? [] : [tool("setpriv")!, "--pdeathsig=KILL"];
}

/** Gives one port after the other that nobody listens on, nor on its twin for other servers */
export function portsOf(): () => number {
  let port = FIRST_PORT + Math.floor(Math.random() * 2000);
  return () => {
    while (port < LAST_PORT) if (isFree(++port) && isFree(port + RPC)) return port;
    throw new Error(`choose port: none is free up to ${LAST_PORT}`);
  };
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

function address(port: number): string[] {
  return ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", `-port=${port}`];
}

function rightsOn(bucket: string) {
  const identity = (
    name: string,
    { accessKeyId: accessKey, secretAccessKey: secretKey }: typeof WRITER,
    actions: readonly string[],
  ) => ({ name, credentials: [{ accessKey, secretKey }], actions });
  return {
    identities: [
      identity("writer", WRITER, ["Admin"]),
      identity("reader", READER, [`Read:${bucket}`, `List:${bucket}`]),
    ],
  };
}

async function answers(url: URL): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // it does not listen yet
  }
}

/** Whether the master counts a volume server among those that are there */
async function hasNode(master: URL, address: string): Promise<boolean> {
  try {
    const response = await fetch(new URL("/dir/status", master));
    const { Topology } = await response.json();
    const racks = (Topology.DataCenters ?? []).flatMap(({ Racks }: { Racks: [] }) => Racks ?? []);
    return racks.some(({ DataNodes }: { DataNodes?: { Url: string }[] }) =>
      DataNodes?.some(({ Url }) => Url === address)
    );
  } catch {
    return false; // the master does not answer just now
  }
}

/** Of the user who runs the task: XDG Base Directory Specification */
function cacheFolder(): string {
  const [cache, home] = ["XDG_CACHE_HOME", "HOME"].map((name) => Deno.env.get(name) ?? "");
  if (cache !== "") return cache;
  if (home !== "") return join(home, ".cache");
  throw new Error("find cache folder: set HOME");
}
