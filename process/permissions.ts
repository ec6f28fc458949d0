/**
 * What the process may do: which permissions of Deno it needs, and which it gives back.
 *
 * @module
 */

import { type Config, ConfigError } from "../lib/config.ts";
import { bracketed } from "./listen.ts";

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
export async function requirePermissions(needed: readonly NeededPermission[]): Promise<void> {
  const [missing] = await missingPermissions(needed);
  if (!missing) return;
  const { descriptor, flag } = missing;
  throw new ConfigError(`${descriptor.name}: not permitted, start deno with ${flag}`);
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

/** An executable may write wherever it is told to; one that is not told to need not. */
export async function dropPermissions({ checksums, state, unix }: Config): Promise<void> {
  if (!checksums && !state && !unix) await Deno.permissions.revoke({ name: "write" });
}

/** Gives back everything but connections: who looks at a service from outside needs no file. */
export async function keepOnlyNet(): Promise<void> {
  for (const name of ["read", "write", "run"] as const) await Deno.permissions.revoke({ name });
}

/** Gives back programs: who repairs a file needs it and a connection. */
export async function keepFiles(): Promise<void> {
  await Deno.permissions.revoke({ name: "run" });
}

function net(hostname: string, port: number): NeededPermission {
  const host = `${bracketed(hostname)}:${port}`;
  return { descriptor: { name: "net", host }, flag: `--allow-net=${host}` };
}

function netOf(address: string) {
  const { protocol, hostname, port } = new URL(address);
  return net(hostname.replace(/^\[|\]$/g, ""), Number(port) || (protocol === "https:" ? 443 : 80));
}
