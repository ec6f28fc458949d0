/**
 * `zipferry repair` against the service, and against servers that do something else.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { RepairError } from "../commands/repair/errors.ts";
import { mend, workPath } from "../commands/repair/mend.ts";
import { freePort } from "./free_port.ts";
import { type Program, runToEnd, start, until } from "./process.ts";
import { run, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "8e03f6b1c7d2459a90b4e57f1a6c3d28";
const PATH = `/archive/${HASH}/`;

/** Of every repair: the end of the archive */
const TAIL = 98;

const PHOTO = 300_000;

const windows = Deno.build.os === "windows";

/** Six photos, one of them in a folder, and what has no bytes */
function makePhotos() {
  return makeTree({
    ...Object.fromEntries(
      [1, 2, 3, 4, 5].map((n) => [`photos/${HASH}/p${n}.jpg`, randomBytes(PHOTO, n)]),
    ),
    [`photos/${HASH}/Байкал/z.jpg`]: randomBytes(PHOTO, 6),
    [`photos/${HASH}/empty`]: "",
    [`photos/${HASH}/folder`]: { directory: true },
  });
}

interface Setup extends AsyncDisposable {
  readonly tree: Tree;
  readonly program: Program;
  readonly url: URL;
  /** The archive as the service sends it */
  readonly whole: Buffer;
  /** Where the data of an entry starts */
  dataOf(name: string): number;
}

