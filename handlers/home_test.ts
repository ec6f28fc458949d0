import assert from "node:assert/strict";
import { StorageError } from "../storage/errors.ts";
import type { FileSource } from "../storage/source.ts";
import { captureLog } from "../testing/log.ts";
import { countTasks, MemorySource } from "../testing/memory_source.ts";
import { createHome, type HomeOptions } from "./home.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";

interface AskOptions {
  readonly language?: string;
  readonly host?: string;
  /** Address of the client */
  readonly peer?: string;
  readonly signal?: AbortSignal;
}

/** Asks for the home page with a query, as a browser on the same machine unless told otherwise */
function homeOf(source: FileSource, listing: HomeOptions["listing"] = "auto") {
  const home = createHome({ source, listing });
  return (query = "", options: AskOptions = {}) => {
    const { language = "en", host = "localhost:8080", peer = "127.0.0.1", signal } = options;
    const headers = { host, "accept-language": language };
    return home(new Request("http://localhost/", { headers, signal }), { query, peer });
  };
}

function archives(count: number): MemorySource {
  const files = Array.from({ length: count }, (_, i) => {
    const mtime = new Date(Date.UTC(2020, 0, 1) + i * 60_000);
    return [`album-${String(i).padStart(10, "0")}/a.jpg`, { content: "1", mtime }];
  });
  return new MemorySource(Object.fromEntries(files));
}

async function textOf(answer: Promise<Response>): Promise<string> {
  const response = await answer;
  assert.equal(response.status, 200);
  return (await response.text()).replace(/<style>[^]*<\/style>/, "");
}

function links(page: string): string[] {
  return [...page.matchAll(/<a href="([^"]*)"/g)].map(([, link]) => link);
}

function visible(page: string): string {
  return page.replaceAll(/<[^>]*>/g, "").replaceAll(/\s+/g, " ");
}

Deno.test("GET /?page= goes through the list, a hundred archives a page", async () => {
  const ask = homeOf(archives(10_000));
  const cases: [string, string, string[], number][] = [
    ["", "1–100 of 10,000 Next", ["/?page=2"], 9999],
    ["page=1", "1–100 of 10,000 Next", ["/?page=2"], 9999],
    ["page=2", "Previous 101–200 of 10,000 Next", ["/", "/?page=3"], 9899],
    ["page=3", "Previous 201–300 of 10,000 Next", ["/?page=2", "/?page=4"], 9799],
    ["page=100", "Previous 9,901–10,000 of 10,000", ["/?page=99"], 99],
  ];
  for (const [query, text, others, newest] of cases) {
    const page = await textOf(ask(query));
    const all = links(page);
    const pages = all.filter((link) => !link.startsWith("/archive/"));
    assert.deepEqual(pages, others);
    assert.equal(all.length - pages.length, 100);
    assert.equal(all[0], `/archive/album-${String(newest).padStart(10, "0")}/`);
    assert.match(visible(page).replaceAll(/[←→] ?/g, ""), new RegExp(`${text} ?$`));
  }
});

Deno.test("GET /?page= beyond the end is the last page, and nonsense is the first", async () => {
  const ask = homeOf(archives(250));
  const [first, last] = [await textOf(ask()), await textOf(ask("page=3"))];
  assert.match(visible(last), /201–250 of 250/);
  for (const query of ["page=4", "page=999999999", "x&page=77"]) {
    assert.equal(await textOf(ask(query)), last, query);
  }
  const nonsense = [
    ...["page=", "page", "page=0", "page=-1", "page=1.5", "page=x", "page=1e3", "page=0x2"],
    ...["page=02", "page=1234567890", "page=%00", "page=%", "page=%D0%B0", "Page=2", "x=2", "&&=="],
  ];
  for (const query of nonsense) assert.equal(await textOf(ask(query)), first, query);
  assert.equal(await textOf(ask("x=1&page=3&page=2")), last);
});

Deno.test("GET / has no links to other pages where one is enough", async () => {
  for (const count of [0, 1, 100]) {
    const page = await textOf(homeOf(archives(count))());
    assert.ok(!page.includes("<nav"));
    assert.equal(links(page).length, count);
  }
});

Deno.test("GET /?page= in Russian", async () => {
  const page = await textOf(homeOf(archives(1100))("page=2", { language: "ru" }));
  assert.match(visible(page), /← Назад 101–200 из 1\s100 Вперёд → $/);
});

