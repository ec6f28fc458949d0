import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { statSync } from "node:fs";
import { copyToBucket, serveBucket, untilQuiet } from "./bucket_program.ts";
import { startFaultyStore } from "./faulty_store.ts";
import { type LocalObjectStore, type StoreCredentials, testWithStore } from "./object_store.ts";
import { type Program, said, start, until } from "./process.ts";
import { exchange, type ExchangeOptions } from "./raw.ts";
import { assertSameTree, extract, readWithAll } from "./readers.ts";
import { accept, run } from "./tools.ts";
import { DEFAULT_MTIME, randomBytes, type TreeFile } from "./tree.ts";

const HASH = "5d0c7e94b1f84a63a2e6d80f31b97c4e";
const OTHER = "c2a95e10f7d34b8896e1b04d73fa5c28";
const PATH = `/archive/${HASH}/`;

type Files = Readonly<Record<string, string | Uint8Array | TreeFile>>;

/** About 30 MB: photos, small files, an empty one, times that differ */
function album(): Files {
  const photos = Array.from(
    { length: 8 },
    (_, i) => [`IMG_${i}.jpg`, randomBytes(3_100_000 + i, i)],
  );
  const notes = Array.from({ length: 40 }, (_, i) => [`заметки/${i}.txt`, randomBytes(i * 91, i)]);
  return Object.fromEntries([
    ...photos,
    ...notes,
    ["Отпуск 2024/Ёлка на снегу.jpg", {
      content: randomBytes(5_000_000, 50),
      mtime: new Date("2023-11-12T13:14:15.678Z"),
    }],
    ["old.txt", { content: "1", mtime: new Date("1979-01-01T00:00:01Z") }],
    ["empty.txt", ""],
  ]);
}

/** Names that are hard to sign, to list, to open on Windows, or that are left out */
function oddAlbum(): Files {
  const names = [
    "a b.jpg",
    "a+b.jpg",
    "a%20b.jpg",
    "a%b.jpg",
    "100%.jpg",
    "q?x=1&y=#z.jpg",
    "it's (1)!*.jpg",
    'two "quotes".jpg',
    "a:b.jpg",
    "a_b.jpg",
    "<tag>&amp;.jpg",
    "back\\slash.jpg",
    "tab\tline\nend.jpg",
    "trailing. ",
    "CON.jpg",
    "e\u0301.jpg",
    "Ёж.jpg",
    "日本語/写真.jpg",
    "😀.jpg",
    "~tilde;semi,comma@at$dollar=eq.jpg",
    "[brackets]{braces}|^`.jpg",
    "deep/er/and/deep/er/still/x.jpg",
    `${"д".repeat(120)}.jpg`,
    ".hidden.jpg",
    "Thumbs.db",
    "x.part",
  ];
  return Object.fromEntries(names.map((name, i) => [name, `content ${i}`]));
}

function inFolder(files: Files, folder = HASH): Files {
  return Object.fromEntries(
    Object.entries(files).map(([name, file]) => [`photos/${folder}/${name}`, file]),
  );
}

/** One request with these lines in its head */
function ask(
  port: number,
  lines: readonly string[] = [],
  target = PATH,
  method = "GET",
  onBody?: ExchangeOptions["onBody"],
) {
  const head = [`${method} ${target} HTTP/1.1`, "Host: localhost", ...lines];
  return exchange(port, `${head.join("\r\n")}\r\n\r\n`, { within: 60_000, onBody });
}

/** A whole archive */
async function download(port: number, target = PATH): Promise<Uint8Array<ArrayBuffer>> {
  const { status, complete, body } = await ask(port, [], target);
  assert.equal(status, 200);
  assert.ok(complete);
  return body;
}

