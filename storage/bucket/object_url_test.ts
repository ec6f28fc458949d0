import assert from "node:assert/strict";
import fc from "fast-check";
import { ODD_KEYS } from "../../testing/odd_keys.ts";
import { scriptStore } from "../../testing/scripted_store.ts";
import { StorageError } from "../errors.ts";
import { bucketUrl, encodeKey, objectUrl } from "./object_url.ts";

const ENDPOINT = new URL("http://s3.example:9000");

Deno.test("objectUrl() is a URL that the parser leaves as it is", () => {
  const key = fc.oneof(
    fc.constantFrom(...ODD_KEYS),
    fc.array(fc.constantFrom("..", ".", "/", "a", "%2e", "%2F", "+", " ", "\\"), { minLength: 1 })
      .map((parts) => parts.join("")),
    fc.string({ unit: "grapheme", minLength: 1 }),
    fc.string({ unit: "binary", minLength: 1 }),
  ).filter((key) => key !== "." && key !== ".." && key.isWellFormed());
  fc.assert(fc.property(key, fc.boolean(), (key, pathStyle) => {
    const url = objectUrl(ENDPOINT, { bucket: "b", pathStyle, key });
    assert.equal(new URL(url).href, url);
    const { pathname } = new URL(url);
    assert.equal(decodeURIComponent(pathname), pathStyle ? `/b/${key}` : `/${key}`);
    assert.doesNotMatch(url, /[^A-Za-z0-9_.~%:/-]/);
  }));
});

Deno.test("objectUrl() arrives at the store as it is", async () => {
  await using store = await scriptStore(() => ({}));
  for (const key of ODD_KEYS) {
    const url = objectUrl(store.url, { bucket: "b", pathStyle: true, key });
    await (await fetch(url)).body?.cancel();
    assert.equal(decodeURIComponent(store.requests.at(-1)!.target), `/b/${key}`);
  }
});

Deno.test("bucketUrl() has the bucket in the path or in the host, and keeps the endpoint's path", () => {
  const [plain, deep] = [new URL("https://s3.example:8443"), new URL("https://s3.example/store/")];
  const path = { bucket: "my.photos", pathStyle: true };
  const host = { bucket: "my.photos", pathStyle: false };
  assert.equal(bucketUrl(plain, path), "https://s3.example:8443/my.photos");
  assert.equal(bucketUrl(plain, host), "https://my.photos.s3.example:8443");
  for (const address of ["http://127.0.0.1:9000", "http://[::1]:9000"]) {
    assert.equal(bucketUrl(new URL(address), host), `${address}/my.photos`);
  }
  assert.equal(bucketUrl(deep, path), "https://s3.example/store/my.photos");
  assert.equal(bucketUrl(deep, host), "https://my.photos.s3.example/store");
  assert.equal(objectUrl(deep, { ...host, key: "/a" }), "https://my.photos.s3.example/store//a");
});

Deno.test("encodeKey() refuses what no URL can name", () => {
  for (const key of ["", ".", "..", "a\ud800"]) {
    assert.throws(
      () => encodeKey(key),
      (error) => error instanceof StorageError && error.code === "EILSEQ",
      key,
    );
  }
});
