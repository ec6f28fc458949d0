import assert from "node:assert/strict";
import { type Program, start, until } from "./process.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const PHOTO = randomBytes(2_000_000);

/** Writes a photo as an FTP server does: a piece at a time, under its own name */
async function upload(path: string, pauses: { readonly pieces: number; readonly pause: number }) {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const piece = Math.ceil(PHOTO.length / pauses.pieces);
  for (let at = 0; at < PHOTO.length; at += piece) {
    const bytes = PHOTO.subarray(at, at + piece);
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    await new Promise((resolve) => setTimeout(resolve, pauses.pause));
  }
}

function link({ port }: Program, query = "") {
  return `http://127.0.0.1:${port}/archive/${HASH}/${query}`;
}

Deno.test("--settle: a visitor who comes during an upload gets the whole photo, a little later", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/0.jpg`]: PHOTO });
  await using program = await start(["--folder", tree.join("photos")], { settle: null });
  const uploading = upload(tree.join("photos", HASH, "1.jpg"), { pieces: 10, pause: 150 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const answer = await fetch(link(program));
  assert.equal(answer.status, 200);
  assert.ok(answer.headers.get("etag")?.startsWith('"'), "a strong tag");
  assert.ok((await answer.bytes()).length > 2 * PHOTO.length, "both photos are whole");
  await uploading;
  const manifest = await (await fetch(link(program, "?manifest"))).json();
  assert.deepEqual(manifest.files.map(({ size }: { size: number }) => size), [
    PHOTO.length,
    PHOTO.length,
  ]);
});

Deno.test("--settle: a folder that keeps changing is 503 with a page that reloads itself", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/0.jpg`]: "1" });
  await using program = await start(["--folder", tree.join("photos")], { settle: 0.5 });
  const path = tree.join("photos", HASH, "0.jpg");
  const touch = () => Deno.utimeSync(path, new Date(), new Date());
  touch();
  const timer = setInterval(touch, 50);
  try {
    const requests: [string, RequestInit][] = [
      [link(program), {}],
      [link(program), { headers: { "accept-language": "ru" } }],
      [link(program), { method: "HEAD" }],
      [link(program, "?manifest"), {}],
    ];
    const answers = await Promise.all(requests.map(([url, init]) => fetch(url, init)));
    for (const answer of answers) {
      assert.equal(answer.status, 503);
      assert.equal(answer.headers.get("retry-after"), "10");
    }
    const [english, russian, head, manifest] = await Promise.all(answers.map((a) => a.text()));
    assert.match(english, /Photos are still being added/);
    assert.match(english, /<meta http-equiv="refresh" content="10">/);
    assert.match(russian, /Фотографии ещё загружаются/);
    assert.equal(head, "");
    assert.match(manifest, /still being added/);
  } finally {
    clearInterval(timer);
  }
  const answer = await fetch(link(program));
  assert.equal(answer.status, 200, "and then it is there");
  await answer.bytes();
});

Deno.test("--settle: whoever leaves while a folder settles is gone at once", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/0.jpg`]: "1" });
  Deno.utimeSync(tree.join("photos", HASH, "0.jpg"), new Date(), new Date());
  await using program = await start(["--folder", tree.join("photos")], { settle: 60 });
  const connections = () => {
    const [, ...lines] = Deno.readTextFileSync("/proc/net/tcp").trim().split("\n");
    const port = program.port.toString(16).toUpperCase().padStart(4, "0");
    return lines.filter((line) => new RegExp(`^\\s*\\d+: 0100007F:${port} \\S+ 0[18]`).test(line))
      .length;
  };
  const clients = Array.from({ length: 20 }, () => {
    const client = new AbortController();
    const request = fetch(link(program), { signal: client.signal }).catch(() => {});
    return { client, request };
  });
  if (Deno.build.os === "linux") await until(() => connections() === 20, "all wait");
  for (const { client } of clients) client.abort();
  await Promise.all(clients.map(({ request }) => request));
  if (Deno.build.os === "linux") await until(() => connections() === 0, "all are gone", 5000);
  const health = await fetch(`http://127.0.0.1:${program.port}/healthz`);
  assert.equal(await health.text(), "ok\n");
  assert.doesNotMatch(program.stderr(), /request failed/);
});
