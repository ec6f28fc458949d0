import assert from "node:assert/strict";
import { createStoreEngine } from "../engines/store.ts";
import { logDownloads } from "../observe/log.ts";
import { Checksums } from "../storage/checksums.ts";
import { MemoryBudget } from "../lib/memory_budget.ts";
import { captureLog } from "../testing/log.ts";
import { MemorySource } from "../testing/memory_source.ts";
import { createHandler, type HandlerOptions } from "./mod.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const PATH = `/archive/${HASH}/`;
const TOKEN = "token-of-the-owner-0123456789";

/** Asks a service over one album, with a label if there is one */
function site(label: object | null, options: Partial<HandlerOptions> = {}) {
  const source = new MemorySource({
    [`${HASH}/a.jpg`]: "12345",
    [`${HASH}/b/c.jpg`]: "678",
    ...label && { [`${HASH}/.zipferry.json`]: JSON.stringify(label) },
  });
  const engine = createStoreEngine({ source, checksums: new Checksums(source) });
  const handler = createHandler({
    ...{ source, engine, observer: logDownloads(), listing: "auto" as const },
    ...options,
  });
  const log = captureLog();
  return {
    source,
    async ask(target: string, headers: Record<string, string> = {}, method = "GET") {
      const remoteAddr = { transport: "tcp", hostname: "192.0.2.7", port: 1 } as const;
      const all = { host: "photos.example", ...headers };
      const request = new Request(`http://photos.example${target}`, { method, headers: all });
      return await handler(request, { remoteAddr, completed: Promise.resolve() });
    },
    async [Symbol.asyncDispose]() {
      await engine.close();
      log[Symbol.dispose]();
    },
  };
}

const BROWSER = { "sec-fetch-dest": "document", accept: "text/html,*/*;q=0.8" };
const BOT = { "user-agent": "TelegramBot (like TwitterBot)" };

/** `page`, `zip`, or the status */
async function kindOf(answer: Response): Promise<string> {
  await answer.body?.cancel();
  const type = answer.headers.get("content-type") ?? "";
  if (answer.status >= 300) return String(answer.status);
  return type.startsWith("text/html") ? "page" : type === "application/zip" ? "zip" : type;
}

Deno.test("landing: who gets the page, and who the archive", async () => {
  const cases: [object | null, boolean, string, Record<string, string>, string][] = [
    [null, false, "", BROWSER, "zip"],
    [null, true, "", BROWSER, "page"],
    [{ download: "page" }, false, "", BROWSER, "page"],
    [{ download: "zip" }, true, "", BROWSER, "zip"],
    [{ download: "page" }, false, "?download", BROWSER, "zip"],
    [{ download: "page" }, false, "?utm_source=x", BROWSER, "page"],
    [{ download: "page" }, false, "?page", {}, "page"],
    [null, false, "?page", {}, "page"],
    [{ download: "page" }, true, "", {}, "zip"],
    [{ download: "page" }, true, "", { accept: "*/*", "user-agent": "curl/8.5.0" }, "zip"],
    [{ download: "page" }, true, "", { ...BROWSER, range: "bytes=1-2" }, "zip"],
    [{ download: "page" }, true, "", { accept: "text/html" }, "page"],
    [{ download: "page" }, true, "?manifest", BROWSER, "application/json"],
    [null, false, "", BOT, "page"],
    [null, false, "?download", BOT, "page"],
    [null, false, "", { ...BOT, range: "bytes=0-99" }, "page"],
    [{ download: "zip" }, false, "", BOT, "page"],
  ];
  for (const [label, landing, query, headers, expected] of cases) {
    await using service = site(label, { landing });
    const name = JSON.stringify([label, landing, query, headers]);
    assert.equal(await kindOf(await service.ask(PATH + query, headers)), expected, name);
    const head = await service.ask(PATH + query, headers, "HEAD");
    assert.equal(await kindOf(head), expected, `HEAD ${name}`);
  }
});

