/**
 * What a run of the cluster came to, as a table.
 *
 * @module
 */

import { markdownTable } from "../../bench/markdown.ts";
import type { Tally } from "./client.ts";
import type { Member, MemberKind } from "./member.ts";
import { errorsOf, type Sample } from "./replicas.ts";

/** What the replicas said of themselves: the last sample of each process counts */
export class Figures {
  readonly #last = new Map<string, { readonly name: string; readonly sample: Sample }>();
  /** Until the last visitor had left */
  seconds = 0;

  /** Takes a sample of a process */
  add({ name, pid, sample }: { name: string; pid: number; sample: Sample }): void {
    this.#last.set(`${name} ${pid}`, { name, sample });
  }

  /** Of all processes together */
  sum(value: (sample: Sample) => number): number {
    return this.#last.values().reduce((sum, { sample }) => sum + value(sample), 0);
  }

  /** Peak of resident memory of each replica, in bytes, whichever of its processes had it */
  peaks(): number[] {
    const peaks = new Map<string, number>();
    for (const { name, sample } of this.#last.values()) {
      peaks.set(name, Math.max(peaks.get(name) ?? 0, sample.peak));
    }
    return [...peaks.values()];
  }
}

/** What is reported */
export interface ReportOptions {
  readonly minutes: number;
  readonly clients: number;
  readonly archives: number;
  readonly tally: Tally;
  readonly figures: Figures;
  readonly members: readonly Member[];
}

/** Tables of figures, and lists of what needs a look */
export function report(options: ReportOptions): string {
  const { tally, members } = options;
  const errors = new Map<string, number>();
  for (const replica of members.filter(({ kind }) => kind === "replica")) {
    for (const [text, count] of errorsOf(replica.log())) {
      errors.set(text, (errors.get(text) ?? 0) + count);
    }
  }
  return [
    markdownTable([["What", "How many"], ...lines(options)]),
    list("Seen by visitors, besides what was killed:", tally.reasons),
    list("In the logs of the replicas:", errors),
  ].filter((part) => part !== "").join("\n\n");
}

function lines({ minutes, clients, archives, tally, figures, members }: ReportOptions) {
  const kills = (kind: MemberKind) =>
    members.filter((member) => member.kind === kind).reduce((sum, { kills }) => sum + kills, 0);
  const megabytes = tally.bytes / 1e6;
  const line = (what: string, value: number) => [what, Math.round(value).toLocaleString("en")];
  return [
    line("minutes of kills", minutes),
    line("visitors at a time", clients),
    line("archives", archives),
    line("replicas killed", kills("replica")),
    line("volume servers killed", kills("volume server")),
    line("gateways killed", kills("gateway")),
    line("downloads whole, with the SHA-256 of the disk's", tally.whole),
    line("gone on with at their byte", tally.resumed),
    line("broken with their replica", tally.cut),
    line("broken while their replica ran", tally.broken),
    line("refused for a moment (503, 429)", tally.refused),
    line("replica took no connection", tally.away),
    line("wrong", tally.wrong),
    line("unfinished", tally.unfinished),
    line("MB received", megabytes),
    line("MB a second", megabytes / figures.seconds),
    line("requests to the store", figures.sum(({ requests }) => requests)),
    line("of them tried again", figures.sum(({ retries }) => retries)),
    [
      "peak of resident memory of each replica, MB",
      figures.peaks().map((peak) => Math.round(peak / 1e6)).join(", "),
    ],
  ];
}

function list(title: string, counts: ReadonlyMap<string, number>): string {
  if (counts.size === 0) return "";
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return [title, "", ...sorted.map(([text, count]) => `- ${count} × ${text}`)].join("\n");
}
