/**
 * Receipts from outside: a process of its own, real connections, and what `?status` says afterwards.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Status } from "../handlers/status.ts";
import { type Program, runToEnd, said, start, until } from "./process.ts";
import { exchange, type ExchangeOptions } from "./raw.ts";
import { accept, run, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "b81e6f4c0a3d4297ae5c1f83d06b729e";
const UNKNOWN = "00000000000000000000000000000000";
const PATH = `/archive/${HASH}/`;
const TOKEN = "kR7vQ2xW9mZ4tB6y";

/** More than fits into the buffers of a connection */
const PHOTO_BYTES = 24_000_000;

function makePhotos() {
  return makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(PHOTO_BYTES) });
}

/** With a file for receipts, the program must be allowed to write */
function serve(tree: Tree, ...args: string[]) {
  const task = args.includes("--state") ? "start:checksums" : "start";
  return start(["--folder", tree.join("photos"), ...args], { task });
}

function ask(program: Program, target: string, lines: readonly string[] = [], others = {}) {
  const head = [`GET ${target} HTTP/1.1`, "Host: localhost", ...lines, "\r\n"].join("\r\n");
  return exchange(program.port, head, others);
}

async function statusOf(program: Program): Promise<Status> {
  const { status, body } = await ask(program, `${PATH}?status`);
  assert.equal(status, 200);
  return JSON.parse(new TextDecoder().decode(body));
}

/** One part of the archive, which is not asked for beyond `stopAfter` bytes */
function part(program: Program, range: string, options: ExchangeOptions = {}) {
  return ask(program, PATH, [`Range: bytes=${range}`], options);
}

/** Waits until the service has noticed that a client left */
async function bytesAtLeast(program: Program, bytes: number) {
  await until(async () => (await statusOf(program)).versions[0]?.bytes >= bytes, `${bytes} bytes`);
}

Deno.test("?status: a whole download is delivered, a cut one is not, its resume is", async () => {
  await using tree = await makePhotos();
  await using program = await serve(tree);
  const before = await statusOf(program);
  assert.deepEqual([before.delivered, before.versions], [false, []]);
  const size = before.archive!.length!;

  await ask(program, PATH, [], { stopAfter: 9_000_000 });
  await bytesAtLeast(program, 9_000_000);
  const cut = await statusOf(program);
  assert.equal(cut.delivered, false);
  assert.ok(cut.versions[0].covered >= 9_000_000 && cut.versions[0].covered < size);

  assert.equal((await part(program, "9000000-")).status, 206);
  const resumed = await statusOf(program);
  assert.equal(resumed.delivered, true);
  assert.deepEqual([resumed.versions[0].deliveries, resumed.versions[0].requests], [1, 2]);

  assert.ok((await ask(program, PATH)).complete);
  const { versions: [version, ...others], archive } = await statusOf(program);
  assert.deepEqual([version.deliveries, version.requests, others], [2, 3, []]);
  assert.deepEqual(archive, { length: version.length, etag: version.etag });
  assert.ok(version.firstRequest <= version.firstDelivery!);
  assert.ok(version.firstDelivery! <= version.lastDelivery!);
});

Deno.test("?status: four segments at once are one delivery", async () => {
  await using tree = await makePhotos();
  await using program = await serve(tree);
  const size = (await statusOf(program)).archive!.length!;
  const quarter = Math.ceil(size / 4);
  const ranges = [0, 1, 2, 3].map((i) => `${i * quarter}-${Math.min(size, (i + 1) * quarter) - 1}`);
  await Promise.all(ranges.slice(1).map((range) => part(program, range)));
  assert.equal((await statusOf(program)).delivered, false);
  await part(program, ranges[0]);
  const { delivered, versions: [version] } = await statusOf(program);
  assert.deepEqual([delivered, version.deliveries, version.bytes], [true, 1, size]);
});

testWith(["aria2c"], "?status: aria2 with eight connections has it delivered", async () => {
  await using tree = await makePhotos();
  await using program = await serve(tree);
  const url = `${program.url}archive/${HASH}/`;
  await accept("aria2c", ["-q", "-x8", "-s8", "-k1M", "-d", tree.path, "-o", "a.zip", url]);
  const { delivered, versions } = await statusOf(program);
  assert.equal(delivered, true);
  assert.ok(versions[0].requests > 1 && versions[0].deliveries === 1, JSON.stringify(versions));
});