function sha256(data: Uint8Array): string {
  return hash("sha256", data);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Files of an archive as JSON, without what may differ between a disk and a bucket */
async function manifestOf(port: number) {
  const { body } = await ask(port, [], `${PATH}?manifest`);
  const { archive, ...others } = JSON.parse(new TextDecoder().decode(body));
  return { ...others, length: archive.length };
}

for (const [name, files] of [["photos", album()], ["odd names", oddAlbum()]] as const) {
  for (const checksum of [false, true]) {
    const kept = checksum ? " and their checksums" : "";
    testWithStore(
      `bucket.md: ${name}${kept} in a bucket are the same archive as on a disk`,
      async () => {
        await using both = await copyToBucket(inFolder(files), { checksum });
        const { tree, store } = both;
        await using disk = await start(["--folder", tree.join("photos")]);
        await using bucket = await serveBucket(store);
        const expected = await download(disk.port);
        const archive = await download(bucket.port);
        assert.ok(Buffer.from(archive).equals(expected));
        assert.deepEqual(await manifestOf(bucket.port), await manifestOf(disk.port));
        Deno.writeFileSync(tree.join("a.zip"), archive);
        await readWithAll(tree.join("a.zip"));
        if (name !== "photos") return;
        await extract(tree.join("a.zip"), tree.join("out"));
        await assertSameTree(tree.join("out"), tree.join("photos", HASH));
      },
      ["unzip"],
    );
  }
}

testWithStore(
  "bucket.md: pages, HEAD, ranges and conditions are those of any archive",
  async (t) => {
    await using both = await copyToBucket({
      ...inFolder(album()),
      ...inFolder({ "x.jpg": "1" }, OTHER),
    });
    await using program = await serveBucket(both.store);
    const { port } = program;
    const whole = await ask(port);
    const { body, headers } = whole;
    const etag = headers.get("etag")!;
    assert.ok(whole.complete);
    assert.match(etag, /^"[!#-~]+"$/);

    await t.step("/ lists the archives", async () => {
      const page = new TextDecoder().decode((await ask(port, [], "/")).body);
      for (const name of [HASH, OTHER]) assert.ok(page.includes(`/archive/${name}/`), page);
    });

    await t.step("HEAD says what GET says", async () => {
      const head = await ask(port, [], PATH, "HEAD");
      for (const fields of [headers, head.headers]) fields.delete("date");
      assert.equal(head.status, 200);
      assert.deepEqual([...head.headers], [...headers]);
      assert.equal(headers.get("content-length"), `${body.length}`);
      assert.ok(
        !headers.has("last-modified"),
        "only the ETag tells objects of the same time apart",
      );
    });

    await t.step("any range is those bytes", async () => {
      const starts = new Uint32Array(randomBytes(4 * 60, 9).buffer);
      const lengths = new Uint32Array(randomBytes(4 * 60, 10).buffer);
      for (const [i, word] of starts.entries()) {
        const start = word % body.length;
        const end = Math.min(start + lengths[i] % (i % 2 ? 3000 : 9_000_000), body.length - 1);
        const part = await ask(port, [`Range: bytes=${start}-${end}`, `If-Range: ${etag}`]);
        assert.equal(part.status, 206);
        assert.ok(Buffer.from(part.body).equals(body.subarray(start, end + 1)), `${start}-${end}`);
      }
      const last = await ask(port, ["Range: bytes=-22"]);
      assert.ok(Buffer.from(last.body).equals(body.subarray(-22)));
    });

    await t.step("conditions", async () => {
      const statusOf = async (...lines: string[]) => (await ask(port, lines)).status;
      assert.equal(await statusOf(`If-None-Match: ${etag}`), 304);
      assert.equal(await statusOf('If-Match: "other"'), 412);
      assert.equal(await statusOf(`Range: bytes=${body.length}-`), 416);
    });

    await t.step("what is not there is the same 404", async () => {
      const missing = await ask(port, [], `/archive/${"0".repeat(32)}/`);
      assert.equal(missing.status, 404);
      const part = await ask(port, [], `/archive/${HASH.slice(0, -1)}/`);
      assert.equal(part.status, 404);
      assert.ok(Buffer.from(part.body).equals(missing.body));
    });
  },
);

testWithStore("--folder s3://bucket: with no prefix, and one inside another", async () => {
  await using both = await copyToBucket(inFolder({ "a.jpg": "one" }));
  const { store } = both;
  await store.put("photos", `${OTHER}/b.jpg`, "two");
  await store.put("photos", `site/more/${OTHER}/c.jpg`, "three");
  const namesAt = async (folder: string, archive: string) => {
    await using program = await serveBucket(store, [], { folder });
    const answer = await ask(program.port, [], `/archive/${archive}/?manifest`);
    if (answer.status !== 200) return answer.status;
    const { files } = JSON.parse(new TextDecoder().decode(answer.body));
    return files.map(({ name }: { name: string }) => name).join();
  };
  assert.equal(await namesAt("s3://photos", OTHER), "b.jpg");
  assert.equal(await namesAt("s3://photos/", HASH), 404);
  assert.equal(await namesAt("s3://photos/site", HASH), "a.jpg");
  assert.equal(await namesAt("s3://photos/site/", OTHER), 404);
  assert.equal(await namesAt("s3://photos/site/more", OTHER), "c.jpg");
});

testWithStore(
  "bucket.md: objects of several parts, and uploads that are not finished",
  async () => {
    await using both = await copyToBucket(inFolder({ "a.jpg": "one" }));
    const { store, tree } = both;
    const parts = [randomBytes(5 << 20, 1), randomBytes(5 << 20, 2), randomBytes(777, 3)];
    for (const checksum of ["COMPOSITE", "FULL_OBJECT", undefined] as const) {
      await store.putParts("photos", `site/${HASH}/${checksum}.jpg`, parts, { checksum });
    }
    await store.putParts("photos", `site/${HASH}/half.jpg`, parts, { unfinished: true });
    await using program = await serveBucket(store);
    Deno.writeFileSync(tree.join("a.zip"), await download(program.port));
    await extract(tree.join("a.zip"), tree.join("out"));
    const names = [...Deno.readDirSync(tree.join("out"))].map(({ name }) => name).sort();
    assert.deepEqual(names, ["COMPOSITE.jpg", "FULL_OBJECT.jpg", "a.jpg", "undefined.jpg"]);
    const whole = Buffer.concat(parts);
    for (const name of names.filter((name) => name !== "a.jpg")) {
      assert.ok(whole.equals(Deno.readFileSync(tree.join("out", name))), name);
    }
  },
  ["unzip"],
);

testWithStore("resume.md: another replica goes on where one was killed", async () => {
  await using both = await copyToBucket(inFolder(album()));
  const { store, tree } = both;
  await using second = await serveBucket(store);
  const whole = await download(second.port);
  for (const cut of [1, 2_000_000, whole.length - 3_000_000]) {
    const path = tree.join(`${cut}.zip`);
    await using first = await serveBucket(store, ["--delay", "0.02"]);
    const url = (port: number) => `http://127.0.0.1:${port}${PATH}`;
    const curl = run("curl", ["-sS", "-o", path, url(first.port)]);
    await until(() => sizeOf(path) >= cut, "some has come", 30_000);
    first.kill("SIGKILL");
    assert.notEqual((await curl).code, 0);
    assert.ok(sizeOf(path) < whole.length);
    await accept("curl", ["-sS", "-C", "-", "-o", path, url(second.port)]);
    assert.equal(sha256(Deno.readFileSync(path)), sha256(whole));
  }
}, ["curl"]);

testWithStore("bucket.md: an object that changes breaks the download", async (t) => {
  // More than all sockets on the way hold, and more than is kept of an object that was read
  const [size, later] = [80_000_000, 6_000_000];
  await using both = await copyToBucket(inFolder({
    "a.jpg": randomBytes(size, 1),
    "z.jpg": randomBytes(later, 2),
  }));
  const { store, tree } = both;
  await using counting = await startFaultyStore(store);
  await using program = await serveBucket(counting);
  const { port } = program;
  const key = (name: string) => `site/${HASH}/${name}`;
  const put = (name: string, content: string | Uint8Array<ArrayBuffer>) =>
    store.put("photos", key(name), content, { mtime: DEFAULT_MTIME });
  const changes: [string, string, () => Promise<unknown>][] = [
    ["a later one is another", "z.jpg", () => put("z.jpg", "other")],
    [
      "a later one has other bytes, and the same length and time",
      "z.jpg",
      () => put("z.jpg", randomBytes(later, 3)),
    ],
    ["a later one is gone", "z.jpg", () => store.remove("photos", key("z.jpg"))],
    [
      "the one that is being sent is another",
      "a.jpg",
      () => put("a.jpg", randomBytes(size, 4)),
    ],
    ["the one that is being sent is gone", "a.jpg", () => store.remove("photos", key("a.jpg"))],
  ];
  for (const [name, file, change] of changes) {
    await t.step(name, async () => {
      const before = await ask(port, [], PATH, "HEAD");
      const etag = before.headers.get("etag")!;
      let changed: Promise<unknown> | undefined;
      const stall = async () => {
        await untilQuiet(counting); // a client that reads nothing holds nothing open
        await change();
      };
      const cut = await ask(port, [], PATH, "GET", async () => void await (changed ??= stall()));
      assert.equal(cut.headers.get("etag"), etag);
      assert.equal(cut.complete, false);

      const after = await ask(port, ["Range: bytes=0-0", `If-Range: ${etag}`]);
      assert.equal(after.status, 200, "it is another archive now");
      assert.notEqual(after.headers.get("etag"), etag);
      await put(file, Deno.readFileSync(tree.join("photos", HASH, file)));
      const again = await download(port);
      assert.equal(again.length, Number(before.headers.get("content-length")));
    });
  }
});

/** What docs/bucket.md says that the service needs */
function leastPolicy(user: string) {
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { AWS: [user] },
        Action: "s3:ListBucket",
        Resource: "arn:aws:s3:::photos",
        Condition: { StringLike: { "s3:prefix": "site/*" } },
      },
      {
        Effect: "Allow",
        Principal: { AWS: [user] },
        Action: "s3:GetObject",
        Resource: "arn:aws:s3:::photos/site/*",
      },
    ],
  };
}

