/**
 * `zipferry --check-config`: shows the settings that would be used.
 *
 * @module
 */

import type { Config } from "../lib/config.ts";

/** Prints all settings as JSON. */
export function checkConfigCommand(config: Config) {
  console.log(JSON.stringify(config, null, 2));
}
