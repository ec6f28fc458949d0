import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import project from "./deno.json" with { type: "json" };
import {
  childrenOf,
  openFiles,
  type Program,
  type ProgramOptions,
  runToEnd,
  said,
  start,
  until,
} from "./testing/process.ts";
import { exchange, type ExchangeOptions } from "./testing/raw.ts";
import { assertSameTree, extract, listWithPython, readWithAll } from "./testing/readers.ts";
import { run, testOnLinux, testWith, tool } from "./testing/tools.ts";
import { makeTree, randomBytes, type Tree, type TreeFile } from "./testing/tree.ts";

const TEST_PHOTOS = fileURLToPath(import.meta.resolve("./test_photos"));
const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";
const MEGABYTE = 1 << 20;

/** More than the system buffers between a server and a client that does not read */
const BIG: TreeFile = { content: "big", size: 64 * MEGABYTE };

const windows = Deno.build.os === "windows";

const ENGINES = [
  { engine: "store", tools: [] as string[], args: ["--engine", "store"] },
  { engine: "zip", tools: ["zip"], args: ["--engine", "zip", "--level", "0"] },
];

function download({ port }: Program, hash = HASH, options: ExchangeOptions = {}) {
  return exchange(port, `GET /archive/${hash}/ HTTP/1.1\r\nHost: localhost\r\n\r\n`, options);
}

async function statusOf({ port }: Program, path: string) {
  return (await exchange(port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)).status;
}

/** Downloads an archive into a file of the tree */
async function save(program: Program, tree: Tree, options: { hash?: string; as?: string } = {}) {
  const { status, complete, body, headers } = await download(program, options.hash);
  assert.deepEqual([status, complete], [200, true], program.stderr());
  const path = tree.join(options.as ?? "archive.zip");
  await Deno.writeFile(path, body);
  return { path, body, headers };
}

/** Calls back once, when this much of the body has arrived; only then does the client read on */
function onceAt(bytes: number, act: () => void | Promise<void>): ExchangeOptions {
  let done = false;
  return {
    async onBody(received) {
      if (done || received < bytes) return;
      done = true;
      await act();
    },
  };
}