testWithStore("bucket.md: listing the prefix and getting its objects is all it needs", async () => {
  await using both = await copyToBucket(inFolder(album()), { checksum: true });
  const { store } = both;
  const credentials = { accessKeyId: "reader", secretAccessKey: "readersecret" };
  await store.createUser(credentials, "user");
  await store.setPolicy("photos", leastPolicy("reader"));
  await using all = await serveBucket(store);
  await using counting = await startFaultyStore(store);
  await using least = await serveBucket(counting, [], { credentials });
  assert.ok(Buffer.from(await download(least.port)).equals(await download(all.port)));
  const page = new TextDecoder().decode((await ask(least.port, [], "/")).body);
  assert.ok(page.includes(HASH));
  assert.equal((await ask(least.port, [], "/readyz")).status, 200);
  assert.equal(counting.counts().other, 0);
  const attributes = {
    path: `photos/site/${HASH}/IMG_0.jpg`,
    query: { attributes: "" },
    credentials,
  };
  const refused = await store.request(attributes);
  await refused.body?.cancel();
  assert.equal(refused.status, 403);
});

/** What a program says that may not do what it should: at its start, or when it is asked */
async function askInVain(store: LocalObjectStore, credentials: StoreCredentials): Promise<string> {
  let program: Program;
  try {
    program = await serveBucket(store, ["--log"], { credentials });
  } catch (error) {
    return String(error);
  }
  await using _ = program;
  const { status, complete } = await ask(program.port);
  assert.ok(status >= 500 || status === 200 && !complete, `${status}`);
  program.kill("SIGTERM");
  await program.status;
  return program.stderr();
}

