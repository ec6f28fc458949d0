/**
 * What a command found, as it is told to people: a judgement of each thing that was looked at. Pure.
 *
 * @module
 */

/** How a finding is judged; `skipped` if it could not be looked at. */
export type Verdict = "ok" | "warning" | "fault" | "skipped";

/** A judgement of one thing. */
export interface Judged {
  /** Which thing: the name of a rule. */
  readonly id: string;
  /** The judgement. */
  readonly verdict: Verdict;
  /** What was seen, in one line. */
  readonly seen: string;
}

const LABELS: Readonly<Record<Verdict, string>> = {
  ok: "ok",
  warning: "WARNING",
  fault: "FAULT",
  skipped: "skipped",
};

const LABEL_WIDTH = 9;

/** What stands before a further line on the same thing. */
export const INDENT: string = " ".repeat(LABEL_WIDTH);

/** The line on one thing: how it is judged, what it is, what was seen. */
export function lineOf(verdict: Verdict, title: string, seen: string): string {
  return `${LABELS[verdict].padEnd(LABEL_WIDTH)}${title}: ${seen}`;
}

/** How many there are of each verdict, in words. */
export function countVerdicts(findings: readonly Judged[]): string {
  return (Object.keys(LABELS) as Verdict[]).map((verdict) =>
    `${findings.filter((finding) => finding.verdict === verdict).length} ${verdict}`
  ).join(", ");
}

/** The findings in the order of the rules. */
export function inOrder<F extends Judged>(findings: readonly F[], rules: object): F[] {
  const ids = Object.keys(rules);
  return findings.toSorted((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
}

/** Whether one of them is so wrong that visitors are harmed. */
export function hasFault(findings: readonly Judged[]): boolean {
  return findings.some(({ verdict }) => verdict === "fault");
}
