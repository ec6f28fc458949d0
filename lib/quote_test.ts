import assert from "node:assert/strict";
import { quote } from "./quote.ts";

Deno.test("quote(): one line, whatever is in the text", () => {
  assert.equal(quote('a\n"b"\u0007', "linux"), '"a\\n\\"b\\"\\u0007"');
});

Deno.test("quote(): a path of Windows as a person would type it", () => {
  assert.equal(quote("D:\\new photos\\a", "windows"), '"D:\\new photos\\a"');
  assert.equal(quote("\\\\nas\\photos", "windows"), '"\\\\nas\\photos"');
  assert.equal(quote("D:\\photos", "linux"), '"D:\\\\photos"'); // a name with a backslash in it
});
