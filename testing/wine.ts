/**
 * The program on Windows: by Deno for Windows, under Wine. That is no Windows: its disks are folders
 * of this system, and it has no services, no rights and no shares of a network.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ProgramOptions } from "./process.ts";
import { accept, run, tool } from "./tools.ts";

/** Where `testing/wine/install` has put Deno for Windows, unless the variable names another folder */
const VARIABLE = "WINE_DENO";
const FOLDER = "/opt/wine-deno";

/** Debian's package wine64 has no program on the `PATH`: that is in another package. */
const DEBIAN_WINE = "/usr/lib/wine/wine64";

/** A Windows with nothing on it; disposal ends what still runs there */
export interface Windows extends AsyncDisposable {
  /** What `start` and `runToEnd` need to run the program there */
  readonly options: ProgramOptions;
  /** Shares a folder of this system with it; the share's name there */
  share(folder: string, name: string): Promise<string>;
}

/** Registers a test that needs Wine, as `testWith` does for other programs. */
export function testWithWine(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): void {
  const missing = wine() === null ? "wine64" : denoExe() === null ? "deno.exe" : null;
  if (missing === null) return Deno.test(name, fn);
  const why = `skipped: no ${missing}, see testing/wine/install`;
  Deno.test({ name: `${name} (${why})`, ignore: true, fn });
}

/** Makes a Windows in a folder of this system. It takes some ten seconds. */
export async function makeWindows(home: string): Promise<Windows> {
  const [program, exe] = [wine()!, denoExe()!];
  const { denoDir } = JSON.parse(await accept(Deno.execPath(), ["info", "--json"]));
  const env = {
    DENO_DIR: join(home, "deno"),
    DISPLAY: "",
    WINEDEBUG: "-all",
    WINEDLLOVERRIDES: "mscoree,mshtml,winemenubuilder.exe=", // else it asks for more, and makes menus
    WINEPREFIX: join(home, "wine"),
  };
  await Deno.mkdir(env.DENO_DIR);
  await Deno.symlink(join(denoDir, "npm"), join(env.DENO_DIR, "npm"));
  await accept(program, ["wineboot", "--init"], { env });
  const shares = join(env.WINEPREFIX, "dosdevices", "unc", "server");
  await Deno.mkdir(shares, { recursive: true });
  return {
    options: { deno: [program, exe], env, within: 120_000 },
    async share(folder, name) {
      await Deno.symlink(folder, join(shares, name));
      return `\\\\server\\${name}`;
    },
    async [Symbol.asyncDispose]() {
      await run(join(dirname(program), "wineserver"), ["--kill", "--wait"], { env });
    },
  };
}

function wine(): string | null {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return null;
  return tool("wine64") ?? (existsSync(DEBIAN_WINE) ? DEBIAN_WINE : null);
}

function denoExe(): string | null {
  const path = join(Deno.env.get(VARIABLE) ?? FOLDER, "deno.exe");
  return existsSync(path) ? path : null;
}
