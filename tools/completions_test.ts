import assert from "node:assert/strict";
import { accept, testWith } from "../testing/tools.ts";
import { makeTree, type Tree } from "../testing/tree.ts";
import { allFlags, commandLine } from "./command_line.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "./completions.ts";

const line = commandLine();
const FLAGS = allFlags(line).map(({ long }) => `--${long}`);
const COMMANDS = line.commands.map(({ name }) => name);

/** A command line up to the cursor, and what is offered for its last word, sorted */
const CASES: readonly [string, readonly string[]][] = [
  ["zipferry --", FLAGS],
  ["zipferry --limit-rate", ["--limit-rate", "--limit-rate-total"]],
  ["zipferry ", COMMANDS],
  ["zipferry --log tr", ["true"]],
  ["zipferry --engine ", ["store", "zip"]],
  ["zipferry --level ", [..."0123456789"]],
  ["zipferry -f ", ["Байкал/", "photos of a day/"]],
  ["zipferry new ", ["Байкал/", "photos of a day/"]],
  ["zipferry --tls-cert c", ["cert.pem"]],
  ["zipferry repair a", ["album.zip"]],
  ["zipferry --port ", []],
  ["zipferry warm ", []],
];

/** Its value may be left out, so that a shell may offer a command as well */
const OPTIONAL = "zipferry --delay ";

/** Of a flag with `=`, each shell offers something else: the value, or the whole word */
const BEHIND_EQUALS = "zipferry --engine=s";

/** Where paths are completed */
function makeFolder() {
  return makeTree({
    "album.zip": "",
    "cert.pem": "",
    "photos of a day/1.jpg": "",
    "Байкал/1.jpg": "",
    "completions/zipferry": bashCompletion(line),
    "completions/_zipferry": zshCompletion(line),
    "completions/zipferry.fish": fishCompletion(line),
  });
}

function sorted(words: readonly string[]) {
  return [...new Set(words)].filter((word) => word !== "completions/").sort();
}

onLinux(["bash"], "bashCompletion() offers flags, values, paths and commands", async () => {
  await using tree = await makeFolder();
  for (const [typed, offered] of CASES) {
    assert.deepEqual(sorted(await bash(tree, typed)), sorted(offered), typed);
  }
  assert.deepEqual(await bash(tree, BEHIND_EQUALS), ["store"]);
  assert.deepEqual(await bash(tree, OPTIONAL), ["true", "false"]);
});

/** What bash has in COMPREPLY; it marks folders itself when it shows them */
async function bash(tree: Tree, typed: string): Promise<string[]> {
  const words = typed.split(/ |(?==)|(?<==)/);
  const script = `
    compopt() { :; } # may be called during a completion only
    source completions/zipferry
    set -u
    complete -p zipferry >/dev/null
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _zipferry
    for word in "\${COMPREPLY[@]}"; do
      [ -d "$word" ] && echo "$word/" || echo "$word"
    done`;
  return lines(await accept("bash", ["-c", script, "bash", ...words], { cwd: tree.path }));
}

onLinux(["fish"], "fishCompletion() offers flags, values, paths and commands", async () => {
  await using tree = await makeFolder();
  for (const [typed, offered] of CASES) {
    assert.deepEqual(sorted(await fish(tree, typed)), sorted(offered), typed);
  }
  assert.deepEqual(await fish(tree, BEHIND_EQUALS), ["--engine=store"]);
  assert.deepEqual(sorted(await fish(tree, OPTIONAL)), ["false", "true"]);
});

async function fish(tree: Tree, typed: string): Promise<string[]> {
  const script = 'source completions/zipferry.fish; complete --do-complete "$argv[1]"';
  const env = { HOME: tree.join("completions"), XDG_CONFIG_HOME: tree.join("completions") };
  const text = await accept("fish", ["-N", "-c", script, typed], { cwd: tree.path, env });
  return lines(text).map((line) => line.split("\t")[0]);
}

onLinux(["zsh"], "zshCompletion() offers flags, values, paths and commands", async () => {
  await using tree = await makeFolder();
  const cases: typeof CASES = [
    ...CASES,
    [BEHIND_EQUALS, ["store"]],
    [OPTIONAL, ["true", "false", ...COMMANDS]],
  ];
  const offers = await zsh(tree, cases.map(([typed]) => typed));
  for (const [i, [typed, offered]] of cases.entries()) {
    assert.deepEqual(sorted(offers[i]), sorted(offered), typed);
  }
});

/** What a zsh on a terminal of its own offers when Tab is pressed, for each command line */
async function zsh(tree: Tree, typed: readonly string[]): Promise<string[][]> {
  await Deno.writeTextFile(tree.join("completions/setup"), SETUP);
  const text = await accept("zsh", ["-f", "-c", PRESS_TAB, "zsh", ...typed], {
    cwd: tree.path,
    within: 30_000,
  });
  return text.split(END).slice(0, -1).map((part) =>
    lines(part).filter((line) => line.startsWith(OFFER)).map((line) => line.slice(1))
  );
}

/** In front of each word that is offered, and after the last one: nothing else shows these */
const OFFER = "\u2192";
const END = "\u25a0";

/** In the inner zsh: what is offered is printed */
const SETUP = `
PS1= LISTMAX=10000
unsetopt auto_list auto_menu
fpath=($PWD/completions $fpath)
autoload -Uz compinit && compinit -D -u
bindkey '^I' complete-word '^U' kill-whole-line
compadd() {
  if [[ " $* " != *' -'[OAD]' '* ]]; then
    local -a offered
    builtin compadd -A offered "$@"
    local word
    for word in \${(Q)offered}; do
      [[ -d $word ]] && word+=/
      print -r -- "
${OFFER}$word"
    done
  fi
  builtin compadd "$@"
}
# Such a function is called once, unless it says otherwise
end_of_offers() {
  comppostfuncs=(end_of_offers)
  print "
${END}"
}
comppostfuncs=(end_of_offers)
print READY
`;

const PRESS_TAB = `
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner 'source completions/setup'
zpty -r -m inner text '*READY*'
for typed; do
  zpty -n -w inner "$typed"$'\\t'
  zpty -r -m inner text '*${END}*'
  print -r -- $text
  zpty -n -w inner $'\\C-u'
done
zpty -d inner
`;

function lines(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== "");
}

/** Elsewhere these programs are others by the same names, or of another age */
function onLinux(tools: readonly string[], name: string, fn: () => Promise<void>) {
  if (Deno.build.os === "linux") testWith(tools, name, fn);
  else Deno.test({ name: `${name} (skipped: Linux only)`, ignore: true, fn });
}
