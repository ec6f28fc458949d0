/**
 * Prints the section of CHANGELOG.md for a release, if its tag may be released:
 *
 * ```sh
 * deno run --allow-read .ci/release_notes.ts 1.2.3
 * ```
 *
 * @module
 */

import project from "../deno.json" with { type: "json" };

const HEADING = /^## (.+)$/m;

/** Where a heading in brackets leads. */
const ADDRESS = /^\[[^\]]+\]: \S+$/gm;

/** Thrown where a tag cannot be released. One line, for the user. */
export class ReleaseError extends Error {}

/**
 * The text under the heading `## [<version>] - <year>-<month>-<day>` of a change log in the form of
 * Keep a Changelog 1.1.0, without the addresses at its end.
 *
 * @see {@link https://keepachangelog.com/en/1.1.0/}
 *
 * @throws {ReleaseError} if there is no such section, or it has no date or no text
 */
export function cutNotes(changelog: string, version: string): string {
  // Headings and the texts under them take turns, after what stands above the first one.
  const [, ...parts] = changelog.replaceAll("\r\n", "\n").split(HEADING);
  const at = parts.findIndex((part, i) => i % 2 === 0 && part.split(" ")[0] === `[${version}]`);
  if (at < 0) throw new ReleaseError(`CHANGELOG.md: no section "## [${version}] - YYYY-MM-DD"`);
  const date = /^\S+ - (\d{4}-\d{2}-\d{2})$/.exec(parts[at])?.[1];
  if (!date || !isDate(date)) {
    throw new ReleaseError(`CHANGELOG.md: "## ${parts[at]}" has no date, as in - 2026-01-31`);
  }
  const notes = parts[at + 1].replaceAll(ADDRESS, "").trim();
  if (notes === "") throw new ReleaseError(`CHANGELOG.md: nothing under "## ${parts[at]}"`);
  return notes;
}

/**
 * Holds that a tag is the project's version.
 *
 * @throws {ReleaseError} if it is not
 */
export function assertVersion(tag: string, version: string) {
  if (tag === version) return;
  throw new ReleaseError(`tag "${tag}" is not the version in deno.json, "${version}"`);
}

function isDate(text: string) {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

if (import.meta.main) {
  try {
    assertVersion(Deno.args[0] ?? "", project.version);
    const path = new URL("../CHANGELOG.md", import.meta.url);
    console.log(cutNotes(await Deno.readTextFile(path), project.version));
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    console.error(`release: ${error.message}`);
    Deno.exit(1);
  }
}
