import assert from "node:assert/strict";
import { createStoreEngine } from "../engines/store.ts";
import { signedQuery } from "../http/signature.ts";
import { accessLog } from "../observe/access_log.ts";
import { logAnswers, logDownloads } from "../observe/log.ts";
import { tellAll } from "../observe/observer.ts";
import { Checksums } from "../storage/checksums.ts";
import { StorageError } from "../storage/errors.ts";
import type { FileSource } from "../storage/source.ts";
import { captureLog } from "../testing/log.ts";
import { countTasks, MemorySource } from "../testing/memory_source.ts";
import { createHandler, type HandlerOptions } from "./mod.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";
const PATH = `/archive/${HASH}/`;
const LABEL = `${HASH}/.zipferry.json`;
const PLAIN = "attachment; filename=\"photos-5d1c0f7a.zip\"; filename*=UTF-8''photos-5d1c0f7a.zip";
const NOW = Date.UTC(2027, 0, 31, 12);
const SECRET = "for-tests-only-4f1c9a77";
const OLDER = "for-tests-only-b83e2d05";
const SIGNED = { mode: "signed", secrets: [SECRET, OLDER] } as const;
const BOTH = { ...SIGNED, mode: "both" } as const;

interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly peer?: string;
}

/** The handler over one archive in memory, at a time that a test may change */
function service(label?: unknown, options: Partial<HandlerOptions> = {}) {
  const memory = new MemorySource({ [`${HASH}/1.jpg`]: "one", [`${HASH}/2.jpg`]: "two" });
  const clock = { time: NOW };
  const instead: Partial<FileSource> = {};
  const source = countTasks(memory, instead);
  const engine = createStoreEngine({ source, checksums: new Checksums(source) });
  const access: string[] = [];
  const observer = tellAll([
    ...[logDownloads(), logAnswers()],
    ...(["json", "combined"] as const).map((form) => accessLog(form, (line) => access.push(line))),
  ]);
  const now = () => clock.time;
  const handler = createHandler({ source, engine, observer, listing: "auto", now, ...options });
  const log = captureLog();
  const setLabel = (label: unknown) =>
    memory.put(LABEL, typeof label === "string" ? label : JSON.stringify(label));
  if (label !== undefined) setLabel(label);
  const ask = (path = PATH, { method, headers, peer = "203.0.113.9" }: AskOptions = {}) => {
    const request = new Request(`http://localhost${path}`, {
      method,
      headers: { host: "localhost", ...headers },
    });
    const remoteAddr = { transport: "tcp", hostname: peer, port: 1 } as const;
    return handler(request, { remoteAddr, completed: Promise.resolve() });
  };
  return {
    ...{ clock, setLabel, memory, instead, ask, access, logged: log.lines, counts: source.counts },
    async [Symbol.asyncDispose]() {
      await engine.close();
      log[Symbol.dispose]();
    },
  };
}

/** All that a client sees of an answer */
async function seen(answer: Response | Promise<Response>) {
  const { status, headers, body } = await answer;
  return { status, headers: [...headers].sort(), text: await new Response(body).text() };
}

function query(link: { hash?: string; expires?: number; files?: string[] } = {}, secret = SECRET) {
  const { hash = HASH, expires = NOW / 1000 + 60, files = [] } = link;
  return signedQuery({ hash, expires, files }, secret);
}

