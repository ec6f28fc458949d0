import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { statSync } from "node:fs";
import { childrenOf, openFiles, type Program, quietness, start, until } from "./process.ts";
import { checkSample, type Proxy, startCaddy, startHaproxy, startNginx } from "./proxy.ts";
import { beginAndStall, exchange } from "./raw.ts";
import { run, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "b27e40c9a6d1485f93e8027d5ac1f64b";
const PATH = `/archive/${HASH}/`;
const MEGABYTE = 1_000_000;

/** Lines of a sample that say how long something may take, in milliseconds here */
const PROXIES = [
  {
    name: "nginx",
    startProxy: startNginx,
    shortHeader: (text: string) => text.replace("header_timeout 10s", "header_timeout 200ms"),
    shortStall: (text: string) => text.replace("send_timeout 300s", "send_timeout 300ms"),
    impatient: (text: string) => text,
  },
  {
    name: "haproxy",
    startProxy: startHaproxy,
    shortHeader: (text: string) => text.replace("http-request 10s", "http-request 200ms"),
    shortStall: (text: string) => text.replace("client 300s", "client 300ms"),
    impatient: (text: string) => text.replace("inter 2s", "inter 50ms"),
  },
  {
    name: "caddy",
    startProxy: startCaddy,
    shortHeader: (text: string) => text.replace("read_header 10s", "read_header 200ms"),
    shortStall: null, // it has no such time
    impatient: (text: string) => text.replace("try_duration 5s", "try_duration 100ms"),
  },
] as const;

/** So many photos of 25 MB, which no proxy and no system keeps in its buffers */
function album(photos: number): Promise<Tree> {
  const files = Array.from(
    { length: photos },
    (_, i) => [`photos/${HASH}/Фото ${i}.jpg`, randomBytes(25 * MEGABYTE, i)] as const,
  );
  return makeTree({ ...Object.fromEntries(files), [`photos/${HASH}/a.txt`]: "text" });
}

function serve(tree: Tree, ...args: string[]): Promise<Program> {
  return start(["--folder", tree.join("photos"), "--log", ...args]);
}

/** One request with these lines in its head */
function ask(port: number, lines: readonly string[] = [], target = PATH, method = "GET") {
  return exchange(port, [`${method} ${target} HTTP/1.1`, "Host: x", ...lines, "\r\n"].join("\r\n"));
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** How many downloads the service logged so */
function logged(program: Program, message: string): number {
  return program.stderr().split(`"${message}`).length - 1;
}

/** First bytes of all downloads that the service logged */
function startsOf(program: Program): number[] {
  return program.stderr().split("\n")
    .filter((line) => line.includes('"download started"'))
    .map((line) => JSON.parse(line).properties.start);
}

async function assertSameFile(a: string, b: string) {
  const { code, stdout } = await run("cmp", [a, b]);
  assert.equal(code, 0, new TextDecoder().decode(stdout));
}

for (const proxy of ["nginx", "haproxy", "caddy"] as const) {
  testWith([proxy], `checkSample(): ${proxy} finds nothing wrong`, async () => {
    assert.equal(await checkSample(proxy), "");
  });
}

testWith(["caddy"], "deploy/Caddyfile is formatted as Caddy would", async () => {
  const path = new URL("../deploy/Caddyfile", import.meta.url).pathname;
  const { stdout } = await run("caddy", ["fmt", path]);
  assert.equal(new TextDecoder().decode(stdout), await Deno.readTextFile(path));
});

for (const { name, startProxy } of PROXIES) {
  testWith([name], `proxies.md: ${name} makes only archives public`, async () => {
    await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: "photo" });
    await using program = await serve(tree, "--listing", "on");
    await using proxy = await startProxy({ upstreams: [program.port] });
    assert.equal((await ask(program.port, [], "/")).status, 200);
    assert.equal((await ask(program.port, [], "/healthz")).status, 200);
    const others = ["/", "/healthz", "/metrics", "/archive/", `/${HASH}/`, "//healthz"];
    const dotted = ["/archive/../healthz", "/archive/%2e%2e/healthz", "/archive/..", "/archive/./"];
    const wrong = [`//archive/${HASH}/`, `/archive/../archive/${HASH}/`, `/archive//${HASH}/`];
    for (const target of [...others, ...dotted, ...wrong]) {
      const { status, body } = await ask(proxy.port, [], target);
      assert.equal(status, 404, target);
      assert.ok(!new TextDecoder().decode(body).includes(HASH), target);
    }
    assert.equal((await ask(proxy.port)).status, 200);
    assert.equal((await ask(proxy.port, [], `${PATH}?manifest`)).status, 200);
    const { headers } = await ask(proxy.port, [], PATH.slice(0, -1));
    assert.equal(headers.get("location"), PATH);
  });

  testWith([name], `proxies.md: ${name} changes neither requests nor answers`, async () => {
    await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(3 * MEGABYTE) });
    await using program = await serve(tree);
    await using proxy = await startProxy({ upstreams: [program.port] });
    const etag = (await ask(program.port, [], PATH, "HEAD")).headers.get("etag");
    const part = "Range: bytes=1000-2000000";
    const cases: [number, ...string[]][] = [
      [200, "Accept-Encoding: gzip, deflate, br, zstd"],
      [206, part],
      [206, part, `If-Range: ${etag}`],
      [200, part, 'If-Range: "other"'],
      [304, `If-None-Match: ${etag}`],
      [412, 'If-Match: "other"'],
      [416, "Range: bytes=99999999-"],
    ];
    for (const [status, ...lines] of cases) {
      const [direct, proxied] = [await ask(program.port, lines), await ask(proxy.port, lines)];
      assert.deepEqual([direct.status, proxied.status], [status, status], `${lines}`);
      for (const own of ["date", "server", "connection", "alt-svc", "x-accel-buffering"]) {
        direct.headers.delete(own);
        proxied.headers.delete(own);
      }
      assert.deepEqual(Object.fromEntries(proxied.headers), Object.fromEntries(direct.headers));
      assert.ok(Buffer.from(proxied.body).equals(direct.body), `${lines}`);
    }
  });

  testWith([name, "curl", "cmp"], `proxies.md: ${name} and a slow client of 250 MB`, async (t) => {
    if (Deno.build.os !== "linux") return; // there is no /proc to look into
    await using tree = await album(10);
    await using program = await serve(tree);
    await using proxy = await startProxy({ upstreams: [program.port] });
    const { status } = await ask(proxy.port, ["Range: bytes=0-2000000"]); // it has grown to its size
    assert.equal(status, 206);
    const before = { files: filesOf(proxy), memory: memoryOf(proxy) };
    const [slow, whole] = [tree.join("slow.zip"), tree.join("whole.zip")];
    const url = new URL(PATH, proxy.url).href;

    await t.step("no file, little memory, and the service hears of its end", async () => {
      const args = ["-sS", "--limit-rate", "40M", "-o", slow, url];
      const curl = new Deno.Command("curl", { args }).spawn();
      try {
        await until(
          () => {
            assert.deepEqual(filesOf(proxy), before.files);
            return sizeOf(slow) > 100 * MEGABYTE;
          },
          "100 MB have arrived",
          20_000,
        );
        curl.kill("SIGSTOP");
        await untilQuiet(program);
        assert.deepEqual(filesOf(proxy), before.files);
        const growth = memoryOf(proxy) - before.memory;
        assert.ok(growth < 20 * MEGABYTE, `${growth} bytes of memory`);
        assert.equal(logged(program, "download cancelled"), 0);
      } finally {
        curl.kill("SIGKILL");
        await curl.status;
      }
      await until(() => logged(program, "download cancelled") === 1, "the download is cancelled");
    });

    await t.step("the rest of it", async () => {
      const received = sizeOf(slow);
      const { code, stderr } = await run("curl", ["-sS", "-C", "-", "-o", slow, url]);
      assert.equal(code, 0, stderr);
      assert.equal(startsOf(program).at(-1), received);
      await run("curl", ["-sS", "-o", whole, new URL(PATH, program.url).href]);
      assert.ok(sizeOf(whole) > 250 * MEGABYTE);
      await assertSameFile(slow, whole);
    });
  });

  testWith([name], `proxies.md: ${name} tells a waiting service that a client left`, async () => {
    await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(MEGABYTE) });
    await using program = await serve(tree, "--delay", "60");
    await using proxy = await startProxy({ upstreams: [program.port] });
    const { complete } = await exchange(
      proxy.port,
      `GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`,
      { stopAfter: 1000 },
    );
    assert.equal(complete, false);
    await until(() => logged(program, "download cancelled") === 1, "the download is cancelled");
  });

  testWith([name], `proxies.md: no line of ${name}'s log holds a hash`, async () => {
    await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(200_000) });
    await using program = await serve(tree);
    const edit = PROXIES.find((proxy) => proxy.name === name)!.impatient;
    await using proxy = await startProxy({ upstreams: [program.port], edit });
    const without = PATH.slice(0, -1);
    const targets = [PATH, `${PATH}?manifest`, without, `/${HASH}/`, `//archive/${HASH}/`, "/"];
    const odd = [`/archive/x/../${HASH}/`, `/archive/${HASH}/${HASH}`, `/%61rchive/${HASH}/`];
    for (const target of [...targets, ...odd]) await ask(proxy.port, [], target);
    await ask(proxy.port, ["Range: bytes=5-99", `Referer: https://x/${HASH}/`, "User-Agent: Test"]);
    await ask(proxy.port, ["Host: a b"]);
    await ask(proxy.port, [], PATH, "POST");
    for (let i = 0; i < 60; i++) await ask(proxy.port, [], PATH, "HEAD");
    program.kill("SIGKILL");
    await program.status;
    const isDown = async () => [502, 503].includes((await ask(proxy.port)).status);
    await until(isDown, "an answer that there is no service");
    await until(() => /\b50[23]\b/.test(proxy.log()), "all of it in the log");

    const lines = proxy.log().split("\n");
    assert.deepEqual(lines.filter((line) => line.includes(HASH.slice(0, 5))), []);
    const start = `/archive/${HASH.slice(0, 4)}...`;
    const [ranged] = lines.filter((line) => line.includes("bytes=5-99"));
    assert.ok(ranged.includes(start) && ranged.includes("206") && ranged.includes("Test"), ranged);
    if (name !== "caddy") {
      const combined = /^127\.0\.0\.1 - - \[[^\]]+\] "GET \S+ HTTP\/1\.1" 206 \d+ "-" "Test" /;
      assert.match(ranged, combined);
    }
  });

  testWith([name, "curl"], `--unix: ${name} reaches a service on a Unix socket`, async () => {
    await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(3 * MEGABYTE) });
    const socket = tree.join("zipferry.sock");
    const args = ["--folder", tree.join("photos"), "--unix", socket];
    await using _ = await start(args, { task: "start:checksums" }); // the one that may write
    await using proxy = await startProxy({ upstreams: [], socket });
    const direct = ["-sS", "--unix-socket", socket, `http://x${PATH}`];
    const { stdout: whole } = await run("curl", direct);
    assert.ok(whole.length > 3 * MEGABYTE);
    const { body: first } = await ask(proxy.port, ["Range: bytes=0-1999999"]);
    const { body: rest } = await ask(proxy.port, ["Range: bytes=2000000-"]);
    assert.ok(Buffer.concat([first, rest]).equals(whole));
  });

  testWith([name], `proxies.md: ${name} ends clients that are slow or stall`, async () => {
    const { shortHeader, shortStall } = PROXIES.find((proxy) => proxy.name === name)!;
    await using tree = await album(2);
    await using program = await serve(tree);
    {
      await using proxy = await startProxy({ upstreams: [program.port], edit: shortHeader });
      const half = `GET ${PATH} HTTP/1.1\r\nHost: x\r\n`;
      const { status } = await exchange(proxy.port, half, { within: 5000 });
      assert.ok(status === 0 || status === 408, `${status}`);
      assert.equal(startsOf(program).length, 0);
    }
    if (!shortStall) {
      await using patient = await serve(tree, "--stall-timeout", "1");
      await using proxy = await startProxy({ upstreams: [patient.port] });
      using _ = await beginAndStall(proxy.port, PATH);
      await until(
        () => logged(patient, "download stalled") === 1,
        "the service gives it up",
        20_000,
      );
      return;
    }
    await using proxy = await startProxy({ upstreams: [program.port], edit: shortStall });
    using _ = await beginAndStall(proxy.port, PATH);
    await until(() => logged(program, "download cancelled") === 1, "the download is cancelled");
  });
}

