/**
 * Chromium, driven by Playwright. `tools/screenshots.ts` makes the pictures of the documentation
 * with it.
 *
 * @module
 */

import { type Browser, type BrowserContext, chromium } from "playwright-core";
import { tool } from "./tools.ts";
import { makeTree } from "./tree.ts";

/** Nothing but what a test asks for: no first steps, no look for updates, no other protocols */
const FLAGS = [
  "no-sandbox",
  "disable-gpu",
  "disable-quic",
  "no-first-run",
  "disable-sync",
  "disable-background-networking",
  "disable-component-update",
].map((flag) => `--${flag}`);

/** Without a locale of UTF-8 it writes no file name in Cyrillic, and saves "download" */
const env = { ...Deno.env.toObject(), LC_ALL: "C.UTF-8" };

/** A browser without any memory; disposal closes it and all of its windows */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: tool("chromium")!, args: FLAGS, env });
}

/** A browser with a window's own list of downloads, which are saved in the folder */
export async function openProfile(folder: string): Promise<BrowserContext & AsyncDisposable> {
  const profile = await makeTree();
  const context = await chromium.launchPersistentContext(profile.path, {
    executablePath: tool("chromium")!,
    args: FLAGS,
    env,
  });
  const session = await context.newCDPSession(context.pages()[0]);
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder });
  return Object.assign(context, {
    async [Symbol.asyncDispose]() {
      await context.close();
      await profile[Symbol.asyncDispose]();
    },
  });
}
