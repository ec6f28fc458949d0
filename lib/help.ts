/**
 * What `--help` and the command `help` print: a first screen, and one for each command and each group
 * of options. Pure.
 *
 * @module
 */

import { Help } from "commander";
import { CREDENTIAL_VARIABLES } from "./bucket.ts";
import {
  COMMAND_FLAGS,
  type CommandName,
  COMMANDS,
  type CommandSpec,
  isCommand,
  keysOf,
} from "./commands.ts";
import { type Group, GROUPS, type Key, OPTIONS, type OptionSpec } from "./options.ts";

/** Columns of a terminal. */
const WIDTH = 80;

/** What is no option of the service, and of no command: a flag and what it does. */
export const COMMON: readonly Item[] = [
  ["--check-config", "print the settings as JSON, and exit"],
  ["-h, --help", "print this help, or that of a command"],
  ["-V, --version", "print the version"],
];

const PURPOSE = "Serves each folder of photos as one ZIP file, made while it is being sent.";

const EXAMPLES = [
  "zipferry --folder photos",
  "zipferry check --folder photos",
  'zipferry new --folder photos "Baikal trip"',
];

/** A term and what it means. */
export type Item = readonly [term: string, text: string];

/** Items under a heading. */
interface Section {
  readonly heading: string;
  readonly items: readonly Item[];
}

/** Everything that help can be had about. */
export function topics(): string[] {
  return [...Object.keys(COMMANDS), ...Object.keys(GROUPS), "all"];
}

/**
 * The help on a topic: a command, a group of options, or `all`; the first screen if there is no such
 * topic. Lines of at most 80 columns, but for examples.
 */
export function helpFor(topic = ""): string {
  if (isCommand(topic)) return helpForCommand(topic);
  if (isGroup(topic)) return helpForGroups([topic]);
  return topic === "all" ? helpForAll() : firstScreen();
}

function firstScreen() {
  const used = Object.values<OptionSpec<unknown>>(OPTIONS).filter(({ brief }) => brief);
  const usage = [
    "Usage: zipferry [options]            serve the photos until it is stopped",
    "       zipferry <command> [options]  do something else, and end",
    "",
    PURPOSE,
  ];
  const commands = Object.entries<CommandSpec>(COMMANDS).map((
    [name, { usage = "", brief }],
  ): Item => [`${name} ${usage}`, brief]);
  const options = used.map((spec): Item => [spec.flags ?? "", briefOf(spec)]);
  const groups = Object.keys(GROUPS).join(", ");
  const sections = layOut([
    { heading: "Commands:", items: commands },
    { heading: "Options used most:", items: [...options, ...COMMON] },
  ]);
  const more = wrap(
    `All options: zipferry help all. One group: zipferry help and one of ${groups}.`,
  );
  return join([usage, sections, examples(EXAMPLES), more]);
}

/** With its default, where there is room for it. */
function briefOf({ brief = "", ...spec }: OptionSpec<unknown>) {
  const note = spec.default === undefined ? "" : ` (default: ${spec.default})`;
  return brief.length + note.length <= 48 ? brief + note : brief;
}

function helpForCommand(name: CommandName) {
  const spec: CommandSpec = COMMANDS[name];
  const takes = spec.options.length > 0 || flagsOf(name).length > 0 ? " [options]" : "";
  const usage = [`Usage: zipferry ${name}${takes}${spec.usage ? ` ${spec.usage}` : ""}`, ""];
  const description = wrap(spec.description);
  const own = { heading: "Its own options:", items: flagsOf(name) };
  const isService = spec.options.length === Object.keys(OPTIONS).length;
  const rest = isService || spec.options.length === 0
    ? []
    : [{ heading: "Options:", items: spec.options.map(itemOf) }];
  const service = isService ? wrap("All options of the service: zipferry help all.") : [];
  const about = name === "help" ? wrap(`Topics: ${topics().join(", ")}.`) : [];
  const sections = layOut([own, ...rest].filter(({ items }) => items.length > 0));
  return join([[...usage, ...description], sections, service, about, examples(spec.examples)]);
}

function helpForGroups(groups: readonly Group[]) {
  return join([layOut(groups.flatMap(sectionsOf)), notes(groups)]);
}

function helpForAll() {
  const groups = Object.keys(GROUPS) as Group[];
  const commands = Object.keys(COMMANDS).filter(isCommand)
    .map((name): Section => ({ heading: `Of the command ${name}:`, items: flagsOf(name) }))
    .filter(({ items }) => items.length > 0);
  const others = { heading: "Others:", items: COMMON };
  const usage = ["Usage: zipferry [command] [options]", "", PURPOSE];
  return join([
    usage,
    layOut([...groups.flatMap(sectionsOf), ...commands, others]),
    notes(groups),
  ]);
}

function sectionsOf(group: Group): Section {
  return { heading: `${GROUPS[group]}:`, items: keysOf(group).map(itemOf) };
}

function itemOf(key: Key): Item {
  const spec: OptionSpec<unknown> = OPTIONS[key];
  const notes = [
    spec.flags && spec.variable && `[${spec.variable}]`,
    spec.default && `(default: ${spec.default})`,
  ];
  return [
    spec.flags ?? spec.variable ?? "",
    [spec.description, ...notes].filter(Boolean).join(" "),
  ];
}

function flagsOf(name: CommandName): Item[] {
  return COMMAND_FLAGS.filter(({ commands }) => commands.includes(name))
    .map(({ flags, description }): Item => [flags, description]);
}

/** What is said once below the options. */
function notes(groups: readonly Group[]) {
  const credentials = `Credentials of a bucket: ${CREDENTIAL_VARIABLES.join(", ")}.`;
  const order = "A flag wins over its variable, and a variable over its line in the file .env.";
  return [...groups.includes("bucket") ? [...wrap(credentials), ""] : [], ...wrap(order)];
}

/** Sections below each other, with one column for all terms. */
function layOut(sections: readonly Section[]): string[] {
  const help = helper();
  const terms = sections.flatMap(({ items }) => items.map(([term]) => term.length));
  const width = Math.max(...terms);
  const lines = sections.flatMap(({ heading, items }) =>
    help.formatItemList(
      heading,
      items.map(([term, text]) => help.formatItem(term, width, text, help)),
      help,
    )
  );
  return lines.slice(0, -1); // the empty line behind the last one
}

function wrap(text: string): string[] {
  return [helper().boxWrap(text, WIDTH)];
}

function examples(lines: readonly string[]) {
  return ["Examples:", ...lines.map((line) => `  ${line}`)];
}

/** Parts with an empty line between them. */
function join(parts: readonly (readonly string[])[]) {
  const texts = parts.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  return `${texts.join("\n\n")}\n`;
}

function helper() {
  const help = new Help();
  help.prepareContext({ helpWidth: WIDTH });
  return help;
}

function isGroup(word: string): word is Group {
  return Object.hasOwn(GROUPS, word);
}