Deno.test("?status: an archive that changed is another version", async () => {
  await using tree = await makePhotos();
  await using program = await serve(tree);
  await ask(program, PATH);
  await Deno.writeFile(tree.join("photos", HASH, "b.jpg"), randomBytes(1000));
  await Deno.utime(tree.join("photos", HASH, "b.jpg"), 1e9, 1e9);
  const changed = await statusOf(program);
  assert.deepEqual([changed.delivered, changed.versions.length], [false, 1]);
  assert.equal(changed.versions[0].delivered, true);
  await ask(program, PATH);
  const both = await statusOf(program);
  assert.deepEqual([both.delivered, both.versions.length], [true, 2]);
  assert.equal(both.versions[0].etag, both.archive!.etag, "the latest one first");
  await Deno.remove(tree.join("photos", HASH), { recursive: true });
  const gone = await statusOf(program);
  assert.deepEqual([gone.archive, gone.delivered, gone.versions.length], [null, false, 2]);
});

Deno.test("--state: a delivery goes on after a restart, and after a process was killed", async () => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    if (Deno.build.os === "windows" && signal === "SIGTERM") continue;
    await using tree = await makePhotos();
    {
      await using first = await serve(tree, "--state", tree.join("state"));
      await ask(first, PATH, [], { stopAfter: 9_000_000 });
      await bytesAtLeast(first, 9_000_000);
      first.kill(signal);
      await first.status;
    }
    await using second = await serve(tree, "--state", tree.join("state"));
    const between = await statusOf(second);
    assert.deepEqual([between.delivered, between.versions[0].requests], [false, 1], signal);
    await part(second, "9000000-");
    assert.equal((await statusOf(second)).delivered, true, signal);
    assert.doesNotMatch(second.stderr(), /receipts/);
  }
});

Deno.test("--state: two processes share one file", async () => {
  await using tree = await makePhotos();
  await using one = await serve(tree, "--state", tree.join("state"));
  await using other = await serve(tree, "--state", tree.join("state"));
  const size = (await statusOf(one)).archive!.length!;
  const tenth = Math.ceil(size / 10);
  await Promise.all(Array.from({ length: 10 }, (_, i) => {
    const range = `${i * tenth}-${Math.min(size, (i + 1) * tenth) - 1}`;
    return part(i % 2 ? one : other, range);
  }));
  await statusOf(one); // hands over what it knows
  await until(async () => (await statusOf(other)).delivered, "delivered by both");
  const { versions: [version] } = await statusOf(one);
  assert.deepEqual([version.deliveries, version.requests, version.bytes], [1, 10, size]);
});

Deno.test("--state: the file may be deleted or damaged while the service runs", async () => {
  await using tree = await makePhotos();
  await using program = await serve(tree, "--state", tree.join("state"));
  await ask(program, PATH);
  assert.equal((await statusOf(program)).delivered, true);
  await Deno.remove(tree.join("state"));
  assert.deepEqual((await statusOf(program)).versions, []);
  await ask(program, PATH);
  assert.equal((await statusOf(program)).versions[0].deliveries, 1);
  await Deno.writeTextFile(tree.join("state"), "no database, but a long text ".repeat(400));
  assert.ok((await ask(program, PATH)).complete);
  assert.equal((await statusOf(program)).versions[0].deliveries, 1, "from memory");
  await said(program, /receipts are only in memory/);
  assert.equal(program.stderr().includes(HASH), false);
});

Deno.test("--state: a file that cannot be used is an error at the start", async () => {
  await using tree = await makeTree({
    [`photos/${HASH}/a.jpg`]: "1",
    "state": "no database, but a long text ".repeat(400),
  });
  const args = ["--folder", tree.join("photos"), "--port", "0", "--state", tree.join("state")];
  const { code, stderr } = await runToEnd(args, { task: "start:checksums" });
  assert.deepEqual(
    [code, /^zipferry: --state: .*not a database; name another file.*\n$/.test(stderr)],
    [2, true],
    stderr,
  );
  const denied = await runToEnd(args, { task: "start" });
  assert.match(denied.stderr, /^zipferry: write: not permitted, start deno with --allow-write=/);
});