function isAlive(pid: number) {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`) !== ""; // empty for a zombie
  } catch {
    return false;
  }
}

const ONE_LINE = /^zipferry: [^\n]+\n$/;

for (const { engine, tools, args } of ENGINES) {
  testWith(
    [...tools, "unzip", "diff"],
    `GET /archive/<hash>/ sends what is in the folder (${engine})`,
    async () => {
      await using tree = await makeTree();
      await using program = await start(args.slice(0, 2));
      const page = await (await fetch(program.url)).text();
      const hashes = [...Deno.readDirSync(TEST_PHOTOS)].map(({ name }) => name);
      assert.equal(hashes.length, 3);
      await Promise.all(hashes.map(async (hash) => {
        assert.ok(page.includes(`href="/archive/${hash}/"`));
        const { path, body, headers } = await save(program, tree, { hash, as: `${hash}.zip` });
        assert.equal(headers.get("content-length"), engine === "store" ? `${body.length}` : null);
        const except = engine === "zip" ? ["ZipInputStream"] : [];
        await readWithAll(path, { except });
        await extract(path, tree.join(hash));
        await assertSameTree(tree.join(hash), `${TEST_PHOTOS}/${hash}`);
      }));
      assert.equal(program.stdout(), `Listening on ${program.url}\n`);
    },
  );
}

Deno.test("--folder, -f, PHOTOS_DIR, PORT and .env work as in the original service", async (t) => {
  await using tree = await makeTree({
    [`photos/${HASH}/photo.jpg`]: randomBytes(200_000),
    "dotenv/.env": "PORT=0\nPHOTOS_DIR='../photos' # a comment\nENABLE_LOGGING=1\n",
  });
  const photos = tree.join("photos");
  const cases: [string, string[], ProgramOptions][] = [
    ["--folder", ["--folder", photos, "--hostname", "127.0.0.1", "--port", "0"], {}],
    ["-f", ["-f", photos, "-H", "127.0.0.1", "-P", "0", "-d", "0.01", "-l", "True"], {}],
    ["-f of the current folder", ["-P", "0", "-f", "photos"], { cwd: tree.path }],
    ["PHOTOS_DIR", [], { env: { PHOTOS_DIR: photos, PORT: "0" } }],
    ["-f before PHOTOS_DIR", ["-f", photos], { env: { PHOTOS_DIR: "/nowhere", PORT: "0" } }],
    ["PORT before .env", [], { cwd: tree.join("dotenv"), env: { PORT: "0", PHOTOS_DIR: photos } }],
    [".env", [], { cwd: tree.join("dotenv") }],
    ["empty variables", ["-f", photos, "-P", "0"], { env: { PORT: "", ENABLE_LOGGING: "" } }],
  ];
  for (const [name, args, options] of cases) {
    await t.step(name, async () => {
      await using program = await start(args, { ...options, anyPort: false });
      assert.match(program.url, /^http:\/\/127\.0\.0\.1:[1-9]/);
      assert.equal((await download(program)).complete, true);
    });
  }
});

Deno.test("-d True -l True: downloads wait RESPONSE_DELAY after each chunk and are logged", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: randomBytes(400_000) });
  const args = ["-f", tree.path, "-d", "True", "-l", "True"];
  await using program = await start(args, { env: { RESPONSE_DELAY: "0.3" } });
  const before = performance.now();
  const { complete, body } = await download(program);
  assert.ok(complete);
  assert.ok(performance.now() - before > 1000, "it takes longer than its chunks wait");

  const lines = () => program.stderr().split("\n").filter(Boolean);
  await until(() => lines().at(-1)?.includes("download complete") ?? false, "outcome in the log");
  const records = lines().map((line) => JSON.parse(line));
  assert.deepEqual([...new Set(records.map(({ message }) => message))], [
    "download started",
    "download goes on",
    "download complete",
  ]);
  for (const { properties } of records) {
    assert.equal(properties.archive, "5d1c…");
    assert.equal(properties.size, body.length);
  }
  const [first, ...rest] = records.slice(1).map(({ properties }) => properties.bytes);
  assert.ok(first > 0 && first < body.length);
  assert.equal(rest.at(-1), body.length);
  assert.ok(!program.stderr().includes(HASH));
});

Deno.test("-d takes seconds, and without -l nothing is logged", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: randomBytes(300_000) });
  await using program = await start(["-f", tree.path, "-d", "0.2"]);
  const before = performance.now();
  await download(program);
  assert.ok(performance.now() - before > 190, "it takes longer than a chunk waits");
  assert.equal(program.stderr(), "");
});

Deno.test("A value that cannot be used ends the program with exit code 2 and one line", async () => {
  await using tree = await makeTree({ "file": "x", "dotenv/.env": "PORT=eighty\n" });
  const cases: [string[], ProgramOptions, RegExp][] = [
    [["--prot", "80"], {}, /--prot.*--port/],
    [["-x"], {}, /-x/],
    [["junk"], {}, /junk/],
    [["--port"], {}, /--port/],
    [["-P", "65536"], {}, /--port: "65536".*0 to 65535/],
    [["-P", "-1"], {}, /--port/],
    [["-P", "0x50"], {}, /--port/],
    [["-P", "1.5"], {}, /--port/],
    [["-P", ""], {}, /--port/],
    [["-P", "80", "--port", "81"], {}, /--port.*2 times/],
    [["-H", "a b"], {}, /--hostname/],
    [["-d", "-1"], {}, /-1|--delay/],
    [["-d", "1e9"], {}, /--delay/],
    [["-d", "Infinity"], {}, /--delay/],
    [["-l", "maybe"], {}, /--log: "maybe".*true or false/],
    [["--engine", "tar"], {}, /--engine: "tar".*store or zip/],
    [["--level", "10"], {}, /--level/],
    [["--listing", "all"], {}, /--listing/],
    [["--shutdown-timeout", "soon"], {}, /--shutdown-timeout/],
    [["--log", "line\nbreak"], {}, /--log/],
    [[], { env: { PORT: "eighty" } }, /PORT: "eighty"/],
    [[], { env: { ENABLE_RESPONSE_DELAY: "perhaps" } }, /ENABLE_RESPONSE_DELAY/],
    [[], { env: { RESPONSE_DELAY: "1,5" } }, /RESPONSE_DELAY/],
    [[], { env: { ZIPFERRY_ENGINE: "rar" } }, /ZIPFERRY_ENGINE/],
    [[], { cwd: tree.join("dotenv") }, /PORT in \.env: "eighty"/],
    [["-f", ""], {}, /--folder/],
    [["-f", tree.join("missing")], {}, /--folder: .*missing/],
    [["-f", tree.join("file")], {}, /--folder: .*file/],
    [["-f", windows ? "C:\\" : "/"], {}, /--folder: .*whole disk/],
  ];
  await Promise.all(cases.map(async ([args, options, expected]) => {
    const { code, stdout, stderr } = await runToEnd(args, options);
    assert.deepEqual([code, stdout], [2, ""], JSON.stringify([args, options.env, stderr]));
    assert.match(stderr, ONE_LINE);
    assert.match(stderr, expected);
  }));
});

Deno.test("--engine zip ends the program at once if there is no zip on the PATH", async () => {
  await using tree = await makeTree();
  const { code, stderr } = await runToEnd(["--engine", "zip"], { env: { PATH: tree.path } });
  assert.equal(code, 2);
  assert.match(stderr, ONE_LINE);
  assert.match(stderr, /^zipferry: --engine zip: .*PATH/);
});

Deno.test("--port ends the program with one line if the port is taken", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { code, stdout, stderr } = await runToEnd(["-P", `${taken.addr.port}`]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, ONE_LINE);
  assert.match(stderr, /listen/);
});

Deno.test("--unix listens on a Unix socket in place of a port", { ignore: windows }, async () => {
  await using tree = await makeTree({ [`photos/${HASH}/1.jpg`]: randomBytes(3_000_000) });
  const path = tree.join("socket");
  const args = ["--unix", path, "--folder", tree.join("photos"), "--listing", "auto"];
  const task = "start:checksums"; // the one that may write
  const ask = async (target: string) => {
    using connection = await Deno.connect({ transport: "unix", path });
    const request = `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(request));
    return Buffer.concat(await Array.fromAsync(connection.readable)).toString("latin1");
  };
  {
    await using program = await start(args, { task });
    assert.equal(program.stdout(), `Listening on unix:${path}\n`);
    const [head, body] = (await ask(`/archive/${HASH}/`)).split("\r\n\r\n", 2);
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.ok(body.startsWith("PK\x03\x04"));
    assert.match(head, /\r\ncontent-length: 300\d{4}\r/);
    assert.ok(!(await ask("/")).includes(HASH), "who is at the other end is not known");

    const second = await runToEnd(args, { task });
    assert.deepEqual([second.code, second.stdout], [1, ""]);
    assert.match(
      second.stderr,
      /^zipferry: listen: another process listens on ".*socket"; stop it, or .* --unix\n$/,
    );
    program.kill("SIGKILL");
  }
  assert.ok(Deno.lstatSync(path).isSocket, "nobody could remove it");
  {
    await using program = await start(args, { task });
    assert.equal((await ask("/healthz")).slice(-3), "ok\n");
    program.kill("SIGTERM");
    assert.equal((await program.status).code, 0);
  }
  assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);

  await Deno.writeTextFile(path, "a file");
  const { code, stderr } = await runToEnd(args, { task });
  assert.equal(code, 2);
  assert.match(
    stderr,
    /^zipferry: --unix: ".*socket" is there and is no socket; choose another path, .*\n$/,
  );
  assert.equal(await Deno.readTextFile(path), "a file");
});

