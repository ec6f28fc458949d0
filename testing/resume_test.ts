import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { openProfile } from "./browser.ts";
import { childrenOf, openFiles, type Program, quietness, start, until } from "./process.ts";
import { type Proxy, startNginx } from "./proxy.ts";
import { beginAndStall, exchange } from "./raw.ts";
import { listWithPython } from "./readers.ts";
import { run, testWith } from "./tools.ts";
import { DEFAULT_MTIME, makeTree, randomBytes, type Tree, type TreeFile } from "./tree.ts";

const HASH = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const PATH = `/archive/${HASH}/`;
const MODIFIED = "Mon, 06 May 2024 07:08:09 GMT"; // DEFAULT_MTIME

type Files = Record<string, Uint8Array | TreeFile>;

/** About 60 MB: photos, small files, an empty one, an empty folder, names in Cyrillic */
function album(): Files {
  const photos = named(12, (i) => `IMG_${4000 + i}.jpg`, (i) => randomBytes(4_100_000 + i, i));
  const notes = named(60, (i) => `заметки/${i}.txt`, (i) => randomBytes(i * 37, 100 + i));
  return inFolder({
    ...photos,
    ...notes,
    "Отпуск 2024/Вечер на море.jpg": randomBytes(11_000_000, 50),
    "Отпуск 2024/Ёлки и снег.jpg": randomBytes(700_000, 51),
    "пусто": { directory: true, mtime: DEFAULT_MTIME },
    "заметки": { directory: true, mtime: DEFAULT_MTIME },
    "Отпуск 2024": { directory: true, mtime: DEFAULT_MTIME },
  });
}

/** 8 MB, for what is downloaded many times */
function smallAlbum(): Files {
  return inFolder(named(8, (i) => `Фото ${i}.jpg`, (i) => randomBytes(1_000_000 + i, i)));
}

function named<T>(count: number, name: (i: number) => string, content: (i: number) => T) {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [name(i), content(i)]));
}

/** The folder's own time is in Last-Modified, so it is not left to chance */
function inFolder(files: Files): Files {
  const placed = Object.entries(files).map(([name, file]) => [`photos/${HASH}/${name}`, file]);
  const folder = { directory: true, mtime: DEFAULT_MTIME };
  return { [`photos/${HASH}`]: folder, ...Object.fromEntries(placed) };
}

function serve(tree: Tree, ...args: string[]): Promise<Program> {
  return start(["--folder", tree.join("photos"), ...args]);
}

/** One request with these lines in its head */
function ask(port: number, lines: readonly string[] = [], method = "GET") {
  const head = [`${method} ${PATH} HTTP/1.1`, "Host: x", ...lines];
  return exchange(port, `${head.join("\r\n")}\r\n\r\n`);
}

function sha256(data: Uint8Array): string {
  return hash("sha256", data);
}

function sha256Of(path: string): string {
  return sha256(Deno.readFileSync(path));
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** So many numbers from 0 to below the bound, the same for the same seed */
function picks(count: number, below: number, seed: number): number[] {
  return [...new Uint32Array(randomBytes(4 * count, seed).buffer)].map((word) => word % below);
}

/** Does something with every item, with a few at a time */
async function forAll<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]();
  const lane = async () => {
    for (let next = queue.next(); !next.done; next = queue.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: 6 }, lane));
}

/** Where records and contents start and end, as a reader of the archive finds them */
async function bordersOf(archive: Uint8Array, path: string): Promise<number[]> {
  const view = new DataView(archive.buffer);
  const borders = new Set([0, archive.length]);
  for (const { headerOffset, compressedSize } of await listWithPython(path)) {
    const lengths = view.getUint16(headerOffset + 26, true) +
      view.getUint16(headerOffset + 28, true);
    const data = headerOffset + 30 + lengths;
    borders.add(headerOffset).add(data).add(data + compressedSize);
  }
  let at = view.getUint32(archive.length - 22 + 16, true); // the end record has no comment
  while (view.getUint32(at, true) === 0x02014b50) {
    const lengths = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    borders.add(at);
    at += lengths.reduce((sum, length) => sum + length, 46);
  }
  assert.equal(at, archive.length - 22);
  borders.add(at);
  return [...borders].sort((a, b) => a - b);
}

