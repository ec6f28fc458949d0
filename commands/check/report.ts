/**
 * What was found, for people and for programs. Pure.
 *
 * @module
 */

import { countVerdicts, hasFault, INDENT, inOrder, lineOf } from "../../lib/findings.ts";
import { type Finding, type Rule, RULES } from "./findings.ts";

/** Lines for a terminal: one for each finding, and one more where there is something to do. */
export function textReport(findings: readonly Finding[]): string {
  return [...inOrder(findings, RULES).flatMap(linesOf), "", countVerdicts(findings)].join("\n");
}

/** One object, whose names and ids are stable. */
export function jsonReport(findings: readonly Finding[]): string {
  const list = inOrder(findings, RULES).map((finding) => {
    const { id, verdict, seen } = finding;
    return { id, verdict, title: RULES[id].title, seen, next: nextOf(finding) ?? null };
  });
  return JSON.stringify({ fine: !hasFault(findings), findings: list }, null, 2);
}

function linesOf(finding: Finding): string[] {
  const { id, verdict, seen } = finding;
  const first = lineOf(verdict, RULES[id].title, seen);
  const next = nextOf(finding);
  return next === undefined ? [first] : [first, `${INDENT}Next: ${next}`];
}

function nextOf({ id, verdict, next }: Finding): string | undefined {
  const rule: Rule = RULES[id];
  return next ?? (verdict === "warning" || verdict === "fault" ? rule.next : undefined);
}
