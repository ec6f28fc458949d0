import assert from "node:assert/strict";
import type { Browser, BrowserContextOptions, Download, Page } from "playwright-core";
import { openBrowser } from "./browser.ts";
import { type Program, start } from "./process.ts";
import { assertSameTree, extract } from "./readers.ts";
import { testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const OLDER = "0f4d7a1be85c4920a3c6d19f7be20358";
const LONGEST = "Mb_3".repeat(32);
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";

/** Three archives, the newest first; the last one has the longest name that is allowed */
function album(): Promise<Tree> {
  const older = new Date("2023-01-02T03:04:05Z");
  const oldest = new Date("2022-01-02T03:04:05Z");
  return makeTree({
    [`photos/${HASH}/IMG_4000.jpg`]: randomBytes(2_000_000, 1),
    [`photos/${HASH}/Отпуск 2024/Ёлки и снег.jpg`]: randomBytes(700_000, 2),
    [`photos/${OLDER}/a & b.txt`]: { content: "text", mtime: older },
    [`photos/${OLDER}`]: { directory: true, mtime: older },
    [`photos/${LONGEST}/photo.jpg`]: { content: randomBytes(900, 3), mtime: oldest },
    [`photos/${LONGEST}`]: { directory: true, mtime: oldest },
  });
}

function pathOf(hash: string): string {
  return `/archive/${hash}/`;
}

function urlOf(program: Program, hash: string): string {
  return new URL(pathOf(hash), program.url).href;
}

/** One window, and all that the browser complained of in it, or asked of anyone but the service */
interface Window extends AsyncDisposable {
  readonly page: Page;
  readonly complaints: string[];
}

async function openWindow(
  browser: Browser,
  program: Program,
  options: BrowserContextOptions = {},
): Promise<Window> {
  const page = await browser.newPage({ baseURL: program.url, ...options });
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("request", (request) => {
    const [url, type] = [request.url(), request.resourceType()];
    const own = url.startsWith(program.url) && type === "document" || url === "data:,";
    if (!own) complaints.push(`request: ${type} ${url}`);
  });
  return { page, complaints, [Symbol.asyncDispose]: () => page.close() };
}

/** Downloads what an action starts, into a file of the tree */
async function receive(page: Page, tree: Tree, act: () => Promise<void>): Promise<Download> {
  const [download] = await Promise.all([page.waitForEvent("download"), act()]);
  await download.saveAs(tree.join(download.suggestedFilename()));
  assert.equal(await download.failure(), null);
  return download;
}

/** What the tests find out about a page: they run in it, where Deno's types know nothing of */
const FIT = "[document.documentElement.scrollWidth, innerWidth]";
const FOCUSED = `[
  document.activeElement.getAttribute("href"),
  getComputedStyle(document.activeElement, "::before").outlineStyle,
  parseFloat(getComputedStyle(document.activeElement, "::before").outlineWidth) >= 2,
]`;
const COLOURS = `[...document.querySelectorAll("h1, p, a, span, time")].map((element) => {
  let behind = element;
  const background = () => getComputedStyle(behind).backgroundColor;
  while (background() === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  return [element.textContent, getComputedStyle(element).color, background()];
})`;

/** Brightness of a colour that a browser wrote, from 0 to 1 (WCAG 2.2, relative luminance) */
function luminance(colour: string): number {
  const [, ...channels] = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(colour) ?? assert.fail(colour);
  const [red, green, blue] = channels.map((channel) => {
    const value = Number(channel) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

testWith(["chromium", "unzip", "diff"], "Chromium: the pages and downloads", async (t) => {
  await using tree = await album();
  await using program = await start(["--folder", tree.join("photos")]);
  await using browser = await openBrowser();

  await t.step("the page lists the archives, and a click downloads one", async () => {
    await using window = await openWindow(browser, program);
    const { page, complaints } = window;
    await page.goto("/");
    const links = await page.getByRole("link").all();
    const hashes = await Promise.all(links.map((link) => link.textContent()));
    assert.deepEqual(hashes, [HASH, OLDER, LONGEST]);
    for (const [i, hash] of [HASH, OLDER, LONGEST].entries()) {
      assert.equal(await links[i].getAttribute("href"), pathOf(hash));
      const download = await receive(page, tree, () => links[i].click());
      const filename = `photos-${hash.slice(0, 8)}.zip`;
      assert.equal(download.suggestedFilename(), filename);
      await extract(tree.join(filename), tree.join("unzipped", hash));
      await assertSameTree(tree.join("unzipped", hash), tree.join("photos", hash));
    }
    assert.equal(await page.title(), "Photo archives", "the list is still shown");
    assert.deepEqual(complaints.filter((text) => !text.includes("/archive/")), []);
  });

  const languages = [
    ["en-GB", "en", "Photo archives", "2\u00a0files", "No such archive"],
    ["ru-RU", "ru", "Архивы фотографий", "2\u00a0файла", "Архив не найден"],
    ["de-DE", "en", "Photo archives", "2\u00a0files", "No such archive"],
  ];
  for (const [locale, language, list, files, missing] of languages) {
    await t.step(`the pages for a visitor from ${locale}`, async () => {
      await using window = await openWindow(browser, program, { locale });
      const { page, complaints } = window;
      await page.goto("/");
      assert.equal(await page.locator("html").getAttribute("lang"), language);
      assert.deepEqual([await page.title(), await page.locator("h1").textContent()], [list, list]);
      assert.equal(await page.locator(".archives span").first().textContent(), files);
      assert.deepEqual(complaints, []);

      const response = await page.goto(pathOf(UNKNOWN));
      assert.equal(response?.status(), 404);
      assert.equal(await page.locator("html").getAttribute("lang"), language);
      assert.equal(await page.locator("h1").textContent(), missing);
      assert.ok(!(await page.content()).includes(UNKNOWN));
      assert.equal(complaints.length, 1); // Chromium notes each answer that is an error
      assert.match(complaints[0], /^console: .*status of 404/);
    });
  }

  await t.step("the browser lets nothing into a page, neither script nor style", async () => {
    await using window = await openWindow(browser, program);
    const { page } = window;
    await page.goto("/");
    await assert.rejects(page.addScriptTag({ content: "globalThis.added = true" }), /Security/);
    await assert.rejects(page.addStyleTag({ content: "body { display: none }" }), /Security/);
    assert.equal(await page.evaluate("globalThis.added"), undefined);
    assert.ok(await page.locator("h1").isVisible());
  });

  for (const width of [320, 390]) {
    await t.step(`the pages fit a telephone that is ${width} pixels wide`, async () => {
      const options = { viewport: { width, height: 640 }, isMobile: true, hasTouch: true };
      await using window = await openWindow(browser, program, options);
      const { page } = window;
      for (const path of [pathOf(UNKNOWN), "/"]) {
        await page.goto(path);
        assert.deepEqual(await page.evaluate(FIT), [width, width]);
      }
      for (const item of await page.locator(".archives li").all()) {
        const [box, link] = [await item.boundingBox(), await item.locator("a").boundingBox()];
        assert.ok(box && box.x >= 0 && box.x + box.width <= width && box.height >= 44);
        assert.ok(link && link.x >= box.x && link.x + link.width <= box.x + box.width);
      }
      const first = page.getByRole("link").first();
      assert.equal((await receive(page, tree, () => first.tap())).url(), urlOf(program, HASH));
    });
  }

  await t.step("the keyboard reaches the first download, which shows it", async () => {
    await using window = await openWindow(browser, program);
    const { page } = window;
    await page.goto("/");
    await page.keyboard.press("Tab");
    assert.deepEqual(await page.evaluate(FOCUSED), [pathOf(HASH), "solid", true]);
    const download = await receive(page, tree, () => page.keyboard.press("Enter"));
    assert.equal(download.url(), urlOf(program, HASH));
    await page.keyboard.press("Tab");
    assert.deepEqual(await page.evaluate(FOCUSED), [pathOf(OLDER), "solid", true]);
  });

  for (const colorScheme of ["light", "dark"] as const) {
    await t.step(`every text can be read in ${colorScheme} colours`, async () => {
      await using window = await openWindow(browser, program, { colorScheme });
      const { page } = window;
      let texts = 0;
      for (const path of ["/", pathOf(UNKNOWN)]) {
        await page.goto(path);
        for (const [name, ...colours] of await page.evaluate<string[][]>(COLOURS)) {
          const [text, behind] = colours.map(luminance);
          const [low, high] = [text, behind].sort((a, b) => a - b);
          const contrast = (high + 0.05) / (low + 0.05);
          assert.ok(contrast >= 4.5, `${contrast}: ${name}`);
          assert.equal(behind < 0.1, colorScheme === "dark");
          texts++;
        }
      }
      assert.ok(texts > 15);
    });
  }
});
