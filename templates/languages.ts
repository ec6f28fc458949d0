/**
 * All languages, the default first. Written by `tools/write_languages.ts`.
 *
 * @module
 */

import { de } from "./languages/de.ts";
import { en } from "./languages/en.ts";
import { ru } from "./languages/ru.ts";

/** The words in each language, by its tag (BCP 47). */
export const languages = { en, de, ru } as const;
