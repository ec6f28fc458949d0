/**
 * `--webhook` from outside: a real process posts to real receivers, good ones and bad ones.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { signature, type WebhookEvent } from "../observe/webhook.ts";
import { freePort } from "./free_port.ts";
import { type Program, start, until } from "./process.ts";
import { exchange } from "./raw.ts";
import { testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "4d2ac09b7f1e4836b5d80e67f3a1c952";
const PATH = `/archive/${HASH}/`;
const SECRET = "b7Jw3nV8qL5xT1cR";
const RECIPES = fileURLToPath(new URL("../deploy/webhook/", import.meta.url));

/** More than fits into the buffers of a connection */
const PHOTO_BYTES = 24_000_000;

/** Old files: what is new has no strong tag for a moment, and then another version */
function makePhotos(others: Readonly<Record<string, Uint8Array>> = {}) {
  const files = Object.entries({ "a.jpg": randomBytes(PHOTO_BYTES), ...others });
  return makeTree(
    Object.fromEntries(files.map(([name, bytes]) => [`photos/${HASH}/${name}`, bytes])),
  );
}

function serve(tree: Tree, url: string, ...args: string[]): Promise<Program> {
  const env = { ZIPFERRY_WEBHOOK_SECRET: SECRET };
  return start(["--folder", tree.join("photos"), "--webhook", url, ...args], { env });
}

function ask(program: Program, options = {}) {
  return exchange(program.port, `GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n`, options);
}

/** A receiver that answers as it is told, and keeps what it was sent */
function receive(answer: (count: number) => Response | Promise<Response>) {
  const got: WebhookEvent[] = [];
  const tries: { readonly body: string; readonly headers: Headers }[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.text();
    tries.push({ body, headers: request.headers });
    const response = await answer(tries.length);
    if (response.ok) got.push(JSON.parse(body));
    return response;
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/hook`,
    got,
    tries,
    types: () => got.map(({ type }) => type),
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };
}

const noContent = () => new Response(null, { status: 204 });

Deno.test("--webhook: what happens to downloads, signed and in order", async () => {
  await using tree = await makePhotos();
  await using receiver = receive(noContent);
  await using program = await serve(tree, receiver.url);
  await ask(program);
  await until(() => receiver.got.length === 2, "two events");
  await ask(program, { stopAfter: 5_000_000 });
  await until(() => receiver.got.length === 4, "four events");
  const [started, delivered, , failed] = receiver.got;
  assert.deepEqual(receiver.types(), [
    "download.started",
    "download.delivered",
    "download.started",
    "download.failed",
  ]);
  const { etag, size } = started.archive;
  assert.ok(etag && size && size > PHOTO_BYTES);
  for (const { archive } of receiver.got) {
    assert.deepEqual(archive, { hash: HASH, etag, size, whole: true });
  }
  assert.deepEqual(started.request, { start: 0, length: size });
  assert.equal(delivered.deliveries, 1);
  assert.equal(failed.request?.reason, "client");
  assert.ok(failed.request.bytes! >= 5_000_000 && failed.request.bytes! < size);
  assert.equal(new Set(receiver.got.map(({ id }) => id)).size, 4);
  for (const { body, headers } of receiver.tries) {
    const sent = headers.get("zipferry-signature") ?? "";
    const time = Number(/^t=(\d+),/.exec(sent)?.[1]);
    assert.ok(Math.abs(Date.now() / 1000 - time) < 60);
    assert.equal(sent, signature(body, { secret: SECRET, time }));
  }
  const said = program.stdout() + program.stderr();
  for (const secret of [SECRET, HASH, "/hook"]) assert.equal(said.includes(secret), false);
});

Deno.test("--webhook and ?status: a choice of files or a part is not the archive", async () => {
  await using tree = await makePhotos({ "b.jpg": randomBytes(1000) });
  await using receiver = receive(noContent);
  await using program = await serve(tree, receiver.url);
  const get = (query: string) =>
    exchange(program.port, `GET ${PATH}?${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const queries = ["file=b.jpg", "part=2&size=20M", "file=a.jpg&file=b.jpg"];
  for (const [i, query] of queries.entries()) {
    await get(query);
    await until(() => receiver.got.length === 2 * i + 2, `two events of ${query}`);
  }
  assert.deepEqual(receiver.got.map(({ type, archive }) => [type, archive.whole]), [
    ["download.started", false],
    ["download.delivered", false],
    ["download.started", false],
    ["download.delivered", false],
    ["download.started", true],
    ["download.delivered", true],
  ]);
  const { versions } = JSON.parse(new TextDecoder().decode((await get("status")).body));
  assert.deepEqual(versions.map(({ whole }: { whole: boolean }) => whole), [true, false]);
});

Deno.test("--webhook: an error or a redirect is tried again, under the same id", async () => {
  await using tree = await makePhotos();
  let followed = false;
  await using elsewhere = receive(() => {
    followed = true;
    return noContent();
  });
  await using receiver = receive((count) => {
    if (count === 1) return new Response("no", { status: 500 });
    return count === 2 ? Response.redirect(elsewhere.url, 307) : noContent();
  });
  await using program = await serve(tree, receiver.url);
  await ask(program);
  await until(() => receiver.got.length === 2, "two events", 10_000);
  assert.deepEqual(receiver.types(), ["download.started", "download.delivered"]);
  const ids = receiver.tries.map(({ body }) => JSON.parse(body).id);
  assert.deepEqual([ids.length, ids[0], ids[1]], [4, ids[2], ids[2]]);
  assert.equal(followed, false);
});

Deno.test("--webhook: a receiver that is down or silent holds up no download, nor the end", async () => {
  await using tree = await makePhotos();
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 }); // accepts, and says nothing
  await Promise.all([await freePort(), silent.addr.port].map(async (port) => {
    await using program = await serve(tree, `http://127.0.0.1:${port}/hook`);
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(program)));
    assert.ok(answers.every(({ complete }) => complete));
    program.kill("SIGTERM");
    const { code } = await program.status;
    if (Deno.build.os === "windows") return; // it was ended at once
    assert.equal(code, 0);
    assert.match(program.stderr(), /events for --webhook are lost: .*the service ends/);
    assert.match(program.stderr(), /"count":16/);
  }));
});

