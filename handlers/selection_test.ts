import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
// @ts-types="../testing/yauzl.d.ts"
import * as yauzl from "yauzl";
import { createStoreEngine } from "../engines/store.ts";
import { signedQuery } from "../http/signature.ts";
import { MemoryBudget } from "../lib/memory_budget.ts";
import { Checksums } from "../storage/checksums.ts";
import { captureLog } from "../testing/log.ts";
import { MemorySource } from "../testing/memory_source.ts";
import { randomBytes } from "../testing/tree.ts";
import { createHandler, type HandlerOptions } from "./mod.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";
const PATH = `/archive/${HASH}/`;
const FORM = "application/x-www-form-urlencoded";
const NOW = Date.UTC(2027, 0, 31, 12);
const SECRET = "for-tests-only-4f1c9a77";

type Files = Readonly<Record<string, string | Uint8Array>>;

const FILES: Files = {
  "a.jpg": "A",
  "b.jpg": randomBytes(3000, 1),
  "Поход/1.jpg": randomBytes(500, 2),
  "Поход/Ёлка.jpg": "yolka",
  "Поход/далеко/2.jpg": "far",
  "z+&=#%.txt": "odd",
};

function service(files: Files = FILES, options: Partial<HandlerOptions> = {}) {
  const source = new MemorySource(
    Object.fromEntries(Object.entries(files).map(([name, file]) => [`${HASH}/${name}`, file])),
  );
  const engine = createStoreEngine({ source, checksums: new Checksums(source) });
  const observer = { started() {}, progressed() {}, ended() {} };
  const memory = new MemoryBudget({ limit: 1 << 30 });
  const all = { source, engine, observer, memory, listing: "off", now: () => NOW } as const;
  const handler = createHandler({ ...all, ...options });
  const log = captureLog();
  return {
    source,
    memory,
    logged: log.lines,
    ask(target: string, init: RequestInit = {}) {
      const headers = { host: "localhost", ...init.headers };
      const request = new Request(new URL(target, "http://localhost"), { ...init, headers });
      const remoteAddr = { transport: "tcp", hostname: "192.0.2.1", port: 50_000 } as const;
      return handler(request, { remoteAddr, completed: Promise.resolve() });
    },
    post(body: string | URLSearchParams, path = PATH) {
      const headers = { "content-type": FORM };
      return this.ask(path, { method: "POST", body: body.toString(), headers });
    },
    async [Symbol.asyncDispose]() {
      await engine.close();
      log[Symbol.dispose]();
    },
  };
}

function choose(names: readonly string[]) {
  return names.map((name) => `file=${encodeURIComponent(name)}`).join("&");
}

/** What yauzl, which is another reader, finds in an archive */
async function contentOf(bytes: Uint8Array): Promise<Map<string, string>> {
  const zip = await yauzl.fromBufferPromise(Buffer.from(bytes), { lazyEntries: true });
  const found = new Map<string, string>();
  for await (const entry of zip.eachEntry()) {
    const chunks = await Array.fromAsync(await zip.openReadStreamPromise(entry));
    found.set(entry.fileName, Buffer.concat(chunks).toString("base64"));
  }
  return found;
}