Deno.test("landing: a page says on what it depends, and is kept by nobody", async () => {
  await using service = site({ title: "Свадьба" }, { landing: true });
  const answer = await service.ask(PATH, BROWSER);
  assert.equal(answer.headers.get("cache-control"), "private, no-store");
  for (const name of ["accept", "sec-fetch-dest", "user-agent", "accept-language", "range"]) {
    assert.match(answer.headers.get("vary") ?? "", new RegExp(`\\b${name}\\b`));
  }
  assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
  assert.equal(answer.headers.get("x-robots-tag"), "noindex, nofollow");
  assert.doesNotMatch(answer.headers.get("content-security-policy") ?? "", /unsafe|\*/);
  const html = await answer.text();
  assert.match(html, /<h1>Свадьба<\/h1>/);
  assert.ok(!html.includes(".zipferry"));
});

Deno.test("landing: previews have the title and no file, and unknown archives the same 404", async () => {
  await using service = site({ title: "Свадьба", note: "Спасибо" });
  const html = await (await service.ask(PATH, BOT)).text();
  assert.match(html, /property="og:title" content="Свадьба"/);
  assert.match(html, /property="og:description" content="Спасибо · 2\sfiles/);
  assert.ok(!html.includes("a.jpg"));
  const unknown = `/archive/${"0".repeat(32)}/`;
  const answers = await Promise.all([
    service.ask(unknown, BOT),
    service.ask(`${unknown}?page`, BOT),
    service.ask(unknown, BROWSER),
  ]);
  assert.deepEqual(answers.map(({ status }) => status), [404, 404, 404]);
  const [first, ...others] = await Promise.all(answers.map((answer) => answer.text()));
  for (const other of others) assert.equal(other, first);
});

Deno.test("page: its listing counts against the memory until it is sent, or the visitor has left", async () => {
  const memory = new MemoryBudget({ limit: 1 << 30 });
  await using service = site(null, { memory });
  await (await service.ask(`${PATH}?page`)).text();
  assert.equal(memory.used, 0);
  const answer = await service.ask(`${PATH}?page`);
  assert.ok(memory.used > 0);
  await answer.body?.cancel();
  assert.equal(memory.used, 0);
  await service.ask(`${PATH}?page`, {}, "HEAD");
  assert.equal(memory.used, 0);
});

Deno.test("page: its date of the end is that of the label or of the signed link, the first of them", async () => {
  await using service = site({ expires: "2100-05-01" });
  assert.match(await (await service.ask(`${PATH}?page`)).text(), /May 1, 2100/);
});

Deno.test("page: an end that is no midnight is told with its time", async () => {
  await using service = site({ expires: "2100-05-01T18:00:00+03:00" });
  assert.match(
    (await (await service.ask(`${PATH}?page`)).text()).replaceAll("\u202f", " "),
    /available until <time datetime="2100-05-01T15:00:00.000Z">May 1, 2100 at 3:00 PM UTC</,
  );
});

Deno.test("/ shows the list to whoever has the token, and limits guesses", async () => {
  await using service = site({ title: "Wedding" }, { adminToken: TOKEN });
  const basic = (password: string) => ({ authorization: `Basic ${btoa(`owner:${password}`)}` });
  const textOf = async (target: string, headers = {}) =>
    await (await service.ask(target, headers)).text();
  assert.ok(!(await textOf("/")).includes("Wedding"));
  assert.match(await textOf("/"), /href="\/\?login"/);
  const asked = await service.ask("/?login");
  assert.equal(asked.status, 401);
  assert.match(asked.headers.get("www-authenticate") ?? "", /^Basic realm=/);
  const html = await asked.text();
  assert.match(html, /<h1>For the owner only/); // for whoever gives the browser no password
  for (const hash of [HASH, "0".repeat(32)]) {
    const status = await service.ask(`/archive/${hash}/?status`);
    assert.deepEqual([status.status, await status.text()], [401, html]);
    const fields = [...status.headers].filter(([name]) => name !== "date");
    assert.deepEqual(fields, [...asked.headers].filter(([name]) => name !== "date"));
  }
  const seen = await textOf("/?login", basic(TOKEN));
  assert.ok(seen.includes("Wedding") && seen.includes(`data-link="/archive/${HASH}/"`));
  assert.ok((await textOf("/", { authorization: `Bearer ${TOKEN}` })).includes("Wedding"));
  for (let i = 0; i < 10; i++) {
    assert.equal((await service.ask("/?login", basic(`wrong ${i}`))).status, 401);
  }
  const limited = await service.ask("/?login", basic(TOKEN));
  assert.equal(limited.status, 429);
  assert.equal(limited.headers.get("retry-after"), "60");
  assert.ok(!(await textOf("/", basic(TOKEN))).includes("Wedding"));
  const status = await service.ask(`${PATH}?status`, basic(TOKEN));
  assert.deepEqual([status.status, status.headers.get("retry-after")], [429, "60"]);
  assert.equal(await status.text(), await limited.text());
});

Deno.test("/ finds archives by words of their titles, in any order", async () => {
  await using service = site(null, { adminToken: TOKEN });
  for (let i = 0; i < 30; i++) {
    const hash = `album-${String(i).padStart(10, "x")}`;
    service.source.put(`${hash}/a.jpg`, "x".repeat(i));
    service.source.put(`${hash}/.zipferry.json`, JSON.stringify({ title: `Свадьба № ${i}` }));
  }
  const list = async (query: string) => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const html = await (await service.ask(`/${query}`, headers)).text();
    return [...html.matchAll(/<bdi>([^<]*)<\/bdi>/g)].map(([, title]) => title);
  };
  const search = (words: string) => list(`?search=${encodeURIComponent(words)}`);
  assert.deepEqual(await search("№ 17 СВАДЬБА"), ["Свадьба № 17"]);
  assert.deepEqual(await search("nothing of the kind"), []);
  assert.equal((await search("свадьба")).length, 30);
  assert.deepEqual((await list("?order=size")).slice(0, 2), ["Свадьба № 29", "Свадьба № 28"]);
  assert.deepEqual((await list("?order=title")).slice(0, 3), [
    "Свадьба № 0",
    "Свадьба № 1",
    "Свадьба № 2",
  ]);
});