Deno.test("--help, --version and --check-config print, and serve nothing", async () => {
  const cases: [string, RegExp][] = [
    ["--help", /Commands:\n[^]*--folder.*\n[^]*zipferry help all/],
    ["help all", /--folder.*\n[^]*--shutdown-timeout/],
    ["new --help", /^Usage: zipferry new /],
    ["-h", /^Usage: zipferry/],
    [
      "--version",
      new RegExp(`^zipferry ${project.version.replaceAll(".", "\\.")} \\(commit c0ffee, Deno `),
    ],
    ["--check-config", /^\{\n {2}"folder": ".*test_photos",\n/],
  ];
  for (const [flag, expected] of cases) {
    const { code, stdout, stderr } = await runToEnd(flag.split(" "), {
      env: { ZIPFERRY_COMMIT: "c0ffee", NO_COLOR: "" }, // colours take variables to decide on
    });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, expected);
  }
});

Deno.test("--check-config names each missing permission; with all of them, downloads work", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: "photo" });
  for (const { engine, tools } of ENGINES) {
    if (tools.some((name) => tool(name) === null)) continue;
    const args = ["-f", tree.path, "-P", "0", "--engine", engine];
    const flags = ["--no-prompt"];
    for (let refused = true; refused;) {
      const { code, stderr } = await runToEnd([...args, "--check-config"], { flags });
      refused = code !== 0;
      if (!refused) break;
      assert.equal(code, 2, stderr);
      assert.match(stderr, ONE_LINE);
      const [flag] = / --allow-(?:read|env|net|run)=\S+$/m.exec(stderr) ?? [];
      assert.ok(flag && !flags.includes(flag.trim()), stderr);
      flags.push(flag.trim());
    }
    assert.ok(flags.length > 3);
    await using program = await start(args, { flags, anyPort: false });
    assert.equal((await download(program)).complete, true);
  }
});

