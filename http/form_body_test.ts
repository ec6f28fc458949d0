import assert from "node:assert/strict";
import { FormBodyError, formLength, readForm, sendsForm } from "./form_body.ts";

const FORM = "application/x-www-form-urlencoded";

function post(body: BodyInit, headers: Readonly<Record<string, string>> = {}) {
  return new Request("http://x/", {
    method: "POST",
    body,
    headers: { "content-type": FORM, ...headers },
  });
}

Deno.test("sendsForm(): POST with the type of a form, and nothing else", () => {
  assert.ok(sendsForm(post("a=b")));
  assert.ok(sendsForm(post("a=b", { "content-type": `${FORM.toUpperCase()}; charset=UTF-8` })));
  for (const type of ["multipart/form-data", "text/plain", `x${FORM}`, "application/json"]) {
    assert.equal(sendsForm(post("a=b", { "content-type": type })), false, type);
  }
  const put = new Request("http://x/", { method: "PUT", headers: { "content-type": FORM } });
  assert.equal(sendsForm(put), false);
});

Deno.test("readForm() reads up to the limit, in pieces as they come", async () => {
  const text = "file=" + "%D0%AF".repeat(100) + "Я";
  const bytes = new TextEncoder().encode(text);
  const pieces = () => ReadableStream.from([...bytes].map((byte) => Uint8Array.of(byte)));
  const options = { maxBytes: bytes.length, timeout: 10_000 };
  assert.equal(await readForm(post(text), options), text);
  assert.equal(await readForm(post(pieces()), options), text);
  assert.equal(await readForm(new Request("http://x/", { method: "POST" }), options), "");
  for (const body of [text, pieces()]) {
    await assert.rejects(
      readForm(post(body), { ...options, maxBytes: bytes.length - 1 }),
      (error) => error instanceof FormBodyError && error.status === 413,
    );
  }
});

Deno.test("readForm() gives up on a form that does not come", async () => {
  let cancelled = false;
  const never = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) });
  await assert.rejects(
    readForm(post(never), { maxBytes: 10, timeout: 5 }),
    (error) => error instanceof FormBodyError && error.status === 408,
  );
  assert.ok(cancelled);
});

Deno.test("formLength(): what the request says, and never more than the limit", () => {
  assert.equal(formLength(post("", { "content-length": "7" }), 10), 7);
  for (const length of ["11", "x", "-1", ""]) {
    assert.equal(formLength(post("", { "content-length": length }), 10), 10, length);
  }
});
