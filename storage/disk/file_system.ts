/**
 * What kind of disk a folder is on. Everything here blocks; it runs in the threads of the pool only.
 *
 * @module
 */

import { statfsSync } from "node:fs";

/**
 * File systems of a disk of this machine, by the number that statfs(2) tells. None of them asks
 * anybody when a file is closed: FUSE does, and so waits for a program that may hang.
 */
const LOCAL = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0xf2f52010, // F2FS
  0xca451a4e, // bcachefs
  0x2fc12fc1, // ZFS
  0x01021994, // tmpfs
]);

/**
 * True if the folder is on a disk of this machine. False where that cannot be told: on other systems
 * than Linux, and without the permission `sys` for `statfs`.
 */
export function isOnLocalDisk(folder: string): boolean {
  if (Deno.build.os !== "linux") return false;
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "statfs" });
  if (state !== "granted") return false;
  try {
    return LOCAL.has(statfsSync(folder).type);
  } catch {
    return false;
  }
}