Deno.test("label: a title names the file, and changes nothing else", async () => {
  await using site = service();
  const before = await seen(site.ask());
  assert.deepEqual(new Map(before.headers).get("content-disposition"), PLAIN);
  const cases: [string, string][] = [
    [
      "Anna & Petr",
      "attachment; filename=\"Anna & Petr.zip\"; filename*=UTF-8''Anna%20%26%20Petr.zip",
    ],
    ["Café", "attachment; filename=\"Cafe.zip\"; filename*=UTF-8''Caf%C3%A9.zip"],
    [
      "Ёлка",
      "attachment; filename=\"photos-5d1c0f7a.zip\"; filename*=UTF-8''%D0%81%D0%BB%D0%BA%D0%B0.zip",
    ],
    [
      "a/b\r\nSet-Cookie: x",
      'attachment; filename="a_b Set-Cookie_ x.zip"; ' +
      "filename*=UTF-8''a_b%20Set-Cookie_%20x.zip",
    ],
    ["100%", "attachment; filename=\"photos-5d1c0f7a.zip\"; filename*=UTF-8''100%25.zip"],
    ["...", PLAIN],
  ];
  for (const [title, disposition] of cases) {
    site.setLabel({ title });
    const { status, headers, text } = await seen(site.ask());
    const expected = before.headers.map(([name, value]) =>
      name === "content-disposition" ? [name, disposition] : [name, value]
    );
    assert.deepEqual([status, headers], [200, expected], title);
    assert.equal(text, before.text, "the bytes, and with them the ETag, are the same");
  }
  assert.deepEqual(site.logged.filter((line) => line.includes("label")), []);
});

Deno.test("label: past its end the archive is gone, before its beginning not there yet", async () => {
  const label = { notBefore: "2027-01-31T11:00:00Z", expires: "2027-01-31T13:00:00Z" };
  await using site = service(label);
  const cases: [number, number, string, string][] = [
    [-3_600_001, 404, "Not available yet", "Пока недоступно"],
    [-3_600_000, 200, "", ""],
    [3_599_999, 200, "", ""],
    [3_600_000, 410, "This download has ended", "Срок скачивания истёк"],
    [9e9, 410, "This download has ended", "Срок скачивания истёк"],
  ];
  for (const [after, status, english, russian] of cases) {
    site.clock.time = NOW + after;
    for (const [language, title] of [["en", english], ["ru", russian]]) {
      for (const target of [PATH, `${PATH}?manifest`]) {
        const headers = { "accept-language": language };
        const answer = await seen(site.ask(target, { headers }));
        assert.equal(answer.status, status);
        if (status !== 200) assert.ok(answer.text.includes(`<h1>${title}</h1>`), answer.text);
        const head = await site.ask(target, { method: "HEAD", headers });
        assert.deepEqual([head.status, head.body], [status, null]);
      }
    }
    const unknown = await seen(site.ask(`/archive/${UNKNOWN}/`));
    assert.equal(unknown.status, 404, "never 410 where there is no folder");
  }
});

Deno.test("label: a download that runs may end after its time, and cannot be resumed then", async () => {
  await using site = service({ expires: "2027-01-31T13:00:00Z" });
  const whole = await seen(site.ask());
  const running = await site.ask();
  site.clock.time = NOW + 3_600_000;
  assert.equal(await running.text(), whole.text);
  const resumed = await site.ask(PATH, { headers: { range: "bytes=10-" } });
  await resumed.body?.cancel();
  assert.equal(resumed.status, 410);
});

Deno.test("label: a broken end is the 404 of an unknown archive; all else that is broken is left out", async () => {
  await using site = service();
  const unknown = await seen(site.ask(`/archive/${UNKNOWN}/`));
  const closed = ['{"expires":"soon"}', '{"expires":"2030-01-01",}', '{"Expires":"2030-01-01"}'];
  for (const label of closed) {
    site.setLabel(label);
    assert.deepEqual(await seen(site.ask()), unknown, label);
  }
  for (const label of ["", "{", "[]", '{"title":1}', '{"notBefore":"soon"}', "x".repeat(70_000)]) {
    site.setLabel(label);
    const { status, headers } = await seen(site.ask());
    assert.deepEqual([status, new Map(headers).get("content-disposition")], [200, PLAIN], label);
  }
});