async function setUp(tree: Tree, args: readonly string[] = []): Promise<Setup> {
  const folder = ["--folder", tree.join("photos"), "--log-format", "json"];
  const program = await start([...folder, ...args], { task: "start:checksums" });
  const url = new URL(PATH, program.url);
  await steady(url);
  const whole = Buffer.from(await (await fetch(url)).arrayBuffer());
  return {
    tree,
    program,
    url,
    whole,
    dataOf(name) {
      const at = whole.indexOf(name) - 30;
      return at + 30 + whole.readUInt16LE(at + 26) + whole.readUInt16LE(at + 28);
    },
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

/** Waits until files that have just been made cannot change unseen any more */
function steady(url: URL) {
  const isStrong = async () => {
    const { headers } = await fetch(url, { method: "HEAD" });
    return headers.get("etag")?.startsWith('"') ?? false;
  };
  return until(isStrong, "the archive has a strong entity tag");
}

/** Repairs bytes in a file of this process; what became of them */
async function mendBytes(
  { tree, url }: Pick<Setup, "tree" | "url">,
  bytes: Uint8Array,
  pauses: readonly number[] = [],
) {
  const file = tree.join("album.zip");
  Deno.writeFileSync(file, bytes);
  const outcome = await mend({ file, work: workPath(file), url, pauses });
  return { ...outcome, bytes: Buffer.from(Deno.readFileSync(file)), left: isThere(workPath(file)) };
}

function isThere(path: string) {
  try {
    return Deno.lstatSync(path).isFile;
  } catch {
    return false;
  }
}

function flipped(bytes: Buffer, ...places: readonly number[]) {
  const damaged = Buffer.from(bytes);
  for (const at of places) damaged[at] ^= 0x10;
  return damaged;
}

/**
 * The ranges that were sent to `repair`, as the access log of the service has them: once as many
 * are logged as were asked for, since a line may come after the client has all of its bytes
 */
async function rangesSent({ program }: Setup, count: number): Promise<[number, number][]> {
  const lines = () =>
    program.stdout().split("\n").slice(0, -1).filter((line) => line.includes("zipferry-repair"));
  await until(() => lines().length >= count, `${count} ranges are logged`);
  return lines().map((line) => {
    const { range, bytes } = JSON.parse(line);
    const [, first] = /^(\d+)-/.exec(range)!;
    return [Number(first), bytes];
  });
}

function sha256(bytes: Uint8Array) {
  return createHash("sha256").update(bytes).digest("hex");
}

testWith(
  ["unzip"],
  "repair: a damaged file is whole afterwards, and keeps name and mode",
  async () => {
    await using setup = await setUp(await makePhotos());
    const { tree, whole, url } = setup;
    const file = tree.join("Свадьба Ани.zip");
    Deno.writeFileSync(file, flipped(whole, setup.dataOf("p3.jpg") + 7), { mode: 0o640 });
    const link = windows ? file : tree.join("link.zip"); // there it would need a privilege
    if (!windows) Deno.symlinkSync(file, link);
    const paths = [link, file, workPath(file)].flatMap((path) => [
      path,
      workPath(path),
    ]).join();
    const flags = [
      ...["--quiet", "--no-prompt", "--allow-env", `--allow-net=${url.host}`],
      ...[`--allow-read=.env,${paths}`, `--allow-write=${paths}`],
    ];
    const first = await runToEnd(["repair", link, url.href], { flags });
    assert.deepEqual([first.code, first.stderr], [0, ""]);
    assert.equal(
      first.stdout,
      "Свадьба Ани.zip: 1 of 8 entries are damaged or missing; 300 kB of 1.8 MB to fetch\n" +
        "Свадьба Ани.zip: is whole now; 300.5 kB in 3 requests; each CRC-32 is right\n",
    );
    assert.equal(sha256(Deno.readFileSync(file)), sha256(whole));
    assert.equal(Deno.lstatSync(link).isSymlink, !windows);
    if (!windows) assert.equal(Deno.statSync(file).mode! & 0o777, 0o640);
    assert.equal(isThere(workPath(file)), false);
    assert.equal((await run("unzip", ["-tq", file])).code, 0);

    const second = await runToEnd(["repair", "--json", file, url.href], { flags });
    const { etag, fetched, ...rest } = JSON.parse(second.stdout);
    assert.match(etag, /^"1-/);
    assert.ok(fetched < 1000);
    assert.deepEqual(
      [second.code, rest],
      [0, { state: "whole", length: whole.length, sha256: null, damaged: [], requests: 2, file }],
    );
  },
);

Deno.test("repair: any byte may be wrong, missing or too much", async () => {
  const tree = await makeTree({
    [`photos/${HASH}/a.txt`]: "one",
    [`photos/${HASH}/Байкал/b.txt`]: "two and more",
    [`photos/${HASH}/c/`]: { directory: true },
    [`photos/${HASH}/d.txt`]: "",
    [`photos/${HASH}/e.txt`]: "PK\x03\x04 is no header",
  });
  await using setup = await setUp(tree);
  const { whole } = setup;
  for (let at = 0; at < whole.length; at++) {
    const cases = {
      "is wrong": flipped(whole, at),
      "is where it ends": whole.subarray(0, at),
      "is one too much": Buffer.concat([whole.subarray(0, at), whole.subarray(at ? at - 1 : 0)]),
    };
    for (const [what, damaged] of Object.entries(cases)) {
      if (at % 3 !== 0 && what !== "is wrong") continue;
      const { bytes, left } = await mendBytes(setup, damaged);
      assert.ok(bytes.equals(whole), `byte ${at} ${what}`);
      assert.equal(left, false);
    }
  }
});

Deno.test("repair: only what is bad is fetched, by the access log of the service", async () => {
  await using setup = await setUp(await makePhotos());
  const { whole, dataOf } = setup;
  const directory = whole.readUInt32LE(whole.length - 6);
  const end: [number, number][] = [
    [whole.length - TAIL, TAIL],
    [directory, whole.length - TAIL - directory],
  ];
  const [p2, p4] = [dataOf("p2.jpg"), dataOf("p4.jpg")];
  const reserved = Buffer.from(whole).fill(0, p2 + 100_001, p4 + 200_002);
  const inserted = Buffer.concat([
    whole.subarray(0, p2 + 5),
    Buffer.from("inserted"),
    whole.subarray(p2 + 5),
  ]);
  const lost = Buffer.concat([whole.subarray(0, p4 + 5), whole.subarray(p4 + 50)]);
  const cases: Record<string, [Buffer, [number, number][]]> = {
    "two bits": [flipped(whole, p2 + 9, p4 + 9), [[p2, PHOTO], [p4, PHOTO]]],
    "a header": [flipped(whole, p2 - 20), [[whole.indexOf("p2.jpg") - 30, 30 + 6 + 9]]],
    "the directory": [flipped(whole, directory + 3), []],
    "the end": [flipped(whole, whole.length - 1), []],
    "a cut": [whole.subarray(0, p4 + 1234), [[p4 + 1234, directory - p4 - 1234]]],
    "a cut in the directory": [whole.subarray(0, directory + 5), []],
    "nothing there": [Buffer.alloc(0), [[0, directory]]],
    "reserved space": [
      Buffer.concat([reserved, Buffer.alloc(5)]),
      [[p2 + 100_001, p4 + 200_002 - p2 - 100_001]],
    ],
    "bytes inserted": [inserted, [[p2, PHOTO]]],
    "bytes lost": [lost, [[p4, PHOTO]]],
    "bytes after it": [Buffer.concat([whole, whole]), []],
  };
  let before = 0;
  for (const [what, [damaged, expected]] of Object.entries(cases)) {
    const { bytes, fetched, requests } = await mendBytes(setup, damaged);
    assert.ok(bytes.equals(whole), what);
    const all = await rangesSent(setup, before + requests);
    const sent = all.slice(before);
    before = all.length;
    assert.deepEqual(sent, [...end, ...expected], what);
    const sum = sent.reduce((sum, [, length]) => sum + length, 0);
    assert.deepEqual([fetched, requests], [sum, sent.length], what);
  }
});

Deno.test("repair: any damage on top of any other is repaired, and is no other version", async () => {
  const { whole } = await archiveBytes();
  await using tree = await makeTree();
  await using server = serveBytes(whole);
  const kinds = fc.constantFrom("flip", "zero", "cut", "insert", "lose", "swap", "noise");
  const damages = fc.array(
    fc.record({
      kind: kinds,
      at: fc.nat(whole.length - 1),
      length: fc.oneof(fc.nat(50), fc.nat(whole.length)),
    }),
    { maxLength: 5 },
  );
  await fc.assert(
    fc.asyncProperty(damages, async (list) => {
      const damaged = list.reduce(damage, whole);
      const { bytes, left } = await mendBytes({ tree, url: server.url }, damaged);
      assert.ok(bytes.equals(whole));
      assert.equal(left, false);
    }),
    { numRuns: 60 },
  );
});

interface Damage {
  readonly kind: string;
  readonly at: number;
  readonly length: number;
}

function damage(bytes: Buffer, { kind, at, length }: Damage): Buffer {
  const [before, hit, after] = [
    bytes.subarray(0, at),
    bytes.subarray(at, at + length),
    bytes.subarray(at + length),
  ];
  switch (kind) {
    case "flip":
      return at < bytes.length ? flipped(bytes, at) : bytes;
    case "zero":
      return Buffer.concat([before, Buffer.alloc(hit.length), after]);
    case "cut":
      return before;
    case "insert":
      return Buffer.concat([before, randomBytes(length, 77), hit, after]);
    case "lose":
      return Buffer.concat([before, after]);
    case "swap":
      return Buffer.concat([after, hit, before]);
    default:
      return Buffer.concat([before, randomBytes(hit.length, 78), after]);
  }
}

Deno.test("repair: another version of the archive on the server is an error, and the file stays", async () => {
  await using setup = await setUp(await makePhotos());
  const { tree, whole, url, dataOf } = setup;
  const time = new Date("2024-06-01");
  const change = (name: string, content: Uint8Array) => {
    Deno.writeFileSync(tree.join("photos", HASH, name), content);
    Deno.utimeSync(tree.join("photos", HASH, name), time, time);
  };
  const file = tree.join("album.zip");
  const steps: [string, () => void][] = [
    ["a photo is replaced", () => change("p3.jpg", randomBytes(PHOTO, 7))],
    ["a photo is longer", () => change("p3.jpg", randomBytes(PHOTO + 1, 8))],
    ["a photo is added", () => change("p21.jpg", randomBytes(PHOTO, 9))],
    ["a photo is removed", () => Deno.removeSync(tree.join("photos", HASH, "p2.jpg"))],
  ];
  for (const [what, step] of steps) {
    step();
    await steady(url);
    for (const damaged of [whole, whole.subarray(0, dataOf("p5.jpg") + 100)]) {
      Deno.writeFileSync(file, damaged);
      const { code, stdout, stderr } = await runToEnd(["repair", file, url.href], {
        task: "start:checksums",
      });
      assert.deepEqual([code, stdout], [3, ""], what);
      assert.equal(
        stderr,
        "zipferry: repair: the file is of another version of the archive than the one on the " +
          "server now: download it anew\n",
      );
      assert.ok(damaged.equals(Deno.readFileSync(file)));
      assert.equal(isThere(workPath(file)), false);
    }
  }
});

Deno.test("repair: Repr-Digest is compared, and says at once that a file is whole", async () => {
  const tree = await makePhotos();
  const checksums = ["--checksums", tree.join("index.db")];
  const warm = ["warm", "--digest", "--folder", tree.join("photos"), ...checksums];
  const warmed = await runToEnd(warm, { task: "start:checksums" });
  assert.equal(warmed.code, 0, warmed.stdout + warmed.stderr);
  await using setup = await setUp(tree, checksums);
  const { whole } = setup;
  const good = await mendBytes(setup, whole);
  assert.deepEqual([good.state, good.sha256, good.fetched, good.requests], [
    ...["whole", sha256(whole), TAIL, 1],
  ]);
  const bad = await mendBytes(setup, flipped(whole, 5000));
  assert.deepEqual([bad.state, bad.sha256], ["repaired", sha256(bad.bytes)]);
});

/** How a server of a test is to answer: by default as the service does */
interface Behaviour {
  /** Headers in place of its own; null for none */
  readonly headers?: (range: { start: number; end: number }) => Record<string, string | null>;
  /** Bytes after which each connection breaks */
  readonly breakAfter?: number;
  /** An answer of another kind, by the number of the request */
  readonly answer?: (request: Request, number: number) => Response | undefined;
}

/** A server that sends ranges of some bytes */
function serveBytes(whole: Buffer, { headers, breakAfter = Infinity, answer }: Behaviour = {}) {
  let requests = 0;
  const asked: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response(null) },
    (request) => {
      asked.push(request.headers.get("range") ?? "");
      const other = answer?.(request, ++requests);
      if (other) return other;
      const [, first, last] = /^bytes=(\d*)-(\d+)$/.exec(request.headers.get("range")!)!;
      const start = first ? Number(first) : Math.max(0, whole.length - Number(last));
      const end = first ? Number(last) + 1 : whole.length;
      const fields = new Headers({
        "etag": '"tag"',
        "content-range": `bytes ${start}-${end - 1}/${whole.length}`,
      });
      for (const [name, value] of Object.entries(headers?.({ start, end }) ?? {})) {
        if (value === null) fields.delete(name);
        else fields.set(name, value);
      }
      let at = start;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          const next = Math.min(at + 10_000, end);
          if (at - start >= breakAfter) return controller.error(new Error("broken"));
          controller.enqueue(whole.subarray(at, next));
          if ((at = next) >= end) controller.close();
        },
      }, { highWaterMark: 0 });
      return new Response(body, { status: 206, headers: fields });
    },
  );
  return {
    url: new URL(`http://127.0.0.1:${server.addr.port}${PATH}`),
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

testWith(["zip"], "repair: a ZIP of stored files that another program has made", async () => {
  await using tree = await makePhotos();
  const args = ["-0", "-r", "-q", tree.join("other.zip"), "."];
  assert.equal((await run("zip", args, { cwd: tree.join("photos") })).code, 0);
  const whole = Buffer.from(Deno.readFileSync(tree.join("other.zip")));
  await using server = serveBytes(whole);
  const at = whole.indexOf("p2.jpg") + 5000;
  for (const damaged of [flipped(whole, at), flipped(whole, 5), whole.subarray(0, at)]) {
    const { bytes } = await mendBytes({ tree, url: server.url }, damaged);
    assert.ok(bytes.equals(whole));
  }
});

/** An archive, without a service behind it */
async function archiveBytes() {
  await using setup = await setUp(await makePhotos());
  return { whole: setup.whole, p2: setup.dataOf("p2.jpg") };
}

Deno.test("repair: servers and archives that are something else", async () => {
  const { whole, p2 } = await archiveBytes();
  await using tree = await makeTree();
  const status = (status: number, headers: HeadersInit = {}) => () =>
    new Response(null, { status, headers });
  const late = (number: number, answer: () => Response) => ({
    answer: (_: Request, n: number) => n >= number ? answer() : undefined,
  });
  const digest = `sha-256=:${Buffer.alloc(32).toString("base64")}:`;
  const damaged = flipped(whole, p2 + 1);
  const other = flipped(whole, p2 + 2);
  const cases: [string, Behaviour, RegExp, RepairError["kind"], Buffer?][] = [
    ["404", late(1, status(404)), /no archive there \(404\)/, "failed"],
    ["410", late(1, status(410)), /the link has ended \(410\)/, "failed"],
    ["503", late(1, status(503)), /status 503: try later/, "unreachable"],
    ["no ranges", late(1, status(200, { etag: '"tag"' })), /sends no parts/, "failed"],
    ["weak tag", { headers: () => ({ etag: 'W/"tag"' }) }, /names no state/, "failed"],
    ["no tag", { headers: () => ({ etag: null }) }, /names no state/, "failed"],
    [
      "another part",
      { headers: () => ({ "content-range": "bytes 0-97/98000" }) },
      /sends another part/,
      "failed",
    ],
    [
      "a redirect to another host",
      late(1, status(301, { location: "http://127.0.0.1:1/" })),
      /redirects to http:\/\/127.0.0.1:1: use that/,
      "failed",
    ],
    ["changed at the directory", late(2, status(412)), /changed meanwhile/, "other version"],
    ["changed at the data", late(3, status(412)), /changed meanwhile/, "other version"],
    ["If-Range without a match", late(3, status(200)), /changed meanwhile/, "other version"],
    [
      "another tag in the middle",
      { headers: ({ start }) => start === p2 ? { etag: '"new"' } : { etag: '"tag"' } },
      /changed meanwhile/,
      "other version",
    ],
    ["away in the middle", late(3, status(503)), /cannot be reached: .*503/, "unreachable"],
    [
      "another SHA-256",
      { headers: () => ({ "repr-digest": digest }) },
      /SHA-256 is not the one/,
      "failed",
    ],
    [
      "another SHA-256 of a file that seems whole",
      { headers: () => ({ "repr-digest": digest }) },
      /SHA-256 is not the one/,
      "failed",
      whole,
    ],
  ];
  for (const [what, behaviour, message, kind, bytes = damaged] of cases) {
    await using server = serveBytes(whole, behaviour);
    const rejected = mendBytes({ tree, url: server.url }, bytes);
    await assert.rejects(
      rejected,
      (error) => error instanceof RepairError && error.kind === kind && message.test(error.message),
      what,
    );
    assert.ok(bytes.equals(Deno.readFileSync(tree.join("album.zip"))), `${what}: the file stays`);
    const work = workPath(tree.join("album.zip"));
    assert.equal(isThere(work), what === "away in the middle", what);
    if (isThere(work)) Deno.removeSync(work);
  }
  for (const [what, bytes] of Object.entries({ other, page: Buffer.from("<html>".repeat(99)) })) {
    await using server = serveBytes(bytes);
    const message = what === "other"
      ? /does not match its own CRC-32: "p2.jpg"/
      : /no end of a ZIP/;
    await assert.rejects(mendBytes({ tree, url: server.url }, damaged), message);
    assert.equal(isThere(workPath(tree.join("album.zip"))), false);
  }
});

Deno.test("repair: a redirect on the same host is followed, with its query", async () => {
  const { whole, p2 } = await archiveBytes();
  await using tree = await makeTree();
  const answer = ({ url }: Request) =>
    new URL(url).pathname.endsWith("/")
      ? undefined
      : new Response(null, { status: 301, headers: { location: `${PATH}?file=a` } });
  await using server = serveBytes(whole, { answer });
  const url = new URL(`${PATH.slice(0, -1)}?file=a`, server.url);
  const { bytes } = await mendBytes({ tree, url }, flipped(whole, p2));
  assert.ok(bytes.equals(whole));
});

Deno.test("repair: connections may break again and again", async () => {
  const { whole } = await archiveBytes();
  await using tree = await makeTree();
  await using server = serveBytes(whole, { breakAfter: 100_000 });
  const { bytes, requests } = await mendBytes({ tree, url: server.url }, Buffer.alloc(0), [1]);
  assert.ok(bytes.equals(whole));
  assert.ok(requests > whole.length / 100_000);
});

Deno.test("repair: what is left of a run that broke off is used by the next one", async () => {
  const { whole, p2 } = await archiveBytes();
  await using tree = await makeTree();
  const work = workPath(tree.join("album.zip"));
  const half = whole.subarray(0, p2 + 10);
  {
    await using server = serveBytes(whole, { breakAfter: 600_000 });
    await assert.rejects(mendBytes({ tree, url: server.url }, half), { kind: "unreachable" });
  }
  assert.ok(isThere(work));
  assert.equal(
    Buffer.from(Deno.readFileSync(work)).indexOf("PK\x05\x06"),
    -1,
    "it has no end, as an archive has",
  );
  const arrived = Deno.readFileSync(work).findLastIndex((byte) => byte !== 0) + 1;
  assert.ok(arrived > half.length + 100_000);
  await using server = serveBytes(whole);
  const { bytes, left, fetched } = await mendBytes({ tree, url: server.url }, half);
  assert.ok(bytes.equals(whole));
  assert.equal(left, false);
  assert.ok(fetched < whole.length - arrived + 1000, `${fetched} after ${arrived}`);
});

Deno.test("repair: one at a time works on a file", async () => {
  const { whole, p2 } = await archiveBytes();
  await using tree = await makeTree();
  await using server = serveBytes(whole);
  const file = tree.join("album.zip");
  Deno.writeFileSync(file, flipped(whole, p2));
  const options = { file, work: workPath(file), pauses: [] };
  {
    using copy = Deno.openSync(workPath(file), { write: true, create: true });
    copy.lockSync(true);
    await assert.rejects(mend({ ...options, url: server.url }), /another repair of this file/);
    assert.ok(isThere(workPath(file)), "the other one's copy stays");
  }
  await mend({ ...options, url: server.url });
  assert.ok(whole.equals(Deno.readFileSync(file)));
});

Deno.test("repair: what the command line cannot mean, and what is not permitted", async () => {
  await using tree = await makeTree({ "album.zip": "x" });
  const file = tree.join("album.zip");
  const url = `http://127.0.0.1:${freePort()}${PATH}`;
  const cases: [string[], RegExp][] = [
    [["repair"], /repair: needs the damaged file and the address of its archive/],
    [["repair", file], /repair: needs the damaged file and the address/],
    [["repair", file, "album"], /repair: not the address of an archive/],
    [["repair", file, url, url], /repair: needs the damaged file and the address/],
    [["repair", file, url, "--port", "1"], /repair: takes no option but --json/],
    [["repair", tree.join("no.zip"), url], /repair: no file ".*no\.zip"; to download an archive/],
    [["repair", tree.path, url], /repair: ".*" is no file/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await runToEnd(args, { task: "start:checksums" });
    assert.deepEqual([code, stdout], [2, ""], stderr);
    assert.match(stderr, message);
  }
  const net = `--allow-net=127.0.0.1:${new URL(url).port}`;
  const flags = ["--quiet", "--no-prompt", "--allow-env", net, `--allow-read=.env,${file}`];
  const refused = await runToEnd(["repair", file, url], { flags });
  assert.deepEqual([refused.code, refused.stderr], [
    ...[2, `zipferry: write: not permitted, start deno with --allow-write=${file}\n`],
  ]);
});
