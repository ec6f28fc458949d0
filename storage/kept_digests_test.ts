import assert from "node:assert/strict";
import type { DigestCall } from "./checksum_index.ts";
import { KeptDigests } from "./kept_digests.ts";

const ARCHIVE = { hash: "7c0e5b1fa2d94836b1f0c97e34d8a65b", version: "1-aa" };
const SHA256 = "0a".repeat(32);

Deno.test("KeptDigests asks once for what it was told, known or not, and by address", async () => {
  const calls: DigestCall[] = [];
  const ask = (call: DigestCall) => {
    calls.push(call);
    return Promise.resolve(null);
  };
  const digests = new KeptDigests({ address: "s3://photos/site/", ask });
  assert.deepEqual(await Promise.all([digests.recall(ARCHIVE), digests.recall(ARCHIVE)]), [
    null,
    null,
  ]);
  const archive = `s3://photos/site/${ARCHIVE.hash}`;
  assert.deepEqual(calls.splice(0), [{ find: { archive, version: "1-aa" } }]);
  await digests.remember({ ...ARCHIVE, sha256: SHA256 });
  assert.deepEqual(calls.splice(0), [{ keep: { archive, version: "1-aa", sha256: SHA256 } }]);
  assert.equal(await digests.recall(ARCHIVE), SHA256);
  assert.deepEqual(calls, []);
  await digests.forget([]);
  assert.deepEqual(calls, []);
  await digests.forget([ARCHIVE.hash]);
  assert.deepEqual(calls.splice(0), [{ forget: [archive] }]);
  assert.equal(await digests.recall(ARCHIVE), null);
  assert.equal(calls.length, 1, "it asks again");
});

Deno.test("KeptDigests asks again after a while: another process may have kept one", async () => {
  let known: string | null = null;
  const ask = () => Promise.resolve(known);
  const digests = new KeptDigests({ address: "/photos/", ask, fresh: 1 });
  assert.equal(await digests.recall(ARCHIVE), null);
  known = SHA256;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(await digests.recall(ARCHIVE), SHA256);
});

Deno.test("KeptDigests: no request fails for a bad file, nor waits for one that hangs", async () => {
  const broken = new KeptDigests({ address: "/", ask: () => Promise.reject(new Error("EINDEX")) });
  assert.equal(await broken.recall(ARCHIVE), null);
  await assert.rejects(broken.remember({ ...ARCHIVE, sha256: SHA256 }), /EINDEX/);
  const late = Promise.withResolvers<string | null>();
  const hung = new KeptDigests({ address: "/", ask: () => late.promise, patience: 1 });
  assert.equal(await hung.recall(ARCHIVE), null);
  late.resolve(SHA256);
  assert.equal(await hung.recall(ARCHIVE), SHA256, "the answer counts when it is there");
});
