import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { StalledConnection } from "./h2.ts";
import { start, until } from "./process.ts";
import { exchange } from "./raw.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "c4a07e58d2619b3f8e7d05b1f6a3928c";
const MANY = "8f3b6d1e0c95a7428d14e6f0b2c7593a";
const LINK = `/archive/${HASH}/`;

/** Requests that one connection may have under way */
const MOST = 8;

/** The program, with an archive too long for any buffer and one with a long manifest */
async function serve() {
  const photos = Object.fromEntries(
    [1, 2, 3].map((i) => [`photos/${HASH}/${i}.jpg`, randomBytes(3_000_000, i)]),
  );
  const many = Array.from({ length: 6000 }, (_, i) => [`photos/${MANY}/${i}.jpg`, ""]);
  const tree = await makeTree({ ...photos, ...Object.fromEntries(many) });
  const program = await start(["--folder", tree.join("photos"), "--log", "--listing", "off"]);
  return {
    ...program,
    logged: (what: string) => program.stderr().split(what).length - 1,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

Deno.test("h2c: a connection has eight requests under way, whatever it asks for", async () => {
  await using site = await serve();
  {
    using stalled = await StalledConnection.open(site.port, { wide: true });
    await stalled.ask(LINK, 100);
    await until(() => site.logged("download started") === MOST, "downloads start");

    // Any of them that ends makes room for another one
    await stalled.reset(1);
    await until(() => site.logged("download cancelled") === 1, "a download ends");
    await stalled.ask(LINK, 2);
    await until(() => site.logged("download started") === MOST + 1, "another one starts");

    using other = await StalledConnection.open(site.port);
    await other.ask(LINK, MOST);
    await until(() => site.logged("download started") === 2 * MOST + 1, "others have their own");
    const { status } = await exchange(site.port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.equal(status, 200);
  }
  await until(() => site.logged("download cancelled") === 2 * MOST + 1, "all of them end");
  assert.equal(site.logged("refused with 429"), 1, "once a minute");
  assert.equal(site.logged("download started"), 2 * MOST + 1, "and no other one began");
});

Deno.test("h2c: who reads gets everything, and a refusal says when to come again", async () => {
  await using site = await serve();
  const session = http2.connect(site.url);
  const { body } = await exchange(site.port, `GET ${LINK} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const whole: Answer = { status: 200, bytes: body.length };
  for (let i = 0; i < 2 * MOST; i++) assert.deepEqual(await get(session, LINK), whole);

  const together = await Promise.all(Array.from({ length: 20 }, () => get(session, LINK)));
  const refused: Answer = { status: 429, bytes: 0, "retry-after": "5" };
  const expected = together.map((_, i) => i < MOST ? whole : refused);
  assert.deepEqual(together.sort((a, b) => a.status - b.status), expected);
  assert.deepEqual(await get(session, LINK), whole, "afterwards");
  session.close();
  await once(session, "close");
});

interface Answer {
  readonly status: number;
  /** Of the body */
  readonly bytes: number;
  readonly "retry-after"?: string;
}

/** One download, to its end */
async function get(session: http2.ClientHttp2Session, path: string): Promise<Answer> {
  const stream = session.request({ ":path": path });
  const answered = once(stream, "response");
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  const [fields] = await answered;
  const again = fields["retry-after"];
  return { status: fields[":status"], bytes, ...(again && { "retry-after": again }) };
}

Deno.test("h2c: HTTP/1.1 has no limit on requests that follow each other", async () => {
  await using site = await serve();
  const kinds = [
    ...["GET /", "GET /healthz", "GET /nowhere", "POST /", `GET /archive/${HASH}`],
    ...[`HEAD ${LINK}`, `GET ${LINK}`, `GET ${LINK}?manifest`, `GET /archive/${MANY}/?manifest`],
  ];
  const fields = ["", "If-None-Match: *\r\n", "Range: bytes=99999999999-\r\n"];
  const requests = kinds.flatMap((kind) =>
    fields.map((field) => `${kind} HTTP/1.1\r\nHost: x\r\n${field}`)
  );
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: site.port });
  const all = [...requests, ...requests].map((request) => `${request}\r\n`).join("");
  const last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const sending = new Blob([all + last]).stream()
    .pipeTo(connection.writable, { preventClose: true });
  const chunks = await Array.fromAsync(connection.readable);
  await sending;
  const text = new TextDecoder("latin1").decode(await new Blob(chunks).bytes());
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
  assert.equal(statuses.length, 2 * requests.length + 1);
  assert.equal(statuses.includes("429"), false);
});

Deno.test({
  name: "h2c: connections that read nothing cost no more than their eight requests each",
  ignore: Deno.build.os !== "linux",
  async fn() {
    for (const path of [LINK, `/archive/${MANY}/?manifest`]) {
      await using site = await serve();
      const rest = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
      const waitForTurn = () => exchange(site.port, `GET ${path} ${rest}`);
      await waitForTurn();
      const before = residentMegabytes(site.pid);
      using open = new DisposableStack();
      const all: StalledConnection[] = [];
      for (let i = 0; i < 20; i++) {
        all.push(open.use(await StalledConnection.open(site.port, { wide: true })));
      }
      // One wave after the other: what was answered from memory must not count as sent
      for (let wave = 0; wave < 10; wave++) {
        for (const stalled of all) await stalled.ask(path, MOST);
        await waitForTurn();
      }
      await untilSteady(() => residentMegabytes(site.pid));
      const more = residentMegabytes(site.pid) - before;
      assert.ok(more < 400, `${path}: ${more} MB more`);
    }
  },
});

function residentMegabytes(pid: number) {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

/** Waits until a figure has not grown by a hundredth for two seconds */
async function untilSteady(figure: () => number) {
  let highest = 0;
  let since = performance.now();
  await until(
    () => {
      const now = figure();
      if (now > highest * 1.01) {
        highest = now;
        since = performance.now();
      }
      return performance.now() - since > 2000;
    },
    "the memory is steady",
    60_000,
  );
}
