#!/usr/bin/env node
/**
 * Starts zipferry with the Deno that this package depends on, and stays until it has ended: signals
 * are passed on, and the exit code is that of the program.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

/** What asks the program to write something: without one of them it may not. */
const WRITING = {
  flags: /^--(checksums|state|unix)(=|$)/,
  commands: ["new", "repair", "verify", "warm"],
  variables: ["ZIPFERRY_CHECKSUMS", "ZIPFERRY_STATE", "ZIPFERRY_UNIX"],
};

/** A supervisor that ends npx, or the shell that npx starts, cannot reach further down. */
const LOOK_FOR_PARENT_MS = 500;

const windows = process.platform === "win32";

function mayWrite(args) {
  return args.some((arg) => WRITING.flags.test(arg) || WRITING.commands.includes(arg)) ||
    WRITING.variables.some((name) => process.env[name]) ||
    WRITING.variables.some((name) =>
      new RegExp(`^\\s*(export\\s+)?${name}\\s*=`, "m").test(dotenv())
    );
}

function dotenv() {
  try {
    return readFileSync(".env", "utf8");
  } catch {
    return ""; // the program says what is wrong with it
  }
}

function start(args) {
  const { flags, commit } = require("./start.json");
  const deno = require("deno/install_api.cjs").runInstall();
  const program = fileURLToPath(new URL("./program/main.js", import.meta.url));
  const write = mayWrite(args) ? ["--allow-write"] : [];
  return spawn(deno, ["run", ...flags, ...write, program, ...args], {
    stdio: "inherit",
    env: {
      DENO_NO_UPDATE_CHECK: "1",
      DENO_NO_PACKAGE_JSON: "1",
      ZIPFERRY_COMMIT: commit,
      ...process.env,
    },
  });
}

/**
 * On Windows every process of a console hears Ctrl+C by itself, and there is nothing else to pass on.
 * Elsewhere the program may hear Ctrl+C twice, which it takes for once.
 */
function passSignalsOn(child) {
  const signals = windows ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, () => windows || child.kill(signal));
}

/** Started by npx, this process is not to outlive it. */
function endWithParent(child) {
  if (windows || process.env.npm_command !== "exec") return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    child.kill("SIGTERM");
  }, LOOK_FOR_PARENT_MS);
  timer.unref();
}

const child = start(process.argv.slice(2));
passSignalsOn(child);
endWithParent(child);
child.on("error", (error) => {
  console.error(`zipferry: cannot start Deno: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(name);
  process.kill(process.pid, signal);
});