testWithStore(
  "bucket.md: whoever may not is told so in the log, and nobody gets a part",
  async (t) => {
    await using both = await copyToBucket(inFolder({ "a.jpg": randomBytes(100_000) }));
    const { store } = both;
    const credentials = { accessKeyId: "reader", secretAccessKey: "readersecret" };
    await store.createUser(credentials, "user");
    const [list, get] = leastPolicy("reader").Statement;
    const cases: [string, unknown[]][] = [["listing", [get]], ["getting", [list]], [
      "anything",
      [],
    ]];
    for (const [name, allowed] of cases) {
      await t.step(`${name} is not allowed`, async () => {
        if (allowed.length > 0) {
          await store.setPolicy("photos", { Version: "2012-10-17", Statement: allowed });
        } else {
          await store.request({ method: "DELETE", path: "photos", query: { policy: "" } })
            .then((response) => response.body?.cancel());
        }
        const said = await askInVain(store, credentials);
        assert.match(said, /status 403/);
        for (const secret of [HASH, ...Object.values(credentials)]) {
          assert.ok(!said.includes(secret));
        }
      });
    }
  },
);

testWithStore("bucket.md: requests of a download, and of one that goes on", async () => {
  const count = 30;
  const photos = Array.from(
    { length: count },
    (_, i) => [`${i}.jpg`, randomBytes(400_000 + i, i)] as const,
  );
  await using both = await copyToBucket(inFolder(Object.fromEntries(photos)), { checksum: true });
  await using counting = await startFaultyStore(both.store);
  await using program = await serveBucket(counting);
  await untilQuiet(counting);
  const { list, ...others } = counting.counts();
  assert.ok(list <= 2, `${list} listings to start`);
  assert.deepEqual(others, { head: 0, get: 0, other: 0 }, "to start");
  const counted = async (work: () => Promise<unknown>, port = program.port) => {
    await untilQuiet(counting);
    counting.forget();
    await work();
    assert.equal((await ask(port, [], "/readyz")).status, 200);
    return counting.counts();
  };
  let whole = new Uint8Array();
  const first = await counted(async () => whole = await download(program.port));
  assert.equal(first.list, 2, "one of the archive, and one for /readyz");
  assert.equal(first.head, count);
  assert.ok(first.get <= count, `${first.get} objects read`);

  const end = `Range: bytes=${whole.length - 500_000}-`;
  const resume = async (port: number) => {
    const { body } = await ask(port, [end]);
    assert.ok(Buffer.from(body).equals(whole.subarray(-500_000)));
  };
  const here = await counted(() => resume(program.port));
  assert.deepEqual([here.list, here.head], [2, 0]);
  assert.ok(here.get <= 2, `${here.get} objects read`);

  await using replica = await serveBucket(counting);
  const there = await counted(() => resume(replica.port), replica.port);
  assert.equal(there.head, count);
  assert.ok(there.get <= 2, `${there.get} objects read: the store keeps the checksums of all`);
});

