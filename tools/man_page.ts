/**
 * The man page, zipferry(1), written from what the program itself says of its command line.
 *
 * @module
 */

import type { CommandLine, CommandWord, Flag, Group, Variable } from "./command_line.ts";

/** What the page says besides the command line. */
export interface Edition {
  /** Version of the program. */
  readonly version: string;
  /** Day of the page, in UTC. */
  readonly date: Date;
}

const MAX_SOURCE_COLUMNS = 79;

/** Characters that roff would set as something else than what a shell reads. */
const GLYPHS: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** The page in roff, with the macros of man(7), in ASCII. */
export function manPage(line: CommandLine, { version, date }: Edition): string {
  const day = date.toISOString().slice(0, 10);
  const sections: [string, string[]][] = [
    ["NAME", [`zipferry ${roff("-")} ${roff(FIRST_LINE)}`]],
    ["SYNOPSIS", synopsis(line)],
    ["DESCRIPTION", paragraphs(DESCRIPTION)],
    ["COMMANDS", line.commands.flatMap(command)],
    ["OPTIONS", [...paragraphs(OPTIONS_TEXT), ...line.groups.flatMap(group), ...others(line)]],
    ["FILES", FILES.flatMap(([path, text]) => item(italic(path), text))],
    ["EXIT STATUS", EXIT_STATUS.flatMap(([code, text]) => item(bold(code), text))],
    ["EXAMPLES", examples(line)],
    ["SEE ALSO", [`${bold("systemctl")}(1), ${bold("zip")}(1)`]],
  ];
  return [
    '.\\" Made by tools/man_page.ts from the table of options: do not edit.',
    `.TH ZIPFERRY 1 "${day}" "zipferry ${version}" "User Commands"`,
    ".nh",
    ".ad l",
    ...sections.flatMap(([title, lines]) => [`.SH ${quoted(title)}`, ...lines]),
    "",
  ].join("\n");
}

/** The example without a command. */
const SERVE = "zipferry --folder /srv/photos";

const FIRST_LINE = "serve folders of photos as ZIP archives";

const DESCRIPTION = [
  "zipferry serves each folder inside a photos folder as one ZIP archive, at /archive/HASH/, where " +
  "HASH is the name of the folder. The archive is made while it is sent and is never stored. Its " +
  "exact length is known from the start, and a download that was cut off resumes, also after a " +
  "restart.",
  "Without a command it serves until SIGTERM or SIGINT.",
];

const OPTIONS_TEXT = [
  "A flag takes precedence over its variable, and a variable over a line in .env in the working " +
  "directory.",
];

const FILES: readonly [string, string][] = [
  ["/etc/zipferry.env", "Variables for zipferry.service, one a line. They are those above."],
  [
    "/etc/systemd/system/zipferry.service.d/*.conf",
    "What else is to be changed in zipferry.service, such as memory limits.",
  ],
  [
    "/srv/photos",
    "The photos folder of zipferry.service, unless PHOTOS_DIR in /etc/zipferry.env says otherwise.",
  ],
  [
    "/var/lib/zipferry",
    "What zipferry.service stores: checksums, and receipts if ZIPFERRY_STATE puts them there. It " +
    "may be deleted while the service is stopped.",
  ],
  [".env", "Variables, one a line, for zipferry without systemd."],
];

const EXIT_STATUS: readonly [string, string][] = [
  ["0", "It was stopped, or the command succeeded."],
  ["1", "The service cannot go on, or the command failed or found faults."],
  ["2", "An option or a variable is not allowed."],
];

function synopsis({ commands }: CommandLine) {
  const lines = commands.map(({ name, usage }) =>
    `${bold("zipferry")} ${bold(name)} [${italic("option")} ...]${words(usage)}`
  );
  return [`${bold("zipferry")} [${italic("option")} ...]`, ...lines]
    .flatMap((line) => [".br", line]).slice(1);
}

