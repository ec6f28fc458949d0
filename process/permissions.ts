/**
 * What the process may do: which permissions of Deno it needs, and which it gives back.
 *
 * @module
 */

import { posix, win32 } from "node:path";
import { type Config, ConfigError } from "../lib/config.ts";
import { quote } from "../lib/quote.ts";
import { bracketed } from "./listen.ts";

/** Every permission that there is. The types of the runtime do not know `import`. */
const ALL = ["read", "write", "net", "env", "sys", "run", "ffi", "import"] as PermissionName[];

type PermissionName = Deno.PermissionDescriptor["name"];

/** A permission, and the flag of `deno run` that grants it. */
export interface NeededPermission {
  /** As the runtime is asked for it. */
  readonly descriptor: Deno.PermissionDescriptor;
  /** As the user gives it. */
  readonly flag: string;
}

/** The permission to read a file or everything in a folder. */
export function read(path: string): NeededPermission {
  return { descriptor: { name: "read", path }, flag: `--allow-read=${path}` };
}

/** The permission to write a file. */
export function write(path: string): NeededPermission {
  return { descriptor: { name: "write", path }, flag: `--allow-write=${path}` };
}

/** The permission to connect to the host of an `http:` or `https:` address. */
export function netTo({ hostname, port, protocol }: URL): NeededPermission {
  const address = hostname.replace(/^\[|\]$/g, "");
  return net(address, Number(port || (protocol === "https:" ? 443 : 80)));
}

/** What the settings need, but for what only an engine needs. */
export function permissionsFor(config: Config): NeededPermission[] {
  const { folder, bucket, hostname, port, unix, metrics, tlsCert, tlsKey } = config;
  const { checksums, state, webhook } = config;
  const needed = bucket ? [] : [read(folder)];
  if (unix) needed.push(read(unix), write(unix));
  else needed.push(net(hostname, port));
  if (metrics) needed.push(net(metrics.hostname, metrics.port));
  for (const file of [tlsCert, tlsKey]) if (file) needed.push(read(file));
  if (checksums) needed.push(write(checksums));
  if (state) needed.push(read(state), write(state));
  const files = [config.adminTokenFile, config.webhookSecretFile, config.secretFile, config.logo];
  for (const file of files) {
    if (file) needed.push(read(file));
  }
  if (webhook) needed.push(netOf(webhook));
  return needed;
}

/**
 * Says at once, and in one line, which permission is missing, instead of failing at the first
 * request.
 *
 * @throws {ConfigError} naming the flag that grants it
 */
export async function requirePermissions(
  needed: readonly NeededPermission[],
  system: typeof Deno.build.os = Deno.build.os,
): Promise<void> {
  const [missing] = await missingPermissions(needed);
  if (missing) {
    const { descriptor, flag } = missing;
    throw new ConfigError(`${descriptor.name}: not permitted, start deno with ${flag}`);
  }
  // Elsewhere such a path may be that of a pipe, which takes no more than the permission to read.
  if (system !== "windows" || hasAll()) return;
  for (const path of pathsOf(needed)) {
    if (await leadsWhereAllIsNeeded(path, system)) throw new ConfigError(onlyWithAll(path));
  }
}

/** Those that the process does not have. */
export async function missingPermissions(
  needed: readonly NeededPermission[],
): Promise<NeededPermission[]> {
  const missing: NeededPermission[] = [];
  for (const permission of needed) {
    const { state } = await Deno.permissions.query(permission.descriptor);
    if (state !== "granted") missing.push(permission);
  }
  return missing;
}

/**
 * True if the runtime opens files at this path only with every permission that there is. It is an
 * absolute path, without links and drive letters that lead elsewhere.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/runtime/permissions/lib.rs} (`check_special_file`)
 */
export function needsAll(path: string, system: typeof Deno.build.os = Deno.build.os): boolean {
  switch (system) {
    case "windows":
      return path.startsWith("\\\\") && !/^\\\\\?\\[a-z]:\\/i.test(path);
    case "linux":
    case "android":
      return /^\/(?:dev|proc|sys)(?:\/|$)/.test(path);
    default:
      return /^\/dev(?:\/|$)/.test(path);
  }
}

/**
 * Gives back what the settings have no use for: an executable may write wherever it is told to, and
 * one for Windows may do everything. Whoever has every permission, and needs that for a path, keeps
 * them.
 *
 * @param folder the photos folder, or the name of a bucket
 */
export async function dropPermissions(config: Config, folder: string): Promise<void> {
  const { checksums, state, unix, engine } = config;
  // Elsewhere the other files that are read later are no devices.
  const others = Deno.build.os === "windows" ? pathsOf(permissionsFor(config)) : [];
  if (hasAll() && await anyNeedsAll([folder, ...others])) return;
  await revoke(["ffi", "import"]);
  if (!checksums && !state && !unix) await revoke(["write"]);
  if (engine !== "zip") await revoke(["run"]);
}

/** Gives back everything but connections: who looks at a service from outside needs no file. */
export async function keepOnlyNet(): Promise<void> {
  await revoke(["read", "write", "run", "ffi", "import"]);
}

/** Gives back programs: who repairs a file needs it and a connection. */
export async function keepFiles(file: string): Promise<void> {
  if (hasAll() && await anyNeedsAll([file])) return;
  await revoke(["run", "ffi", "import"]);
}

function onlyWithAll(path: string) {
  return `${quote(path)} is on a network or a device, which Deno opens only with all ` +
    "permissions: start deno with --allow-all";
}

async function revoke(names: readonly string[]) {
  for (const name of names) await Deno.permissions.revoke({ name: name as PermissionName });
}

function hasAll() {
  return ALL.every((name) => Deno.permissions.querySync({ name }).state === "granted");
}

function pathsOf(needed: readonly NeededPermission[]): string[] {
  return needed.flatMap(({ descriptor }) =>
    (descriptor.name === "read" || descriptor.name === "write") && descriptor.path !== undefined
      ? [String(descriptor.path)]
      : []
  );
}

async function anyNeedsAll(paths: readonly string[]) {
  for (const path of paths) if (await leadsWhereAllIsNeeded(path, Deno.build.os)) return true;
  return false;
}

/** The same as {@link needsAll} of the place that a path leads to, by a link or a mapped drive. */
async function leadsWhereAllIsNeeded(path: string, system: typeof Deno.build.os): Promise<boolean> {
  const { dirname, resolve } = system === "windows" ? win32 : posix;
  try {
    return needsAll(await Deno.realPath(path), system);
  } catch (error) {
    const isReadable = (await Deno.permissions.query({ name: "read", path })).state === "granted";
    if (error instanceof Deno.errors.NotCapable && isReadable) return true;
    const [absolute, parent] = [resolve(path), dirname(resolve(path))];
    // What is not there yet will be in a folder that is.
    const isThere = !(error instanceof Deno.errors.NotFound) || parent === absolute;
    return isThere ? needsAll(absolute, system) : await leadsWhereAllIsNeeded(parent, system);
  }
}

function net(hostname: string, port: number): NeededPermission {
  const host = `${bracketed(hostname)}:${port}`;
  return { descriptor: { name: "net", host }, flag: `--allow-net=${host}` };
}

function netOf(address: string) {
  const { protocol, hostname, port } = new URL(address);
  return net(hostname.replace(/^\[|\]$/g, ""), Number(port) || (protocol === "https:" ? 443 : 80));
}