Deno.test({
  name: "--webhook: what is known at the end still goes out",
  ignore: Deno.build.os === "windows", // no signal that lets a process end by itself
  async fn() {
    await using tree = await makePhotos();
    await using receiver = receive(noContent);
    await using program = await serve(tree, receiver.url);
    await ask(program);
    program.kill("SIGTERM");
    assert.equal((await program.status).code, 0);
    assert.deepEqual(receiver.types(), ["download.started", "download.delivered"]);
  },
});

/** A recipe that runs as a server until the result is disposed of */
async function runRecipe(command: string, args: readonly string[], tree: Tree, port: number) {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: tree.path,
    env: { ZIPFERRY_WEBHOOK_SECRET: SECRET },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = new Response(child.stdout).text();
  const isUp = () =>
    Deno.connect({ hostname: "127.0.0.1", port }).then((connection) => {
      connection.close();
      return true;
    }, () => false);
  await until(isUp, `${command} listens`, 10_000);
  return {
    async end() {
      child.kill("SIGTERM");
      await child.status;
      return await output;
    },
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch { /* it has ended */ }
      await child.status;
      await output;
    },
  };
}

/** Sends it what nobody signed, or signed long ago or otherwise: 403 each time */
async function assertRefusals(url: string) {
  const body = JSON.stringify({ id: "x", type: "download.delivered", time: "", archive: {} });
  const now = Math.floor(Date.now() / 1000);
  const good = signature(body, { secret: SECRET });
  const headers: Record<string, string>[] = [
    {},
    { "zipferry-signature": signature(body, { secret: "another secret" }) },
    { "zipferry-signature": signature(body, { secret: SECRET, time: now - 3600 }) },
    { "zipferry-signature": signature(`${body} `, { secret: SECRET }) },
    { "zipferry-signature": good.replace(/t=\d+/, `t=${now - 1}`) },
    { "zipferry-signature": `${good},v1=0` },
  ];
  for (const fields of headers) {
    const response = await fetch(url, { method: "POST", body, headers: fields });
    await response.body?.cancel();
    assert.equal(response.status, 403, JSON.stringify(fields));
  }
}

testWith(["php"], "deploy/webhook/webhook.php takes real events, and no forged ones", async () => {
  await using tree = await makePhotos();
  const port = await freePort();
  const args = ["-S", `127.0.0.1:${port}`, `${RECIPES}webhook.php`];
  await using _php = await runRecipe("php", args, tree, port);
  const url = `http://127.0.0.1:${port}/webhook.php`;
  await assertRefusals(url);
  await using program = await serve(tree, url);
  await ask(program);
  const read = () => Deno.readTextFile(tree.join("deliveries.log")).catch(() => "");
  await until(async () => (await read()).endsWith("\n"), "the recipe notes the delivery");
  assert.match(await read(), new RegExp(`^\\S+Z [0-9a-f-]{36} ${HASH} delivered\\n$`));
});

testWith(
  ["python3"],
  "deploy/webhook/webhook.py takes real events, and no forged ones",
  async () => {
    await using tree = await makePhotos();
    const port = await freePort();
    await using python = await runRecipe(
      "python3",
      [`${RECIPES}webhook.py`, `${port}`],
      tree,
      port,
    );
    const url = `http://127.0.0.1:${port}/`;
    await assertRefusals(url);
    await using program = await serve(tree, url);
    await ask(program);
    program.kill("SIGTERM");
    await program.status; // by now every event is out
    const said = await python.end();
    assert.match(said, new RegExp(`^\\S+Z [0-9a-f-]{36} ${HASH} delivered\\n$`));
  },
);
