/**
 * Writes the list of languages, `templates/languages.ts`, from the files in `templates/languages/`:
 * imports have to be written down, since a compiled program has no folder to look into.
 *
 * ```sh
 * deno run --allow-read --allow-write tools/write_languages.ts
 * ```
 *
 * @module
 */

const FOLDER = new URL("../templates/languages/", import.meta.url);

/** What is written. */
export const LANGUAGES_PATH = new URL("../templates/languages.ts", import.meta.url);

/** For visitors who prefer none of the languages. */
const DEFAULT = "en";

/** The names of the files, the default first, as they are in BCP 47: `de`, `pt-BR`. */
function tags(): string[] {
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
    .filter((name) => name.endsWith(".ts") && !name.endsWith("_test.ts"))
    .map((name) => name.slice(0, -".ts".length));
  return [DEFAULT, ...names.filter((name) => name !== DEFAULT).sort()];
}

/** The text of the list. */
export function languagesList(): string {
  const found = tags();
  const name = (tag: string) => tag.replace("-", "_");
  const entry = (tag: string) => name(tag) === tag ? tag : `"${tag}": ${name(tag)}`;
  return [
    "/**",
    " * All languages, the default first. Written by `tools/write_languages.ts`.",
    " *",
    " * @module",
    " */",
    "",
    ...found.toSorted().map((tag) => `import { ${name(tag)} } from "./languages/${tag}.ts";`),
    "",
    "/** The words in each language, by its tag (BCP 47). */",
    `export const languages = { ${found.map(entry).join(", ")} } as const;`,
    "",
  ].join("\n");
}

if (import.meta.main) await Deno.writeTextFile(LANGUAGES_PATH, languagesList());