function expected(files: Files, isChosen: (name: string) => boolean) {
  return new Map(
    Object.entries(files).filter(([name]) => isChosen(name))
      .map(([name, content]) => [name, Buffer.from(content).toString("base64")] as const)
      .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
}

async function download(answer: Response) {
  assert.equal(answer.status, 200, await (answer.status === 200 ? "" : answer.clone().text()));
  const bytes = await answer.bytes();
  assert.equal(answer.headers.get("content-length"), `${bytes.length}`);
  return { bytes, etag: answer.headers.get("etag"), content: await contentOf(bytes) };
}

Deno.test("?file=: any choice is an archive of its own, as long as announced", async () => {
  await using site = service();
  const names = [...Object.keys(FILES), "Поход/", "Поход/далеко/"];
  const tags = new Map<string, string>();
  const one = fc.subarray(names, { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(one, async (chosen) => {
      const isChosen = (name: string) =>
        chosen.some((other) => other === name || other.endsWith("/") && name.startsWith(other));
      const { bytes, etag, content } = await download(await site.ask(`${PATH}?${choose(chosen)}`));
      const right = expected(FILES, isChosen);
      assert.deepEqual(content, right);
      const key = [...right.keys()].join();
      assert.match(`${etag}`, /^"1-/);
      assert.equal(tags.get(key) ?? etag, etag, "the same files, the same tag");
      tags.set(key, `${etag}`);
      const query = `${PATH}?${choose(chosen.toReversed())}&${choose(chosen)}&utm_source=x`;
      const head = await site.ask(query, { method: "HEAD" });
      assert.equal(head.headers.get("etag"), etag);
      assert.equal(head.headers.get("content-length"), `${bytes.length}`);
    }),
    { numRuns: 60 },
  );
  assert.equal(new Set(tags.values()).size, tags.size, "other files, another tag");
  assert.equal(site.memory.used, 0);
});

Deno.test("?file=: all files are the whole archive", async () => {
  await using site = service();
  const whole = await download(await site.ask(PATH));
  const all = await download(await site.ask(`${PATH}?${choose(Object.keys(FILES))}`));
  assert.deepEqual([all.etag, all.content], [whole.etag, whole.content]);
});

Deno.test("?file= and ?part=: 206, 304, 412 and 416 are those of what was chosen", async () => {
  await using site = service();
  for (const query of [choose(["b.jpg", "Поход/"]), "part=1&size=4K"]) {
    const link = `${PATH}?${query}`;
    const { bytes, etag } = await download(await site.ask(link));
    const ask = (headers: Record<string, string>) => site.ask(link, { headers });
    const part = await ask({ range: "bytes=100-", "if-range": `${etag}` });
    assert.equal(part.status, 206);
    assert.ok(Buffer.from(await part.bytes()).equals(bytes.subarray(100)));
    const statuses: [Record<string, string>, number][] = [
      [{ "if-none-match": `${etag}` }, 304],
      [{ "if-match": '"x"' }, 412],
      [{ range: `bytes=${bytes.length}-` }, 416],
      [{ range: "bytes=0-0", "if-range": '"x"' }, 200],
    ];
    for (const [headers, status] of statuses) {
      const answer = await ask(headers);
      assert.equal(answer.status, status);
      if (status === 416) {
        assert.equal(answer.headers.get("content-range"), `bytes */${bytes.length}`);
      }
      await answer.bytes();
    }
  }
});

Deno.test("?file=: what is not there is a 404 that names it, and an unknown hash tells nothing", async () => {
  await using site = service();
  const wrong = ["<b>no</b>.jpg", "Поход", "Нет.jpg"];
  for (const extra of ["", "&manifest", "&page"]) {
    const query = choose(["a.jpg", ...wrong]) + extra;
    const answer = await site.ask(`${PATH}?${query}`);
    assert.equal(answer.status, 404);
    const text = await answer.text();
    for (const name of ["&lt;b&gt;no&lt;", "<bdi>Поход</bdi>", "Нет.jpg"]) {
      assert.ok(text.includes(name), name);
    }
    assert.equal(text.includes("a.jpg"), false);
    const unknown = await site.ask(`/archive/${UNKNOWN}/?${query}`);
    assert.equal(await unknown.text(), await (await site.ask("/nowhere")).text());
  }
  assert.deepEqual(site.logged, []);
});

Deno.test("?part=: parts of any size together are the folder", async () => {
  await using site = service();
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 6000 }), async (size) => {
      const manifest = await (await site.ask(`${PATH}?manifest&size=${size}`)).json();
      const parts = manifest.parts ?? [{ query: `part=1&size=${size}`, length: null }];
      const together = new Map<string, string>();
      for (const { query, length, oversize, entries } of parts) {
        const { bytes, content } = await download(await site.ask(`${PATH}?${query}`));
        if (length !== null) {
          assert.deepEqual([bytes.length, content.size], [length, entries]);
          assert.equal(oversize, length > size);
          assert.ok(!oversize || entries === 1);
        }
        for (const [name, bytes] of content) {
          assert.equal(together.has(name), false);
          together.set(name, bytes);
        }
      }
      assert.deepEqual([...together], [...expected(FILES, () => true)]);
      const beyond = await site.ask(`${PATH}?part=${parts.length + 1}&size=${size}`);
      assert.equal(beyond.status, 404);
      await beyond.body?.cancel();
    }),
    { numRuns: 25 },
  );
});