Deno.test("the logo of a site is at an address of its own, and its look on every page", async () => {
  const logo = { bytes: new TextEncoder().encode("<svg/>"), type: "image/svg+xml" };
  await using service = site(null, { logo, siteName: "A & B", accent: "#7a1f3d" });
  for (const target of [`${PATH}?page`, "/", "/archive/nothing/", `${PATH}?flie=a`]) {
    const html = await (await service.ask(target)).text();
    assert.match(html, /<p>A &amp; B<\/p>/, target);
    assert.ok(html.includes("--button:#7a1f3d"));
  }
  const html = await (await service.ask("/")).text();
  const [, path] = /<img src="([^"]*)"/.exec(html.replaceAll("&#x2F;", "/")) ?? [];
  const answer = await service.ask(path);
  assert.equal(answer.headers.get("content-type"), "image/svg+xml");
  assert.match(answer.headers.get("content-security-policy") ?? "", /sandbox/);
  assert.equal(await answer.text(), "<svg/>");
  assert.equal((await service.ask("/logo-0000000000000000.svg")).status, 404);
});

Deno.test("a range beyond the end is explained to whoever reads pages, and to programs by fields", async () => {
  await using service = site(null);
  const range = "bytes=99999999-";
  const program = await service.ask(PATH, { range });
  const browser = await service.ask(PATH, { range, accept: "text/html", "accept-language": "ru" });
  for (const { status, headers } of [program, browser]) {
    assert.equal(status, 416);
    assert.match(headers.get("content-range") ?? "", /^bytes \*\/\d+$/);
    assert.equal(headers.get("etag"), program.headers.get("etag"));
  }
  assert.equal(await program.text(), "");
  assert.match(await browser.text(), /<html lang="ru"[\s\S]*откройте ссылку/i);
});
