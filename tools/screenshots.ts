/**
 * Makes the pictures of the pages for the README and docs/, in a real Chromium:
 *
 * ```sh
 * deno task screenshots
 * ```
 *
 * They depend on the fonts of the machine: with Noto Sans and Noto Serif (Debian: fonts-noto-core)
 * they look as they are in the repository.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import type { BrowserContextOptions, Page } from "playwright-core";
import { openBrowser } from "../testing/browser.ts";
import { start } from "../testing/process.ts";
import { makeTree } from "../testing/tree.ts";

const DOCS = fileURLToPath(new URL("../docs/", import.meta.url));
const TEST_PHOTOS = fileURLToPath(new URL("../test_photos", import.meta.url));
const WEDDING = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const TOKEN = "token-for-the-pictures-0123456789";
const DAY = new Date("2026-11-21T12:00:00Z");

/** A picture, and what is on it. */
interface Picture extends BrowserContextOptions {
  readonly file: string;
  readonly path: string;
  readonly prepare?: (page: Page) => Promise<void>;
}

const PHONE = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true };
const DESKTOP = { viewport: { width: 900, height: 940 }, deviceScaleFactor: 1.5 };

const ARCHIVE = `/archive/${WEDDING}/?page`;

const PICTURES: readonly Picture[] = [
  { file: "archive-page.png", path: ARCHIVE, locale: "en-GB", ...DESKTOP, prepare: choose },
  { file: "archive-page-phone.png", path: ARCHIVE, locale: "ru-RU", ...PHONE },
  {
    ...{ file: "archive-page-dark.png", path: ARCHIVE, locale: "en-GB", ...PHONE },
    colorScheme: "dark",
  },
  {
    ...{ file: "owner-page.png", path: "/?login", locale: "en-GB", ...DESKTOP },
    httpCredentials: { username: "owner", password: TOKEN },
  },
];

/** Photos that take no room on the disk, since nobody looks at what is in them. */
function photos(folder: string, from: number, to: number) {
  return Array.from({ length: to - from + 1 }, (_, i) => {
    const size = 3_100_000 + (i * 7919 % 97) * 21_000;
    return [`${folder}/IMG_${from + i}.jpg`, { size, mtime: DAY }] as const;
  });
}

function label(fields: Readonly<Record<string, string>>) {
  return { content: JSON.stringify(fields), mtime: DAY };
}

function albums() {
  const others = [
    "Klara, two weeks old",
    "Baikal in March",
    "The Petrovs, autumn",
    "Jazz at the quay",
  ];
  const rest = others.flatMap((title, i) => {
    const hash = `${["9f2c41", "c85d1a", "3b70e6", "e07b6a"][i]}d7e8ab05364c1e7f90d2b8635a`;
    const time = new Date(DAY.getTime() - (i + 1) * 86_400_000 * 9);
    return [
      [`${hash}/.zipferry.json`, label({ title })] as const,
      ...photos(hash, 100, 120 + i * 40).map(([name, file]) =>
        [name, { ...file, mtime: time }] as const
      ),
      [hash, { directory: true, mtime: time }] as const,
    ];
  });
  return makeTree(Object.fromEntries([
    [
      `${WEDDING}/.zipferry.json`,
      label({
        title: "Anna & Peter, 21 November",
        note: "Thank you for a wonderful day. All photos are here in full size.",
        expires: "2027-02-28",
      }),
    ],
    ...photos(`${WEDDING}/1 Morning`, 4001, 4028),
    ...photos(`${WEDDING}/2 Ceremony`, 4029, 4103),
    ...photos(`${WEDDING}/3 Dinner`, 4104, 4190),
    ...photos(WEDDING, 4191, 4193),
    ...["", "/1 Morning", "/2 Ceremony", "/3 Dinner"].map((name) =>
      [`${WEDDING}${name}`, { directory: true, mtime: DAY }] as const
    ),
    ...rest,
  ]));
}

async function choose(page: Page) {
  await page.locator(".contents > summary").click();
  await page.getByRole("checkbox", { name: "2 Ceremony" }).check();
  await page.evaluate("document.activeElement.blur(), scrollTo(0, 0)");
}

async function takePictures() {
  await using tree = await albums();
  const args = ["--folder", tree.path, "--site-name", "Northern Light Studio"];
  await using program = await start(args, { env: { ZIPFERRY_ADMIN_TOKEN: TOKEN } });
  await using browser = await openBrowser();
  const baseURL = program.url.replace("127.0.0.1", "photos.localhost");
  for (const { file, path, prepare, ...options } of PICTURES) {
    const page = await browser.newPage({ colorScheme: "light", baseURL, ...options });
    await page.goto(path);
    await prepare?.(page);
    await page.screenshot({ path: `${DOCS}${file}` });
    await page.close();
  }
}

/** The list of `test_photos`, as a visitor on this machine sees it. */
async function takePictureOfList() {
  await using program = await start(["--folder", TEST_PHOTOS]);
  await using browser = await openBrowser();
  const page = await browser.newPage({
    ...{ viewport: { width: 720, height: 560 }, deviceScaleFactor: 1.75 },
    ...{ locale: "en-GB", colorScheme: "light" },
  });
  await page.goto(program.url);
  await page.screenshot({ path: `${DOCS}page.png` });
}

if (import.meta.main) {
  await takePictures();
  await takePictureOfList();
}
