/**
 * The README in a fresh clone: its commands, one after the other, in one shell, print what it says.
 *
 * @module
 */

import assert from "node:assert/strict";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./free_port.ts";
import { childrenOf, until } from "./process.ts";
import { accept, testWith } from "./tools.ts";
import { makeTree, type Tree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const README = await Deno.readTextFile(new URL("../README.md", import.meta.url));

const TOOLS = ["bash", "cp", "curl", "git", "grep", "openssl", "sha256sum", "unzip"];

/** Behind a download that the README interrupts */
const KILL = "# the service is killed while this runs";

/** Commands that go on until they are stopped, and commands that are not run here */
const SERVER = /^(TZ=\S+ )?(npx --yes deno@[\d.]+|deno) task start(:checksums)?( --| &|$)/;
const NOT_RUN = [
  "git clone https://github.com/OWNER/zipferry", // a copy of what git has stands for it
  "cd zipferry",
  "npx --yes deno@2.9.6 task test", // runs this test
];

/** What `deno task` prints of itself, which the README leaves out */
const TASK = /^Task .*\n/gm;

/** Where a command's output depends on the machine, the clone, and the moment of a kill */
const VARIES: readonly [RegExp, string][] = [
  [/"1-[0-9a-f]{32}"/g, '"1-TAG"'],
  [/\d+(?= bytes\b)/g, "N"],
  [/[0-9a-f]{64}/g, "SUM"],
];

interface Step {
  readonly command: string;
  readonly output: string;
}

function stepsOf(text: string): Step[] {
  const blocks = [...text.matchAll(/^```console\n([^]*?)^```$/gm)].map(([, block]) => block);
  return blocks.flatMap((block) =>
    block.split(/^\$ /m).slice(1).map((part) => {
      const end = part.indexOf("\n");
      return { command: part.slice(0, end), output: part.slice(end + 1) };
    })
  );
}

/** What `git clone` gives, with files that have been quiet for a while */
async function makeClone(): Promise<Tree> {
  const clone = await makeTree();
  await accept("git", ["-C", ROOT, "checkout-index", "--all", `--prefix=${clone.path}/`]);
  const old = ["test_photos", "-exec", "touch", "-d", "2024-05-06", "{}", "+"];
  await accept("find", old, { cwd: clone.path });
  return clone;
}

testWith(TOOLS, "README.md: its commands work in a fresh clone", async () => {
  if (Deno.build.os !== "linux") return; // there is no /proc to find the services in
  await using clone = await makeClone();
  await using shell = startShell(clone.path);
  const steps = stepsOf(README).filter(({ command }) => !NOT_RUN.includes(command));
  assert.ok(steps.length >= 15, `${steps.length} steps`);
  for (const { command, output } of steps) {
    let printed: string;
    if (SERVER.test(command)) {
      await shell.stop();
      printed = await shell.serve(command);
      if (output === "") printed = ""; // a server without its line
    } else if (command.endsWith(KILL)) {
      printed = await shell.run(command, async () => {
        await until(() => sizeOf(clone.join("album.zip")) > 0, "the download has begun");
        await shell.stop("SIGKILL");
      });
    } else printed = await shell.run(command);
    assert.equal(common(printed), common(output), command);
    const sums = printed.match(/^[0-9a-f]{64}/gm) ?? [];
    assert.ok(new Set(sums).size <= 1, "the sums are the same");
  }
});

function common(text: string): string {
  return VARIES.reduce((text, [from, to]) => text.replaceAll(from, to), text);
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

/** A shell that keeps its variables, in which port 8080 is a free one */
function startShell(cwd: string) {
  const port = `${freePort()}`;
  const path = `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`;
  const child = new Deno.Command("bash", {
    cwd,
    env: { PATH: path, PORT: port, NO_COLOR: "1", LC_ALL: "C.UTF-8" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const stdin = child.stdin.getWriter();
  let printed = "";
  const reading = (async () => {
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) printed += part;
  })();
  const send = async (line: string, end: string | RegExp) => {
    printed = "";
    await stdin.write(new TextEncoder().encode(`${line}\n`));
    const isOver = () => printed.match(end) !== null;
    await until(isOver, `${line}: ${end}`, 60_000);
    return printed.replaceAll(port, "8080");
  };
  const here = (command: string) =>
    command.replace(/npx --yes deno@[\d.]+/, "deno").replaceAll("8080", port);
  const shell = {
    /** What a command prints on both of its outputs, to its end */
    async run(command: string, meanwhile?: () => Promise<void>) {
      const text = send(`{ ${here(command)}\n} 2>&1 </dev/null; printf '\\036'`, "\x1e");
      await meanwhile?.();
      return (await text).replace("\x1e", "").replaceAll("\r\n", "\n").replaceAll(TASK, "");
    },
    /** What a server prints until it listens; the shell is to say nothing of its end */
    serve(command: string) {
      return send(`${here(command).replace(/ &$/, "")} & disown`, /Listening on .*\n/);
    },
    /** Stops the servers that the shell has started */
    async stop(signal: Deno.Signal = "SIGTERM") {
      const isServer = (pid: number) => /\bdeno\b/.test(commandOf(pid));
      const servers = childrenOf(child.pid).filter(isServer).flatMap(offspring);
      for (const pid of servers) Deno.kill(pid, signal);
      await until(() => !servers.some((pid) => commandOf(pid) !== ""), "the servers have ended");
    },
    async [Symbol.asyncDispose]() {
      await shell.stop();
      await stdin.close();
      await Promise.all([child.status, reading]);
    },
  };
  return shell;
}

/** The process and all that come from it, children first */
function offspring(pid: number): number[] {
  return [...childrenOf(pid).flatMap(offspring), pid];
}

function commandOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  } catch {
    return ""; // ended
  }
}