Deno.test("?part=: the name says which of how many, and a part beyond is told of", async () => {
  await using site = service();
  site.source.put(`${HASH}/.zipferry.json`, JSON.stringify({ title: "Свадьба" }));
  const link = (number: number) => `${PATH}?part=${number}&size=1K`;
  const { headers } = await site.ask(link(2), { method: "HEAD" });
  const [fallback, name] = /filename="(.*)"; filename\*=UTF-8''(.*)$/
    .exec(headers.get("content-disposition") ?? "")?.slice(1) ?? [];
  assert.equal(fallback, "photos-5d1c0f7a-2-of-4.zip");
  assert.equal(decodeURIComponent(name), "Свадьба (2 of 4).zip");
  const beyond = await site.ask(link(7));
  assert.equal(beyond.status, 404);
  assert.match(await beyond.text(), /part 7; .* 4 in number/);
  const only = await site.ask(`${PATH}?part=1&size=1G`, { method: "HEAD" });
  const whole = await site.ask(PATH, { method: "HEAD" });
  assert.deepEqual([...only.headers], [...whole.headers]);
});

Deno.test("?file= with ?part=: parts of what was chosen", async () => {
  await using site = service();
  const query = choose(["b.jpg", "Поход/"]);
  const { parts } = await (await site.ask(`${PATH}?${query}&manifest&size=1K`)).json();
  const found = new Map<string, string>();
  for (const part of parts) {
    const { content } = await download(await site.ask(`${PATH}?${query}&${part.query}`));
    for (const [name, bytes] of content) found.set(name, bytes);
  }
  assert.deepEqual(found, expected(FILES, (name) => name === "b.jpg" || name.startsWith("Поход/")));
});

Deno.test("a part of a size is offered by the page and the manifest where --part-size is set", async () => {
  await using site = service(FILES, { partSize: 2048 });
  const page = await (await site.ask(`${PATH}?page`)).text();
  assert.match(page, /\?part(?:=|&#x3D;)2&amp;size(?:=|&#x3D;)2K"/);
  assert.equal((await (await site.ask(`${PATH}?manifest`)).json()).parts.length, 3);
  const few = await (await site.ask(`${PATH}?page&file=a.jpg`)).text();
  assert.equal(few.includes("part=1"), false);
  await using other = service();
  assert.equal((await (await other.ask(`${PATH}?manifest`)).json()).parts, null);
});

Deno.test("the manifest tells where the data of each file is, and its CRC-32 once it was read", async () => {
  await using site = service();
  const before = await (await site.ask(`${PATH}?manifest`)).json();
  assert.deepEqual(new Set(before.files.map(({ crc32 }: { crc32: unknown }) => crc32)).size, 1);
  for (const query of ["", choose(["b.jpg", "Поход/"]), "part=2&size=2K"]) {
    const { bytes } = await download(await site.ask(`${PATH}?${query}`));
    const { files, archive } = await (await site.ask(`${PATH}?${query}&manifest`)).json();
    assert.equal(archive.length, bytes.length);
    const zip = await yauzl.fromBufferPromise(Buffer.from(bytes), { lazyEntries: true });
    const sums = new Map(
      (await Array.fromAsync(zip.eachEntry())).map((e) => [e.fileName, e.crc32]),
    );
    for (const { name, size, offset, crc32 } of files) {
      const data = bytes.subarray(offset, offset + size);
      assert.deepEqual(Buffer.from(data), Buffer.from(FILES[name]), name);
      assert.equal(parseInt(crc32, 16), sums.get(name));
      assert.match(crc32, /^[0-9a-f]{8}$/);
    }
  }
});

Deno.test("the manifest tells the title and the end of the link", async () => {
  await using site = service(FILES, { signing: { mode: "both", secrets: [SECRET] } });
  const ask = async (query = "") => {
    const { title, expires } = await (await site.ask(`${PATH}?manifest&${query}`)).json();
    return [title, expires];
  };
  assert.deepEqual(await ask(), [null, null]);
  const label = { title: "Свадьба", expires: "2027-02-01T00:00:00Z" };
  site.source.put(`${HASH}/.zipferry.json`, JSON.stringify(label));
  assert.deepEqual(await ask(), ["Свадьба", "2027-02-01T00:00:00Z"]);
  const link = { hash: HASH, expires: NOW / 1000 + 60, files: [] };
  assert.deepEqual(await ask(signedQuery(link, SECRET)), ["Свадьба", "2027-01-31T12:01:00Z"]);
});

/** As many as need a short text in the link */
const MANY: Files = Object.fromEntries(
  Array.from({ length: 3000 }, (_, i) => [`Фото/Съёмка ${i}.jpg`, `${i}`]),
);

Deno.test("POST: a form leads to a link with the names, or with a short text for them", async () => {
  await using site = service(MANY);
  const names = Object.keys(MANY);
  for (const count of [1, 5, 1500, 2999, 3000]) {
    const chosen = names.filter((_, i) => i % 3000 < count);
    const form = new URLSearchParams([...chosen, ...chosen].map((name) => ["file", name]));
    form.append("utm_source", "a b&c");
    const answer = await site.post(form, `${PATH}?fbclid=1`);
    assert.equal(answer.status, 303);
    const link = answer.headers.get("location") ?? "";
    assert.ok(link.startsWith(PATH) && link.length < 6100, link);
    const query = new URLSearchParams(link.split("?")[1]);
    assert.equal(query.get("utm_source"), "a b&c");
    assert.equal(query.get("fbclid"), "1");
    assert.equal(query.has("selection"), count > 5);
    const { content, etag } = await download(await site.ask(link));
    assert.deepEqual(content, expected(MANY, (name) => chosen.includes(name)));
    const again = await site.ask(`${link}&manifest`);
    assert.equal((await again.json()).archive.etag, etag);
  }
});

Deno.test("the page's form: nothing ticked is never the whole archive, and there is a way back", async () => {
  await using site = service();
  const answers = [
    await site.ask(`${PATH}?selection=&utm_source=x`),
    await site.post("selection=&utm_source=x", `${PATH}?utm_source=x`),
    await site.post("", `${PATH}?utm_source=x`),
  ];
  for (const answer of answers) {
    assert.equal(answer.status, 400);
    const html = await answer.text();
    assert.match(html, /<h1>Nothing is selected/);
    assert.equal(wayIn(html), `${PATH}?utm_source=x&page`);
  }
  const plain = await download(await site.ask(`${PATH}?${choose(["b.jpg"])}`));
  const marked = await download(await site.ask(`${PATH}?selection=&${choose(["b.jpg"])}`));
  assert.deepEqual([marked.etag, marked.bytes], [plain.etag, plain.bytes]);
  const posted = await site.post(`selection=&${choose(["b.jpg"])}`);
  assert.equal(posted.headers.get("location"), `${PATH}?file=b.jpg`);
  const elsewhere = await site.ask(`/archive/${UNKNOWN}/?selection=`);
  assert.equal(elsewhere.status, 400, "whether there is such an archive or not");
  await elsewhere.body?.cancel();
});

/** Where the button of a page of an error leads */
function wayIn(html: string): string | undefined {
  const [, link] = /<a class="button" href="([^"]*)"/.exec(html) ?? [];
  return link?.replaceAll("&amp;", "&").replaceAll("&#x2F;", "/").replaceAll("&#x3D;", "=");
}

