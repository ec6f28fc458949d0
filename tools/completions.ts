/**
 * Completions for bash, zsh and fish, written from what the program itself says of its command line.
 *
 * @module
 */

import { allFlags, type CommandLine, type Flag, type Value } from "./command_line.ts";

const NOTE = "Made by tools/completions.ts from the table of options: do not edit.";

/** For /usr/share/bash-completion/completions. */
export function bashCompletion(line: CommandLine): string {
  const flags = allFlags(line);
  const commands = line.commands.map(({ name }) => name);
  const values = flags.flatMap((flag) => flag.value ? [bashCase(flag, flag.value)] : []);
  const arguments_ = line.commands.map(({ name, value }) => `    ${name}) ${bashValue(value)} ;;`);
  return `# ${NOTE}

_zipferry() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command= other
  # In --flag=value the = is a word by itself.
  if [[ $word == = ]]; then
    word=
  elif [[ $previous == = ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()
  case $previous in
${values.join("\n")}
  esac
  if [[ $word == -* ]]; then
    ${bashWords(flags.flatMap(namesOf))}
    return
  fi
  for other in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $other in
      ${commands.join(" | ")})
        command=$other
        break
        ;;
    esac
  done
  case $command in
    "") ${bashWords(commands)} ;;
${arguments_.join("\n")}
  esac
}

complete -F _zipferry zipferry
`;
}

/** For a folder in the `fpath` of zsh, under the name `_zipferry`. */
export function zshCompletion(line: CommandLine): string {
  const described = line.commands.map(({ name, brief }) =>
    `    ${quote(`${name}:${zshColon(brief)}`)}`
  );
  const arguments_ = line.commands.map(({ name, value }) =>
    `    ${name}) ${zshAction(value) ?? "_message argument"} ;;`
  );
  return `#compdef zipferry
# ${NOTE}

_zipferry() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -s -S -C \\
${allFlags(line).map((flag) => `    ${zshFlag(flag)} \\`).join("\n")}
    '1:command:_zipferry_commands' \\
    '*:argument:_zipferry_arguments'
}

_zipferry_commands() {
  local -a commands
  commands=(
${described.join("\n")}
  )
  _describe command commands
}

_zipferry_arguments() {
  case $line[1] in
${arguments_.join("\n")}
  esac
}

_zipferry "$@"
`;
}

/** For /usr/share/fish/vendor_completions.d. */
export function fishCompletion(line: CommandLine): string {
  const names = line.commands.map(({ name }) => name).join(" ");
  const lines = [
    "-f",
    ...allFlags(line).map(fishFlag),
    ...line.commands.flatMap(({ name, brief, value }) => [
      `-n ${fishQuote(`not __fish_seen_subcommand_from ${names}`)} -a ${name} -d ${
        fishQuote(brief)
      }`,
      `-n ${fishQuote(`__fish_seen_subcommand_from ${name}`)} ${fishValue(value)}`,
    ]),
  ];
  return `# ${NOTE}\n\n${lines.map((line) => `complete -c zipferry ${line}\n`).join("")}`;
}

function namesOf({ short, long }: Flag): string[] {
  return [...short === undefined ? [] : [`-${short}`], `--${long}`];
}

/** What follows a flag. If it may be left out, another flag may follow too. */
function bashCase(flag: Flag, value: Value) {
  const pattern = namesOf(flag).join(" | ");
  const lines = [bashValue(value), "return"];
  const body = value.optional
    ? ["if [[ $word != -* ]]; then", ...lines.map((line) => `  ${line}`), "fi"]
    : lines;
  return [`    ${pattern})`, ...body.map((line) => `      ${line}`), "      ;;"].join("\n");
}

function bashValue({ kind, choices }: Pick<Value, "kind" | "choices">) {
  if (choices.length > 0) return bashWords(choices);
  if (kind === "text") return ":";
  const paths = kind === "folder" ? "-d" : "-f";
  return `compopt -o filenames && mapfile -t COMPREPLY < <(compgen ${paths} -- "$word")`;
}

function bashWords(words: readonly string[]) {
  return `mapfile -t COMPREPLY < <(compgen -W ${quote(words.join(" "))} -- "$word")`;
}

function zshFlag(flag: Flag) {
  const { value, brief, repeats } = flag;
  const names = namesOf(flag);
  const spelt = names.map((name) => value ? `${name}${name.startsWith("--") ? "=" : "+"}` : name);
  const others = quote(repeats ? "*" : `(${names.join(" ")})`);
  const colons = value?.optional ? "::" : ":";
  const text = `[${brief.replace(/[\\[\]]/g, "\\$&")}]`;
  const rest = value ? `${colons}${zshColon(value.label)}:${zshAction(value) ?? " "}` : "";
  return `${others}${spelt.length > 1 ? `{${spelt.join(",")}}` : spelt[0]}${quote(text + rest)}`;
}

function zshAction({ kind, choices }: Pick<Value, "kind" | "choices">) {
  if (choices.length > 0) return `(${choices.join(" ")})`;
  return { text: undefined, file: "_files", folder: "_files -/" }[kind];
}

/** Text that a colon would end. */
function zshColon(text: string) {
  return text.replace(/[\\:]/g, "\\$&");
}

function fishFlag({ short, long, value, brief }: Flag) {
  const words = [
    short && `-s ${short}`,
    `-l ${long}`,
    value && `-r ${fishValue(value)}`, // a flag may follow also then
    `-d ${fishQuote(brief)}`,
  ];
  return words.filter(Boolean).join(" ");
}

function fishValue({ kind, choices }: Pick<Value, "kind" | "choices">) {
  if (choices.length > 0) return `-f -a ${fishQuote(choices.join(" "))}`;
  if (kind === "text") return "-f";
  return kind === "file" ? "-F" : "-f -a '(__fish_complete_directories)'";
}

/** One word of bash or zsh. */
function quote(text: string) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** One word of fish. */
function fishQuote(text: string) {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
