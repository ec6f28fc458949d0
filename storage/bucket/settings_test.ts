import assert from "node:assert/strict";
import type { BucketSettings } from "../../lib/bucket.ts";
import { makeTree } from "../../testing/tree.ts";
import { bucketUrls, completeSettings, folderName } from "./settings.ts";

const SETTINGS: BucketSettings = {
  bucket: "photos",
  prefix: "site/",
  endpoints: [],
  anonymous: false,
  retries: 4,
  times: "metadata",
};

async function complete(given: Partial<BucketSettings>, config = "", env = {}) {
  await using tree = await makeTree({ ".aws/config": config });
  const all: Record<string, string> = { HOME: tree.path, USERPROFILE: tree.path, ...env };
  return await completeSettings({ ...SETTINGS, ...given }, (name) => all[name]);
}

/** Where requests go, and the region that they are signed for */
async function placeOf(given: Partial<BucketSettings>, config?: string, env?: object) {
  const access = await complete(given, config, env);
  return [...bucketUrls(access).map(String), access.region];
}

Deno.test("completeSettings(): on AWS the bucket is in the host, elsewhere in the path", async () => {
  const region = "eu-central-1";
  assert.deepEqual(await placeOf({ region }), [
    "https://photos.s3.eu-central-1.amazonaws.com/",
    region,
  ]);
  assert.deepEqual(await placeOf({ region: "cn-north-1" }), [
    "https://photos.s3.cn-north-1.amazonaws.com.cn/",
    "cn-north-1",
  ]);
  assert.deepEqual(await placeOf({ region, bucket: "photos.example.org" }), [
    "https://s3.eu-central-1.amazonaws.com/photos.example.org",
    region,
  ], "no certificate is for two labels");
  const endpoints = [new URL("http://[::1]:7070"), new URL("https://store.example/base/")];
  assert.deepEqual(await placeOf({ endpoints }), [
    "http://[::1]:7070/photos",
    "https://store.example/base/photos",
    "us-east-1",
  ]);
  const given = { endpoints: [endpoints[1]], pathStyle: false, region: "ru-central1" };
  assert.deepEqual(await placeOf(given), ["https://photos.store.example/base", "ru-central1"]);
});

Deno.test("completeSettings(): what options leave open is looked for in the profile", async () => {
  const config = `[default]
region = eu-north-1
[profile store]
region = ru-central1
endpoint_url = https://all.example
s3 =
  addressing_style = virtual
[profile services]
endpoint_url = https://all.example
services = own
[services own]
s3 =
  endpoint_url = https://s3.example
`;
  assert.deepEqual(await placeOf({}, config), [
    "https://photos.s3.eu-north-1.amazonaws.com/",
    "eu-north-1",
  ]);
  assert.deepEqual(await placeOf({}, config, { AWS_PROFILE: "store" }), [
    "https://photos.all.example/",
    "ru-central1",
  ]);
  assert.deepEqual(await placeOf({}, config, { AWS_PROFILE: "services" }), [
    "https://s3.example/photos",
    "us-east-1",
  ]);
  const given = { region: "auto", endpoints: [new URL("http://h")], pathStyle: true };
  assert.deepEqual(await placeOf(given, config, { AWS_PROFILE: "none" }), [
    "http://h/photos",
    "auto",
  ], "the files are not read");
});

Deno.test("completeSettings(): without a region, or with a bad one, it is said what to set", async () => {
  const cases: [string, RegExp][] = [
    ["", /^--folder s3:\/\/: set AWS_REGION to the region of the bucket, or AWS_ENDPOINT_URL_S3 /],
    ["[default]\nregion = a b\n", /^region of profile "default": "a b" is not allowed; use a name/],
    [
      "[default]\nendpoint_url = http://u:hush@h\n",
      /^endpoint_url of profile "default": "http:\/\/…@h" is not allowed; use an http or https/,
    ],
  ];
  for (const [config, message] of cases) {
    await assert.rejects(complete({}, config), { name: "ConfigError", message });
  }
});

Deno.test("folderName() has one spelling", () => {
  assert.equal(folderName(SETTINGS), "s3://photos/site");
  assert.equal(folderName({ ...SETTINGS, prefix: "" }), "s3://photos");
});
