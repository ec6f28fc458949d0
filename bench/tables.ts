/**
 * Writes the tables of `docs/performance.md` from the newest results: `deno task bench:tables`.
 *
 * @module
 */

import { join } from "node:path";
import { replaceMarked } from "./markdown.ts";
import { pageParts, pageResults } from "./page.ts";

/** The page. */
export const PAGE = join(import.meta.dirname!, "../docs/performance.md");

async function main() {
  let text = await Deno.readTextFile(PAGE);
  for (const [name, part] of Object.entries(pageParts(pageResults()))) {
    text = replaceMarked(text, name, part);
  }
  await Deno.writeTextFile(PAGE, text);
  console.log("docs/performance.md");
}

if (import.meta.main) await main();
