/**
 * What people meet, in a real browser: the page of an archive, a choice of files, the owner's list.
 *
 * @module
 */

import assert from "node:assert/strict";
import axe from "axe-core";
import type { Browser, BrowserContextOptions, Download, Page } from "playwright-core";
import { openBrowser } from "./browser.ts";
import { type Program, start } from "./process.ts";
import { assertSameTree, extract } from "./readers.ts";
import { testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const PLAIN = "0f4d7a1be85c4920a3c6d19f7be20358";
const OVER = "e07b6a1d4c92583fb6d07f3a18c5e924";
const TOKEN = "token-of-the-owner-0123456789";
const PATH = `/archive/${HASH}/`;

const LABEL = {
  title: "Свадьба Ани и Пети",
  note: "Спасибо за чудесный день!",
  expires: "2199-12-31",
  download: "page",
};

function albums(): Promise<Tree> {
  return makeTree({
    [`photos/${HASH}/.zipferry.json`]: JSON.stringify(LABEL),
    [`photos/${HASH}/Банкет/IMG_1.jpg`]: randomBytes(700_000, 1),
    [`photos/${HASH}/Банкет/IMG_2.jpg`]: randomBytes(300_000, 2),
    [`photos/${HASH}/Портреты/Аня & Петя.jpg`]: randomBytes(100_000, 3),
    [`photos/${HASH}/утро.jpg`]: randomBytes(50_000, 4),
    [`photos/${PLAIN}/a.jpg`]: randomBytes(20_000, 5),
    [`photos/${PLAIN}/b.jpg`]: randomBytes(20_000, 6),
    [`photos/${OVER}/.zipferry.json`]: JSON.stringify({ title: "x", expires: "2020-01-01" }),
    [`photos/${OVER}/a.jpg`]: "1",
  });
}

const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  isMobile: true,
  hasTouch: true,
};
const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };

interface Window extends AsyncDisposable {
  readonly page: Page;
  readonly complaints: string[];
}

/** One window, and all that the browser complained of in it, or asked of anyone but the service */
async function openWindow(
  browser: Browser,
  { url }: Program,
  options: BrowserContextOptions = {},
): Promise<Window> {
  const page = await browser.newPage({ baseURL: url, ...options });
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && request.url() !== "data:,") {
      complaints.push(`request: ${request.url()}`);
    }
  });
  return { page, complaints, [Symbol.asyncDispose]: () => page.close() };
}

