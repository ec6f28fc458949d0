/**
 * Writes the table of options into the README, from the table that the program itself uses.
 *
 * @module
 */

import { optionsTable } from "../lib/config.ts";

const MARKED = /(?<=<!-- options -->\n)[^]*(?=<!-- \/options -->)/;

if (import.meta.main) {
  const path = new URL("../README.md", import.meta.url);
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replace(MARKED, () => `\n${optionsTable()}\n\n`));
}