testWith(["python3"], "Range: any one is those bytes of the whole archive", async (t) => {
  await using tree = await makeTree(album());
  await using program = await serve(tree);
  const { body: whole } = await ask(program.port);
  const size = whole.length;
  assert.ok(size > 60_000_000);
  Deno.writeFileSync(tree.join("whole.zip"), whole);

  async function assertPart(range: string, start: number, end: number) {
    const response = await fetch(new URL(PATH, program.url), { headers: { range } });
    const part = Buffer.from(await response.bytes());
    assert.equal(response.status, 206, range);
    assert.equal(response.headers.get("content-range"), `bytes ${start}-${end - 1}/${size}`);
    assert.equal(response.headers.get("content-length"), `${end - start}`, range);
    assert.ok(part.equals(whole.subarray(start, end)), range);
  }

  await t.step("around every border", async () => {
    const borders = await bordersOf(whole, tree.join("whole.zip"));
    assert.ok(borders.length > 3 * 74);
    await forAll(borders, async (border) => {
      for (const [from, to] of [[-1, 2], [-1, 1], [-1, 0], [0, 1], [0, 2], [1, 2]]) {
        const [start, end] = [border + from, border + to];
        if (start >= 0 && end <= size) await assertPart(`bytes=${start}-${end - 1}`, start, end);
      }
    });
  });

  await t.step("at random", async () => {
    const starts = picks(500, size, 1);
    const lengths = picks(500, 2_000_000, 2).map((length, i) => i % 2 ? length : length % 3000);
    await forAll(starts.keys(), async (i) => {
      const end = Math.min(starts[i] + lengths[i] + 1, size);
      await assertPart(`bytes=${starts[i]}-${end - 1}`, starts[i], end);
    });
  });

  await t.step("without an end, past the end, counted from the end", async () => {
    for (const start of [0, 1, 1_000_000, size - 100_000, size - 22, size - 1]) {
      await assertPart(`bytes=${start}-`, start, size);
      await assertPart(`bytes=${start}-${size}`, start, size);
      await assertPart(`bytes=${start}-9999999999999999`, start, size);
      await assertPart(`bytes=-${size - start}`, start, size);
    }
    await assertPart(`bytes=-${size + 1}`, 0, size);
  });

  await t.step("put together again they are the whole", async () => {
    const cuts = [0, ...picks(30, size, 3).sort((a, b) => a - b), size];
    const parts = cuts.slice(1).map((end, i) => ({ start: cuts[i], end }));
    const all = new Uint8Array(size);
    await forAll(parts.toReversed(), async ({ start, end }) => {
      const { status, body } = await ask(program.port, [`Range: bytes=${start}-${end - 1}`]);
      assert.equal(status, 206);
      all.set(body, start);
    });
    assert.equal(sha256(all), sha256(whole));
  });
});