Deno.test("folders that no link can reach, or with names short enough to guess, are warned of", async () => {
  await using tree = await makeTree({
    [`${HASH}/photo.jpg`]: "x",
    "summer 2024/photo.jpg": "x",
    "Фото/photo.jpg": "x",
    "wedding/photo.jpg": "x",
  });
  await using program = await start(["-f", tree.path]);
  await said(program, /(?:.*"level":"WARN".*\n){2}/);
  const records = program.stderr().trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(records.map(({ level }) => level), ["WARN", "WARN"]);
  const [unreachable, guessable] = records.map(({ properties }) => properties);
  assert.deepEqual([unreachable.count, unreachable.names.sort()], [2, ["summer 2024", "Фото"]]);
  assert.deepEqual([guessable.count, guessable.names], [1, ["wedd…"]]);
});

Deno.test("TZ, LANG and LC_ALL change no byte of an archive", async () => {
  const tree = await makeTree({
    [`${HASH}/Байкал/Лёд.jpg`]: { content: randomBytes(2 * MEGABYTE), mtime: new Date(1.7e12) },
    [`${HASH}/a.jpg`]: { content: randomBytes(3), mtime: new Date("1969-12-31T23:59:59Z") },
    [`${HASH}/é.jpg`]: { content: "x", mtime: new Date("2024-03-31T01:30:00Z") },
  });
  await using _ = tree;
  const places: Record<string, string>[] = [
    { TZ: "Asia/Kathmandu", LANG: "ru_RU.UTF-8", LC_ALL: "ru_RU.UTF-8" },
    { TZ: "America/St_Johns", LANG: "C", LC_ALL: "C" },
  ];
  const sums = await Promise.all(places.map(async (env) => {
    await using program = await start(["-f", tree.path], { env });
    const { complete, body } = await download(program);
    assert.ok(complete && body.length > 2 * MEGABYTE);
    return createHash("sha256").update(body).digest("hex");
  }));
  assert.equal(sums[0], sums[1]);
});

