import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { archivePage, type ArchivePageOptions, type Language } from "./mod.ts";

const PATH = "/archive/9f2c41d7e8ab05364c1e7f90d2b8635a/";

const PLAIN: ArchivePageOptions = {
  language: "en",
  path: PATH,
  entries: [
    { name: "Байкал/Утро.jpg", size: 1_200_000 },
    { name: "IMG_1.jpg", size: 300_000 },
  ].sort((a, b) => a.size - b.size),
  size: 1_500_321,
  newest: new Date("2025-11-21T22:30:15Z"),
};

function htmlOf(options: Partial<ArchivePageOptions> = {}): string {
  return [...archivePage({ ...PLAIN, ...options }).pieces].join("");
}

function visible(html: string): string {
  return html.replaceAll(/<(style|script)>[^]*?<\/\1>/g, "").replaceAll(/<[^>]*>/g, "")
    .replaceAll(/\s+/g, " ").trim();
}

/** Text of an attribute */
function decode(text: string): string {
  const names: Record<string, string> = {
    amp: "&",
    quot: '"',
    "#39": "'",
    "#x2F": "/",
    "#x3D": "=",
  };
  return text.replace(/&([^;]+);/g, (whole, name) => names[name] ?? whole);
}

Deno.test("archivePage() says what it is, how much, of when and until when, in each language", () => {
  const options = {
    title: "Anna & Peter",
    note: "Thank you!",
    expires: new Date("2026-01-01T00:00:00Z"),
  };
  const texts: [Language, RegExp][] = [
    [
      "en",
      /Thank you! 2 files 1\.5 MB updated November 21, 2025 Download all ZIP file, 1,500,321 bytes available until December 31, 2025 Choose/,
    ],
    [
      "ru",
      /2 файла 1,5 МБ обновлён 21 ноября 2025 г\. Скачать всё ZIP-файл, 1 500 321 байт доступно до 31 декабря 2025 г\. Выбрать/,
    ],
    [
      "de",
      /2 Dateien 1,5 MB geändert am 21\. November 2025 Alles herunterladen ZIP-Datei, 1\.500\.321 Bytes verfügbar bis 31\. Dezember 2025 Dateien/,
    ],
  ];
  for (const [language, text] of texts) {
    const html = htmlOf({ ...options, language });
    assert.match(visible(html), text);
    assert.ok(html.includes("<title>Anna &amp; Peter</title>"));
    assert.ok(html.includes(`<html lang="${language}">`));
  }
});

Deno.test("archivePage() without a label has a heading, and neither note nor end", () => {
  const html = htmlOf();
  assert.match(html, /<h1>Your photos<\/h1>/);
  assert.ok(!html.includes('class="note"') && !html.includes("available"));
  const timeless = htmlOf({ newest: new Date(NaN), size: null });
  assert.ok(!timeless.includes("updated") && !timeless.includes("bytes<"));
});

Deno.test("archivePage(): the button has what stays of the query, and leads to the archive", () => {
  const links = (html: string) =>
    [...html.matchAll(/<a class="button" href="([^"]*)"/g)].map(([, link]) => decode(link));
  assert.deepEqual(links(htmlOf()), [`${PATH}?download`]);
  const query = "expires=1&signature=a-b_&utm_source=%D1%8F&x";
  assert.deepEqual(links(htmlOf({ query })), [`${PATH}?${query}&download`]);
  const kept = [...htmlOf({ query }).matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)]
    .map(([, name, value]) => [name, value]);
  assert.deepEqual(kept, [
    ["selection", ""],
    ["expires", "1"],
    ["signature", "a-b_"],
    ["utm_source", "я"],
    ["x", ""],
  ]);
});