Deno.test("?status without the right to it says nothing of what there is", async () => {
  await using tree = await makePhotos();
  await using program = await serve(tree);
  const forwarded = ["X-Forwarded-For: 192.0.2.7"];
  const answers = await Promise.all(
    [HASH, UNKNOWN].map((hash) => ask(program, `/archive/${hash}/?status`, forwarded)),
  );
  const shown = answers.map(({ raw, body }) => [raw.replace(/^date:.*$/im, ""), body]);
  assert.deepEqual(shown[0], shown[1]);
  assert.equal(answers[0].status, 404);
  assert.equal((await ask(program, `/archive/${UNKNOWN}/?status`)).status, 404, "from here");
});

testWith(
  ["curl"],
  "?status with a token: Basic and Bearer, from a file or a variable",
  async () => {
    await using tree = await makePhotos();
    await Deno.writeTextFile(tree.join("token"), `${TOKEN}\n`);
    const folder = ["--folder", tree.join("photos")];
    const programs = [
      await start([...folder, "--admin-token-file", tree.join("token")]),
      await start(folder, { env: { ZIPFERRY_ADMIN_TOKEN: TOKEN } }),
    ];
    await using _first = programs[0];
    await using _second = programs[1];
    for (const program of programs) {
      const codeOf = async (hash: string, ...args: string[]) => {
        const target = `${program.url}archive/${hash}/?status`;
        const format = ["-so", "/dev/null", "-w", "%{http_code} %header{www-authenticate}"];
        const { stdout } = await run("curl", [...format, "-H", "Via: 1.1 proxy", ...args, target]);
        return new TextDecoder().decode(stdout).trim();
      };
      assert.equal(await codeOf(HASH, "-u", `admin:${TOKEN}`), "200");
      assert.equal(await codeOf(HASH, "-H", `Authorization: Bearer ${TOKEN}`), "200");
      const wrong: string[][] = [[], ["-u", `${TOKEN}:`], ["-H", "Authorization: Bearer x"]];
      for (const args of wrong) {
        for (const hash of [HASH, UNKNOWN]) {
          assert.match(
            await codeOf(hash, ...args),
            /^401 Basic /,
          );
        }
      }
      assert.equal(await codeOf(UNKNOWN, "-u", `admin:${TOKEN}`), "404");
      assert.equal((program.stdout() + program.stderr()).includes(TOKEN), false);
    }
  },
);

Deno.test("secrets: a bad one is an error of one line, and none is ever printed", async () => {
  await using tree = await makeTree({
    [`photos/${HASH}/a.jpg`]: "1",
    "short": "short\n",
    "good": TOKEN,
  });
  const folder = ["--folder", tree.join("photos")];
  const hook = ["--webhook", "http://127.0.0.1:9/"];
  const cases: [string[], Record<string, string>, RegExp][] = [
    [[], { ZIPFERRY_ADMIN_TOKEN: "short" }, /ZIPFERRY_ADMIN_TOKEN: too short/],
    [["--admin-token-file", tree.join("short")], {}, /--admin-token-file: too short/],
    [["--admin-token-file", tree.join("none")], {}, /cannot be read \(NotFound\)/],
    [
      ["--admin-token-file", tree.join("good")],
      { ZIPFERRY_ADMIN_TOKEN: TOKEN },
      /only one of them/,
    ],
    [hook, {}, /--webhook: needs ZIPFERRY_WEBHOOK_SECRET/],
    [hook, { ZIPFERRY_WEBHOOK_SECRET: `${TOKEN} ${TOKEN}` }, /characters that are not allowed/],
    [["--webhook", `ftp://${TOKEN}/`], {}, /--webhook: this is not allowed/],
  ];
  for (const [args, env, message] of cases) {
    const { code, stderr } = await runToEnd([...folder, ...args], { env });
    assert.deepEqual([code, stderr.trim().split("\n").length], [2, 1], stderr);
    assert.match(stderr, message);
    assert.equal(stderr.includes(TOKEN), false);
  }
  const env = { ZIPFERRY_ADMIN_TOKEN: TOKEN };
  const { stdout } = await runToEnd([...folder, "--check-config"], { env });
  assert.equal(JSON.parse(stdout).adminToken, "(secret)");
});