Deno.test("what was chosen in vain: its page leads to that of the archive, if the link does", async () => {
  const signing = { mode: "signed", secrets: [SECRET] } as const;
  await using open = service();
  await using signed = service(FILES, { signing });
  const link = (files: string[]) =>
    signedQuery({ hash: HASH, expires: NOW / 1000 + 60, files }, SECRET);
  const vain = ["file=x.jpg", "part=9&size=1G", "manifest&file=x.jpg&page_id=7"];
  for (const query of vain) {
    const all = link([]);
    const kept = query.includes("page_id") ? "page_id=7&" : "";
    assert.equal(wayIn(await (await open.ask(`${PATH}?${query}`)).text()), `${PATH}?${kept}page`);
    const html = await (await signed.ask(`${PATH}?${query}&${all}`)).text();
    assert.equal(wayIn(html), `${PATH}?${kept}${all}&page`);
    const page = await signed.ask(wayIn(html)!);
    assert.equal(page.status, 200);
    await page.body?.cancel();
  }
  const some = await signed.ask(`${PATH}?${link(["x.jpg"])}`);
  assert.equal(some.status, 404);
  assert.equal(wayIn(await some.text()), undefined, "that link leads to no page");
});

Deno.test("POST: too much is a 413, what is not there a 404", async () => {
  await using site = service();
  const missing = await site.post("file=a.jpg&file=x.jpg");
  assert.equal(missing.status, 404);
  assert.match(await missing.text(), /<bdi>x\.jpg/);
  const long = await site.post(`file=${"x".repeat(5 << 20)}`);
  assert.equal(long.status, 413);
  assert.match(await long.text(), /<!doctype html>/i);
  const wide = await site.post(`file=a.jpg&utm_source=${"x".repeat(7000)}`);
  assert.equal(wide.status, 413);
  await wide.body?.cancel();
  for (const query of ["file=", "file=a.jpg&selection=AAAA", "flie=a.jpg", "file=a&status"]) {
    const answer = await site.post(query);
    assert.equal(answer.status, 400, query);
    await answer.body?.cancel();
  }
  assert.equal(site.memory.used, 0);
});