Deno.test("archivePage() lists files with their sizes, folders folded", () => {
  const html = htmlOf();
  const boxes = [...html.matchAll(/name="file" value="([^"]*)"(?: data-size="(\d+)")?/g)]
    .map(([, name, size]) => [decode(name), size]);
  assert.deepEqual(boxes, [
    ["Байкал/", undefined],
    ["Байкал/Утро.jpg", "1200000"],
    ["IMG_1.jpg", "300000"],
  ]);
  assert.match(visible(html), /Байкал1 file · 1\.2 MB Утро\.jpg1\.2 MB IMG_1\.jpg300 kB/);
  assert.match(html, /aria-label="the whole folder Байкал"/);
  const single = htmlOf({ entries: [{ name: "a.jpg", size: 1 }] });
  assert.ok(!single.includes("<form"), "there is nothing to choose in one file");
});

Deno.test("archivePage() escapes every name, and takes none for a template", () => {
  const evil = `"><script>alert(1)</script>{{title}}<!-- files -->{{{list}}}`;
  const entries = [{ name: `${evil}/${evil}`, size: 1 }, { name: evil, size: 2 }];
  const html = htmlOf({ entries, title: evil, note: evil, brand: { name: evil } });
  assert.equal(html.match(/<script/g)?.length, 1, "our own");
  assert.equal(html.match(/<!--/g), null);
  const values = [...html.matchAll(/name="file" value="([^"]*)"/g)].map(([, name]) => decode(name));
  assert.equal(values.length, 5, "two files, and three folders, since a tag has a slash");
  assert.ok(html.includes("{{title}}"));
});

Deno.test("archivePage() offers parts where there is more than one", () => {
  const html = htmlOf({ parts: { size: "1M", bytes: [1_000_000, 500_000] }, query: "utm_id=1" });
  assert.match(visible(html), /In parts .* opens by itself\. Part 1 ?1 MB Part 2 ?500 kB/);
  assert.ok(decode(html).includes(`href="${PATH}?utm_id=1&part=2&size=1M"`));
  assert.ok(!htmlOf({ parts: { size: "1M", bytes: [1_000_000] } }).includes('class="parts"'));
});

Deno.test("archivePage() for a preview has its title and no files, script or form", () => {
  const html = htmlOf({ preview: true, title: "Свадьба", note: "Спасибо", brand: { name: "S" } });
  assert.match(html, /<meta property="og:title" content="Свадьба">/);
  assert.match(html, /<meta property="og:description" content="Спасибо · 2\sfiles · 1.5\sMB">/);
  assert.match(html, /<meta property="og:site_name" content="S">/);
  assert.ok(!html.includes("<script") && !html.includes("<form") && !html.includes("IMG_1"));
});

Deno.test("archivePage() has a policy that names its style sheets and its script", () => {
  const options: Partial<ArchivePageOptions>[] = [
    {},
    { brand: { accent: "#8a3ffc", logo: "/logo.svg" } },
    { preview: true },
  ];
  for (const option of options) {
    const { pieces, policy } = archivePage({ ...PLAIN, ...option });
    const html = [...pieces].join("");
    const hashes = [...html.matchAll(/<(?:style|script)>([^]*?)<\/(?:style|script)>/g)]
      .map(([, text]) => createHash("sha256").update(text).digest("base64"));
    assert.deepEqual(
      [...policy.matchAll(/'sha256-([^']*)'/g)].map(([, hash]) => hash).sort(),
      hashes.sort(),
    );
    assert.ok(!/unsafe|https?:/.test(policy));
    assert.equal(policy.includes("'self' data:"), "brand" in option);
    assert.doesNotMatch(html, /\son\w+=|\sstyle=|url\(|@import|(?:src|href)="?(?:https?:)?\/\//);
  }
});

Deno.test("archivePage() without its list is at most 30 KB, whatever the list", () => {
  const entries = Array.from({ length: 10_000 }, (_, i) => ({
    name: `${String(i).padStart(5, "0")}.jpg`,
    size: i,
  }));
  const [before, ...rest] = archivePage({ ...PLAIN, entries }).pieces;
  assert.equal(rest.length, 10_001);
  const bytes = new TextEncoder().encode(before + rest.at(-1)).length;
  assert.ok(bytes < 30_000, `${bytes}`);
  assert.match(before, /<form method="post"/, "a choice may be too long for a link");
  assert.match(htmlOf(), /<form method="get"/);
});
