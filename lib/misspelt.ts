/**
 * Variables that were probably meant for this program, and do nothing.
 *
 * @module
 */

import { CREDENTIAL_VARIABLES } from "./bucket.ts";
import {
  longFlag,
  OPTIONS,
  type OptionSpec,
  variables,
  wordOfFlag,
  wordsOfFlags,
} from "./options.ts";

/** Variables that are read elsewhere. */
const OTHER_VARIABLES = ["ZIPFERRY_COMMIT", "ZIPFERRY_CONTAINER_MEMORY", ...CREDENTIAL_VARIABLES];

const PREFIX = "ZIPFERRY_";

/**
 * A warning if a variable is none of ours and was probably meant to be; undefined if not. It names
 * the right one. In a file that is meant for this program, names of flags count too.
 */
export function warnOfName(name: string, { inFile = false } = {}): string | undefined {
  if ([...variables, ...OTHER_VARIABLES].includes(name)) return undefined;
  const upper = name.toUpperCase();
  const isFlag = inFile && wordsOfFlags().includes(upper);
  if (!upper.startsWith(PREFIX) && !isNear(upper) && !isFlag) return undefined;
  return `${name}: no such variable, it does nothing; ${suggestVariable(upper)}`;
}

/** Short names of others, as in `HOSTS`, are too easily near: they count only in another case. */
function isNear(name: string) {
  return variables.some((ours) => {
    if (ours.length < 6) return name === ours;
    return isPartOf(name, ours) || distance(name, ours) <= 2 || soundsLike(name, ours);
  });
}

/** Names of AWS begin with those of others. */
function isPartOf(name: string, ours: string) {
  return !ours.startsWith("AWS_") && name.length > 5 &&
    (ours.startsWith(name) || name.startsWith(ours));
}

/** The same words, or the first of them, as in `PHOTOS_FOLDER` or `PHOTOS`. */
function soundsLike(name: string, ours: string) {
  return ours === "PHOTOS_DIR" && /^PHOTOS?(?:_(?:DIR|FOLDER|PATH|ROOT)\w*)?$/.test(name);
}

function suggestVariable(name: string) {
  const word = name.replace(PREFIX, "");
  const ofFlag = Object.values<OptionSpec<unknown>>(OPTIONS).find((spec) =>
    spec.flags && wordOfFlag(spec) === word
  );
  if (ofFlag) {
    return ofFlag.variable ? `use ${ofFlag.variable}` : `use the flag ${longFlag(ofFlag)}`;
  }
  const measured = variables.map((ours) => ({
    ours,
    far: soundsLike(name, ours) || isPartOf(word, ours)
      ? 0
      : Math.min(distance(name, ours), distance(word, ours)),
  }));
  const [nearest] = measured.sort((a, b) => a.far - b.far);
  return nearest.far <= 3 ? `use ${nearest.ours}` : "`zipferry help all` lists all variables";
}

/** How many letters must be added, removed or changed (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, changed));
    }
    row = next;
  }
  return row[b.length];
}
