import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Archive, type Engine, EngineUnavailableError } from "../engines/engine.ts";
import { createStoreEngine } from "../engines/store.ts";
import { createZipCommandEngine } from "../engines/zip_command.ts";
import { Checksums } from "../storage/checksums.ts";
import { logDownloads } from "../observe/log.ts";
import { DiskSource } from "../storage/disk/disk.ts";
import { StorageError } from "../storage/errors.ts";
import type { FileSource } from "../storage/source.ts";
import { captureLog } from "../testing/log.ts";
import { countTasks } from "../testing/memory_source.ts";
import { run, testWith, tool } from "../testing/tools.ts";
import { DEFAULT_MTIME, makeTree, randomBytes, type TreeFile } from "../testing/tree.ts";
import { createHandler, type HandlerOptions } from "./mod.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";
const PHOTOS = { [`${HASH}/Море.jpg`]: randomBytes(300_000), [`${HASH}/a/b.txt`]: "text" };

type Files = Readonly<Record<string, string | Uint8Array | TreeFile>>;

const linux = Deno.build.os === "linux";
const windows = Deno.build.os === "windows";

interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Address of the client */
  readonly peer?: string;
}

interface ServiceOptions extends Partial<Omit<HandlerOptions, "engine">> {
  readonly engine?: Engine | "store" | "zip";
}

