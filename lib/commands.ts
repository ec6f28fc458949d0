/**
 * The table of commands, and of the flags that belong to a command: the parser and the help are made
 * from it.
 *
 * @module
 */

import { type Group, type Key, OPTIONS, type OptionSpec } from "./options.ts";

/** One command. */
export interface CommandSpec {
  /** What follows its name. @default nothing */
  readonly usage?: string;
  /** What the first screen of `--help` says. */
  readonly brief: string;
  /** What its own help says. */
  readonly description: string;
  /** The options that mean something to it. */
  readonly options: readonly Key[];
  /** Command lines, the name of the program included. */
  readonly examples: readonly string[];
}

/** Options of a photos folder on a disk, whatever is done with it. */
const OF_FOLDER = ["folder", "hidden", "includeJunk", "followSymlinks"] as const;

/** All commands, in the order in which they are shown. Without one, the program serves. */
export const COMMANDS = {
  check: {
    brief: "say what of a set-up is good, and what is not",
    description:
      "Looks at a whole set-up before anyone downloads: settings, photos, names, limits, files, " +
      "certificate, address, speed of the disk. What is not good comes with the next step. The exit " +
      "code is 1 if something would go wrong.",
    options: Object.keys(OPTIONS) as Key[],
    examples: ["zipferry check --folder photos", "zipferry check --json"],
  },
  new: {
    usage: "<folder>",
    brief: "give a folder a random name, and print its link",
    description: "Gives a folder a random name in the photos folder, and prints its link. The " +
      "folder is named by its path, or by its name in the photos folder.",
    options: OF_FOLDER,
    examples: [
      'zipferry new --folder photos "Baikal trip"',
      "zipferry new --folder photos --move album --base-url https://example.org",
    ],
  },
  sign: {
    usage: "<hash>",
    brief: "print a signed link",
    description: "Prints a signed link to an archive, which ends at a time of its own.",
    options: ["secret", "secretFile"],
    examples: ["zipferry sign 9f2c41d7e8ab0536 --secret-file secret.txt --ttl 2w"],
  },
  warm: {
    usage: "[hashes...]",
    brief: "compute and store checksums ahead of downloads",
    description: "Computes the CRC-32 values of all archives, or of those that are named, and " +
      "stores them in the file of --checksums.",
    options: [...OF_FOLDER, "checksums", "memory", ...keysOf("bucket")],
    examples: ["zipferry warm --folder photos --checksums checksums.sqlite --digest"],
  },
  verify: {
    usage: "[hashes...]",
    brief: "compute them again, and compare",
    description: "Reads every file again and names those whose content changed although size and " +
      "time did not. The exit code is 1 if there are any.",
    options: [...OF_FOLDER, "checksums", "memory", ...keysOf("bucket")],
    examples: ["zipferry verify --folder photos --checksums checksums.sqlite"],
  },
  doctor: {
    usage: "<link>",
    brief: "look at an archive from outside, as visitors do",
    description: "Looks at an archive from outside, and says what a proxy does to it, why that " +
      "matters, and how to put it right. The exit code is 1 if visitors are harmed.",
    options: [],
    examples: [
      "zipferry doctor https://example.org/archive/9f2c41d7e8ab0536/",
    ],
  },
  repair: {
    usage: "<file> <link>",
    brief: "fetch what is damaged or missing in a download",
    description:
      "Makes a damaged or half-finished download whole. Only what is wrong or missing is fetched.",
    options: [],
    examples: [
      "zipferry repair album.zip https://example.org/archive/9f2c41d7e8ab0536/",
    ],
  },
  help: {
    usage: "[topic]",
    brief: "explain a command, a group of options, or all",
    description: "Explains a command, a group of options, or all options.",
    options: [],
    examples: ["zipferry help new", "zipferry help limits", "zipferry help all"],
  },
} as const satisfies Record<string, CommandSpec>;

/** The name of a command. */
export type CommandName = keyof typeof COMMANDS;

/** A flag that only some commands take. No variable sets it. */
export interface CommandFlag {
  /** What it is called in the program. */
  readonly name: string;
  /** In commander's notation. */
  readonly flags: string;
  /** What the help says. */
  readonly description: string;
  /** The commands that take it. */
  readonly commands: readonly CommandName[];
  /** Whether it may be given more than once. @default false */
  readonly isRepeatable?: boolean;
  /** Whether a misspelt flag may have been meant to be it. @default true */
  readonly isSuggested?: boolean;
}

/** The flags of commands, in the order in which they are shown. */
export const COMMAND_FLAGS: readonly CommandFlag[] = [
  {
    name: "copy",
    flags: "--copy",
    description: "copy the folder (default)",
    commands: ["new"],
  },
  {
    name: "move",
    flags: "--move",
    description: "rename the folder; it must be on the disk of the photos folder",
    commands: ["new"],
  },
  {
    name: "link",
    flags: "--link",
    description: "make hard links to its files, which take no space",
    commands: ["new"],
  },
  {
    name: "ttl",
    flags: "--ttl <time>",
    description: "how long the link is good: 30m, 12h, 7d, 2w, … (default: 7d)",
    commands: ["sign"],
    isSuggested: false,
  },
  {
    name: "file",
    flags: "--file <name>",
    description: "sign a link to this file or folder/ only; may be given again",
    commands: ["sign"],
    isRepeatable: true,
    isSuggested: false, // or a misspelt --folder would be taken for it
  },
  {
    name: "baseUrl",
    flags: "--base-url <url>",
    description: "print the link with this in front",
    commands: ["new", "sign"],
  },
  {
    name: "digest",
    flags: "--digest",
    description: "compute the SHA-256 of each archive too, for Repr-Digest",
    commands: ["warm"],
  },
  {
    name: "json",
    flags: "--json",
    description: "print what was found as JSON",
    commands: ["check", "doctor", "repair"],
  },
];

/** The options of a group. */
export function keysOf(group: Group): Key[] {
  const specs = Object.entries<OptionSpec<unknown>>(OPTIONS);
  return specs.filter(([, spec]) => spec.group === group).map(([key]) => key as Key);
}

/** True for the name of a command. */
export function isCommand(word: string): word is CommandName {
  return Object.hasOwn(COMMANDS, word);
}
