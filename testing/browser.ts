/**
 * Chromium, driven by Playwright. As a program it makes the picture of the page for the
 * documentation: `deno run --config deno.dev.json --allow-all testing/browser.ts docs/page.png`.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium } from "playwright-core";
import { start } from "./process.ts";
import { tool } from "./tools.ts";
import { makeTree } from "./tree.ts";

const TEST_PHOTOS = fileURLToPath(new URL("../test_photos", import.meta.url));

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

/** A browser without any memory; disposal closes it and all of its windows */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: tool("chromium")!, args: FLAGS });
}

/** A browser with a window's own list of downloads, which are saved in the folder */
export async function openProfile(folder: string): Promise<BrowserContext & AsyncDisposable> {
  const profile = await makeTree();
  const context = await chromium.launchPersistentContext(profile.path, {
    executablePath: tool("chromium")!,
    args: FLAGS,
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

/** Makes a picture of the list of `test_photos`, as a visitor on this machine sees it */
async function takePicture(path: string): Promise<void> {
  await using program = await start(["--folder", TEST_PHOTOS]);
  await using browser = await openBrowser();
  const page = await browser.newPage({
    viewport: { width: 720, height: 490 },
    deviceScaleFactor: 1.75,
    locale: "en-GB",
    colorScheme: "light",
  });
  await page.goto(program.url);
  await page.screenshot({ path });
}

if (import.meta.main) await takePicture(Deno.args[0]);