/** Files that a proxy's processes have open, also those that have no name any more */
function filesOf(proxy: Proxy): string[] {
  return processesOf(proxy).flatMap((pid) => openFiles(pid, { files: true })).sort();
}

/** Bytes of memory that a proxy's processes have */
function memoryOf(proxy: Proxy): number {
  const sizes = processesOf(proxy).map((pid) => {
    const [, size] = /^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ??
      [];
    return Number(size) * 1024;
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

function processesOf({ pid }: Proxy): number[] {
  return [pid, ...childrenOf(pid)];
}

/** Waits until the service reads nothing for a while: the proxy has taken all that it takes */
async function untilQuiet(program: Program) {
  await until(quietness(program), "the service waits for the proxy", 20_000);
}

testWith(["haproxy"], "haproxy.cfg limits what one address may do", async () => {
  await using tree = await album(2);
  await using program = await serve(tree);
  const upstreams = [program.port];
  {
    await using proxy = await startHaproxy({ upstreams });
    const statuses: number[] = [];
    for (let i = 0; i < 160; i++) {
      statuses.push((await ask(proxy.port, [], PATH, "HEAD")).status);
    }
    assert.deepEqual(statuses.slice(0, 140), Array(140).fill(200));
    assert.ok(statuses.slice(140).includes(429));
  }
  await using proxy = await startHaproxy({ upstreams });
  const stalled = await Promise.all(
    Array.from({ length: 20 }, () => beginAndStall(proxy.port, PATH)),
  );
  try {
    assert.equal((await ask(proxy.port, [], PATH, "HEAD")).status, 429);
    stalled.pop()!.close();
    const isLetIn = async () => (await ask(proxy.port, [], PATH, "HEAD")).status === 200;
    await until(isLetIn, "one more is let in");
  } finally {
    for (const connection of stalled) connection.close();
  }
});

for (const { name, startProxy } of PROXIES.slice(1)) {
  testWith([name, "openssl", "curl"], `proxies.md: ${name} serves TLS and HTTP/2`, async () => {
    await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(3 * MEGABYTE) });
    await using program = await serve(tree);
    await using proxy = await startProxy({ upstreams: [program.port], tls: true });
    const { body: whole } = await ask(program.port);
    const path = tree.join("whole.zip");
    await Deno.writeFile(path, whole.subarray(0, MEGABYTE));
    const options = ["-sSk", "--http2", "-C", "-", "-w", "%{http_version} %{http_code}"];
    const url = `https://localhost:${proxy.port}${PATH}`;
    const { stdout, stderr } = await run("curl", [...options, "-o", path, url]);
    assert.equal(new TextDecoder().decode(stdout), "2 206", stderr);
    assert.ok(Buffer.from(await Deno.readFile(path)).equals(whole));
  });
}

testWith(["caddy", "curl"], "Caddyfile: a download goes on at the other replica", async () => {
  await using tree = await album(2);
  await using one = await serve(tree);
  await using two = await serve(tree);
  await using proxy = await startCaddy({ upstreams: [one.port, two.port] });
  const path = tree.join("a.zip");
  const args = ["-sS", "-C", "-", "-o", path, new URL(PATH, proxy.url).href];
  const first = run("curl", ["--limit-rate", "10M", ...args]);
  await until(() => sizeOf(path) > MEGABYTE, "it has begun");
  const [dying, other] = startsOf(one).length > 0 ? [one, two] : [two, one];
  dying.kill("SIGKILL");
  assert.notEqual((await first).code, 0);
  const received = sizeOf(path);
  for (let code = -1, tries = 0; code !== 0 && tries < 3; tries++) {
    ({ code } = await run("curl", args));
  }
  assert.deepEqual(startsOf(other), [received]);
  const { body: whole } = await ask(other.port);
  assert.ok(Buffer.from(await Deno.readFile(path)).equals(whole));
});
