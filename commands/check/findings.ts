/**
 * What is looked at, and what to do next where it is not good. The ids are stable: scripts may rely
 * on them.
 *
 * @module
 */

import type { Judged, Verdict } from "../../lib/findings.ts";

/** What was seen of one thing. */
export interface Finding extends Judged {
  /** Which thing. */
  readonly id: RuleId;
  /** What to do now. @default that of the rule, where something is wrong */
  readonly next?: string;
}

/** What does not depend on what was seen. */
export interface Rule {
  /** What is looked at. */
  readonly title: string;
  /** What to do where it is not good. @default what was seen says it */
  readonly next?: string;
}

/** The id of a rule. */
export type RuleId = keyof typeof RULES;

/** All rules, in the order in which they are reported. */
export const RULES = {
  version: { title: "Version" },
  settings: { title: "Settings" },
  variables: {
    title: "Names of variables",
    next: "correct or remove it; if the documentation of a newer version has it, update zipferry",
  },
  permissions: {
    title: "Permissions",
    next: "start deno with these flags, or by `deno task start:checksums`, which has all of them",
  },
  secrets: { title: "Secrets and links" },
  listing: {
    title: "The list at /",
    next: "use --listing auto: then only a browser on this machine sees it, or whoever has the " +
      "admin token",
  },
  folder: { title: "Photos folder" },
  names: { title: "Folders that no link reaches" },
  guessable: {
    title: "Names that can be guessed",
    next: "rename them to 16 random characters or more, as `zipferry new --move` does, and send " +
      "the new links",
  },
  archives: { title: "Archives" },
  files: {
    title: "Files",
    next: "let the user of the service read them: chmod -R a+rX, or a group that both are in",
  },
  times: {
    title: "Times of files",
    next: "nothing, if downloads need not resume; else keep the photos on a disk that keeps times",
  },
  speed: {
    title: "Speed of the disk",
    next: "see whether the disk or the network to it is busy; no visitor gets more than this. " +
      "With --checksums and `zipferry warm`, large files are read once a download, not twice",
  },
  clock: {
    title: "Clock and time zone",
    next: "set the clock, as by `timedatectl set-ntp true`; the end of links and labels goes by it",
  },
  memory: {
    title: "Memory",
    next: "leave --memory out, or give the container or the unit more",
  },
  descriptors: {
    title: "File descriptors",
    next: "raise the limit: `ulimit -n 4096`, LimitNOFILE= in a unit of systemd, or " +
      "--ulimit nofile= for a container; or choose a lower --max-downloads",
  },
  checksums: { title: "File of --checksums" },
  state: { title: "File of --state" },
  engine: { title: "Engine" },
  pages: { title: "Pages" },
  tls: { title: "TLS" },
  address: { title: "Address" },
  metrics: { title: "Address of --metrics" },
  proxy: { title: "Proxy" },
} as const satisfies Readonly<Record<string, Rule>>;

/** A finding in one line. */
export function finding(id: RuleId, verdict: Verdict, seen: string, next?: string): Finding {
  return { id, verdict, seen, ...next !== undefined && { next } };
}
