/**
 * What packages of every kind say of the program.
 *
 * @module
 */

/** What it does, in one line. */
export const DESCRIPTION = "Sends each folder of photos as one ZIP, made while it is sent";

/** Its licence, by the name of SPDX. */
export const LICENSE = "MIT";

/** Address of a repository on GitHub, given as `OWNER/NAME`. */
export function homepageOf(repository: string): string {
  return `https://github.com/${repository}`;
}
