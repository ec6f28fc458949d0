import assert from "node:assert/strict";
import { LANGUAGES_PATH, languagesList } from "../tools/write_languages.ts";
import { messages } from "./messages.ts";

Deno.test("languages.ts names every file in languages/", async () => {
  assert.equal(await Deno.readTextFile(LANGUAGES_PATH), languagesList());
});

Deno.test("messages have the same places to fill in, in every language", () => {
  const english = placesIn(messages.en);
  for (const [language, words] of Object.entries(messages)) {
    assert.deepEqual(placesIn(words), english, language);
  }
});

Deno.test("messages have every plural form that Intl asks for", () => {
  for (const [language, { files, bytes }] of Object.entries(messages)) {
    // "many" of some languages is for millions, where Intl has it; "other" stands in for it.
    const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
    for (const forms of [files, bytes]) {
      assert.deepEqual(Object.keys(forms).sort(), [...pluralCategories].sort(), language);
    }
  }
});

/** Every path to a text, with the names in braces and the code in backticks there */
function placesIn(value: unknown, path = ""): string[] {
  if (typeof value === "string") {
    const places = value.match(/\{\w+\}|`[^`]*`/g) ?? [];
    return [`${path}: ${places.sort().join(" ")}`];
  }
  return Object.entries(value as object)
    .filter(([key]) => !/\.(?:files|bytes)$/.test(`${path}`) && key !== "hint")
    .flatMap(([key, part]) => placesIn(part, `${path}.${key}`)).sort();
}
