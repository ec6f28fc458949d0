import assert from "node:assert/strict";
import { freePort } from "../testing/free_port.ts";
import type { Download } from "./observer.ts";
import { type LostEvents, signature, Webhook, type WebhookEvent } from "./webhook.ts";

const DOWNLOAD: Download = { hash: "h", etag: '"1-a"', size: 100, start: 0, length: 100 };
const SECRET = "0123456789abcdef";

/** A receiver, and what it was sent */
function receive(answer: (tries: number) => Response | Promise<Response>) {
  const got: WebhookEvent[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    got.push(await request.json());
    return await answer(got.length);
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  return { url, got, [Symbol.asyncDispose]: () => server.shutdown() };
}

const ok = () => new Response(null, { status: 204 });

Deno.test("signature() is the HMAC-SHA-256 over time, dot and body", () => {
  // printf '1700000000.{"a":"é"}' | openssl dgst -sha256 -hmac 0123456789abcdef
  assert.equal(
    signature('{"a":"é"}', { secret: SECRET, time: 1_700_000_000 }),
    "t=1700000000,v1=bb89790fe3947d40e57e5bb306aed4afd1ba868fa386f98dc4469e14f50ebb97",
  );
});

Deno.test("Webhook: the queue has a bound, what began is dropped first, and it is told of", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await using receiver = receive((tries) => tries === 1 ? promise : ok());
  const lost: LostEvents[] = [];
  const options = { url: receiver.url, secret: SECRET, maxEvents: 4 };
  const webhook = new Webhook({ ...options, onLost: (what) => lost.push(what) });
  const delivery = {
    ...{ hash: "h", etag: '"1-a"', size: 100, requests: 1, bytes: 100, covered: 0 },
    ...{ firstRequest: 1, lastRequest: 1, firstDelivery: 1, lastDelivery: 1 },
  };
  webhook.started(DOWNLOAD);
  for (let i = 1; i <= 5; i++) {
    webhook.started(DOWNLOAD);
    webhook.delivered({ ...delivery, deliveries: i });
  }
  assert.equal(webhook.waiting, 4);
  resolve(ok());
  await webhook.close(10_000);
  assert.deepEqual(receiver.got.map(({ type, deliveries }) => deliveries ?? type), [
    "download.started",
    3,
    4,
    5,
  ]);
  assert.deepEqual(lost, [{ count: 1, why: "too many wait" }, {
    count: 7,
    why: "the receiver is back",
  }]);
});

Deno.test("Webhook gives an event up after some tries, and goes on with the next", async () => {
  await using receiver = receive((tries) => tries <= 3 ? new Response("", { status: 503 }) : ok());
  const lost: LostEvents[] = [];
  const options = { url: receiver.url, secret: SECRET, tries: 3, firstWait: 1 };
  const webhook = new Webhook({ ...options, onLost: (what) => lost.push(what) });
  webhook.started(DOWNLOAD);
  webhook.ended(DOWNLOAD, { kind: "complete", bytes: 100, seconds: 1 });
  webhook.ended(DOWNLOAD, { kind: "failed", bytes: 10, seconds: 1, error: new Error("secret") });
  await webhook.close(10_000);
  const [first, , third, last] = receiver.got;
  assert.deepEqual([receiver.got.length, first.id === third.id], [4, true]);
  assert.deepEqual([last.type, last.request?.reason], ["download.failed", "server"]);
  assert.equal(JSON.stringify(last).includes("secret"), false);
  assert.deepEqual(lost, [{ count: 1, why: "status 503" }]);
});

Deno.test("Webhook tells why no receiver could be reached", async () => {
  const url = `http://127.0.0.1:${freePort()}/`;
  const lost: LostEvents[] = [];
  const options = { url, secret: SECRET, tries: 1, onLost: (what: LostEvents) => lost.push(what) };
  const webhook = new Webhook(options);
  webhook.started(DOWNLOAD);
  await webhook.close(10_000);
  assert.deepEqual(lost, [{ count: 1, why: "connection refused" }]);
});

Deno.test("Webhook: a receiver that does not answer in time has failed", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await using receiver = receive((tries) => tries === 1 ? promise : ok());
  const webhook = new Webhook({ url: receiver.url, secret: SECRET, within: 50, firstWait: 1 });
  webhook.started(DOWNLOAD);
  await webhook.close(10_000);
  resolve(ok());
  assert.deepEqual([receiver.got.length, receiver.got[0].id], [2, receiver.got[1].id]);
});

Deno.test("Webhook.close() waits for its grace only, and tells how many events are lost", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await using receiver = receive(() => promise);
  const lost: LostEvents[] = [];
  const onLost = (what: LostEvents) => lost.push(what);
  const webhook = new Webhook({ url: receiver.url, secret: SECRET, onLost });
  webhook.started(DOWNLOAD);
  webhook.started(DOWNLOAD);
  await webhook.close(20);
  resolve(ok());
  assert.deepEqual(lost, [{ count: 2, why: "the service ends" }]);
});