Deno.test("POST: a form that takes too long is a 408, with a page", async () => {
  await using site = service();
  const { setTimeout } = globalThis;
  const hurry = (work: () => void, ms: number) => setTimeout(work, ms === 15_000 ? 0 : ms);
  globalThis.setTimeout = hurry as typeof setTimeout;
  try {
    const answer = await site.ask(PATH, {
      method: "POST",
      body: new ReadableStream({ start: (form) => form.enqueue(new TextEncoder().encode("fi")) }),
      headers: { "content-type": FORM },
    });
    assert.deepEqual([answer.status, answer.headers.get("connection")], [408, "close"]);
    assert.match(await answer.text(), /<h1>The choice did not arrive/);
  } finally {
    globalThis.setTimeout = setTimeout;
  }
  assert.equal(site.memory.used, 0);
});

Deno.test("POST is allowed for a form to an archive, and nowhere else", async () => {
  await using site = service();
  const expected = await (await site.ask("/", { method: "POST" })).text();
  for (const path of ["/", "/nowhere", PATH.slice(0, -1), "/healthz", "/archive/-/"]) {
    const answer = await site.post("file=a.jpg", path);
    assert.equal(answer.status, 405, path);
    assert.equal(await answer.text(), expected);
  }
  for (const type of ["multipart/form-data; boundary=x", "text/plain", "application/json"]) {
    const headers = { "content-type": type };
    const answer = await site.ask(PATH, { method: "POST", body: "file=a.jpg", headers });
    assert.equal(answer.status, 405, type);
    await answer.body?.cancel();
  }
  const unknown = await site.post("file=a.jpg", `/archive/${UNKNOWN}/`);
  assert.equal(unknown.status, 404);
  assert.equal(await unknown.text(), await (await site.ask("/nowhere")).text());
});

Deno.test("?selection=: a folder with other names is noticed, one with another photo is not", async () => {
  await using site = service(MANY);
  const form = new URLSearchParams(Object.keys(MANY).slice(0, 2000).map((name) => ["file", name]));
  const link = (await site.post(form)).headers.get("location") ?? "";
  site.source.put(`${HASH}/Фото/Съёмка 7.jpg`, "edited");
  const { content } = await download(await site.ask(link));
  assert.equal(content.get("Фото/Съёмка 7.jpg"), Buffer.from("edited").toString("base64"));
  site.source.put(`${HASH}/Фото/one more.jpg`, "new");
  const stale = await site.ask(link);
  assert.equal(stale.status, 404);
  assert.match(await stale.text(), /The photos have changed/);
  const broken = await site.ask(`${PATH}?selection=%C2%A7`);
  assert.equal(broken.status, 400);
  await broken.body?.cancel();
});

Deno.test("signed links: the chosen files are signed, and who may have all may choose", async () => {
  await using site = service(FILES, { signing: { mode: "signed", secrets: [SECRET] } });
  const files = ["Поход/", "a.jpg"];
  const link = (files: string[]) =>
    signedQuery({ hash: HASH, expires: NOW / 1000 + 60, files }, SECRET);
  const { content } = await download(await site.ask(`${PATH}?${link(files)}`));
  assert.deepEqual([...content.keys()].length, 4);
  const tail = new URLSearchParams(link(files));
  tail.delete("file");
  const [all, unknown] = [link([]), await (await site.ask("/nowhere")).text()];
  const refused = [choose(["a.jpg"]), `${tail}`, `${choose(["a.jpg"])}&${tail}`];
  for (const query of [...refused, `${link(files)}&file=b.jpg`, `selection=AAAA&${tail}`]) {
    const answer = await site.ask(`${PATH}?${query}`);
    assert.equal(answer.status, 404, query);
    assert.equal(await answer.text(), unknown);
  }
  await download(await site.ask(`${PATH}?${link(files)}&part=1&size=1G`));
  await download(await site.ask(`${PATH}?${choose(["b.jpg"])}&${all}`));
  const posted = await site.post(`${choose(["b.jpg"])}&${all}`, `${PATH}?${all}`);
  assert.equal(posted.status, 303);
  await download(await site.ask(posted.headers.get("location") ?? ""));
  const chosen = new URL(posted.headers.get("location") ?? "", "http://x").searchParams;
  assert.deepEqual([...chosen.keys()], ["file", "expires", "signature"]);
  for (const body of [choose(["b.jpg"]), `${choose(["b.jpg"])}&${all}`, "x".repeat(5 << 20)]) {
    const answer = await site.post(body); // the link itself is not signed: nobody reads the form
    assert.deepEqual([answer.status, await answer.text()], [404, unknown]);
  }
});
