/**
 * Writes the table of options into both READMEs, from the table that the program itself uses.
 *
 * @module
 */

import { optionsTable } from "../lib/options.ts";

const MARKED = /(?<=<!-- options -->\n)[^]*(?=<!-- \/options -->)/;

if (import.meta.main) {
  for (const name of ["README.md", "README.ru.md"]) {
    const path = new URL(`../${name}`, import.meta.url);
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace(MARKED, () => `\n${optionsTable()}\n\n`));
  }
}
