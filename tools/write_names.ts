/**
 * Writes the tables of names that stay out of archives into docs/names.md, from the tables that the
 * program itself uses.
 *
 * @module
 */

import { JUNK, type NameRule, UNFINISHED } from "../storage/junk.ts";

const PAGE = new URL("../docs/names.md", import.meta.url);

/** The page with its tables written anew. */
export function withTables(page: string): string {
  return page
    .replace(between("unfinished"), () => `\n${table(UNFINISHED)}\n\n`)
    .replace(between("junk"), () => `\n${table(JUNK)}\n\n`);
}

function between(name: string) {
  return new RegExp(`(?<=<!-- ${name} -->\\n)[^]*(?=<!-- /${name} -->)`);
}

function table(rules: readonly NameRule[]) {
  const rows = rules.map(({ names, from, source }) => {
    const shown = names.map((name) => `\`${printable(name)}\``).join(", ");
    return `| ${shown} | ${from} | [source](${source}) |`;
  });
  return ["| Names | Left by | |", "| --- | --- | --- |", ...rows].join("\n");
}

/** What cannot be seen, as JSON writes it. */
function printable(name: string) {
  return name.replace(/[^ -~]/g, (c) => {
    return c === "\r" ? "\\r" : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

if (import.meta.main) {
  await Deno.writeTextFile(PAGE, withTables(await Deno.readTextFile(PAGE)));
}
