import assert from "node:assert/strict";
import {
  planZip,
  type PlanZipOptions,
  type ZipEntry,
  zipResponse,
  type ZipResponseOptions,
} from "./mod.ts";

const MODIFIED = new Date("2024-05-06T07:08:09Z");
const CONTENT = new TextEncoder().encode("not really a photo");

async function plan(options: PlanZipOptions = {}, entry: Partial<ZipEntry> = {}) {
  const photo = {
    name: "photo.jpg",
    size: CONTENT.length,
    modified: MODIFIED,
    version: "1",
    open: ({ start, end }: { start: number; end: number }) =>
      new Blob([CONTENT.subarray(start, end)]).stream(),
    ...entry,
  };
  return await planZip([photo], options);
}

function request(headers: Record<string, string> = {}, method = "GET") {
  return new Request("http://localhost/photos.zip", { method, headers });
}

Deno.test("zipResponse(): all of it, with its length, tag and name", async () => {
  const zip = await plan();
  const response = zipResponse(request(), zip, { filename: "Ёлка.zip" });
  assert.equal(response.status, 200);
  assert.deepEqual(Object.fromEntries(response.headers), {
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache, no-transform",
    "content-disposition":
      "attachment; filename=\"archive.zip\"; filename*=UTF-8''%D0%81%D0%BB%D0%BA%D0%B0.zip",
    "content-length": String(zip.size),
    "content-type": "application/zip",
    "etag": zip.etag,
    "x-accel-buffering": "no",
  });
  assert.equal((await response.bytes()).length, zip.size);
});

Deno.test("zipResponse(): HEAD tells the same, and opens nothing", async () => {
  const zip = await plan({}, { open: () => assert.fail("it was opened") });
  const head = zipResponse(request({ range: "bytes=0-9" }, "HEAD"), zip);
  const get = zipResponse(request(), zip);
  assert.equal(head.status, 200);
  assert.equal(head.body, null);
  assert.deepEqual(Object.fromEntries(head.headers), Object.fromEntries(get.headers));
  await get.body!.cancel();
});

Deno.test("zipResponse(): a range, if it is of this very archive", async () => {
  const zip = await plan();
  const whole = await zipResponse(request(), zip).bytes();
  const part = zipResponse(request({ "range": "bytes=10-19", "if-range": zip.etag }), zip);
  assert.equal(part.status, 206);
  assert.equal(part.headers.get("content-range"), `bytes 10-19/${zip.size}`);
  assert.equal(part.headers.get("content-length"), "10");
  assert.equal(part.headers.get("etag"), zip.etag);
  assert.deepEqual(await part.bytes(), whole.subarray(10, 20));

  const other = zipResponse(request({ "range": "bytes=10-19", "if-range": '"1-0"' }), zip);
  assert.deepEqual([other.status, await other.bytes()], [200, whole]);

  const unversioned = await plan({}, { version: undefined });
  const weak = { "range": "bytes=10-19", "if-range": unversioned.etag };
  const again = zipResponse(request(weak), unversioned);
  assert.deepEqual([again.status, await again.bytes()], [200, whole], "a weak tag is no promise");
});

Deno.test("zipResponse(): states without content", async () => {
  const zip = await plan({}, { open: () => assert.fail("it was opened") });
  const { etag, size } = zip;
  const cases: [Record<string, string>, number, string | null][] = [
    [{ "if-none-match": etag }, 304, null],
    [{ "if-match": '"1-0"' }, 412, null],
    [{ range: `bytes=${size}-` }, 416, `bytes */${size}`],
  ];
  for (const [headers, status, contentRange] of cases) {
    const response = zipResponse(request(headers), zip);
    assert.deepEqual([response.status, response.body], [status, null]);
    assert.equal(response.headers.get("content-range"), contentRange);
    assert.equal(response.headers.get("etag"), etag);
    for (const name of ["content-type", "content-length", "content-disposition"]) {
      assert.equal(response.headers.has(name), false, name);
    }
  }
});

Deno.test("zipResponse(): a date, where there is one that tells of every change", async () => {
  const zip = await plan({ lastModified: new Date("2024-05-06T07:08:09.900Z") });
  const date = "Mon, 06 May 2024 07:08:09 GMT";
  const whole = zipResponse(request({}, "HEAD"), zip);
  assert.equal(whole.headers.get("last-modified"), date);
  assert.equal(zipResponse(request({ "if-modified-since": date }), zip).status, 304);
  const range = { "range": "bytes=0-0", "if-range": date };
  const part = zipResponse(request(range), zip);
  assert.equal(part.status, 206);
  await part.body!.cancel();
});

Deno.test("zipResponse(): header fields of the caller's own come on top, or instead", async () => {
  const headers = { "cache-control": "public", "x-own": "1", "content-length": "1" };
  const options: ZipResponseOptions = { headers };
  const zip = await plan();
  const response = zipResponse(request({}, "HEAD"), zip, options);
  assert.equal(response.headers.get("cache-control"), "public");
  assert.equal(response.headers.get("x-own"), "1");
  assert.equal(response.headers.get("content-length"), String(zip.size), "but not a wrong length");
});

Deno.test("zipResponse(): no other method than GET and HEAD", async () => {
  const response = zipResponse(request({}, "POST"), await plan());
  assert.deepEqual([response.status, response.headers.get("allow")], [405, "GET, HEAD"]);
});