function command({ name, usage, text, flags }: CommandWord): string[] {
  const nested = flags.flatMap(option);
  return [
    ...item(bold(name) + words(usage), text),
    ...nested.length > 0 ? [".RS", ...nested, ".RE"] : [],
  ];
}

function group({ title, flags, variables }: Group): string[] {
  return [`.SS ${quoted(roff(title))}`, ...flags.flatMap(option), ...variables.flatMap(variable)];
}

function others({ common, credentials }: CommandLine): string[] {
  return [
    ".SS Others",
    ...common.flatMap(option),
    ".PP",
    ...prose(`Credentials of a bucket come from the variables ${credentials.join(", ")}.`),
  ];
}

function option(flag: Flag): string[] {
  const { short, long, text, allowed, variable, default: unset } = flag;
  const names = [short && `-${short}`, `--${long}`].filter((name) => name !== undefined);
  const notes = [
    sentence(text),
    allowed !== undefined && !isInWords(flag) && sentence(`allowed: ${allowed}`),
    unset !== undefined && sentence(`default: ${unset}`),
    variable !== undefined && sentence(`variable: ${variable}`),
  ];
  return item(names.map(bold).join(", ") + valueOf(flag), notes.filter(Boolean).join(" "));
}

/** Whether the title has every value that is allowed. */
function isInWords({ value }: Flag) {
  return value !== undefined && value.choices.length === value.label.split("|").length;
}

function variable({ name, text, default: unset }: Variable): string[] {
  const notes = [sentence(text), unset !== undefined && sentence(`default: ${unset}`)];
  return item(bold(name), notes.filter(Boolean).join(" "));
}

function examples({ commands }: CommandLine) {
  const lines = [SERVE, ...commands.flatMap(({ examples }) => examples)];
  return [".nf", ...lines.map(roff), ".fi"];
}

function valueOf({ value }: Flag) {
  if (!value) return "";
  const { label, choices, optional } = value;
  const parts = label.split("|").map((part) => choices.includes(part) ? bold(part) : italic(part));
  return optional ? ` [${parts.join("|")}]` : ` ${parts.join("|")}`;
}

/** A paragraph with a hanging tag. */
function item(tag: string, text: string): string[] {
  return [".TP", tag, ...prose(text)];
}

/** Lines of the source: how they come out is for whoever shows the page. */
function prose(text: string): string[] {
  const lines = [""];
  for (const word of roff(text).split(" ")) {
    if (lines[lines.length - 1].length + word.length >= MAX_SOURCE_COLUMNS) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trimStart());
  }
  return lines.map((line) => line.replace(/^\./, "\\&."));
}

/** A word before a colon may be one that is typed. */
function sentence(text: string) {
  const start = /^[a-z]+:(?! \S+ing)/.test(text)
    ? text
    : text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(start) ? start : `${start}.`;
}

function paragraphs(texts: readonly string[]) {
  return texts.flatMap((text) => [".PP", ...prose(text)]).slice(1);
}

function italic(text: string) {
  return `\\fI${roff(text)}\\fR`;
}

function bold(text: string) {
  return `\\fB${roff(text)}\\fR`;
}

/** What follows a command: each word stands for something, and may be left out in square brackets. */
function words(usage: string) {
  const parts = usage.matchAll(/([<[])([^\]>.]+)(\.{3})?[\]>]/g);
  return [...parts].map(([, bracket, word, dots = ""]) => {
    const text = `${italic(word)}${dots && " ..."}`;
    return bracket === "[" ? ` [${text}]` : ` ${text}`;
  }).join("");
}

function quoted(title: string) {
  return title.includes(" ") ? `"${title}"` : title;
}

/** Text that comes out as it is, but for a dot at the start of a line. */
function roff(text: string) {
  return text.replace(/[\\'`^~-]/g, (glyph) => GLYPHS[glyph])
    .replace(/[^\n -~]/gu, (letter) => {
      const code = letter.codePointAt(0)!.toString(16).toUpperCase();
      return `\\[u${code.padStart(4, "0")}]`;
    });
}
