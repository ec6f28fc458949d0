import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { type Program, said, start, until } from "./process.ts";
import { beginAndStall, exchange, type RawResponse } from "./raw.ts";
import { accept, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const OTHER = "e07b6a1d4c92583fb6d07f3a18c5e924";
const UNKNOWN = "00000000000000000000000000000000";

/** More than the sockets in between hold: a client that does not read keeps its download going */
const LONG = 12 << 20;

/** Header fields of a request */
type Fields = Readonly<Record<string, string>>;

function request(path: string, fields: Fields = {}, method = "GET") {
  const lines = Object.entries({ Host: "x", ...fields }).map(([name, value]) =>
    `${name}: ${value}`
  );
  return [`${method} ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
}

async function ask({ port }: Program, path: string, fields?: Fields, method?: string) {
  return await exchange(port, request(path, fields, method), { within: 30_000 });
}

/** Downloads that have all begun or been refused; those that have begun go on when they are told to */
async function beginMany(
  { port }: Program,
  requests: readonly string[],
): Promise<{ refused(): RawResponse[]; finish(): Promise<RawResponse[]> }> {
  const goOn = Promise.withResolvers<void>();
  const refused: RawResponse[] = [];
  const answers: Promise<RawResponse>[] = [];
  await Promise.all(requests.map(async (request) => {
    const begun = Promise.withResolvers<void>();
    const answer = exchange(port, request, {
      within: 60_000,
      // The page of a refusal is short, and the runtime has sent it at once
      onBody: (received) => received > 20_000 ? (begun.resolve(), goOn.promise) : undefined,
    });
    answers.push(answer);
    const ended = answer.then((answer) => refused.push(answer));
    await Promise.race([begun.promise, ended]);
  }));
  return {
    refused: () => [...refused],
    async finish() {
      goOn.resolve();
      return await Promise.all(answers);
    },
  };
}

function link(hash = HASH) {
  return `/archive/${hash}/`;
}

function sum(body: Uint8Array) {
  return hash("sha256", body);
}

function album(size = LONG): Promise<Tree> {
  return makeTree({
    [`${HASH}/1.jpg`]: randomBytes(size),
    [`${OTHER}/1.jpg`]: randomBytes(size, 2),
  });
}

Deno.test("--max-downloads: five times as many get 200 or 503, and the admitted ones are whole", async () => {
  await using tree = await album();
  await using program = await start(["-f", tree.path, "--max-downloads", "4", "--log"]);
  const whole = await ask(program, link());
  const etag = whole.headers.get("etag")!;
  const downloads = await beginMany(program, Array(20).fill(request(link())));
  const refused = downloads.refused();
  assert.equal(refused.length, 16);
  for (const { status, headers, body } of refused) {
    assert.equal(status, 503);
    assert.equal(headers.get("retry-after"), "10");
    assert.match(new TextDecoder().decode(body), /Many downloads at the moment[^]*<\/html>/);
  }
  const russian = await ask(program, link(), { "Accept-Language": "ru" });
  assert.match(new TextDecoder().decode(russian.body), /Сейчас много скачиваний/);

  // Whatever is no download is answered as ever
  const questions: [string, Fields, string, number][] = [
    [link(), {}, "HEAD", 200],
    [link(), { "If-None-Match": etag }, "GET", 304],
    [link(), { Range: "bytes=99999999-" }, "GET", 416],
    [`${link()}?manifest`, {}, "GET", 200],
    ["/", {}, "GET", 200],
    [link().slice(0, -1), {}, "GET", 301],
    [`/archive/${UNKNOWN}/`, {}, "HEAD", 404],
    ["/healthz", {}, "GET", 200],
  ];
  for (const [path, fields, method, status] of questions) {
    assert.equal((await ask(program, path, fields, method)).status, status, `${method} ${path}`);
  }
  const ready = await ask(program, "/readyz");
  assert.deepEqual([ready.status, new TextDecoder().decode(ready.body)], [503, "full\n"]);

  const answers = await downloads.finish();
  const admitted = answers.filter(({ status }) => status === 200);
  assert.equal(admitted.length, 4);
  for (const { complete, body } of admitted) {
    assert.ok(complete);
    assert.equal(sum(body), sum(whole.body));
  }
  await until(async () => (await ask(program, "/readyz")).status === 200, "there is room again");
  assert.equal((await ask(program, link())).status, 200);
});

Deno.test("--max-per-client: five times as many of five clients get 200, 429 or 503", async () => {
  await using tree = await album();
  const limits = ["--max-downloads", "8", "--max-per-client", "2", "--trust-proxy", "loopback"];
  await using program = await start(["-f", tree.path, ...limits]);
  const clients = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"];
  const requests = clients.flatMap((client) =>
    Array.from({ length: 10 }, () => request(link(), { "X-Forwarded-For": `6.6.6.6, ${client}` }))
  );
  const downloads = await beginMany(program, requests);
  const answers = await downloads.finish();
  const statuses = answers.map(({ status }) => status);
  const count = (wanted: number) => statuses.filter((status) => status === wanted).length;
  assert.equal(count(200), 8, "two for each IPv4 client, and two for the network of the others");
  assert.equal(count(200) + count(429) + count(503), 50);
  assert.ok(count(429) >= 32);
  const sums = new Set(answers.filter(({ status }) => status === 200).map(({ body }) => sum(body)));
  assert.equal(sums.size, 1);
  for (const { status, headers, complete } of answers) {
    assert.ok(complete);
    if (status !== 200) assert.equal(headers.get("retry-after"), "10");
  }
});

Deno.test("--max-per-client: who is not trusted is one client, whatever it forwards", async () => {
  await using tree = await album();
  await using program = await start(["-f", tree.path, "--max-per-client", "1"]);
  await said(program, /--trust-proxy loopback/);
  using _ = await beginAndStall(program.port, link());
  for (const field of ["X-Forwarded-For", "Forwarded", "X-Real-IP"]) {
    const address = field === "Forwarded" ? "for=192.0.2.7" : "192.0.2.7";
    const { status, body } = await ask(program, link(OTHER), { [field]: address });
    assert.equal(status, 429, field);
    assert.match(new TextDecoder().decode(body), /Too many downloads at once/);
  }
});

testWith(
  ["strace"],
  "what is beyond the limit is refused before anything is looked at",
  async () => {
    // Folders that are there are looked at now and then; one that is not, only for whoever asks for it
    await using tree = await makeTree({ [`${HASH}/1.jpg`]: randomBytes(LONG) });
    await using log = await makeTree();
    const file = log.join("strace.log");
    const prefix = ["strace", "-f", "-qq", "-e", "trace=%file", "-o", file];
    await using program = await start(["-f", tree.path, "--max-downloads", "1"], { prefix });
    const isLookedAt = () => Deno.readTextFileSync(file).includes(UNKNOWN);
    using _ = await beginAndStall(program.port, link());
    for (let i = 0; i < 5; i++) assert.equal((await ask(program, link(UNKNOWN))).status, 503);
    assert.ok(!isLookedAt());
    assert.equal((await ask(program, link(UNKNOWN), {}, "HEAD")).status, 404);
    await until(isLookedAt, "strace sees who looks");
  },
);

testWith(["aria2c"], "parallel ranges of one archive by one client are one download", async () => {
  await using tree = await album(40 << 20);
  await using saved = await makeTree();
  const limits = ["--max-downloads", "1", "--max-per-client", "1", "--log"];
  await using program = await start(["-f", tree.path, ...limits, "-d", "0.01"]);
  const options = ["-x8", "-s8", "-k1M", "--no-conf", "-q", "--max-tries=1", "-d", saved.path];
  await accept("aria2c", [...options, "-o", "album.zip", `${program.url}archive/${HASH}/`]);
  assert.doesNotMatch(program.stderr(), /answered (?:429|503)/);
  assert.ok(program.stderr().split("download started").length > 5, "there were several");
  await until(async () => (await ask(program, "/readyz")).status === 200, "all have ended");
  const { body } = await ask(program, link());
  assert.equal(sum(await Deno.readFile(saved.join("album.zip"))), sum(body));
});

Deno.test("places are given back, whatever ends the download", async () => {
  await using tree = await album();
  await using program = await start(["-f", tree.path, "--max-downloads", "3", "--log"]);
  const { port } = program;
  const cut = async (i: number) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const range: Fields = i % 3 === 0 ? { Range: `bytes=${i}-` } : {};
    await connection.write(new TextEncoder().encode(request(link(), range)));
    // Before there is an answer, at its first bytes, or somewhat later
    for (let read = 0; read < i % 4; read++) await connection.read(new Uint8Array(10 << read * 6));
    connection.close();
  };
  for (let i = 0; i < 300; i += 6) {
    await Promise.all(Array.from({ length: 6 }, (_, j) => cut(i + j)));
    if (i % 60 === 0) await ask(program, link(), {}, "HEAD");
  }
  await until(async () => (await ask(program, "/readyz")).status === 200, "some are free");
  // One fails: its file is another one by now
  {
    using connection = await beginAndStall(port, link(OTHER));
    await Deno.writeFile(tree.join(OTHER, "1.jpg"), randomBytes(LONG, 3));
    const rest = await new Response(connection.readable).bytes().catch(() => null);
    assert.ok((rest?.length ?? 0) < LONG);
  }
  await until(() => program.stderr().includes("download failed"), "it failed");
  using stalled = new DisposableStack();
  const logged = (what: RegExp) => [...program.stderr().matchAll(what)].length;
  await until(
    () => logged(/download started/g) === logged(/download (?:failed|cancelled|complete)/g),
    "all have ended",
  );
  for (let i = 0; i < 3; i++) stalled.use(await beginAndStall(port, link()));
  assert.equal((await ask(program, link())).status, 503, "three, and no more");
});

testWith(
  ["prlimit"],
  "--max-downloads is lowered to what ulimit -n allows, with a warning",
  async () => {
    await using tree = await album();
    const prefix = ["prlimit", "--nofile=128"];
    await using program = await start(["-f", tree.path], { prefix });
    const [, most] = /at most (\d+) downloads at a time instead of 256/.exec(program.stderr()) ??
      [];
    assert.ok(Number(most) > 10 && Number(most) < 120, program.stderr());
    const requests = Array(Number(most) + 5).fill(request(link()));
    const answers = await (await beginMany(program, requests)).finish();
    const whole = answers.filter(({ status, complete }) => status === 200 && complete);
    assert.equal(whole.length, Number(most));
    assert.equal(answers.filter(({ status }) => status === 503).length, 5);
  },
);

testWith(
  ["prlimit"],
  "--max-downloads stays as it is where there are descriptors enough",
  async () => {
    await using tree = await makeTree({ [`${HASH}/1.jpg`]: "1" });
    const prefix = ["prlimit", "--nofile=1024"];
    await using program = await start(["-f", tree.path], { prefix });
    assert.equal(program.stderr(), "");
  },
);

testWith(["zip"], "--engine zip: beyond its limit no program is started", async () => {
  if (Deno.build.os === "windows") return;
  await using tree = await album();
  await using program = await start(["-f", tree.path, "--engine", "zip", "--max-downloads", "1"]);
  using _ = await beginAndStall(program.port, link());
  assert.equal((await ask(program, link(OTHER))).status, 503);
});
