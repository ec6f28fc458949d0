/**
 * What was found, for people and for programs. Pure.
 *
 * @module
 */

import { type Finding, type Rule, RULES, type Verdict } from "./findings.ts";

const LABELS: Readonly<Record<Verdict, string>> = {
  ok: "ok",
  warning: "WARNING",
  fault: "FAULT",
  skipped: "skipped",
};

const LABEL_WIDTH = 9;

/** Lines for a terminal: one for each finding, and one more where there is something to do. */
export function textReport(findings: readonly Finding[]): string {
  const counts = (["ok", "warning", "fault", "skipped"] as const).map((verdict) =>
    `${findings.filter((finding) => finding.verdict === verdict).length} ${verdict}`
  );
  return [...inOrder(findings).flatMap(linesOf), "", counts.join(", ")].join("\n");
}

/** One object, whose names and ids are stable. */
export function jsonReport(findings: readonly Finding[]): string {
  const list = inOrder(findings).map((finding) => {
    const { id, verdict, seen } = finding;
    return { id, verdict, title: RULES[id].title, seen, next: nextOf(finding) ?? null };
  });
  return JSON.stringify({ fine: !hasFault(findings), findings: list }, null, 2);
}

/** Whether something is so wrong that the service does not start, or visitors are harmed. */
export function hasFault(findings: readonly Finding[]): boolean {
  return findings.some(({ verdict }) => verdict === "fault");
}

function inOrder(findings: readonly Finding[]) {
  const ids = Object.keys(RULES);
  return findings.toSorted((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
}

function linesOf(finding: Finding): string[] {
  const { id, verdict, seen } = finding;
  const first = `${LABELS[verdict].padEnd(LABEL_WIDTH)}${RULES[id].title}: ${seen}`;
  const next = nextOf(finding);
  return next === undefined ? [first] : [first, `${" ".repeat(LABEL_WIDTH)}Next: ${next}`];
}

function nextOf({ id, verdict, next }: Finding): string | undefined {
  const rule: Rule = RULES[id];
  return next ?? (verdict === "warning" || verdict === "fault" ? rule.next : undefined);
}
