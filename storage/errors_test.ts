import assert from "node:assert/strict";
import { codeOf, isLasting, isPassing, StorageError } from "./errors.ts";

Deno.test("codeOf() tells the system's code, whether the runtime has a name for it or not", () => {
  const windows = Deno.build.os === "windows";
  const cases: [unknown, string][] = [
    [new StorageError("EILSEQ", "bad name"), "EILSEQ"],
    [Object.assign(new Error("gone"), { code: "ENOENT" }), "ENOENT"],
    [new Error("Stale file handle (os error 116)"), windows ? "os error 116" : "ESTALE"],
    [new Error("Unknown error 9999 (os error 9999)"), "os error 9999"],
    [new TypeError("something else"), "TypeError"],
    ["thrown as text", "thrown as text"],
  ];
  if (Deno.build.os === "darwin") cases.splice(2, 1); // it has other numbers
  for (const [error, code] of cases) assert.equal(codeOf(error), code);
});

Deno.test("isPassing() is true for what may be right at the next request", () => {
  for (const code of ["EIO", "ENOTCONN", "ESTALE", "ENOMEM", "EMFILE", "EAGAIN", "EBUSY"]) {
    assert.ok(isPassing(new StorageError(code, "")), code);
  }
  assert.equal(isLasting(new StorageError("EILSEQ", "")), true);
  assert.equal(isLasting(new StorageError("EAGAIN", "")), false);
  assert.equal(isLasting(new RangeError("EILSEQ")), false);
  for (const code of ["EILSEQ", "EBADNAME", "EACCES", "EPERM", "ENAMETOOLONG", "EFBIG", "ELOOP"]) {
    assert.ok(!isPassing(new StorageError(code, "")), code);
  }
  assert.ok(!isPassing(new Error("EIO")));
});