testWithStore("bucket.md: a gateway that is gone is done without", async () => {
  await using both = await copyToBucket(inFolder(album()));
  await using second = await startFaultyStore(both.store);
  const first = await startFaultyStore(both.store);
  await using program = await serveBucket(first, [], { others: [second.endpoint] });
  let closed: PromiseLike<void> | undefined;
  const { complete, body } = await ask(program.port, [], PATH, "GET", async (received) => {
    if (received > 1_000_000) await (closed ??= first[Symbol.asyncDispose]());
  });
  assert.ok(complete && closed);
  assert.ok(second.counts().get > 0);
  assert.ok(Buffer.from(await download(program.port)).equals(body));
});

testWithStore(
  "an object without an ETag closes its own archive only, and is named",
  async () => {
    await using both = await copyToBucket(inFolder({ "1.jpg": randomBytes(1000) }));
    const { store } = both;
    // Not put there by the store: it knows no ETag of it, and says so in every listing
    const folder = `${store.folder}/photos/site/${OTHER}`;
    await Deno.mkdir(folder);
    await Deno.writeFile(`${folder}/dropped.jpg`, randomBytes(1000));
    await using program = await serveBucket(store);
    const other = await fetch(`${program.url}archive/${OTHER}/`);
    assert.equal(other.status, 503);
    await other.body?.cancel();
    await said(program, /the store tells no ETag: dropped\.jpg/);
    assert.equal(program.stderr().includes(OTHER), false);
    const page = await fetch(program.url);
    const html = await page.text();
    assert.ok(page.status === 200 && html.includes(HASH) && html.includes(OTHER), html);
    const archive = await fetch(`${program.url}archive/${HASH}/`);
    assert.equal((await archive.bytes()).length, Number(archive.headers.get("content-length")));
  },
);
