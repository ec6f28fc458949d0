import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { messages } from "./messages.ts";
import {
  type ArchiveSummary,
  chooseLanguage,
  contentSecurityPolicy,
  errorPage,
  homePage,
  type Language,
  proxyErrorPage,
} from "./mod.ts";

const LANGUAGES: readonly Language[] = ["en", "ru"];
const PROBLEMS = ["empty", "names", "changing", "slow", "other"] as const;
const STATUSES = [400, 404, 405, 429, 500, 502, 503, 504] as const;

const ARCHIVE: ArchiveSummary = {
  hash: "9f2c41d7e8ab05364c1e7f90d2b8635a",
  files: 5,
  bytes: 1_500_000,
  newest: new Date("2025-11-21T22:30:15.250Z"),
};

Deno.test("chooseLanguage() picks Russian only for those who prefer it", () => {
  const table: readonly (readonly [string | null, Language])[] = [
    [null, "en"],
    ["", "en"],
    ["ru", "ru"],
    ["RU", "ru"],
    ["ru-RU", "ru"],
    ["ru-RU,ru;q=0.9,en;q=0.8", "ru"],
    ["en;q=0.2, ru;q=0.3", "ru"],
    ["fr, ru;q=0.5", "ru"],
    ["en,ru;q=0.5", "en"],
    ["en-GB,en;q=0.9,ru;q=0.8", "en"],
    ["ru;q=0", "en"],
    ["fr", "en"],
    ["*", "en"],
    [";;;,q=1,\u0000=ru;;q=x, <script>", "en"],
    ["ru".repeat(10_000), "en"],
    ["__proto__, constructor;q=0.5", "en"],
  ];
  for (const [header, language] of table) {
    assert.equal(chooseLanguage(header), language, `Accept-Language: ${header?.slice(0, 60)}`);
  }
});

Deno.test("errorPage() says that the owner must act where trying again is of no use", () => {
  for (const language of ["en", "ru"] as const) {
    const page = visibleText(errorPage({ language, status: 500, lasting: true }));
    const { lead, hint, title } = messages[language].ownerMustAct;
    for (const text of [title, lead, hint!]) assert.ok(page.includes(text));
    assert.ok(!page.includes(messages[language].errors[500].hint!));
    const usual = visibleText(errorPage({ language, status: 500 }));
    assert.ok(usual.includes(messages[language].errors[500].hint!));
    assert.ok(!usual.includes(hint!));
  }
});

Deno.test("homePage() lists archives in both languages", () => {
  const english = homePage({ language: "en", archives: [ARCHIVE] });
  assert.ok(english.includes('<html lang="en">'));
  assert.ok(english.includes("<title>Photo archives</title>"));
  assert.match(visibleText(english), /5 files 1\.5 MB updated November 21, 2025/);
  const russian = homePage({ language: "ru", archives: [ARCHIVE] });
  assert.ok(russian.includes('<html lang="ru">'));
  assert.ok(russian.includes("<title>Архивы фотографий</title>"));
  assert.match(visibleText(russian), /5 файлов 1,5 МБ обновлён 21 ноября 2025 г\./);
});

Deno.test("homePage() links each archive by its hash and dates it for programs", () => {
  const other = { ...ARCHIVE, hash: "A-b_0123456789" };
  const page = homePage({ language: "en", archives: [ARCHIVE, other] });
  const links = [...page.matchAll(/<a href="([^"]*)">([^<]*)<\/a>/g)].map((match) =>
    match.slice(1)
  );
  assert.deepEqual(links, [
    [`/archive/${ARCHIVE.hash}/`, ARCHIVE.hash],
    [`/archive/${other.hash}/`, other.hash],
  ]);
  assert.ok(page.includes('<time datetime="2025-11-21T22:30:15.250Z">'));
});

Deno.test("homePage() escapes a hostile name, in the link and in the text", () => {
  const hash = `<script>"'&`;
  const page = homePage({ language: "en", archives: [{ ...ARCHIVE, hash }] });
  assert.ok(!page.includes("<script"));
  assert.ok(page.includes(">&lt;script&gt;&quot;&#39;&amp;</a>"));
  assert.ok(page.includes('href="/archive/%3Cscript%3E%22&#39;%26/"'));
});

Deno.test("homePage() does not take a name for a template", () => {
  const hash = "{{title}}{{{styleElement}}}{{> page}}";
  const page = homePage({ language: "en", archives: [{ ...ARCHIVE, hash }] });
  assert.ok(page.includes("{{title}}{{{styleElement}}}{{&gt; page}}</a>"));
});

Deno.test("homePage() of an empty photos folder says what to do", () => {
  for (const language of LANGUAGES) {
    const page = homePage({ language, archives: [] });
    assert.ok(visibleText(page).includes(messages[language].emptyList.hint!));
    assert.ok(!page.includes("<ul"));
  }
});

Deno.test("homePage() without a list says nothing about the archives", () => {
  for (const language of LANGUAGES) {
    const page = homePage({ language, archives: null });
    assert.ok(visibleText(page).includes(messages[language].hiddenList.hint!));
    assert.ok(!page.includes("<ul"));
    assert.ok(!page.includes("<a "));
  }
});

Deno.test("homePage() says of a folder that gives no archive why, and links it not", () => {
  for (const language of LANGUAGES) {
    for (const problem of PROBLEMS) {
      const page = homePage({ language, archives: [{ hash: "wedding", problem }] });
      assert.ok(visibleText(page).includes(`wedding ${messages[language].problems[problem]}`));
      assert.ok(!page.includes("<a "));
    }
  }
});

