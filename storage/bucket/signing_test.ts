import { AwsV4Signer } from "aws4fetch";
import assert from "node:assert/strict";
import fc from "fast-check";
import { objectUrl } from "./object_url.ts";
import { sign, type SigningKeys } from "./signing.ts";

const ENDPOINT = new URL("http://127.0.0.1:9000");

Deno.test("sign() gives what the library itself would, for any key and with keys that are kept", async () => {
  const keys: SigningKeys = new Map();
  const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((key) => !/^\.\.?$/.test(key));
  await fc.assert(fc.asyncProperty(text, fc.boolean(), async (key, renewed) => {
    const url = `${objectUrl(ENDPOINT, { bucket: "b", pathStyle: true, key })}?prefix=a%20b%2B`;
    const credentials = {
      ...{ accessKeyId: "AKID", secretAccessKey: renewed ? "s2" : "s1" },
      ...(renewed ? { sessionToken: "token" } : {}),
    };
    const common = { method: "HEAD", url, region: "eu-west-1" };
    const headers: [string, string][] = [["x-amz-checksum-mode", "ENABLED"]];
    const signed = await sign({ ...common, credentials, headers }, keys);
    const datetime = signed.get("x-amz-date") ?? "";
    const own = new AwsV4Signer({ ...common, ...credentials, headers, service: "s3", datetime });
    assert.deepEqual([...signed], [...(await own.sign()).headers]);
  }));
  assert.equal(keys.size, 2);
  for (let i = 0; i < 40; i++) {
    const credentials = { accessKeyId: "AKID", secretAccessKey: `${i}` };
    const request = { method: "GET", url: ENDPOINT.href, region: "r", credentials, headers: [] };
    await sign(request, keys);
  }
  assert.ok(keys.size <= 16);
});