Deno.test("ETag: every answer says which state it is about", async (t) => {
  await using tree = await makeTree(smallAlbum());
  await using program = await serve(tree);
  const { headers, body } = await ask(program.port);
  const etag = headers.get("etag")!;
  const size = body.length;
  const common = {
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache, no-transform",
    etag,
    "last-modified": MODIFIED,
    "referrer-policy": "no-referrer",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
  };
  const name = `photos-${HASH.slice(0, 8)}.zip`;
  const content = {
    ...common,
    "content-disposition": `attachment; filename="${name}"; filename*=UTF-8''${name}`,
    "content-type": "application/zip",
  };
  const expected: Record<number, [Record<string, string>, Uint8Array]> = {
    200: [{ ...content, "content-length": `${size}` }, body],
    206: [
      { ...content, "content-length": "9", "content-range": `bytes 1000-1008/${size}` },
      body.slice(1000, 1009),
    ],
    304: [common, new Uint8Array()],
    412: [{ ...common, "content-length": "0" }, new Uint8Array()],
    416: [
      { ...common, "content-length": "0", "content-range": `bytes */${size}` },
      new Uint8Array(),
    ],
  };
  assert.match(etag, /^"[!#-~]+"$/);
  assert.equal(size, 8_001_026);

  const part = "Range: bytes=1000-1008";
  const cases: [number, ...string[]][] = [
    [200],
    [206, part],
    [206, "range: Bytes=1000-1008"],
    [416, `Range: bytes=${size}-`],
    [416, "Range: bytes=-0"],
    [416, "Range: bytes=99999999999-"],
    [200, "Range: bytes=1008-1000"],
    [200, "Range: bytes=0-1,5-6"],
    [200, "Range: items=1000-1008"],
    [200, "Range: bytes=x"],
    [206, part, `If-Range: ${etag}`],
    [200, part, `If-Range: W/${etag}`],
    [200, part, `If-Range: ${etag.slice(0, -1)}0"`],
    [200, part, `If-Range: ${etag.slice(1, -1)}`],
    [206, part, `If-Range: ${MODIFIED}`],
    [200, part, "If-Range: Mon, 06 May 2024 07:08:08 GMT"],
    [200, part, "If-Range: Mon, 06 May 2024 07:08:10 GMT"],
    [200, part, "If-Range: yesterday"],
    [200, `If-Range: ${etag}`],
    [200, `Range: bytes=${size}-`, 'If-Range: "other"'],
    [304, `If-None-Match: ${etag}`],
    [304, `If-None-Match: W/${etag}`],
    [304, `If-None-Match: "a", ${etag}, "b"`],
    [304, "If-None-Match: *"],
    [304, `If-None-Match: ${etag}`, part],
    [200, 'If-None-Match: "other"'],
    [200, `If-None-Match: ${etag.slice(1, -1)}`],
    [304, `If-Modified-Since: ${MODIFIED}`],
    [200, "If-Modified-Since: Mon, 06 May 2024 07:08:08 GMT"],
    [200, 'If-None-Match: "other"', `If-Modified-Since: ${MODIFIED}`],
    [200, `If-Match: ${etag}`],
    [206, part, `If-Match: ${etag}`],
    [412, 'If-Match: "other"'],
    [412, part, `If-Match: W/${etag}`],
    [200, `If-Unmodified-Since: ${MODIFIED}`],
    [412, "If-Unmodified-Since: Mon, 06 May 2024 07:08:08 GMT"],
  ];
  for (const [status, ...lines] of cases) {
    await t.step(`${status} for ${lines.join(", ") || "a plain GET"}`, async () => {
      const answer = await ask(program.port, lines);
      const [fields, content] = expected[status];
      answer.headers.delete("date");
      assert.equal(answer.status, status);
      assert.deepEqual(Object.fromEntries(answer.headers), fields);
      assert.ok(Buffer.from(answer.body).equals(content));

      // HEAD says what GET would, but that a Range means nothing to it (RFC 9110, section 14.2)
      const head = await ask(program.port, lines, "HEAD");
      const whole = status === 206 || status === 416;
      head.headers.delete("date");
      assert.equal(head.status, whole ? 200 : status);
      assert.deepEqual(Object.fromEntries(head.headers), expected[whole ? 200 : status][0]);
    });
  }
});