Deno.test("homePage() shows no date where there is none", () => {
  const page = homePage({ language: "en", archives: [{ ...ARCHIVE, newest: new Date(NaN) }] });
  assert.match(visibleText(page), /5 files 1\.5 MB <?/);
  assert.ok(!page.includes("<time") && !page.includes("updated"));
});

Deno.test("homePage() names ten folders without a link, and says how many more there are", () => {
  const unreachable = Array.from({ length: 1011 }, (_, i) => `album ${i}`);
  const cases: ["en" | "ru", number, string][] = [
    ["en", 11, "album 9 and 1 more"],
    ["ru", 1011, "album 9 и ещё 1 001"],
  ];
  for (const [language, count, end] of cases) {
    const page = homePage({ language, archives: [], unreachable: unreachable.slice(0, count) });
    assert.ok(visibleText(page).includes(end), visibleText(page));
    assert.ok(visibleText(page).includes(messages[language].onlyUnreachable.lead));
    assert.ok(!visibleText(page).includes(messages[language].emptyList.hint!));
  }
  const ten = homePage({ language: "en", archives: [], unreachable: unreachable.slice(0, 10) });
  assert.ok(!visibleText(ten).includes("more"));
});

Deno.test("homePage() gives the command for a folder as a shell takes it", () => {
  const cases: [readonly string[], string | null][] = [
    [["Baikal trip"], 'zipferry new --move "Baikal trip"'],
    [["it's"], `zipferry new --move "it's"`],
    [['a "b" $c', "x"], `zipferry new --move 'a "b" $c'`],
    [["'$x`!"], `zipferry new --move ''\\''$x\`!'`],
    [["-rf"], 'zipferry new --move -- "-rf"'],
    [["bad \ufffd", "bad\n", "\u202egpj", "good one"], 'zipferry new --move "good one"'],
    [["bad \ufffd"], null],
  ];
  for (const [unreachable, command] of cases) {
    const page = homePage({ language: "en", archives: [], unreachable });
    const [, code] = /<pre><code>(.*?)<\/code>/.exec(page) ?? [];
    const text = code?.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&#x60;", "`");
    assert.equal(text ?? null, command);
  }
});

Deno.test("errorPage() has its own text for every status, in both languages", () => {
  const titles = new Set<string>();
  for (const language of LANGUAGES) {
    for (const status of STATUSES) {
      const { title, lead, hint } = messages[language].errors[status];
      const text = visibleText(errorPage({ language, status }));
      for (const part of [String(status), title, lead, hint!]) {
        assert.ok(text.includes(part), `${language} ${status}: ${part}`);
      }
      titles.add(title);
    }
  }
  assert.equal(titles.size, LANGUAGES.length * STATUSES.length);
});

Deno.test("proxyErrorPage() has the texts of errorPage() in every language", () => {
  for (const status of STATUSES) {
    const text = visibleText(proxyErrorPage(status));
    const parts = LANGUAGES.flatMap((language) => Object.values(messages[language].errors[status]));
    assert.ok(parts.length >= 4);
    for (const part of [String(status), ...parts]) assert.ok(text.includes(part), part);
  }
});

Deno.test("errorPage() of a status without a text keeps the number", () => {
  const text = visibleText(errorPage({ language: "en", status: 507 }));
  assert.ok(text.includes("507"));
  assert.ok(text.includes(messages.en.errors[500].title));
});

Deno.test("homePage() and errorPage() are complete in themselves", () => {
  for (const page of everyPage()) {
    assert.ok(page.startsWith("<!doctype html>\n<html lang="));
    assert.match(page, /<meta name="viewport" content="width=device-width, initial-scale=1">/);
    assert.match(page, /<meta name="robots" content="noindex">/);
    assert.match(page, /<title>[^<]+<\/title>/);
    assert.match(page, /<link rel="icon" href="data:,">/);
    assert.doesNotMatch(
      page,
      /\{\{|\}\}|<script|<img|<iframe|https?:|\bsrc=|url\(|@import|\bstyle=/,
    );
  }
});

Deno.test("contentSecurityPolicy names the style sheet of every page by its hash", () => {
  for (const page of everyPage()) {
    const sheets = [...page.matchAll(/<style>([^]*?)<\/style>/g)];
    assert.equal(sheets.length, 1);
    const hash = createHash("sha256").update(sheets[0][1]).digest("base64");
    assert.equal(
      contentSecurityPolicy,
      `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; ` +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    assert.ok(!page.includes("\r"));
  }
});

/** One page of each kind, in both languages. */
function everyPage(): string[] {
  return LANGUAGES.flatMap((language) => [
    homePage({ language, archives: [ARCHIVE] }),
    homePage({ language, archives: [] }),
    homePage({ language, archives: null }),
    homePage({ language, archives: null, ownerHint: "open" }),
    homePage({ language, archives: null, ownerHint: "closed" }),
    homePage({ language, archives: [], unreachable: ["Свадьба 2026"] }),
    homePage({
      language,
      archives: [ARCHIVE, ...PROBLEMS.map((problem) => ({ hash: "wedding", problem }))],
      position: { number: 2, pages: 3, first: 101, last: 200, total: 201 },
      unreachable: Array.from({ length: 12 }, (_, i) => `Baikal trip ${i}`),
    }),
    ...STATUSES.map((status) => errorPage({ language, status })),
  ]).concat(STATUSES.map(proxyErrorPage));
}

/** What a reader sees of a page: no style sheet, no tags, one space where there was any. */
function visibleText(page: string): string {
  return page
    .replace(/<style>[^]*<\/style>/, "")
    .replaceAll(/<[^>]*>/g, "")
    .replaceAll(/\s+/g, " ");
}
