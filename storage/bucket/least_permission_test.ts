import assert from "node:assert/strict";
import { hash } from "node:crypto";
import {
  type LocalObjectStore,
  startObjectStore,
  type StoreRequest,
  testWithStore,
} from "../../testing/object_store.ts";
import { runToEnd, start } from "../../testing/process.ts";
import { DEFAULT_MTIME, makeTree } from "../../testing/tree.ts";

const HASH = "0f6a3c92b7d14e58a9c07e21fb35d846";
const READER = { accessKeyId: "reader", secretAccessKey: "secret-of-the-reader" };
const PHOTO = new Uint8Array(5 << 20).fill(7);

/** The policy in docs/bucket.md, for one user of this store */
async function documentedPolicy(principal: string) {
  const page = await Deno.readTextFile(new URL("../../docs/bucket.md", import.meta.url));
  const block = /```json\n(\{\n {2}"Version"[^]*?)```/.exec(page)?.[1];
  assert.ok(block, "a policy in docs/bucket.md");
  const policy = JSON.parse(block.replaceAll("my-photos", "photos"));
  for (const statement of policy.Statement) statement.Principal = { AWS: [principal] };
  return policy;
}

async function makeStore(): Promise<LocalObjectStore> {
  const store = await startObjectStore();
  await store.createUser(READER, "user");
  await store.createBucket("photos");
  await store.put("photos", `site/${HASH}/a.jpg`, "small", { checksum: true });
  await store.put("photos", `site/${HASH}/more/b.jpg`, PHOTO);
  await store.putParts("photos", `site/${HASH}/c.jpg`, [PHOTO, PHOTO], { checksum: "COMPOSITE" });
  // Long ago: what was put just now has a weak entity tag, and no ranges for If-Range
  for (const name of ["a.jpg", "more/b.jpg", "c.jpg"]) {
    store.touch("photos", `site/${HASH}/${name}`, DEFAULT_MTIME);
  }
  await store.put("photos", "other/secret.jpg", "not of this site");
  await store.setPolicy("photos", await documentedPolicy(READER.accessKeyId));
  return store;
}

testWithStore("docs/bucket.md: its policy is enough to check, warm, verify and serve", async () => {
  await using store = await makeStore();
  const dotenv = `AWS_ACCESS_KEY_ID=reader\nAWS_SECRET_ACCESS_KEY='${READER.secretAccessKey}'\n`;
  await using tree = await makeTree({ ".env": dotenv });
  const env = {
    PHOTOS_DIR: "s3://photos/site",
    AWS_ENDPOINT_URL: store.endpoint.href,
    AWS_REGION: store.region,
  };
  const options = { env, cwd: tree.path, task: "start:checksums" } as const;
  const told = async (...args: string[]) => {
    const { code, stdout, stderr } = await runToEnd(args, options);
    assert.equal(code, 0, stderr);
    assert.ok(!`${stdout}${stderr}`.includes(READER.secretAccessKey));
    return stdout;
  };
  const { bucket } = JSON.parse(await told("--check-config"));
  assert.deepEqual(bucket, {
    ...{ bucket: "photos", prefix: "site/", region: store.region, pathStyle: true },
    ...{ endpoints: [store.endpoint.href], anonymous: false, retries: 4, times: "metadata" },
  });
  const checksums = ["--checksums", tree.join("index.sqlite")];
  await told("warm", ...checksums);
  assert.match(await told("verify", ...checksums), /^3 good, 0 changed, 0 failed, 0 unknown$/m);

  await using program = await start(checksums, options);
  assert.equal(await (await fetch(`${program.url}readyz`)).text(), "ready\n");
  const link = `${program.url}archive/${HASH}/`;
  const whole = await fetch(link);
  const bytes = await whole.bytes();
  assert.equal(bytes.length, Number(whole.headers.get("content-length")));
  const from = bytes.length - 6_000_000;
  const headers = { range: `bytes=${from}-`, "if-range": whole.headers.get("etag")! };
  const rest = await fetch(link, { headers });
  assert.equal(rest.status, 206);
  const digest = (part: Uint8Array) => hash("sha256", part);
  assert.equal(digest(await rest.bytes()), digest(bytes.subarray(from)));
  const page = await (await fetch(program.url)).text();
  assert.ok(page.includes(HASH.slice(0, 8)), "the list of archives");
  assert.equal(program.stderr(), "");
});

testWithStore("docs/bucket.md: its policy allows nothing else", async () => {
  await using store = await makeStore();
  const path = `photos/site/${HASH}/a.jpg`;
  const refused: StoreRequest[] = [
    { method: "PUT", path, body: "x" },
    { method: "DELETE", path },
    { method: "GET", path, query: { attributes: "" } },
    { method: "GET", path, query: { tagging: "" } },
    { method: "GET", path: "photos/other/secret.jpg" },
    { method: "GET", path: "photos", query: { policy: "" } },
    { method: "GET", path: "photos", query: { "list-type": "2", prefix: "other/" } },
    { method: "GET", path: "photos", query: { "list-type": "2" } },
  ];
  for (const request of refused) {
    const answer = await store.request({ ...request, credentials: READER });
    const text = await answer.text();
    assert.equal(answer.status, 403, `${JSON.stringify(request)}: ${text}`);
  }
  const asked = { path: "photos", query: { "list-type": "2", prefix: "site/", delimiter: "/" } };
  const answer = await store.request({ ...asked, credentials: READER });
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), new RegExp(`<Prefix>site/${HASH}/</Prefix>`));
});
