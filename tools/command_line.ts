/**
 * The command line as data: what `--help` is made from, in the shape that the man page and the
 * completions of shells need.
 *
 * @module
 */

import { CREDENTIAL_VARIABLES } from "../lib/bucket.ts";
import { COMMAND_FLAGS, COMMANDS, type CommandSpec, keysOf } from "../lib/commands.ts";
import { COMMON, topics } from "../lib/help.ts";
import { type Group as OptionGroup, GROUPS, OPTIONS, type OptionSpec } from "../lib/options.ts";

/** What a word stands for. */
export interface Value {
  /** How the help names it, such as `path` or `auto|on|off`. */
  readonly label: string;
  /** What a shell offers for it. */
  readonly kind: "file" | "folder" | "text";
  /** The words that are allowed literally; more may be. */
  readonly choices: readonly string[];
  /** Whether it may be left out. */
  readonly optional: boolean;
}

/** A flag. */
export interface Flag {
  /** Its letter, as in `f`. @default none */
  readonly short?: string;
  /** Its name without the hyphens, as in `folder`. */
  readonly long: string;
  /** What follows it. @default nothing */
  readonly value?: Value;
  /** What the help says. */
  readonly text: string;
  /** What a shell shows beside it. */
  readonly brief: string;
  /** The variable that sets the same. @default none */
  readonly variable?: string;
  /** What counts when nothing is given. @default none */
  readonly default?: string;
  /** What its value may be, in words. @default what the text says */
  readonly allowed?: string;
  /** Whether it may be given more than once. */
  readonly repeats: boolean;
}

/** A variable without a flag. */
export interface Variable {
  /** Its name. */
  readonly name: string;
  /** What the help says. */
  readonly text: string;
  /** What counts when it is not set. @default none */
  readonly default?: string;
}

/** Options that belong together. */
export interface Group {
  /** What they are about. */
  readonly title: string;
  /** Those with a flag. */
  readonly flags: readonly Flag[];
  /** Those without. */
  readonly variables: readonly Variable[];
}

/** A command. */
export interface CommandWord {
  /** What is typed. */
  readonly name: string;
  /** What follows it, as the help has it; empty for nothing. */
  readonly usage: string;
  /** What it does. */
  readonly text: string;
  /** The same in a few words. */
  readonly brief: string;
  /** What a shell offers for what follows it. */
  readonly value: Pick<Value, "kind" | "choices">;
  /** Flags that only this command, and perhaps others, take. */
  readonly flags: readonly Flag[];
  /** Command lines. */
  readonly examples: readonly string[];
}

/** Everything that can be typed after `zipferry`. */
export interface CommandLine {
  /** Options of the service. */
  readonly groups: readonly Group[];
  /** Flags that are no options of the service, and of no command. */
  readonly common: readonly Flag[];
  /** The commands. */
  readonly commands: readonly CommandWord[];
  /** Variables for the credentials of a bucket. */
  readonly credentials: readonly string[];
}

/** The command line of this version of the program. */
export function commandLine(): CommandLine {
  return {
    groups: (Object.keys(GROUPS) as OptionGroup[]).map(describeGroup),
    common: COMMON.map(([flags, text]) => describeFlag({ flags, description: text })),
    commands: Object.entries<CommandSpec>(COMMANDS).map(describeCommand),
    credentials: CREDENTIAL_VARIABLES,
  };
}

/** All flags, each once, in the order of the help. */
export function allFlags({ groups, common, commands }: CommandLine): Flag[] {
  const ofCommands = commands.flatMap(({ flags }) => flags);
  const flags = [...groups.flatMap(({ flags }) => flags), ...common, ...ofCommands];
  return [...new Map(flags.map((flag) => [flag.long, flag])).values()];
}

function describeGroup(group: OptionGroup): Group {
  const specs = keysOf(group).map((key): OptionSpec<unknown> => OPTIONS[key]);
  const variables = specs.filter(({ flags }) => flags === undefined);
  return {
    title: GROUPS[group],
    flags: specs.filter(({ flags }) => flags !== undefined).map(describeFlag),
    variables: variables.map((spec) => ({
      name: spec.variable!,
      text: spec.description,
      default: spec.default,
    })),
  };
}

function describeCommand([name, spec]: [string, CommandSpec]): CommandWord {
  const { usage = "", description, brief, examples } = spec;
  const flags = COMMAND_FLAGS.filter(({ commands }) => commands.some((other) => other === name));
  return {
    name,
    usage,
    text: description,
    brief,
    value: { kind: kindOf(usage), choices: usage === "[topic]" ? topics() : [] },
    flags: flags.map(describeFlag),
    examples,
  };
}

/** What the tables of options and of the flags of commands have in common. */
type FlagSpec =
  & Pick<OptionSpec<unknown>, "flags" | "description" | "variable" | "default" | "brief">
  & Partial<Pick<OptionSpec<unknown>, "allowed" | "parse">>
  & { readonly isRepeatable?: boolean };

function describeFlag(spec: FlagSpec): Flag {
  const { flags = "", description, brief = description, isRepeatable = false } = spec;
  const [, short, long, bracket, label = ""] =
    /^(?:-(\w), )?--([\w-]+)(?: ([<[])(.+)[>\]])?$/.exec(flags) ?? [];
  if (long === undefined) throw new Error(`read flags: ${flags} is in no form that is known`);
  const value = bracket === undefined ? undefined : {
    label,
    kind: kindOf(`${bracket}${long === "folder" ? "folder" : label}>`),
    choices: choicesOf(label, spec.parse),
    optional: bracket === "[",
  };
  return {
    short,
    long,
    value,
    text: description,
    brief,
    variable: spec.variable,
    default: spec.default,
    allowed: spec.allowed,
    repeats: isRepeatable,
  };
}

function kindOf(usage: string): Value["kind"] {
  if (usage.startsWith("<folder>")) return "folder";
  return /^<(file|path)>/.test(usage) ? "file" : "text";
}

/** Of `seconds|true|false` the words that the parser takes as they are; of `0-9` the digits. */
function choicesOf(label: string, parse?: (text: string) => unknown): string[] {
  const words = label === "0-9" ? [..."0123456789"] : label.includes("|") ? label.split("|") : [];
  return words.filter((word) => parse?.(word) !== undefined);
}