/** What axe finds: rules of WCAG 2.2 up to AA, and good practice */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<{
    violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
  }>("axe.run(document, { resultTypes: ['violations'] })");
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`)
  );
}

/** Downloads what an action starts, into a file of the tree */
async function receive(page: Page, tree: Tree, act: () => Promise<void>): Promise<Download> {
  const [download] = await Promise.all([page.waitForEvent("download"), act()]);
  await download.saveAs(tree.join(download.suggestedFilename()));
  assert.equal(await download.failure(), null);
  return download;
}

const FIT = "document.documentElement.scrollWidth <= innerWidth";

testWith(["chromium", "unzip", "diff"], "Chromium: the page of an archive", async (t) => {
  await using tree = await albums();
  await using program = await start(["--folder", tree.join("photos")]);
  await using browser = await openBrowser();

  const languages = [
    ["ru-RU", "Скачать всё", "4\u00a0файла", "доступно до 31 декабря 2199"],
    ["en-GB", "Download all", "4\u00a0files", "available until December 31, 2199"],
  ];
  for (const [locale, button, files, until] of languages) {
    for (const [screen, view] of [["phone", PHONE], ["desktop", DESKTOP]] as const) {
      await t.step(`a link lands on it: ${locale}, ${screen}`, async () => {
        await using window = await openWindow(browser, program, { locale, ...view });
        const { page, complaints } = window;
        const response = await page.goto(PATH);
        assert.match(response?.headers()["content-type"] ?? "", /^text\/html/);
        assert.equal(await page.title(), LABEL.title);
        const text = await page.locator("main").innerText();
        for (const part of [LABEL.note, files, until]) assert.ok(text.includes(part), part);
        assert.ok(await page.evaluate(FIT));
        const link = page.getByRole("link", { name: button });
        const download = await receive(page, tree, () => link.click());
        assert.equal(download.suggestedFilename(), `${LABEL.title}.zip`);
        const to = tree.join("unzipped", locale, screen);
        await extract(tree.join(`${LABEL.title}.zip`), to);
        await Deno.copyFile(
          tree.join("photos", HASH, ".zipferry.json"),
          `${to}/.zipferry.json`,
        );
        await assertSameTree(to, tree.join("photos", HASH));
        assert.equal(await page.title(), LABEL.title, "the page is still shown");
        assert.deepEqual(complaints, []);
      });
    }
  }

  await t.step(
    "an archive without a label is downloaded at once, and has its page as well",
    async () => {
      await using window = await openWindow(browser, program);
      const { page } = window;
      const go = () => page.goto(`/archive/${PLAIN}/`).then(() => {}, () => {});
      const download = await receive(page, tree, go);
      assert.equal(download.suggestedFilename(), `photos-${PLAIN.slice(0, 8)}.zip`);
      await page.goto(`/archive/${PLAIN}/?page`);
      assert.equal(await page.locator("h1").innerText(), "Your photos");
    },
  );

  for (const colorScheme of ["light", "dark"] as const) {
    for (const [screen, view] of [["phone", PHONE], ["desktop", DESKTOP]] as const) {
      await t.step(`axe finds nothing: ${colorScheme}, ${screen}`, async () => {
        await using window = await openWindow(browser, program, { colorScheme, ...view });
        const { page } = window;
        for (
          const path of [PATH, `/archive/${OVER}/`, "/", `${PATH}?flie=x`, `${PATH}?selection=`]
        ) {
          await page.goto(path);
          assert.deepEqual(await violations(page), [], path);
          assert.ok(await page.evaluate(FIT));
        }
        await page.goto(PATH);
        for (const summary of await page.locator(".files summary").all()) await summary.click();
        await page.getByLabel("утро.jpg").check();
        assert.deepEqual(await violations(page), [], "with a choice");
      });
    }
  }

  await t.step(
    "the script adds up, ticks folders, and minds a choice that is not used",
    async () => {
      await using window = await openWindow(browser, program, { locale: "en-GB" });
      const { page, complaints } = window;
      await page.goto(PATH);
      const total = page.locator("output");
      assert.equal(await total.innerText(), "");
      await page.getByRole("checkbox", { name: "the whole folder Банкет" }).check();
      assert.equal(await total.innerText(), "2\u00a0files · 1\u00a0MB");
      await page.locator("summary", { hasText: "Банкет" }).click();
      await page.getByLabel("IMG_1.jpg").uncheck();
      assert.equal(await total.innerText(), "1\u00a0file · 300\u00a0kB");
      const folder = page.getByRole("checkbox", { name: "the whole folder Банкет" });
      const isMixed = (box: unknown) => (box as { indeterminate: boolean }).indeterminate;
      assert.deepEqual([await folder.evaluate(isMixed), await folder.isChecked()], [true, false]);
      let asked = 0;
      page.on("dialog", (dialog) => {
        asked++;
        assert.equal(dialog.type(), "beforeunload");
        return dialog.accept();
      });
      await page.goto("/");
      assert.equal(asked, 1);
      await page.goto(PATH);
      await page.getByRole("button", { name: "Select all" }).click();
      assert.equal(await total.innerText(), "4\u00a0files · 1.15\u00a0MB");
      await page.getByRole("button", { name: "Clear" }).click();
      assert.equal(await total.innerText(), "");
      await page.goto("/");
      assert.equal(asked, 1, "nothing is chosen any more");
      assert.deepEqual(complaints, []);
    },
  );

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? "with the script" : "without JavaScript";
    await t.step(`the form asks for what was chosen, ${how}`, async () => {
      await using window = await openWindow(browser, program, { javaScriptEnabled });
      const { page } = window;
      await page.goto(`${PATH}?utm_source=mail`);
      const submit = page.getByRole("button", { name: "Download selected" });
      assert.ok(!await submit.isVisible(), "nothing is chosen yet");
      await page.getByRole("checkbox", { name: "the whole folder Портреты" }).check();
      await page.getByLabel("утро.jpg").check();
      const download = await receive(page, tree, () => submit.click());
      const { searchParams } = new URL(download.url());
      assert.deepEqual(searchParams.getAll("file"), ["Портреты/", "утро.jpg"]);
      assert.equal(searchParams.get("utm_source"), "mail");
      const to = tree.join("chosen", String(javaScriptEnabled));
      await extract(tree.join(download.suggestedFilename()), to);
      for (const name of ["Портреты/Аня & Петя.jpg", "утро.jpg"]) {
        assert.deepEqual(
          await Deno.readFile(`${to}/${name}`),
          await Deno.readFile(tree.join("photos", HASH, name)),
        );
      }
      await assert.rejects(Deno.stat(`${to}/Банкет`), Deno.errors.NotFound);
    });
  }

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? "with the script" : "without JavaScript";
    await t.step(`nothing ticked never downloads all, ${how}`, async () => {
      await using window = await openWindow(browser, program, {
        ...{ javaScriptEnabled, locale: "en-GB" },
      });
      const { page } = window;
      page.on("download", () => assert.fail("a download"));
      await page.goto(`${PATH}?utm_source=mail`);
      await page.getByLabel("утро.jpg").focus();
      await page.keyboard.press("Enter"); // sends the form, though its button is not to be seen
      if (javaScriptEnabled) {
        await page.getByRole("checkbox", { name: "утро.jpg" }).check();
        assert.equal(await page.locator("output").innerText(), "1\u00a0file · 50\u00a0kB");
        return;
      }
      await page.getByRole("heading", { name: "Nothing is selected" }).waitFor();
      await page.getByRole("link", { name: "Open the page of the archive" }).click();
      await page.getByRole("heading", { name: LABEL.title }).waitFor();
      assert.equal(new URL(page.url()).searchParams.get("utm_source"), "mail");
    });
  }

  await t.step("parts are offered where an archive is larger than one of them", async () => {
    await using other = await start(["--folder", tree.join("photos"), "--part-size", "1M"]);
    await using window = await openWindow(browser, other, { locale: "en-GB" });
    const { page } = window;
    await page.goto(PATH);
    const parts = page.locator(".part");
    assert.equal(await parts.count(), 2);
    const download = await receive(page, tree, () => parts.first().click());
    await extract(tree.join(download.suggestedFilename()), tree.join("part"));
    assert.deepEqual(
      await Deno.readFile(tree.join("part", "Банкет", "IMG_1.jpg")),
      await Deno.readFile(tree.join("photos", HASH, "Банкет", "IMG_1.jpg")),
    );
    assert.deepEqual(await violations(page), []);
  });

  await t.step("the keyboard reaches the button, the files, and what was chosen", async () => {
    await using window = await openWindow(browser, program, { locale: "en-GB" });
    const { page } = window;
    await page.goto(PATH);
    const focused = () =>
      page.evaluate<string>(
        "(({ textContent, ariaLabel, value }) => ariaLabel || value || textContent.trim())" +
          "(document.activeElement)",
      );
    const seen: string[] = [];
    for (let i = 0; i < 9; i++) {
      await page.keyboard.press("Tab");
      seen.push((await focused()).split("\n")[0]);
      assert.ok(
        await page.evaluate(
          "parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2",
        ),
        seen.at(-1),
      );
    }
    assert.deepEqual(seen, [
      ...["Download all", "Choose files", "Select all", "Clear"],
      ...["the whole folder Банкет", "Банкет2\u00a0files · 1\u00a0MB"],
      ...["the whole folder Портреты", "Портреты1\u00a0file · 100\u00a0kB", "утро.jpg"],
    ]);
    await page.keyboard.press("Space");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "Download selected");
  });

  await t.step("an archive that has ended says so", async () => {
    await using window = await openWindow(browser, program, { locale: "ru-RU" });
    const { page } = window;
    const response = await page.goto(`/archive/${OVER}/`);
    assert.equal(response?.status(), 410);
    assert.equal(await page.locator("h1").innerText(), "Срок скачивания истёк");
  });
});

testWith(["chromium"], "Chromium: a site with a look of its own, in German", async () => {
  await using tree = await albums();
  await Deno.writeTextFile(
    tree.join("logo.svg"),
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40" width="40" height="40">' +
      '<circle cx="20" cy="20" r="18" fill="#7a1f3d"/></svg>',
  );
  const look = ["--site-name", "Studio Nordlicht", "--accent", "7a1f3d", "--languages", "de,en"];
  const logo = ["--logo", tree.join("logo.svg")];
  await using program = await start(["--folder", tree.join("photos"), ...look, ...logo]);
  await using browser = await openBrowser();
  for (const colorScheme of ["light", "dark"] as const) {
    await using window = await openWindow(browser, program, { locale: "de-DE", colorScheme });
    const { page, complaints } = window;
    for (const path of [PATH, "/", `/archive/${"x".repeat(20)}/`]) {
      await page.goto(path);
      assert.equal(await page.locator("html").getAttribute("lang"), "de");
      assert.equal(await page.locator("header").innerText(), "Studio Nordlicht");
      assert.ok(await page.evaluate("document.querySelector('header img').naturalWidth > 0"));
      assert.deepEqual(await violations(page), [], path);
    }
    await page.goto(PATH);
    assert.ok(await page.getByRole("link", { name: "Alles herunterladen" }).isVisible());
    assert.deepEqual(complaints.filter((text) => !/status of 404/.test(text)), []);
  }
});

testWith(
  ["chromium"],
  "Chromium: the owner's list, with the token, on the site's own address",
  async () => {
    const titles = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => {
        const hash = `album-${String(i).padStart(2, "0")}-a1b2c3d4e5f6`;
        const label = { title: `Wedding ${i}`, expires: `21${10 + i}-01-01` };
        return [[`${hash}/.zipferry.json`, JSON.stringify(label)], [
          `${hash}/a.jpg`,
          "x".repeat(i),
        ]];
      }).flat(),
    );
    await using tree = await makeTree(titles);
    await using program = await start(["--folder", tree.path], {
      env: { ZIPFERRY_ADMIN_TOKEN: TOKEN },
    });
    await using browser = await openBrowser();
    // By its name, and not as this machine's own.
    const url = program.url.replace("127.0.0.1", "photos.localhost");
    const credentials = { username: "owner", password: TOKEN };
    const options = { locale: "en-GB", permissions: ["clipboard-read", "clipboard-write"] };

    await using stranger = await openWindow(browser, { ...program, url }, options);
    await stranger.page.goto("/");
    assert.ok(!(await stranger.page.content()).includes("Wedding"));
    const refused = await fetch(`${program.url}?login`);
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get("www-authenticate") ?? "", /^Basic /);
    await refused.body?.cancel();

    await using window = await openWindow(browser, { ...program, url }, {
      ...options,
      httpCredentials: credentials,
    });
    const { page, complaints } = window;
    await page.goto("/?login");
    // Where counting takes long, the page asks for itself until all is known.
    const counting = page.locator("meta[http-equiv=refresh]");
    await counting.waitFor({ state: "detached" });
    await page.getByText("Wedding 19", { exact: true }).waitFor();
    assert.deepEqual(await violations(page), []);
    assert.match(await page.locator("main").innerText(), /until January 1, 2110/);

    const names = () => page.locator(".titled").allInnerTexts();
    const find = async (words: string, order: string) => {
      await page.getByRole("searchbox").fill(words);
      await page.getByRole("combobox").selectOption(order);
      await page.getByRole("button", { name: "Search" }).click();
      await page.waitForURL((url) =>
        url.searchParams.get("search") === words && url.searchParams.get("order") === order
      );
      await counting.waitFor({ state: "detached" });
      return await names();
    };
    assert.deepEqual(await find("WEDDING 17", "newest"), ["Wedding 17"]);
    assert.deepEqual((await find("", "expires")).slice(0, 2), ["Wedding 0", "Wedding 1"]);
    assert.deepEqual((await find("", "size")).slice(0, 2), ["Wedding 19", "Wedding 18"]);

    await page.getByRole("button", { name: /^Copy link: Wedding 19$/ }).click();
    await page.getByText("Copied").waitFor();
    const copied = await page.evaluate<string>("navigator.clipboard.readText()");
    assert.equal(copied, new URL("/archive/album-19-a1b2c3d4e5f6/", url).href);

    await page.getByRole("link", { name: "Page: Wedding 18" }).click();
    await page.waitForURL(/\?page$/);
    assert.equal(await page.title(), "Wedding 18");
    assert.deepEqual(complaints, []);
  },
);
