import assert from "node:assert/strict";
import { stateResponse } from "./state_response.ts";

Deno.test("stateResponse() has what names the state, nothing that describes a content", () => {
  const fields = new Headers({
    "cache-control": "private, no-cache",
    "content-disposition": "attachment",
    "content-length": "2",
    "content-type": "application/zip",
    "etag": '"abc"',
    "repr-digest": "sha-256=:AA==:",
  });
  const before = Object.fromEntries(fields);
  for (const status of [304, 412, 416] as const) {
    const response = stateResponse(status, fields);
    assert.deepEqual([response.status, response.body], [status, null]);
    assert.deepEqual(Object.fromEntries(response.headers), {
      "cache-control": "private, no-cache",
      "etag": '"abc"',
    });
  }
  assert.deepEqual(Object.fromEntries(fields), before);
});
