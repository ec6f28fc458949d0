import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { exchange } from "./raw.ts";
import { UNDER_WINE } from "./tools.ts";
import { randomBytes } from "./tree.ts";

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/** A server that writes one text to whoever connects, and then closes or waits for the client to */
async function withReply(
  reply: string,
  test: (port: number) => Promise<void>,
  after: "close" | "wait" = "close",
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(65536));
    await connection.write(new TextEncoder().encode(reply));
    if (after === "wait") { while (await connection.read(new Uint8Array(1))); }
  })();
  await test(listener.addr.port);
  await serving;
}

Deno.test("exchange() reads what Deno.serve answers", async () => {
  const data = randomBytes(1_000_000);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) =>
      new Response(request.url.endsWith("/chunked") ? new Blob([data]).stream() : data, {
        headers: { "x-test": "yes" },
      }),
  );
  const { port } = server.addr;

  const plain = await exchange(port, GET);
  assert.equal(plain.status, 200);
  assert.equal(plain.statusText, "OK");
  assert.equal(plain.headers.get("x-test"), "yes");
  assert.match(plain.raw, /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*content-length: 1000000(\r\n|$)/);
  assert.deepEqual(plain.body, data);
  assert.ok(plain.complete);

  const chunked = await exchange(port, GET.replace("/", "/chunked"));
  assert.equal(chunked.headers.get("transfer-encoding"), "chunked");
  assert.deepEqual(chunked.body, data);
  assert.ok(chunked.complete);

  const head = await exchange(port, new TextEncoder().encode(GET.replace("GET", "HEAD")));
  assert.equal(head.headers.get("content-length"), "1000000");
  assert.equal(head.body.length, 0);
  assert.ok(head.complete);

  const part = await exchange(port, GET.replace("/", "/chunked"), { stopAfter: 1000 });
  assert.deepEqual(part.body, data.slice(0, 1000));
  assert.ok(!part.complete);

  const refused = await exchange(port, `GET /${"x".repeat(10_000_000)} HTTP/1.1\r\n\r\n`);
  assert.ok([0, 400].includes(refused.status)); // 0 when the reset overtakes the answer
});

Deno.test("exchange() tells whole responses from cut ones", async (t) => {
  const whole = (headers: string, body: string) => `HTTP/1.1 200 OK\r\n${headers}\r\n${body}`;
  const chunked = "Transfer-Encoding: chunked\r\n";
  const cases: [string, string, string, boolean][] = [
    ["length", whole("Content-Length: 3\r\n", "abc"), "abc", true],
    ["length, cut", whole("Content-Length: 4\r\n", "abc"), "abc", false],
    ["chunks", whole(chunked, "2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n"), "abc", true],
    ["chunks with trailers", whole(chunked, "3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n"), "abc", true],
    ["chunks, cut inside", whole(chunked, "4\r\nabc"), "abc", false],
    ["chunks, cut between", whole(chunked, "3\r\nabc\r\n"), "abc", false],
    ["chunks, cut in the last", whole(chunked, "3\r\nabc\r\n0\r\n"), "abc", false],
    ["chunks, broken", whole(chunked, "x\r\nabc\r\n0\r\n\r\n"), "", false],
    ["to the end", whole("", "abc"), "abc", true],
    ["interim first", "HTTP/1.1 103 Early\r\nA: b\r\n\r\n" + whole("", "abc"), "abc", true],
  ];
  for (const [name, reply, body, complete] of cases) {
    await t.step(name, () =>
      withReply(reply, async (port) => {
        const response = await exchange(port, GET);
        assert.equal(response.status, 200);
        assert.equal(new TextDecoder().decode(response.body), body);
        assert.equal(response.complete, complete);
      }));
  }
  await t.step("no response", () =>
    withReply("HTTP/1.1 200 OK\r\nA: b\r\n", async (port) => {
      const response = await exchange(port, GET);
      assert.equal(response.status, 0);
      assert.equal(response.complete, false);
    }));
});

Deno.test("exchange() takes a reset for a cut", {
  ignore: UNDER_WINE,
}, async () => {
  const server = createServer((socket) =>
    socket.once(
      "data",
      () => socket.write("HTTP/1.1 200 OK\r\n\r\nabc", () => socket.resetAndDestroy()),
    )
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { port } = server.address() as AddressInfo;
    assert.equal((await exchange(port, GET)).complete, false);
  } finally {
    server.close();
    await once(server, "close");
  }
});

Deno.test("exchange() gives up on a response without an end", async () => {
  await withReply("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", async (port) => {
    await assert.rejects(exchange(port, GET, { within: 50 }), /^Error: read response: not over/);
  }, "wait");
});