Deno.test("ETag: a file that may still change makes it weak for a time", async () => {
  await using tree = await makeTree(
    inFolder({ "a.jpg": randomBytes(5000), "b.jpg": { size: 3000 } }),
  );
  await using program = await serve(tree);
  const part = "Range: bytes=100-";
  const tagOf = async (...lines: string[]) => {
    const { status, headers } = await ask(program.port, lines);
    return [status, headers.get("etag")];
  };
  const touch = async (age: number) => {
    const time = new Date(Date.now() - age);
    await Deno.utime(tree.join("photos", HASH, "b.jpg"), time, time);
  };
  for (const age of [0, 500, -500]) {
    await touch(age);
    const [status, tag] = await tagOf();
    assert.equal(status, 200);
    assert.match(`${tag}`, /^W\/"/);
    assert.deepEqual(await tagOf(part, `If-Range: ${tag}`), [200, tag]);
    assert.deepEqual(await tagOf(part, `If-Range: ${`${tag}`.slice(2)}`), [200, tag]);
    assert.deepEqual(await tagOf(`If-None-Match: ${tag}`), [304, tag]);
  }

  await touch(500);
  const [, weak] = await tagOf();
  const strong = `${weak}`.slice(2);
  assert.match(`${weak}`, /^W\/"/);
  await until(async () => (await tagOf())[1] === strong, "the tag is strong", 2500);
  assert.deepEqual(await tagOf(part, `If-Range: ${strong}`), [206, strong]);
  assert.deepEqual(await tagOf(`If-None-Match: ${weak}`), [304, strong]);

  await touch(60_000);
  const [, other] = await tagOf();
  assert.match(`${other}`, /^"/);
  assert.notEqual(other, strong);
});

/** A program that goes on with what is there of a file */
interface Client {
  readonly name: string;
  /** Writes a download to standard output */
  begin(url: string): string[];
  /** Goes on with one in a file */
  resume(url: string, path: string): string[];
}

const CURL: Client = {
  name: "curl",
  begin: (url) => ["-sS", url],
  resume: (url, path) => ["-sS", "-C", "-", "-o", path, url],
};

const WGET: Client = {
  name: "wget",
  begin: (url) => ["-q", "--tries=1", "-O", "-", url],
  resume: (url, path) => ["-q", "--tries=1", "-c", "-O", path, url],
};

/** Keeps the first bytes of a download in a file; its client is killed in the middle of it */
async function beginAndCut({ name, begin }: Client, url: string, path: string, bytes: number) {
  const child = new Deno.Command(name, {
    args: begin(url),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let received = 0;
  for await (const chunk of child.stdout) {
    Deno.writeFileSync(path, chunk.subarray(0, bytes - received), { append: true });
    received += chunk.length;
    if (received < bytes) continue;
    child.kill("SIGKILL"); // it has more to write than the pipe takes
    break;
  }
  assert.equal((await child.status).signal, "SIGKILL");
}

async function resume({ name, resume }: Client, url: string, path: string) {
  const { code, stderr } = await run(name, resume(url, path), { within: 20_000 });
  assert.equal(code, 0, `${name}: ${stderr}`);
}

/** Cuts downloads off at random sizes, resumes them, and compares with the whole */
async function cutAndResume(client: Client, url: string, options: {
  readonly rounds: number;
  readonly tree: Tree;
  readonly whole: Uint8Array;
}) {
  const { rounds, tree, whole } = options;
  const sizes = [0, 1, ...picks(rounds - 2, whole.length - 1_000_000, rounds)];
  await forAll(sizes.keys(), async (i) => {
    const path = tree.join(`${client.name}-${i}.zip`);
    await beginAndCut(client, url, path, sizes[i]);
    assert.equal(statSync(path).size, sizes[i]);
    await resume(client, url, path);
    assert.equal(sha256Of(path), sha256(whole), `${client.name}, cut after ${sizes[i]} bytes`);
    await Deno.remove(path);
  });
}

for (const [client, rounds] of [[CURL, 50], [WGET, 10]] as const) {
  testWith([client.name], `resume.md: ${client.name} resumes wherever it was cut`, async () => {
    await using tree = await makeTree(smallAlbum());
    await using program = await serve(tree);
    const url = new URL(PATH, program.url).href;
    const { body: whole } = await ask(program.port);
    await cutAndResume(client, url, { rounds, tree, whole });

    const path = tree.join("whole.zip");
    Deno.writeFileSync(path, whole);
    await resume(client, url, path); // nothing is left to do
    assert.equal(sha256Of(path), sha256(whole));
  });
}

testWith(["aria2c"], "resume.md: aria2c fetches eight parts at a time, and resumes", async () => {
  await using tree = await makeTree(album());
  await using program = await serve(tree, "--log");
  const { body: whole } = await ask(program.port);
  const url = new URL(PATH, program.url).href;
  const options = ["-q", "--no-conf", "-x8", "-s8", "-k1M", "-c", "--file-allocation=none"];
  const args = [...options, "-d", tree.path, "-o", "aria2c.zip"];

  const limit = "--max-overall-download-limit=20M";
  const child = new Deno.Command("aria2c", { args: [...args, limit, url] }).spawn();
  const path = tree.join("aria2c.zip");
  await until(() => startsOf(program).length > 8 && sizeOf(path) > 0, "eight parts are under way");
  child.kill("SIGTERM"); // notes what it has
  assert.notEqual((await child.status).code, 0);
  assert.ok(statSync(`${path}.aria2`).size > 0);
  const before = startsOf(program).length;

  const { code } = await run("aria2c", [...args, url], { within: 20_000 });
  assert.equal(code, 0);
  assert.equal(sha256Of(path), sha256(whole));
  const resumed = startsOf(program).slice(before);
  assert.ok(new Set(resumed).size >= 8, `${resumed}`);
});

/** First bytes of all downloads that the program logged */
function startsOf(program: Program): number[] {
  return program.stderr().split("\n")
    .filter((line) => line.includes('"download started"'))
    .map((line) => JSON.parse(line).properties.start);
}

testWith(
  ["nginx", "curl"],
  "deploy/nginx.conf: a download resumes wherever it was cut off",
  async () => {
    await using tree = await makeTree(smallAlbum());
    await using program = await serve(tree);
    await using proxy = await startNginx({ upstreams: [program.port] });
    const direct = await ask(program.port);
    const proxied = await ask(proxy.port);
    for (const name of ["etag", "content-length", "accept-ranges", "last-modified"]) {
      assert.equal(proxied.headers.get(name), direct.headers.get(name), name);
    }
    assert.ok(Buffer.from(proxied.body).equals(direct.body));
    const url = new URL(PATH, proxy.url).href;
    await cutAndResume(CURL, url, { rounds: 10, tree, whole: direct.body });

    const etag = `${direct.headers.get("etag")}`;
    const part = "Range: bytes=1000-";
    const statuses = [
      [206, part, `If-Range: ${etag}`],
      [200, part, 'If-Range: "other"'],
      [304, `If-None-Match: ${etag}`],
      [416, `Range: bytes=${direct.body.length}-`],
    ] as const;
    for (const [status, ...lines] of statuses) {
      const answer = await ask(proxy.port, lines);
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get("etag"), etag);
    }
  },
);

testWith(["nginx", "curl"], "X-Accel-Buffering: nginx keeps no temporary file", async (t) => {
  if (Deno.build.os !== "linux") return; // there is no /proc to look into
  await using tree = await makeTree({ [`photos/${HASH}/film.mp4`]: { size: 300_000_000 } });
  await using program = await serve(tree);

  /** Whether nginx makes a temporary file before it has taken all that it takes in advance */
  async function makesFile(edit: (sample: string) => string) {
    await using proxy = await startNginx({ upstreams: [program.port], edit });
    const path = tree.join("slow.zip");
    const args = ["-sS", "--limit-rate", "1M", "-o", path, new URL(PATH, proxy.url).href];
    const curl = new Deno.Command("curl", { args }).spawn();
    try {
      let found = false;
      const isQuiet = quietness(program);
      await until(
        () => {
          found = temporaryFiles(proxy).length > 0;
          return found || sizeOf(path) > 0 && isQuiet();
        },
        "the service waits for nginx, and nginx for curl",
        20_000,
      );
      assert.ok(sizeOf(path) < 100_000_000);
      return found;
    } finally {
      curl.kill("SIGKILL");
      await curl.status;
      await Deno.remove(path);
    }
  }

  const withoutHeader = (sample: string) =>
    sample.replace("proxy_pass ", "proxy_ignore_headers X-Accel-Buffering;\n        proxy_pass ");
  const withoutLines = (sample: string) =>
    sample.replaceAll(/^ *proxy_max_temp_file_size.*$/gm, "");
  await t.step("as in the sample", async () => {
    assert.equal(await makesFile((sample) => sample), false);
  });
  await t.step("for the sample's own lines, where the header gets lost", async () => {
    assert.equal(await makesFile(withoutHeader), false);
  });
  await t.step("for the header, where these lines are missing", async () => {
    assert.equal(await makesFile(withoutLines), false);
  });
  await t.step("but it would without both", async () => {
    assert.equal(await makesFile((sample) => withoutLines(withoutHeader(sample))), true);
  });
});

/** Also those that have no name any more */
function temporaryFiles(proxy: Proxy): string[] {
  const named = readdirSync(proxy.join("temp"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
  const open = childrenOf(proxy.pid).flatMap((pid) => openFiles(pid, { files: true }))
    .filter((name) => name.includes("/temp/") || name.endsWith(" (deleted)"));
  return [...named, ...open];
}

testWith(["nginx", "openssl", "curl"], "deploy/nginx.conf serves TLS and HTTP/2", async () => {
  await using tree = await makeTree(smallAlbum());
  await using program = await serve(tree);
  await using proxy = await startNginx({ upstreams: [program.port], tls: true });
  const { body: whole } = await ask(program.port);
  const path = tree.join("whole.zip");
  Deno.writeFileSync(path, whole.subarray(0, 3_000_000));
  const args = ["-sSk", "--http2", "-C", "-", "-o", path, "-w", "%{http_version} %{http_code}"];
  const { stdout } = await run("curl", [...args, new URL(PATH, proxy.url).href]);
  assert.equal(new TextDecoder().decode(stdout), "2 206");
  assert.equal(sha256Of(path), sha256(whole));
});

testWith(["nginx"], "deploy/nginx.conf makes only archives public", async () => {
  await using tree = await makeTree(smallAlbum());
  await using program = await serve(tree, "--listing", "on");
  await using proxy = await startNginx({ upstreams: [program.port] });
  const statusOf = async (target: string) => {
    const request = `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const [direct, { status, body }] = [
      await exchange(program.port, request),
      await exchange(proxy.port, request),
    ];
    assert.ok(!new TextDecoder().decode(body).includes(HASH), target);
    return [direct.status, status];
  };
  assert.deepEqual(await statusOf("/"), [200, 404]);
  assert.deepEqual(await statusOf("/healthz"), [200, 404]);
  const others = ["/metrics", "/archive/", "/archive/../healthz", "/archive/%2e%2e/healthz"];
  const hidden = ["/archive/..", `/archive/../${HASH}/`, "//healthz", `/archive/x/../${HASH}/`];
  for (const target of [...others, ...hidden]) {
    assert.deepEqual(await statusOf(target), [404, 404], target);
  }
  assert.equal((await ask(proxy.port)).status, 200);
  const redirect = `GET ${PATH.slice(0, -1)} HTTP/1.1\r\nHost: x\r\n\r\n`;
  assert.equal((await exchange(proxy.port, redirect)).headers.get("location"), PATH);
});

testWith(["nginx", "aria2c"], "deploy/nginx.conf limits what one address may do", async () => {
  await using tree = await makeTree({
    ...smallAlbum(),
    ["photos/large-5b1fa2d94836b1f0/film.mp4"]: { size: 300_000_000 },
  });
  await using program = await serve(tree);
  const { body: whole } = await ask(program.port);
  {
    await using proxy = await startNginx({ upstreams: [program.port] });
    const url = new URL(PATH, proxy.url).href;
    const options = ["-q", "--no-conf", "-x16", "-s16", "-k1M", "-d", tree.path, "-o", "a.zip"];
    const { code } = await run("aria2c", [...options, url], { within: 20_000 });
    assert.equal(code, 0, "a download manager stays within the limits");
    assert.equal(sha256Of(tree.join("a.zip")), sha256(whole));
  }
  {
    await using proxy = await startNginx({ upstreams: [program.port] });
    const statuses: number[] = [];
    await forAll(Array(200).keys(), async () => {
      statuses.push((await ask(proxy.port, [], "HEAD")).status);
    });
    const count = (status: number) => statuses.filter((other) => other === status).length;
    assert.ok(count(200) >= 41 && count(429) > 0, `${count(200)} and ${count(429)}`);
    assert.equal(count(200) + count(429), 200);
  }
  {
    await using proxy = await startNginx({ upstreams: [program.port] });
    const stalled = await Promise.all(
      Array.from(
        { length: 20 },
        () => beginAndStall(proxy.port, "/archive/large-5b1fa2d94836b1f0/"),
      ),
    );
    try {
      assert.equal((await ask(proxy.port)).status, 429);
      stalled.pop()!.close();
      await until(async () => (await ask(proxy.port)).status === 200, "one more is let in");
    } finally {
      for (const connection of stalled) connection.close();
    }
  }
});

testWith(["chromium"], "resume.md: Chromium resumes after the service died", async (t) => {
  await using tree = await makeTree(album());
  const folder = tree.join("downloads");
  await using browser = await openProfile(folder);
  const options = ["--folder", tree.join("photos"), "--log"];
  const slow = [...options, "--delay", "0.02"];
  const saved = `${folder}/photos-${HASH.slice(0, 8)}.zip`;
  const partial = `${saved}.crdownload`;

  /** Clicks on the link of a download, kills the service in the middle of it, waits for the end */
  async function beginAndKill(): Promise<number> {
    await using program = await start(slow, { env: { TZ: "Asia/Kathmandu" } });
    const page = await browser.newPage();
    await page.goto(program.url);
    await page.locator(`a[href="${PATH}"]`).click();
    await until(() => sizeOf(partial) > 5_000_000, "5 MB have arrived", 20_000);
    program.kill("SIGKILL");
    await program.status;
    await page.close();
    return program.port;
  }

  /** Presses the button in the list of downloads; a slow browser may have gone on by itself */
  async function pressResume() {
    const page = await browser.newPage();
    await page.goto("chrome://downloads/");
    const menu = page.locator("#more-actions").first();
    const interrupted = async () => sizeOf(saved) > 0 || await menu.isVisible();
    await until(interrupted, "the download waits to be resumed", 20_000);
    if (sizeOf(saved) === 0) {
      await menu.click();
      await page.locator("#pause-or-resume").first().click();
    }
    await until(() => sizeOf(saved) > 0, "the download is complete", 20_000);
    await page.close();
  }

  const restart = (port: number) =>
    start([...options, "--port", `${port}`], { anyPort: false, env: { TZ: "America/St_Johns" } });

  await t.step("where it was", async () => {
    await using program = await restart(await beginAndKill());
    const { body: whole } = await ask(program.port);
    await pressResume();
    assert.equal(sha256Of(saved), sha256(whole));
    const [, first, ...others] = startsOf(program).sort((a, b) => a - b); // 0 is for the whole
    assert.ok(first > 5_000_000, `${first}`);
    assert.deepEqual(others, []);
  });

  await t.step("from the start, when a photo has changed meanwhile", async () => {
    await Deno.remove(saved);
    const port = await beginAndKill();
    const photo = tree.join("photos", HASH, "IMG_4000.jpg");
    await Deno.writeFile(photo, randomBytes(4_100_000, 99));
    await Deno.utime(photo, DEFAULT_MTIME, new Date("2024-05-06T07:08:10Z"));
    await using program = await restart(port);
    const { body: whole } = await ask(program.port);
    await pressResume();
    assert.equal(sha256Of(saved), sha256(whole));
    assert.deepEqual(startsOf(program), [0, 0]);
  });
});