testOnLinux([], "--folder is found again after it was moved away and back", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/photo.jpg`]: "photo" });
  await using program = await start(["-f", tree.join("photos")]);
  const path = `/archive/${HASH}/`;
  assert.equal(await statusOf(program, path), 200);
  await Deno.rename(tree.join("photos"), tree.join("away"));
  assert.equal(await statusOf(program, path), 503);
  assert.equal(await statusOf(program, "/healthz"), 200);
  await Deno.rename(tree.join("away"), tree.join("photos"));
  assert.equal(await statusOf(program, path), 200);
});

Deno.test("DENO_SERVE_AUTOMATIC_COMPRESSION compresses nothing: automaticCompression is off", async () => {
  await using program = await start([], { env: { DENO_SERVE_AUTOMATIC_COMPRESSION: "1" } });
  const fields = "Host: localhost\r\nAccept-Encoding: gzip, br\r\n\r\n";
  const { status, headers } = await exchange(program.port, `GET / HTTP/1.1\r\n${fields}`);
  assert.deepEqual([status, headers.get("content-encoding")], [200, null]);
});

for (const { engine, tools, args } of ENGINES) {
  testOnLinux(
    [...tools, "python3"],
    `--follow-symlinks never leads outside (${engine})`,
    async () => {
      await using tree = await makeTree({
        "secret/canary.txt": "canary-3f9a2c",
        [`photos/${UNKNOWN}/other.jpg`]: "other",
        [`photos/${HASH}/a.jpg`]: "a",
        [`photos/${HASH}/sub/b.jpg`]: "b",
        [`photos/${HASH}/file-out`]: { symlink: "../../secret/canary.txt" },
        [`photos/${HASH}/folder-out`]: { symlink: "../../secret" },
        [`photos/${HASH}/far-out`]: { symlink: "/etc/hostname" },
        [`photos/${HASH}/beside`]: { symlink: `../${UNKNOWN}` },
        [`photos/${HASH}/within`]: { symlink: "a.jpg" },
        [`photos/${HASH}/itself`]: { symlink: "itself" },
        [`photos/${HASH}/sub/loop`]: { symlink: ".." },
        [`photos/${HASH}/dangling`]: { symlink: "nowhere" },
      });
      const names = async (...more: string[]) => {
        await using program = await start(["-f", tree.join("photos"), ...args, ...more]);
        const { path, body } = await save(program, tree);
        assert.ok(!Buffer.from(body).includes("canary-3f9a2c"));
        await said(program, /left out of the archive/);
        return (await listWithPython(path)).map(({ name }) => name);
      };
      assert.deepEqual(await names(), ["a.jpg", "sub/b.jpg"]);
      assert.deepEqual(await names("--follow-symlinks"), [
        "a.jpg",
        "beside/other.jpg",
        "sub/b.jpg",
        "within",
      ]);
    },
  );

  testOnLinux(
    [...tools, "python3", "mkfifo"],
    `GET /archive/<hash>/ is not held up by a pipe in the folder (${engine})`,
    async () => {
      await using tree = await makeTree({
        [`${HASH}/a.jpg`]: "a",
        [`${HASH}/pipe.jpg`]: { fifo: true },
        [`${HASH}/z.jpg`]: randomBytes(MEGABYTE),
      });
      await using program = await start(["-f", tree.path, "--max-downloads", "40", ...args]);
      const downloads = Array.from({ length: 40 }, () => download(program));
      assert.equal(await statusOf(program, "/healthz"), 200);
      const answers = await Promise.all(downloads);
      assert.ok(answers.every(({ status, complete }) => status === 200 && complete));
      await Deno.writeFile(tree.join("archive.zip"), answers[0].body);
      const names = (await listWithPython(tree.join("archive.zip"))).map(({ name }) => name);
      assert.deepEqual(names, ["a.jpg", "z.jpg"]);
    },
  );

  testOnLinux(
    [...tools, "python3", "unzip", "7z", "diff"],
    `GET /archive/<hash>/ carries the strangest names (${engine})`,
    async () => {
      /** The name on the disk, and the one in an archive that every system can extract */
      const names: [string, string][] = [
        ["-rf", "-rf"],
        ["--help", "--help"],
        ["-@", "-@"],
        ["-", "-"],
        ["@", "@"],
        ["@x", "@x"],
        ["[a]", "[a]"],
        ["*", "_"],
        ["a?b", "a_b"],
        ["$(id)`id`;id|id", "$(id)`id`;id_id"],
        ["it's", "it's"],
        ['"quoted"', "_quoted_"],
        [" leading", " leading"],
        ["trailing ", "trailing_"],
        ["dots...", "dots___"],
        ["a  b", "a  b"],
        ["tab\there", "tab_here"],
        ["%2e%2e%2f", "%2e%2e%2f"],
        ["&amp;<b>", "&amp;_b_"],
        ["a\\..\\up", "a_.._up"],
        ["C:", "C_"],
        ["CON", "_CON"],
        ["nul.txt", "_nul.txt"],
        ["~", "~"],
        ["#!", "#!"],
        ["x".repeat(255), "x".repeat(255)],
        ["sub/-x", "sub/-x"],
        ["sub ./*", "sub__/_"],
      ];
      const files = names.map(([name], i) => [`photos/${HASH}/${name}`, `content ${i}`]);
      await using tree = await makeTree(Object.fromEntries(files));
      await using program = await start(["-f", tree.join("photos"), ...args]);
      const { path } = await save(program, tree);
      const expected = names.map(([, safe], i) => `${safe}: content ${i}`).sort();
      for (const reader of ["python", "7z", "unzip"] as const) {
        if (reader === "unzip" && engine === "zip") continue; // it drops the tab character
        const into = tree.join(reader);
        await extract(path, into, { with: reader });
        if (engine === "zip") await assertSameTree(into, tree.join("photos", HASH));
        else assert.deepEqual(contents(into), expected, reader);
      }
    },
  );

  testOnLinux([...tools], `GET /archive/<hash>/ fails if a file changes (${engine})`, async () => {
    const changes: Record<string, (path: string, aside: string) => void> = {
      truncated: (path) => Deno.truncateSync(path, 1000),
      grown: (path) => Deno.writeTextFileSync(path, "more", { append: true }),
      rewritten: (path) => Deno.writeTextFileSync(path, "BIG", { create: false }),
      deleted: (path) => Deno.removeSync(path),
      // Of the same size and time: the CRC-32 tells. The program zip has the first file open to the end.
      replaced: (path, aside) => {
        const { mtime } = Deno.statSync(path);
        Deno.writeFileSync(aside, new Uint8Array(64 * MEGABYTE).fill(1));
        Deno.utimeSync(aside, mtime!, mtime!);
        Deno.renameSync(aside, path);
      },
    };
    if (engine === "zip") delete changes.replaced;
    for (const [what, change] of Object.entries(changes)) {
      await using tree = await makeTree({
        [`photos/${HASH}/a.jpg`]: "a",
        [`photos/${HASH}/${what}.jpg`]: BIG,
      });
      await using program = await start(["-f", tree.join("photos"), ...args]);
      const path = tree.join("photos", HASH, `${what}.jpg`);
      const act = () => change(path, tree.join("aside"));
      const { status, complete } = await download(program, HASH, onceAt(MEGABYTE, act));
      assert.deepEqual([status, complete], [200, false], what);
      const file = new RegExp(`"level":"ERROR".*[ /]${what}\\.jpg`);
      await until(() => file.test(program.stderr()), `the log names it: ${program.stderr()}`);
      assert.ok(!program.stderr().includes(HASH));
      assert.equal(await statusOf(program, "/healthz"), 200);
    }
  });

  testOnLinux(
    [...tools, "setpriv"],
    `GET /archive/<hash>/ fails if a file or folder may not be read (${engine})`,
    async () => {
      await using tree = await makeTree({
        [`photos/${HASH}/a.jpg`]: "a",
        [`photos/${HASH}/locked.jpg`]: { content: "b", mode: 0 },
        [`photos/${HASH}/z.jpg`]: "z",
        "photos/with-a-locked-folder/a.jpg": "a",
        "photos/with-a-locked-folder/locked/b.jpg": "b",
        "photos/with-a-locked-folder/locked": { directory: true, mode: 0 },
        "photos/locked-itself-0123456789/a.jpg": "a",
        "photos/locked-itself-0123456789": { directory: true, mode: 0 },
      });
      // Root is bound by permissions only without these capabilities
      const prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"];
      await using program = await start(["-f", tree.join("photos"), ...args], {
        prefix: Deno.uid() === 0 ? prefix : [],
      });
      const file = await download(program);
      assert.ok(file.status === 200 ? !file.complete : file.status === 500, `${file.status}`);
      await until(() => /"level":"ERROR".*[ /]locked\.jpg/.test(program.stderr()), "in the log");
      assert.ok(!program.stderr().includes(HASH));

      assert.equal(await statusOf(program, "/archive/with-a-locked-folder/"), 500);
      await until(() => /"level":"ERROR".* locked\//.test(program.stderr()), "in the log");
      assert.ok(!program.stderr().includes("with-a-locked"));

      const unknown = await download(program, UNKNOWN);
      const locked = await download(program, "locked-itself-0123456789");
      const seen = ({ raw, body }: typeof unknown) => [raw.replace(/^date: .*$/m, ""), `${body}`];
      assert.equal(unknown.status, 404);
      assert.deepEqual(seen(locked), seen(unknown));
    },
  );

  testOnLinux([...tools], `GET /archive/<hash>/ cut off leaves no trace (${engine})`, async () => {
    await using tree = await makeTree({
      [`${HASH}/a.jpg`]: randomBytes(3 * MEGABYTE),
      [`${HASH}/b.jpg`]: randomBytes(100),
      [`${HASH}/c.jpg`]: randomBytes(MEGABYTE),
    });
    await using program = await start(["-f", tree.path, ...args]);
    const { body } = await download(program);
    // A thread that starts later opens only files with names that are in here already
    const base = openFiles(program.pid).filter((name) => !name.startsWith(tree.path));

    const points = new Uint32Array(randomBytes(4 * 200).buffer);
    for (let i = 0; i < points.length; i += 10) {
      const some = [...points.subarray(i, i + 10)].map((point) => 1 + point % body.length);
      await Promise.all(some.map((stopAfter) => download(program, HASH, { stopAfter })));
    }
    const isSocket = (name: string) => name.startsWith("socket:");
    const sockets = () => openFiles(program.pid).filter(isSocket);
    const left = () =>
      openFiles(program.pid).filter((name) => !isSocket(name) && !base.includes(name));
    await until(() => childrenOf(program.pid).length === 0, "no child is left");
    await until(() => left().length === 0, `no file is left: ${left()}`);
    await until(() => sockets().length < 10, `no connection is left: ${sockets()}`);
    assert.equal((await download(program)).complete, true);
  });

  const signals = engine === "store" ? ["SIGTERM", "SIGINT"] as const : ["SIGTERM"] as const;
  for (const signal of signals) {
    testOnLinux([...tools], `${signal} lets downloads finish in time (${engine})`, async () => {
      await using tree = await makeTree({ [`${HASH}/big.jpg`]: BIG });
      await using program = await start(["-f", tree.path, ...args]);
      const stop = onceAt(MEGABYTE, async () => {
        program.kill(signal);
        await until(() => isRefused(program), "no new connections");
      });
      assert.equal((await download(program, HASH, stop)).complete, true);
      const { code } = await program.status;
      assert.deepEqual([code, program.stderr()], [0, ""]);
    });

    testOnLinux(
      [...tools],
      `${signal} ends downloads at --shutdown-timeout (${engine})`,
      async () => {
        await using tree = await makeTree({ [`${HASH}/big.jpg`]: BIG });
        const options = ["--shutdown-timeout", "1"];
        await using program = await start(["-f", tree.path, ...args, ...options]);
        let children: number[] = [];
        const stall = onceAt(MEGABYTE, async () => {
          children = childrenOf(program.pid);
          assert.equal(children.length, engine === "zip" ? 1 : 0);
          const before = performance.now();
          program.kill(signal);
          assert.equal((await program.status).code, 0);
          const took = performance.now() - before;
          assert.ok(900 < took && took < 4000, `it took ${took} ms`);
        });
        assert.equal((await download(program, HASH, stall)).complete, false);
        assert.match(program.stderr(), /"level":"ERROR".*download failed.*stopping/);
        await until(() => !children.some(isAlive), "no zip outlives the program");
      },
    );
  }

  testOnLinux([...tools], `SIGINT after SIGTERM ends the program at once (${engine})`, async () => {
    await using tree = await makeTree({ [`${HASH}/big.jpg`]: BIG });
    await using program = await start(["-f", tree.path, "--log", ...args]);
    let children: number[] = [];
    const stall = onceAt(MEGABYTE, async () => {
      children = childrenOf(program.pid);
      program.kill("SIGTERM");
      await until(() => program.stderr().includes('"stopping"'), "the first signal is heeded");
      const before = performance.now();
      program.kill("SIGINT");
      assert.equal((await program.status).code, 1);
      assert.ok(performance.now() - before < 1000);
    });
    assert.equal((await download(program, HASH, stall)).complete, false);
    await until(() => !children.some(isAlive), "no zip outlives the program");
  });

  testOnLinux(
    [...tools, "strace"],
    `GET /archive/<hash>/ writes to no file (${engine})`,
    async () => {
      await using tree = await makeTree({
        [`photos/${HASH}/a.jpg`]: randomBytes(MEGABYTE),
        [`photos/${HASH}/b/c.jpg`]: "c",
      });
      const log = tree.join("strace.log");
      const calls = "trace=open,openat,creat,rename,renameat2,mkdir,mkdirat,unlink,unlinkat,execve";
      await using program = await start(["-f", tree.join("photos"), ...args], {
        prefix: ["strace", "-f", "-qq", "-e", calls, "-o", log],
      });
      await Promise.all(Array.from({ length: 8 }, () => download(program)));
      const before = Deno.statSync(log).size; // what Deno does once, for its own cache
      for (let i = 0; i < 20; i++) assert.ok((await download(program)).complete);
      const lines = Deno.readTextFileSync(log).slice(before).split("\n");
      const reads = lines.filter((line) => line.includes("O_RDONLY") && line.includes("a.jpg"));
      assert.ok(reads.length >= 20);
      const writes = lines.filter((line) =>
        /O_WRONLY|O_RDWR|O_CREAT|creat\(|rename|mkdir|unlink/.test(line) &&
        !line.includes("/dev/null")
      );
      assert.deepEqual(writes, []);
    },
  );
}

/** All files below a folder with their contents, sorted */
function contents(folder: string, path = ""): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const file = `${folder}/${name}`;
    if (isDirectory) return contents(file, `${path}${name}/`);
    return [`${path}${name}: ${Deno.readTextFileSync(file)}`];
  }).sort();
}

async function isRefused({ port }: Program) {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused;
  }
}

testOnLinux(
  ["zip", "unzip"],
  "GET /archive/<hash>/ carries six thousand Russian names",
  async () => {
    const names = Array.from(
      { length: 6000 },
      (_, i) => `Альбом ${i % 7}/Снимок на озере ${i}.jpg`,
    );
    const files = names.map((name, i) => [`photos/${HASH}/${name}`, `${i}`]);
    await using tree = await makeTree(Object.fromEntries(files));
    for (const { args } of ENGINES) {
      await using program = await start(["-f", tree.join("photos"), ...args]);
      const { path } = await save(program, tree);
      assert.equal((await run("unzip", ["-tq", path])).code, 0);
      const { stdout } = await run("unzip", ["-Z1", path]);
      assert.deepEqual(
        new TextDecoder().decode(stdout).trim().split("\n").sort(),
        names.toSorted(),
      );
    }
  },
);

testOnLinux(
  ["zip", "python3"],
  "--engine zip keeps a line break in a name, store does not",
  async () => {
    await using tree = await makeTree({ [`${HASH}/a\nb.jpg`]: "x", [`${HASH}/c.jpg`]: "y" });
    for (const { engine, args } of ENGINES) {
      await using program = await start(["-f", tree.path, ...args]);
      const { status, body } = await download(program, HASH);
      assert.equal(status, 200);
      const path = tree.join(`${engine}.zip`);
      await Deno.writeFile(path, body);
      const names = (await listWithPython(path)).map(({ name }) => name).sort();
      assert.deepEqual(names, [engine === "store" ? "a_b.jpg" : "a\nb.jpg", "c.jpg"]);
      assert.equal(program.stderr(), "");
    }
  },
);

testOnLinux(["zip"], "--engine zip fails the download if zip is killed", async () => {
  await using tree = await makeTree({ [`${HASH}/big.jpg`]: BIG });
  await using program = await start(["-f", tree.path, "--engine", "zip", "--level", "0"]);
  const kill = onceAt(MEGABYTE, () => {
    const [child, ...others] = childrenOf(program.pid);
    assert.deepEqual(others, []);
    Deno.kill(child, "SIGKILL");
  });
  const { status, complete } = await download(program, HASH, kill);
  assert.deepEqual([status, complete], [200, false]);
  await until(() => /zip: killed by SIGKILL/.test(program.stderr()), "the log says so");
  await until(() => childrenOf(program.pid).length === 0, "no zombie is left");
});

const SILENT_ZIP: TreeFile = { content: "#!/bin/sh\nexec sleep 30\n", mode: 0o755 };

testOnLinux(["sh", "sleep"], "--engine zip starts even if zip is silent", async () => {
  await using tree = await makeTree({
    "bin/zip": SILENT_ZIP,
    [`photos/${HASH}/Фото.jpg`]: "is tried with zip at the start",
  });
  const env = { PATH: `${tree.join("bin")}:${Deno.env.get("PATH")}` };
  const args = ["-f", tree.join("photos"), "--engine", "zip"];
  await using program = await start(args, { env, within: 10_000 });
  await until(() => childrenOf(program.pid).length === 0, "zip is gone");
});

testOnLinux(["sh", "sleep"], "--engine zip ends a silent zip when its client leaves", async () => {
  await using tree = await makeTree({
    "bin/zip": SILENT_ZIP,
    [`photos/${HASH}/photo.jpg`]: "photo",
  });
  const env = { PATH: `${tree.join("bin")}:${Deno.env.get("PATH")}` };
  await using program = await start(["-f", tree.join("photos"), "--engine", "zip"], { env });
  for (const patience of [0, 1000]) {
    {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port: program.port });
      const request = `GET /archive/${HASH}/ HTTP/1.1\r\nHost: localhost\r\n\r\n`;
      await connection.write(new TextEncoder().encode(request));
      await until(() => childrenOf(program.pid).length === 1, "zip runs");
      if (patience > 0) await connection.read(new Uint8Array(1)); // the head of the answer
    }
    await until(() => childrenOf(program.pid).length === 0, "zip is gone", 1000);
  }
  assert.equal(await statusOf(program, "/healthz"), 200);
});

testOnLinux(["zip"], "--engine zip answers 503 only as long as zip is gone", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/photo.jpg`]: "photo", "bin/x": "" });
  const zip = tree.join("bin", "zip");
  await Deno.copyFile(tool("zip")!, zip);
  const env = { PATH: `${tree.join("bin")}:${Deno.env.get("PATH")}` };
  await using program = await start(["-f", tree.join("photos"), "--engine", "zip"], { env });
  assert.equal((await download(program)).complete, true);
  await Deno.rename(zip, `${zip}.away`);
  const { status, headers } = await download(program);
  assert.deepEqual([status, headers.get("retry-after")], [503, "5"]);
  assert.ok(!program.stderr().includes(HASH));
  await Deno.rename(`${zip}.away`, zip);
  assert.equal((await download(program)).status, 200);
});

testOnLinux(["prlimit"], "accept failed: a server that ran out of files comes back", async () => {
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: randomBytes(MEGABYTE) });
  await using program = await start(["-f", tree.path], { prefix: ["prlimit", "--nofile=64"] });
  assert.equal((await download(program)).complete, true);
  {
    using connections = new DisposableStack();
    for (let i = 0; i < 80; i++) {
      try {
        connections.use(await Deno.connect({ hostname: "127.0.0.1", port: program.port }));
      } catch (error) {
        const { ConnectionRefused, ConnectionReset } = Deno.errors; // while nobody listens
        if (!(error instanceof ConnectionRefused || error instanceof ConnectionReset)) throw error;
      }
    }
    await until(() => program.stderr().includes("accept failed"), "no more files");
  }
  await until(async () => {
    return await statusOf(program, "/healthz").catch(() => 0) === 200;
  }, "the server answers");
  assert.equal((await download(program)).complete, true);
  assert.ok(program.stderr().split("\n").length < 30, "the log is not flooded");
});
