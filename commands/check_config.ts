/**
 * `zipferry --check-config`: shows the settings that would be used.
 *
 * @module
 */

import { type Config, withoutSecrets } from "../lib/config.ts";

/** Prints all settings as JSON, without secrets. */
export function checkConfigCommand(config: Config) {
  console.log(JSON.stringify(withoutSecrets(config), null, 2));
}
