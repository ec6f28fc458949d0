import assert from "node:assert/strict";
import { freePort } from "../../testing/free_port.ts";
import {
  type LocalObjectStore,
  startObjectStore,
  testWithStore,
} from "../../testing/object_store.ts";
import { StorageError } from "../errors.ts";
import type { ListPage } from "./client.ts";
import { openBucket } from "./open.ts";
import { assertReadable } from "./readable.ts";
import { type BucketAccess } from "./settings.ts";

type Variables = Record<string, string>;

const KEYS = { AWS_ACCESS_KEY_ID: "root", AWS_SECRET_ACCESS_KEY: "rootsecret" };

const ACCESS: BucketAccess = {
  bucket: "photos",
  prefix: "site/",
  region: "us-east-1",
  endpoints: [new URL("https://store.example:7070")],
  pathStyle: true,
  anonymous: false,
  retries: 0,
  times: "metadata",
};

async function open(
  store: Pick<LocalObjectStore, "endpoint">,
  { patience, ...others }: Partial<BucketAccess> & { readonly patience?: number },
  env: Variables = KEYS,
) {
  const access = { ...ACCESS, endpoints: [store.endpoint], ...others };
  using opened = await openBucket({ access, env: (name) => env[name], patience });
  return await opened.source.archives();
}

testWithStore("openBucket(): what is wrong with a bucket is said at the start", async () => {
  await using store = await startObjectStore();
  await store.createBucket("photos");
  await store.createUser({ accessKeyId: "user", secretAccessKey: "rootsecret" }, "user");
  assert.deepEqual(await open(store, {}), [], "nothing was uploaded yet");
  const cases: [Partial<BucketAccess>, Variables, RegExp][] = [
    [
      { bucket: "elsewhere" },
      {},
      /: look at the name of the bucket .*there is no such bucket: status 404 NoSuchBucket$/,
    ],
    [
      { region: "eu-west-1" },
      {},
      /: set AWS_REGION to the region of the store, which is not eu-west-1: /,
    ],
    [{ anonymous: true }, {}, /: the bucket's policy lets nobody list it without credentials: /],
    [{}, { AWS_SECRET_ACCESS_KEY: "hush" }, /: the secret key is wrong, or something on the way /],
    [{}, { AWS_ACCESS_KEY_ID: "hush" }, /: the store does not know the access key: /],
    [{}, { AWS_ACCESS_KEY_ID: "user" }, /: a policy has to allow s3:ListBucket on photos for /],
  ];
  for (const [others, env, message] of cases) {
    await assert.rejects(open(store, others, { ...KEYS, ...env }), (error) => {
      assert.ok(error instanceof Error && error.name === "ConfigError", String(error));
      assert.match(error.message, message);
      const start = `--folder: s3://${others.bucket ?? "photos"}/site at ${store.endpoint.host} `;
      assert.ok(error.message.startsWith(start), error.message);
      assert.doesNotMatch(error.message, /hush/);
      return true;
    });
  }
});

Deno.test("openBucket(): a store that cannot be reached may be there at the next start", async () => {
  const endpoint = new URL(`http://127.0.0.1:${freePort()}`);
  await assert.rejects(open({ endpoint }, {}), {
    name: "StorageError",
    code: "EIO",
    message:
      /^--folder: s3:\/\/photos\/site at 127.0.0.1:\d+ cannot be listed: look at the address in .*connection refused/,
  });
});

Deno.test("openBucket(): a store that comes meanwhile is waited for, a wrong key is not", async () => {
  const port = freePort();
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  const opening = open({ endpoint }, { patience: 60_000 });
  await new Promise((resolve) => setTimeout(resolve, 500)); // the first try fails
  let status = 200;
  const empty = `<ListBucketResult><Name>photos</Name><Prefix>site/</Prefix><KeyCount>0</KeyCount>
    <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>`;
  const denied = "<Error><Code>AccessDenied</Code></Error>";
  await using _store = Deno.serve(
    { hostname: "127.0.0.1", port, onListen() {} },
    () => new Response(status === 200 ? empty : denied, { status }),
  );
  assert.deepEqual(await opening, []);
  status = 403;
  const refused = open({ endpoint }, { patience: 60_000 });
  await assert.rejects(refused, { name: "ConfigError", message: /AccessDenied$/ });
});

Deno.test("openBucket(): without credentials it asks nothing", async () => {
  const endpoint = new URL(`http://127.0.0.1:${freePort()}`);
  await assert.rejects(open({ endpoint }, {}, {}), {
    name: "ConfigError",
    message: /^--folder s3:\/\/: no credentials; give AWS_ACCESS_KEY_ID and /,
  });
});

Deno.test("assertReadable(): the clock, another region, another address", async () => {
  const cases: [string, string, RegExp, string][] = [
    [
      "EACCES",
      "list objects: status 403 RequestTimeTooSkewed: the clock of this machine differs",
      /cannot be listed: list objects: status 403 RequestTimeTooSkewed: the clock of this machine/,
      "ConfigError",
    ],
    [
      "EPROTO",
      "list objects: status 301 PermanentRedirect",
      /: the bucket is in another region or at another endpoint: list objects: status 301 /,
      "ConfigError",
    ],
    [
      "ENOENT",
      "list objects: there is none",
      /: look at the endpoint, and at --s3-path-style: /,
      "ConfigError",
    ],
    [
      "ECREDENTIALS",
      "credentials of the bucket: …",
      /: credentials of the bucket: …$/,
      "StorageError",
    ],
  ];
  for (const [code, text, message, name] of cases) {
    const store = {
      // deno-lint-ignore require-yield
      async *list(): AsyncGenerator<ListPage> {
        await Promise.reject(new StorageError(code, text));
      },
    };
    await assert.rejects(assertReadable({ access: ACCESS, store }), { name, message });
  }
});