Deno.test("label: what is broken is one line of the log for each change, without the hash", async () => {
  await using site = service();
  const told = async (label: unknown) => {
    if (label !== null) site.setLabel(label);
    const before = site.logged.length;
    for (let i = 0; i < 3; i++) await seen(site.ask());
    await seen(site.ask(`${PATH}?manifest`));
    return site.logged.slice(before).filter((line) => line.includes("label cannot"));
  };
  const [line, ...others] = await told({ title: 1, expire: "2030-01-01" });
  assert.deepEqual(others, []);
  const { message, properties: { archive, why } } = JSON.parse(line);
  assert.match(message, /its archive is closed until it can/);
  assert.deepEqual([archive, why], [
    "5d1c…",
    'title is not a text in UTF-8; "expire" is no field of a label',
  ]);
  assert.ok(site.logged.every((line) => !line.includes(HASH)));
  assert.deepEqual(await told(null), [], "not again");
  assert.equal((await told("{")).length, 1);
  assert.deepEqual(await told({ title: "good" }), []);
  assert.equal((await told("{")).length, 1, "broken anew");
  assert.equal((await told("x".repeat(70_000))).length, 1);
});

Deno.test("label: a disk that fails is no label that is missing", async () => {
  await using site = service({ expires: "2000-01-01" });
  site.instead.label = () => Promise.reject(new StorageError("EIO", "read label: EIO"));
  assert.equal((await seen(site.ask())).status, 503);
  site.instead.label = () => Promise.reject(new StorageError("EPERM", "read label: EPERM"));
  assert.equal((await seen(site.ask())).status, 200, "one that its owner must put right");
  site.instead.label = () => Promise.reject(new StorageError("EACCES", "read label: EACCES"));
  const { status, text } = await seen(site.ask());
  assert.equal(status, 500, "one that must not be read: it may name an end");
  assert.match(text, /These photos need their owner/);
});

Deno.test("--links: which links are good", async () => {
  const none = [
    query({}, "another-secret-000000"),
    query({ hash: UNKNOWN }),
    query().replace(/.$/, (last) => last === "A" ? "B" : "A"),
    query().replace("expires=", "expires=1"),
    "expires=99999999999&signature=",
  ];
  const cases: [HandlerOptions["signing"], string, number][] = [
    ...none.flatMap((bad): [HandlerOptions["signing"], string, number][] => [
      [SIGNED, bad, 404],
      [BOTH, bad, 404],
      [undefined, bad, 200],
    ]),
    [SIGNED, "", 404],
    [BOTH, "", 200],
    ...[SIGNED, BOTH, undefined].flatMap((mode): [HandlerOptions["signing"], string, number][] => [
      [mode, query(), 200],
      [mode, query({}, OLDER), 200],
      [mode, `utm_source=x&${query()}&fbclid=1`, 200],
      [mode, query({ expires: NOW / 1000 }), mode ? 410 : 200],
      [mode, query({ expires: 1 }), mode ? 410 : 200],
    ]),
  ];
  for (const [signing, link, status] of cases) {
    await using site = service(undefined, { signing });
    for (const view of ["", "&manifest"]) {
      const answer = await seen(site.ask(`${PATH}?${link}${view}`));
      assert.equal(answer.status, status, `${signing?.mode} ${link}${view}`);
    }
    if (!signing) continue;
    const other = await seen(site.ask(`/archive/${UNKNOWN}/?${link}`));
    assert.ok([404].includes(other.status), "never 410 where there is no folder");
    const past = query({ hash: UNKNOWN, expires: 1 });
    assert.equal((await seen(site.ask(`/archive/${UNKNOWN}/?${past}`))).status, 404);
  }
});

Deno.test("--links: a link that is not good is an unknown archive, byte for byte, without a look", async () => {
  for (const signing of [SIGNED, BOTH]) {
    await using site = service({ title: "x", expires: "2000-01-01" }, { signing });
    const wrong = query({}, "another-secret-000000");
    const requests: AskOptions["headers"][] = [
      {},
      { "accept-language": "ru" },
      { range: "bytes=0-1" },
    ];
    for (const headers of requests) {
      for (const method of ["GET", "HEAD"]) {
        const unknown = await seen(site.ask(`/archive/${UNKNOWN}/?${wrong}`, { method, headers }));
        assert.equal(unknown.status, 404);
        for (const hash of [HASH, UNKNOWN]) {
          for (const link of [wrong, `${wrong}&manifest`]) {
            const answer = await seen(site.ask(`/archive/${hash}/?${link}`, { method, headers }));
            assert.deepEqual(answer, unknown);
          }
        }
      }
    }
    assert.deepEqual([site.counts.list, site.counts.running], [0, 0], "so both take as long");
  }
});