Deno.test("GET / names an archive that cannot be listed on the page, and shortly in the log", async () => {
  const memory = archives(3);
  memory.put(`${HASH}/a.jpg`, "1");
  const list: FileSource["list"] = async (hash) => {
    if (hash === HASH) throw new StorageError("EILSEQ", "list folder: bad name");
    const listing = await memory.list(hash);
    return listing && hash.endsWith("0") ? { ...listing, lastModified: NaN } : listing;
  };
  const folders: FileSource["folders"] = () => memory.folders();
  using log = captureLog();
  const page = await textOf(homeOf(countTasks(memory, { list, folders }))());
  assert.equal(links(page).length, 3);
  assert.match(visible(page), new RegExp(`${HASH} Cannot be downloaded: .* not UTF-8`));
  assert.match(visible(page), /album-0000000000 1 file 1 B album|album-0000000000 1 file 1 B $/);
  assert.equal(log.lines.length, 1);
  assert.ok(!log.lines[0].includes(HASH.slice(0, 5)));
  const { level, properties } = JSON.parse(log.lines[0]);
  assert.deepEqual([level, properties], [
    "WARN",
    { count: 1, archives: ["5d1c…"], why: ["list folder: bad name"] },
  ]);
});

Deno.test("GET / names folders that no link reaches, why, and the command for them", async () => {
  const source = archives(101);
  for (const name of ["Свадьба 2026", "it's $5", ".staging", "Thumbs.db"]) {
    source.put(`${name}/a.jpg`, { content: "1", mtime: new Date(name.length * 1e11) });
  }
  const ask = homeOf(source);
  const page = await textOf(ask());
  assert.match(page, /<bdi>Свадьба 2026<\/bdi>/);
  assert.match(page, /<bdi>it&#39;s \$5<\/bdi>/);
  assert.ok(!page.includes(".staging") && !page.includes("Thumbs.db"));
  assert.match(visible(page), /only Latin letters, digits, - and _, so these folders cannot be/);
  assert.match(page, /<code>deno task new --move &quot;Свадьба 2026&quot;<\/code>/);
  assert.ok(!(await textOf(ask("page=2"))).includes("Свадьба"), "on the first page only");
  const russian = await textOf(ask("", { language: "ru" }));
  assert.match(visible(russian), /Папки без ссылки В ссылке могут быть только латинские буквы/);

  const alone = await textOf(homeOf(new MemorySource({ "Baikal trip/a.jpg": "1" }))());
  assert.match(visible(alone), /No archives yet The service is running, but no folder has a link/);
  assert.match(page, /Folders without a link/);
});

Deno.test("GET / without the list tells its owner how to see it, and strangers nothing", async () => {
  const source = new MemorySource({ [`${HASH}/a.jpg`]: "1", "Baikal trip/a.jpg": "1" });
  const ask = homeOf(source, "auto");
  const throughContainer = await textOf(ask("", { peer: "172.17.0.1" }));
  assert.match(throughContainer, /<details [^>]*open>/);
  const stranger = await textOf(ask("page=2", { peer: "203.0.113.9", host: "photos.example" }));
  assert.match(stranger, /<details (?![^>]*open)[^>]*>/);
  const russian = await textOf(ask("", { peer: "172.17.0.1", language: "ru" }));
  const off = await textOf(homeOf(source, "off")());
  for (const page of [throughContainer, stranger, russian]) assert.match(page, /--listing on/);
  assert.ok(!off.includes("<details") && !off.includes("--listing"));
  for (const page of [throughContainer, stranger, russian, off]) {
    assert.ok(!page.includes(HASH.slice(0, 4)) && !page.includes("Baikal"));
  }
  const seen = await textOf(homeOf(source, "on")("", { peer: "172.17.0.1" }));
  assert.ok(seen.includes(HASH) && !seen.includes("<details"));
});

Deno.test("GET / is given up when the visitor leaves, which is no failure", async () => {
  const counting = countTasks(archives(1), { folders: () => new Promise(() => {}) });
  using log = captureLog();
  const leaving = new AbortController();
  const answer = homeOf(counting)("", leaving);
  leaving.abort();
  assert.equal((await answer).body, null);
  assert.deepEqual(log.lines, []);
});

Deno.test("GET /: more than a hundred who wait are told to come again", async () => {
  const ask = homeOf(countTasks(archives(1), { folders: () => new Promise(() => {}) }));
  const leaving = new AbortController();
  const waiting = Array.from({ length: 100 }, () => ask("", leaving));
  await assert.rejects(ask(), (error) => error instanceof StorageError && error.code === "EBUSY");
  leaving.abort();
  await Promise.all(waiting);
});
