/**
 * The scenarios of a benchmark that `--only` names.
 *
 * @module
 */

/**
 * The names in a list with commas.
 *
 * @throws {RangeError} for one that is not among `scenarios`; it says which are
 */
export function parseOnly(text: string, scenarios: Readonly<Record<string, unknown>>): string[] {
  const names = text.split(",");
  const unknown = names.find((name) => !Object.hasOwn(scenarios, name));
  if (unknown === undefined) return names;
  throw new RangeError(`--only: ${unknown}: allowed are ${Object.keys(scenarios).join()}`);
}
