/**
 * What was found, for people and for programs. Pure.
 *
 * @module
 */

import type { Examination } from "./examine.ts";
import { type Finding, type Rule, RULES, type Verdict } from "./findings.ts";
import { inBytes } from "./judge.ts";
import { concealer } from "./secrets.ts";

const LABELS: Readonly<Record<Verdict, string>> = {
  ok: "ok",
  warning: "WARNING",
  fault: "FAULT",
  skipped: "skipped",
};

const LABEL_WIDTH = 9;

/** What is reported of an archive. */
export interface ReportOptions extends Examination {
  /** Its address. No more than the first 4 characters of the hash get into the report. */
  readonly url: URL;
}

/** Lines for a terminal. */
export function textReport({ url, findings, bytes }: ReportOptions): string {
  const counts = (["ok", "warning", "fault", "skipped"] as const).map((verdict) =>
    `${findings.filter((finding) => finding.verdict === verdict).length} ${verdict}`
  );
  const lines = [
    String(url),
    "",
    ...inOrder(findings).flatMap(linesOf),
    "",
    `${counts.join(", ")}; ${inBytes(bytes)} downloaded`,
  ];
  return concealer(url)(lines.join("\n"));
}

/** One object, whose names and ids are stable. */
export function jsonReport({ url, findings, bytes }: ReportOptions): string {
  const conceal = concealer(url);
  const list = inOrder(findings).map(({ id, verdict, seen }) => {
    const { title, why, cures }: Rule = RULES[id];
    return { id, verdict, title, seen: conceal(seen), why, cures };
  });
  const fine = !hasFault(findings);
  return JSON.stringify({ url: conceal(String(url)), fine, bytes, findings: list }, null, 2);
}

/** Whether something is so wrong that visitors are harmed. */
export function hasFault(findings: readonly Finding[]): boolean {
  return findings.some(({ verdict }) => verdict === "fault");
}

function inOrder(findings: readonly Finding[]) {
  const ids = Object.keys(RULES);
  return findings.toSorted((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
}

/** Why, and what to do, only where something is wrong. */
function linesOf({ id, verdict, seen }: Finding): string[] {
  const { title, why, cures }: Rule = RULES[id];
  const first = `${LABELS[verdict].padEnd(LABEL_WIDTH)}${title}: ${seen}`;
  if (verdict === "ok" || verdict === "skipped") return [first];
  const indent = " ".repeat(LABEL_WIDTH);
  const steps = Object.entries(cures).map(([proxy, cure]) =>
    `${indent}${proxy === "any" ? "In any case" : proxy}: ${cure}`
  );
  return [first, `${indent}${why}`, ...steps];
}
