import assert from "node:assert/strict";
import { brokenConnection, MAX_RETRY_AFTER_MS, PassingFailure, refusal } from "./failures.ts";

interface Refused {
  readonly status: number;
  readonly code?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly temporary?: boolean;
}

function refuse({ status, code, fields, temporary = false }: Refused) {
  const body = code ? `<Error><Code>${code}</Code><Key>secret</Key></Error>` : "";
  const headers = new Headers(fields);
  const error = refusal("read object", { status, headers, body, temporary, region: "us-east-1" });
  assert.ok(!error.message.includes("secret"));
  return error;
}

/** Code, and what kind of passing failure it is */
function kindOf(refused: Refused) {
  const error = refuse(refused);
  return error instanceof PassingFailure ? `${error.code} ${error.kind}` : error.code;
}

Deno.test("refusal() tells what passes from what does not", () => {
  for (const status of [429, 500, 502, 503, 504]) assert.equal(kindOf({ status }), "EIO busy");
  assert.equal(kindOf({ status: 503, code: "SlowDown" }), "EIO busy");
  assert.equal(kindOf({ status: 412, code: "PreconditionFailed" }), "ESTALE");
  assert.equal(kindOf({ status: 416, code: "InvalidRange" }), "ESTALE");
  assert.equal(kindOf({ status: 404, code: "NoSuchKey" }), "ENOENT");
  assert.equal(kindOf({ status: 404 }), "ENOENT");
  assert.equal(kindOf({ status: 404, code: "NoSuchBucket" }), "ENODEV");
  assert.equal(kindOf({ status: 403, code: "AccessDenied" }), "EACCES");
  assert.equal(kindOf({ status: 403, code: "InvalidObjectState" }), "EACCES");
  assert.equal(kindOf({ status: 401 }), "EACCES");
  assert.equal(kindOf({ status: 400, code: "InvalidArgument" }), "EPROTO");
  assert.equal(kindOf({ status: 405 }), "EPROTO");
  assert.equal(kindOf({ status: 501, code: "NotImplemented" }), "EPROTO");
});

Deno.test("refusal() knows credentials that have ended, also where HeadObject cannot say so", () => {
  assert.equal(kindOf({ status: 400, code: "ExpiredToken" }), "EACCES credentials");
  assert.equal(kindOf({ status: 403, code: "ExpiredToken" }), "EACCES credentials");
  assert.equal(kindOf({ status: 403, temporary: true }), "EACCES credentials");
  assert.equal(kindOf({ status: 400, temporary: true }), "EACCES credentials");
  assert.equal(kindOf({ status: 403 }), "EACCES");
  assert.equal(kindOf({ status: 403, temporary: true, code: "AccessDenied" }), "EACCES");
});

Deno.test("refusal() names the region, the clock and the code", () => {
  const fields = { "x-amz-bucket-region": "eu-west-1" };
  assert.match(refuse({ status: 301, fields }).message, /in region eu-west-1, not us-east-1$/);
  assert.match(refuse({ status: 400, fields }).message, /in region eu-west-1/);
  assert.equal(kindOf({ status: 307 }), "EPROTO");
  const date = new Date(Date.now() - 3_600_000).toUTCString();
  const skewed = { status: 403, code: "RequestTimeTooSkewed" };
  assert.match(refuse({ ...skewed, fields: { date } }).message, /clock.* by 360\d s$/);
  assert.match(refuse(skewed).message, /clock/);
  assert.match(refuse({ status: 403, fields: { date } }).message, /clock/);
  const now = { date: new Date().toUTCString() };
  assert.doesNotMatch(refuse({ status: 403, fields: now }).message, /clock/);
  assert.equal(
    refuse({ status: 403, code: "AccessDenied" }).message,
    "read object: status 403 AccessDenied",
  );
  assert.equal(refuse({ status: 403, code: "a secret b" }).message, "read object: status 403");
});

Deno.test("refusal() waits as long as Retry-After says, within a bound", () => {
  const waitOf = (field: string) => {
    const error = refuse({ status: 503, fields: { "retry-after": field } });
    return error instanceof PassingFailure ? error.retryAfter : null;
  };
  assert.equal(waitOf("3"), 3000);
  assert.equal(waitOf("86400"), MAX_RETRY_AFTER_MS);
  assert.equal(waitOf("soon"), 0);
  assert.equal(waitOf("-1"), 0);
  assert.equal(waitOf("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
  assert.equal(waitOf("Fri, 01 Jan 2100 00:00:00 GMT"), MAX_RETRY_AFTER_MS);
});

Deno.test("brokenConnection() says what broke, and not where", () => {
  const text = "error sending request for url (http://s/secret): client error: Connection refused";
  const failure = brokenConnection("read object", new TypeError(text));
  assert.deepEqual([failure.message, failure.code, failure.kind], [
    "read object: connection refused",
    ...["EIO", "connection"],
  ]);
  assert.equal(
    brokenConnection("read object", "secret").message,
    "read object: the connection broke",
  );
});
