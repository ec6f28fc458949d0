import assert from "node:assert/strict";
import { isLocalRequest } from "./local_request.ts";

function request(headers: Record<string, string>): Request {
  return new Request("http://x/", { headers: { host: "localhost:8080", ...headers } });
}

Deno.test("isLocalRequest(): from this machine, to this machine, and through nothing", () => {
  for (const peer of ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]) {
    assert.ok(isLocalRequest(request({}), peer), peer);
  }
  for (
    const peer of ["", "10.0.0.1", "203.0.113.9", "::", "2001:db8::1", "127.0.0.1.example.org"]
  ) {
    assert.ok(!isLocalRequest(request({}), peer), peer);
  }
  for (const host of ["127.0.0.1:80", "[::1]:8080", "LOCALHOST"]) {
    assert.ok(isLocalRequest(request({ host }), "::1"), host);
  }
  assert.ok(!isLocalRequest(request({ host: "photos.example.org" }), "127.0.0.1"));
});

Deno.test("isLocalRequest(): any header of a proxy tells that it came from elsewhere", () => {
  const names = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"];
  for (const name of [...names, "X-Real-IP", "Via"]) {
    for (const value of ["", "127.0.0.1", "unknown"]) {
      assert.ok(!isLocalRequest(request({ [name]: value }), "127.0.0.1"), `${name}: ${value}`);
    }
  }
});