/** The handler over a folder of its own, and everything that is logged meanwhile */
async function service(files: Files, options: ServiceOptions = {}) {
  const tree = await makeTree(files);
  const disk = new DiskSource({ root: tree.path });
  const instead: Partial<FileSource> = {};
  const source = countTasks(disk, instead);
  const opened: Archive[] = [];
  const engine = typeof options.engine === "object"
    ? options.engine
    : recordOpened(makeEngine(options.engine ?? "store", source, tree.path), opened);
  const observer = logDownloads();
  const handler = createHandler({ source, observer, listing: "auto", ...options, engine });

  const log = captureLog();
  const ask = (path: string, { method, headers, peer = "203.0.113.9" }: AskOptions = {}) => {
    const request = new Request(`http://localhost${path}`, {
      method,
      headers: { host: "localhost", ...headers },
    });
    const remoteAddr = { transport: "tcp", hostname: peer, port: 50_000 } as const;
    return handler(request, { remoteAddr, completed: Promise.resolve() });
  };
  return {
    tree,
    disk,
    /** What takes the place of the disk's methods */
    instead,
    asked: source.counts,
    opened,
    logged: log.lines,
    ask,
    async [Symbol.asyncDispose]() {
      await engine.close();
      disk[Symbol.dispose]();
      log[Symbol.dispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

function makeEngine(name: "store" | "zip", source: FileSource, root: string): Engine {
  if (name === "store") return createStoreEngine({ source, checksums: new Checksums(source) });
  const program = tool("zip") ?? "/nowhere/zip";
  return createZipCommandEngine({ program, level: 0, followSymlinks: false, root, source });
}

function recordOpened(engine: Engine, opened: Archive[]): Engine {
  return {
    close: () => engine.close(),
    prepare(listing) {
      const archive = engine.prepare(listing);
      const open = (...args: Parameters<Archive["open"]>) => {
        opened.push(archive);
        return archive.open(...args);
      };
      return { ...archive, open };
    },
  };
}

function failing(error: unknown): Engine {
  const prepare = () => {
    throw error;
  };
  return { prepare, close: () => Promise.resolve() };
}

/** All that a client sees of an answer */
async function seen(answer: Response | Promise<Response>) {
  const { status, headers, body } = await answer;
  const text = await new Response(body).text();
  return { status, headers: [...headers].sort(), text };
}

function assertDiscreet({ headers }: Response) {
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  assert.equal(headers.get("referrer-policy"), "no-referrer");
  assert.equal(headers.get("x-robots-tag"), "noindex, nofollow");
}

Deno.test("createHandler(): every route answers, with headers that keep the link a secret", async () => {
  await using site = await service(PHOTOS);
  const cases: [string, AskOptions, number, string | null][] = [
    ["/", {}, 200, "text/html; charset=utf-8"],
    ["/", { peer: "127.0.0.1" }, 200, "text/html; charset=utf-8"],
    ["/?x=1", {}, 200, "text/html; charset=utf-8"],
    ["/healthz", {}, 200, "text/plain; charset=utf-8"],
    [`/archive/${HASH}/`, {}, 200, "application/zip"],
    [`/archive/${HASH}/?x=%2e%2e/`, {}, 200, "application/zip"],
    [`/archive/${HASH}/?manifest`, {}, 200, "application/json"],
    [`/archive/${HASH}`, {}, 301, null],
    [`/archive/${UNKNOWN}/`, {}, 404, "text/html; charset=utf-8"],
    ["/archive/", {}, 404, "text/html; charset=utf-8"],
    ["/", { headers: { host: "a/b" } }, 400, "text/html; charset=utf-8"],
    ["/", { method: "POST" }, 405, "text/html; charset=utf-8"],
  ];
  for (const [path, options, status, type] of cases) {
    const answer = await site.ask(path, options);
    const { text } = await seen(answer);
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers.get("content-type"), type, path);
    assertDiscreet(answer);
    if (!type?.startsWith("text/html")) continue;
    assert.match(text, /^<!doctype html>/);
    assert.match(answer.headers.get("content-security-policy") ?? "", /^default-src 'none'; /);
    assert.equal(answer.headers.get("cache-control"), "private, no-store");
    assert.equal(answer.headers.get("content-length"), String(new Blob([text]).size));
  }
  assert.equal(await (await site.ask("/healthz")).text(), "ok\n");
});

for (const engine of ["store", "zip"] as const) {
  const tools = engine === "zip" ? ["zip", "python3"] : [];

  testWith(tools, `createHandler(): an archive comes with all it needs (${engine})`, async () => {
    await using site = await service(PHOTOS, { engine });
    const answer = await site.ask(`/archive/${HASH}/`);
    const bytes = await answer.bytes();
    assert.deepEqual([...bytes.subarray(0, 4)], [0x50, 0x4b, 3, 4]);
    const { headers } = answer;
    assert.equal(
      headers.get("content-disposition"),
      `attachment; filename="photos-5d1c0f7a.zip"; filename*=UTF-8''photos-5d1c0f7a.zip`,
    );
    assert.equal(headers.get("content-length"), engine === "store" ? `${bytes.length}` : null);
    const lastModified = Date.parse(headers.get("last-modified") ?? "");
    assert.ok(DEFAULT_MTIME.getTime() <= lastModified && lastModified <= Date.now());
    assert.equal(headers.get("cache-control"), "private, no-cache, no-transform");
    assert.equal(headers.get("x-accel-buffering"), "no");
    assert.equal(site.opened.length, 1);
  });

  testWith(
    tools,
    `createHandler(): HEAD says what GET says, and opens nothing (${engine})`,
    async () => {
      await using site = await service(PHOTOS, { engine });
      const archives = [HASH, UNKNOWN].flatMap((name) => {
        return [`/archive/${name}/`, `/archive/${name}/?manifest`, `/archive/${name}`];
      });
      const listed = { archives: 0, list: 0, running: 0 };
      for (const path of ["/", "/healthz", "/nowhere", ...archives]) {
        const before = { ...site.asked, opened: site.opened.length };
        const head = await site.ask(path, { method: "HEAD" });
        const after = { ...site.asked, opened: site.opened.length };
        assert.deepEqual({ ...after, ...listed }, { ...before, ...listed }, path);
        assert.equal(await head.text(), "");
        const get = await site.ask(path);
        assert.deepEqual([head.status, [...head.headers]], [get.status, [...get.headers]], path);
        await get.body?.cancel();
      }
    },
  );

  testWith(
    tools,
    `createHandler(): a name that is not UTF-8 is an error, logged without the hash (${engine})`,
    async () => {
      if (!linux) return; // other systems refuse such names
      await using site = await service(PHOTOS, { engine });
      const make = 'import os, sys; open(os.fsencode(sys.argv[1]) + b"/bad-\\xff.jpg", "w")';
      assert.equal((await run("python3", ["-c", make, site.tree.join(HASH, "a")])).code, 0);
      const first = await seen(site.ask(`/archive/${HASH}/`));
      // Another file, which has the very name that the bad one seems to have
      await Deno.writeTextFile(site.tree.join(HASH, "a", "bad-\ufffd.jpg"), "good");
      for (const answer of [first, await seen(site.ask(`/archive/${HASH}/`))]) {
        assert.equal(answer.status, 500);
        assert.doesNotMatch(answer.text, /bad-|not valid|5d1c/);
      }
      assert.equal(site.logged.length, 2);
      for (const line of site.logged) {
        assert.match(line, /not valid UTF-8.*a\/bad-\ufffd\.jpg/);
        assert.ok(!line.includes(HASH));
      }
    },
  );

  testWith(
    tools,
    `createHandler(): a log of downloads holds four characters of the hash (${engine})`,
    async () => {
      const stop = new AbortController();
      await using site = await service({
        ...PHOTOS,
        ...(windows ? {} : { [`${HASH}/link`]: { symlink: "a" } }),
        [`${HASH}/big`]: { size: 30_000_000 },
      }, { engine, signal: stop.signal });
      const start = async () => (await site.ask(`/archive/${HASH}/`)).body!.getReader();

      await (await site.ask(`/archive/${HASH}/`)).bytes();
      const cancelled = await start();
      await cancelled.read();
      await cancelled.cancel("the client left");
      const changed = await start();
      await changed.read();
      await Deno.writeTextFile(site.tree.join(HASH, "big"), "smaller now");
      await assert.rejects(readToEnd(changed));
      const stopped = await start();
      await stopped.read();
      stop.abort(new Error("stopped by the test"));
      await assert.rejects(readToEnd(stopped), /stopped by the test/);

      const expected = [
        ...(windows ? [] : ["left out of the archive"]),
        "download started",
        "download complete",
        "download cancelled",
        "download failed: .*(big|zip error)",
        "download failed: .*stopped by the test",
      ];
      for (const message of expected) {
        assert.ok(site.logged.some((line) => new RegExp(message).test(line)), message);
      }
      for (const line of site.logged) {
        assert.ok(!line.includes(HASH), line);
        assert.match(line, /"archive":"5d1c…"/);
      }
    },
  );

  testWith(
    tools,
    `createHandler(): a file that becomes a link or a pipe is not read (${engine})`,
    async () => {
      if (windows) return; // it has no pipes, and links need a privilege
      for (const make of [["ln", "-s", "../../canary"], ["mkfifo"]]) {
        await using site = await service({ ...PHOTOS, "canary": "canary-3f9a2c" }, { engine });
        const list = site.disk.list.bind(site.disk);
        site.instead.list = async (hash) => {
          const listing = await list(hash);
          const path = site.tree.join(HASH, "a", "b.txt");
          await Deno.remove(path);
          assert.equal((await run(make[0], [...make.slice(1), path])).code, 0);
          return listing;
        };
        const answer = await site.ask(`/archive/${HASH}/`);
        const received: Uint8Array[] = [];
        const whole = await (async () => {
          for await (const chunk of answer.body!) received.push(chunk);
        })().then(() => true, () => false);
        assert.equal(answer.status === 200 && whole, false);
        assert.ok(!Buffer.concat(received).includes("canary-3f9a2c"));
      }
    },
  );

  testWith(
    tools,
    `createHandler(): a folder that vanishes is an error without its hash (${engine})`,
    async () => {
      await using site = await service(PHOTOS, { engine });
      const list = site.disk.list.bind(site.disk);
      site.instead.list = async (hash) => {
        const listing = await list(hash);
        await Deno.remove(site.tree.join(HASH), { recursive: true });
        return listing;
      };
      const answer = await site.ask(`/archive/${HASH}/`);
      const whole = answer.status === 200 && await answer.bytes().then(() => true, () => false);
      assert.equal(whole, false);
      assert.ok(site.logged.some((line) => /"level":"ERROR"/.test(line)));
      for (const line of site.logged) assert.ok(!line.includes(HASH), line);
    },
  );
}

async function readToEnd(reader: ReadableStreamDefaultReader) {
  while (!(await reader.read()).done);
}

Deno.test("createHandler(): what is no archive gets one and the same answer", async () => {
  const long = "a".repeat(129);
  const links: Files = windows ? {} : {
    "a-link-to-a-folder": { symlink: HASH },
    "dangling": { symlink: UNKNOWN },
    "only-links/photo": { symlink: `../${HASH}/a/b.txt` },
    "a-pipe": { fifo: true },
    "CON/photo": "x",
    "aux/photo": "x",
  };
  await using site = await service({
    ...PHOTOS,
    ...links,
    "a-file": "x",
    "empty": { directory: true },
    "hidden-only/.photo": "x",
    "hidden-only/.folder/photo": "x",
    "junk-only/Thumbs.db": "x",
    "-leading/photo": "x",
    "_leading/photo": "x",
    ".leading/photo": "x",
    "two.dots/photo": "x",
    "a~1/photo": "x",
    "Фото/photo": "x",
    [`${long}/photo`]: "x",
  });
  const names = [
    ...["a-file", "a-link-to-a-folder", "dangling", "only-links", "a-pipe", "empty", "hidden-only"],
    ...["junk-only", "-leading", "_leading", ".leading", "two.dots", "a~1", "Фото", long],
    ...["CON", "aux", "NUL", "com1", "Lpt9", "CONIN$", "a:b", "a%2Fb", "a%5Cb", "%2e%2e%2f", "%"],
    ...[HASH.toUpperCase(), `${HASH}.`, `${HASH}%20`, `${HASH}::$DATA`, `${HASH}%00`, "a%0D%0Ab"],
  ];
  const paths = [
    ...names.flatMap((name) => [`/archive/${name}/`, `/archive/${name}/?manifest`]),
    ...["/archive", "/archive/", "/archive//", "//", "/healthz/", "/photos/", "/index.html"],
    ...[`/ARCHIVE/${HASH}/`, `/archive/${HASH}//`, `/archive//${HASH}/`, `//archive/${HASH}/`],
    ...[`/archive/${HASH}/a/`, `/archive/${HASH}/a/b.txt`, `/${HASH}/`, `/x/archive/${HASH}/`],
  ];
  const expected = await seen(site.ask(`/archive/${UNKNOWN}/`));
  assert.equal(expected.status, 404);
  for (const path of paths) assert.deepEqual(await seen(site.ask(path)), expected, path);
  assert.deepEqual(site.logged, []);
});

Deno.test("createHandler(): without its last slash a link redirects, whether there is a folder or not", async () => {
  await using site = await service({ ...PHOTOS, "file": "x" });
  for (const name of [HASH, UNKNOWN, "file", "x"]) {
    const { status, headers, text } = await seen(site.ask(`/archive/${name}?next=//evil.test/`));
    assert.deepEqual([status, text], [301, ""]);
    const shape = headers.map(([key, value]) => [key, value.replace(`/${name}/`, "/*/")]);
    assert.deepEqual(shape, [
      ["location", "/archive/*/?next=//evil.test/"],
      ["referrer-policy", "no-referrer"],
      ["x-content-type-options", "nosniff"],
      ["x-robots-tag", "noindex, nofollow"],
    ]);
  }
  assert.equal(site.asked.list, 0);
});

Deno.test("createHandler(): other methods than GET and HEAD are told so, everywhere alike", async () => {
  await using site = await service(PHOTOS);
  const methods = [
    ...["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"],
    ...["PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "FOO"],
  ];
  const expected = await seen(site.ask("/", { method: "POST" }));
  for (const method of methods) {
    for (const path of ["/", "/nowhere", `/archive/${HASH}/`, `/archive/${UNKNOWN}/`]) {
      const answer = await site.ask(path, { method });
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.get("allow"), "GET, HEAD");
      assert.deepEqual(await seen(answer), expected, `${method} ${path}`);
    }
  }
  assert.equal(site.asked.list, 0);
});

Deno.test("createHandler(): a Host that is not one is a bad request", async () => {
  await using site = await service(PHOTOS);
  const hosts = ["a/b", "a@b", "a?b", "a#b", "a b", "a\\b", "a%2fb", "a,b", "<a>"];
  const expected = await seen(site.ask("/", { headers: { host: hosts[0] } }));
  assert.equal(expected.status, 400);
  for (const host of hosts) {
    for (const path of ["/", `/archive/${HASH}/`, `/archive/${UNKNOWN}/`]) {
      assert.deepEqual(await seen(site.ask(path, { headers: { host } })), expected, host);
    }
  }
  for (const host of ["a", "a.b:80", "[::1]:80", "127.0.0.1", ""]) {
    assert.equal((await site.ask("/healthz", { headers: { host } })).status, 200, host);
  }
});

Deno.test("createHandler(): an error becomes a status, and its text stays in the log", async () => {
  const secret = `/srv/photos/${HASH}/private.jpg`;
  const cases: [unknown, number][] = [
    [new Error(secret), 500],
    [new Error("outer", { cause: new TypeError(secret) }), 500],
    [new RangeError(secret), 500],
    [new StorageError("EILSEQ", secret), 500],
    [new StorageError("EACCES", secret), 500],
    [new StorageError("EIO", secret), 503],
    [new StorageError("ENOTCONN", secret), 503],
    [new StorageError("EMFILE", secret), 503],
    [new StorageError("ENFILE", secret), 503],
    [new StorageError("ENOMEM", secret), 503],
    [new StorageError("EAGAIN", secret), 503],
    [new EngineUnavailableError(secret), 503],
    [secret, 500],
  ];
  for (const [error, status] of cases) {
    await using site = await service(PHOTOS, { engine: failing(error) });
    const answer = await site.ask(`/archive/${HASH}/`);
    const { text, headers } = await seen(answer);
    assert.equal(answer.status, status, String(error));
    assert.equal(answer.headers.get("retry-after"), status === 503 ? "5" : null);
    assert.doesNotMatch(JSON.stringify([text, headers]), /srv|private\.jpg|5d1c|outer|Error:/);
    assertDiscreet(answer);
    assert.equal(site.logged.length, 1);
    assert.match(site.logged[0], /private\.jpg.*"archive":"5d1c…"|"archive":"5d1c….*private\.jpg/);
  }
});

Deno.test("createHandler(): the list is for a browser on this machine, unless it is said otherwise", async () => {
  const local = { peer: "127.0.0.1", headers: { host: "localhost:8080" } };
  const through = (name: string) => ({ ...local, headers: { ...local.headers, [name]: "x" } });
  const auto: [AskOptions, boolean][] = [
    [local, true],
    [{ ...local, peer: "127.9.9.9" }, true],
    [{ ...local, peer: "::1" }, true],
    [{ ...local, peer: "::ffff:127.0.0.1" }, true],
    [{ ...local, headers: { host: "127.0.0.1:8080" } }, true],
    [{ ...local, headers: { host: "[::1]:8080" } }, true],
    [{ ...local, peer: "192.168.1.7" }, false],
    [{ ...local, peer: "::ffff:10.0.0.1" }, false],
    [{ ...local, peer: "" }, false],
    [{ ...local, headers: { host: "photos.example" } }, false],
    [{ ...local, headers: { host: "localhost.example" } }, false],
    [{ ...local, headers: { host: "127.0.0.1.example" } }, false],
    [{ ...local, headers: { host: "" } }, false],
    ...["X-Forwarded-For", "x-forwarded-host", "x-forwarded-proto", "Forwarded", "Via", "X-Real-IP"]
      .map((name): [AskOptions, boolean] => [through(name), false]),
  ];
  const remote = { peer: "198.51.100.1", headers: { host: "photos.example", via: "1.1 proxy" } };
  const cases = [
    ...auto.map(([options, visible]) => ["auto", options, visible] as const),
    ["on", local, true] as const,
    ["on", remote, true] as const,
    ["off", local, false] as const,
    ["off", remote, false] as const,
  ];
  for (const listing of ["auto", "on", "off"] as const) {
    await using site = await service(PHOTOS, { listing });
    for (const [, options, visible] of cases.filter((options) => options[0] === listing)) {
      const text = await (await site.ask("/", options)).text();
      const what = `${listing} ${JSON.stringify(options)}`;
      assert.equal(text.includes(`<a href="/archive/${HASH}/">${HASH}</a>`), visible, what);
      assert.equal(text.includes(HASH), visible, what);
    }
  }
});

Deno.test("createHandler(): nothing but the list names an archive", async () => {
  await using site = await service(PHOTOS);
  const paths = [
    "/",
    "/archive/",
    "/archive",
    "/healthz",
    "/favicon.ico",
    "/photos/",
    "/robots.txt",
  ];
  for (const path of paths) {
    assert.ok(!JSON.stringify(await seen(site.ask(path))).includes(HASH.slice(0, 8)), path);
  }
});

Deno.test("createHandler(): the list links archives that can be had, the newest first", async () => {
  const hostile: Files = windows ? {} : {
    "<img src=x onerror=alert(1)>/photo": "x",
    '"><script>alert(1)<?script>/photo': "x",
    "javascript:alert(1)/photo": "x",
    "{{{styleElement}}}/photo": "x",
    "&lt;b&gt;/photo": "x",
    "CON/photo": "x",
  };
  await using site = await service({
    ...hostile,
    "older-a1b2c3d4e5f60718/photo": { mtime: new Date("2020-01-01") },
    "newer-a1b2c3d4e5f60718/photo": { content: "x", mtime: new Date("2024-01-01") },
    "newer-a1b2c3d4e5f60718/.hidden": "x",
    "newer-a1b2c3d4e5f60718/deep/photo": { content: "x", mtime: new Date("2023-01-01") },
    "empty": { directory: true },
    "hidden-only/.photo": "x",
    "a-file": "x",
    "Фото/photo": "x",
  }, { listing: "on" });
  const text = await (await site.ask("/")).text();
  const links = [...text.matchAll(/href="([^"]*)"/g)].map(([, link]) => link);
  assert.deepEqual(links, [
    "data:,",
    "/archive/newer-a1b2c3d4e5f60718/",
    "/archive/older-a1b2c3d4e5f60718/",
  ]);
  const names = [...text.matchAll(/<bdi>(.*?)<\/bdi>/g)].map(([, name]) => name);
  assert.ok(names.includes("Фото"));
  assert.equal(names.length, 1 + Object.keys(hostile).length);
  const beside = text.replaceAll(/<bdi>.*?<\/bdi>/g, "").replaceAll(/<code>.*?<\/code>/g, "");
  assert.doesNotMatch(beside, /alert|javascript|<img|<script|&lt;|CON|Фото/);
  assert.doesNotMatch(text, /<img|<script|"javascript/);
  assert.match(text, /2\sfiles<[^]*1\sfile</);
});

Deno.test("createHandler(): pages speak the language that the visitor prefers", async () => {
  await using site = await service(PHOTOS);
  const cases: [string | null, "en" | "ru"][] = [
    [null, "en"],
    ["", "en"],
    ["*", "en"],
    ["ru", "ru"],
    ["ru-RU,ru;q=0.9,en;q=0.8", "ru"],
    ["en-GB,en;q=0.9,ru;q=0.8", "en"],
    ["ru;q=0.1,en;q=0.9", "en"],
    ["de, ru;q=0.5", "ru"],
    ["de", "en"],
    ["\u00ff;q=x,,,;;=", "en"],
  ];
  const words = {
    en: ["Photo downloads", "No such archive", "Downloads only", "Request not understood"],
    ru: ["Скачивание фотографий", "Архив не найден", "Только скачивание", "Непонятный запрос"],
  };
  for (const [preference, language] of cases) {
    const headers: Record<string, string> = preference === null
      ? {}
      : { "accept-language": preference };
    const pages: [AskOptions & { path: string }, string][] = [
      [{ path: "/" }, words[language][0]],
      [{ path: "/nowhere" }, words[language][1]],
      [{ path: "/", method: "PUT" }, words[language][2]],
      [{ path: "/", headers: { host: "a/b" } }, words[language][3]],
    ];
    for (const [{ path, ...options }, title] of pages) {
      const answer = await site.ask(path, {
        ...options,
        headers: { ...headers, ...options.headers },
      });
      assert.equal(answer.headers.get("content-language"), language, `${preference}`);
      assert.equal(answer.headers.get("vary"), "accept-language");
      const text = await answer.text();
      assert.ok(text.includes(`<html lang="${language}">`));
      assert.ok(text.includes(`<title>${title}</title>`), `${preference}: ${title}`);
    }
  }
});
