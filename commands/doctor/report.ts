/**
 * What was found, for people and for programs. Pure.
 *
 * @module
 */

import { countVerdicts, hasFault, INDENT, inOrder, lineOf } from "../../lib/findings.ts";
import type { Examination } from "./examine.ts";
import { type Finding, type Rule, RULES } from "./findings.ts";
import { inBytes } from "./judge.ts";
import { concealer } from "./secrets.ts";

/** What is reported of an archive. */
export interface ReportOptions extends Examination {
  /** Its address. No more than the first 4 characters of the hash get into the report. */
  readonly url: URL;
}

/** Lines for a terminal. */
export function textReport({ url, findings, bytes }: ReportOptions): string {
  const lines = [
    String(url),
    "",
    ...inOrder(findings, RULES).flatMap(linesOf),
    "",
    `${countVerdicts(findings)}; ${inBytes(bytes)} downloaded`,
  ];
  return concealer(url)(lines.join("\n"));
}

/** One object, whose names and ids are stable. */
export function jsonReport({ url, findings, bytes }: ReportOptions): string {
  const conceal = concealer(url);
  const list = inOrder(findings, RULES).map(({ id, verdict, seen }) => {
    const { title, why, cures }: Rule = RULES[id];
    return { id, verdict, title, seen: conceal(seen), why, cures };
  });
  const fine = !hasFault(findings);
  return JSON.stringify({ url: conceal(String(url)), fine, bytes, findings: list }, null, 2);
}

/** Why, and what to do, only where something is wrong. */
function linesOf({ id, verdict, seen }: Finding): string[] {
  const { title, why, cures }: Rule = RULES[id];
  const first = lineOf(verdict, title, seen);
  if (verdict === "ok" || verdict === "skipped") return [first];
  const steps = Object.entries(cures).map(([proxy, cure]) =>
    `${INDENT}${proxy === "any" ? "In any case" : proxy}: ${cure}`
  );
  return [first, `${INDENT}${why}`, ...steps];
}