Deno.test("--links: neither a signature nor its end is logged", async () => {
  await using site = service(undefined, { signing: SIGNED });
  const links = [
    query(),
    query({ expires: 1 }),
    query({}, "another-secret-000000"),
    `${query()}&part=x`,
  ];
  for (const link of links) {
    const headers = { "user-agent": `Copier/1 (https://x.example${PATH}?${link})` };
    await seen(site.ask(`${PATH}?${link}`, { headers }));
    await seen(site.ask(PATH.slice(0, -1), { headers }));
  }
  const lines = [...site.logged, ...site.access].join("\n");
  assert.ok(site.access.length > 8);
  assert.doesNotMatch(lines, /expires=\d|signature=[\w-]/);
  for (const link of links) assert.ok(!lines.includes(/signature=([\w-]+)/.exec(link)![1]));
});

Deno.test("--links signed: the list has links that are good for a day", async () => {
  await using site = service(undefined, { signing: SIGNED });
  const { text } = await seen(site.ask("/", { peer: "127.0.0.1" }));
  const [, link] = /href="(\/archive\/[^"]+)"/.exec(text) ?? [];
  const target = link.replaceAll("&amp;", "&").replaceAll("&#x3D;", "=");
  assert.equal((await seen(site.ask(target))).status, 200);
  site.clock.time += 86_400_000;
  assert.equal((await seen(site.ask(target))).status, 410);
  await using open = service(undefined, { signing: BOTH });
  const other = await seen(open.ask("/", { peer: "127.0.0.1" }));
  assert.ok(other.text.includes(`href="${PATH}"`));
});

Deno.test("query: what cannot be meant so is 400, and the page says what, in two languages", async () => {
  await using site = service();
  const cases: [string, string, string][] = [
    ["flie=1.jpg", "“flie”, and there is no such thing: “file”", "«flie», такого параметра нет"],
    ["part=0&size=1G", "“part=0”, which is not allowed. It takes one whole", "«part=0», такое"],
    ["part=1", "“part”, which means nothing without “size”", "без «size» это ничего не значит"],
    ["manifest&page", "both “manifest” and “page”", "и «manifest», и «page»"],
    [
      "size=<b>{{title}}&part=1",
      "“size&#x3D;&lt;b&gt;{{title}}”",
      "«size&#x3D;&lt;b&gt;{{title}}»",
    ],
    ["size=%E2%80%AEgpj&part=1", "�gpj", "�gpj"],
  ];
  for (const [query, english, russian] of cases) {
    for (const [language, text] of [["en", english], ["ru", russian]]) {
      for (const hash of [HASH, UNKNOWN]) {
        const headers = { "accept-language": language };
        const answer = await seen(site.ask(`/archive/${hash}/?${query}`, { headers }));
        assert.equal(answer.status, 400);
        const plain = answer.text.replaceAll("&#x3D;", "=");
        assert.ok(plain.includes(text.replaceAll("&#x3D;", "=")), `${text}\n${plain}`);
      }
    }
  }
  const long = await seen(site.ask(`${PATH}?part=${"9".repeat(5000)}&size=1`));
  assert.ok(long.text.length < 20_000 && !long.text.includes("9".repeat(61)));
});

Deno.test("query: what others add is ignored, and a redirect keeps all of it", async () => {
  await using site = service();
  const added = "utm_source=vk&fbclid=1&gclid=2&yclid=3&mc_eid=4&_openstat=a;b";
  assert.equal((await seen(site.ask(`${PATH}?${added}`))).status, 200);
  const redirect = await site.ask(`${PATH.slice(0, -1)}?${added}&flie=x`);
  assert.deepEqual(
    [redirect.status, redirect.headers.get("location")],
    [301, `${PATH}?${added}&flie=x`],
  );
});
