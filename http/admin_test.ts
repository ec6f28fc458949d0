import assert from "node:assert/strict";
import { hasToken } from "./admin.ts";

const TOKEN = "a:token+with/colon==";

Deno.test("hasToken(): the token as Bearer or as a password, and nothing else", () => {
  const basic = (text: string) => `Basic ${btoa(text)}`;
  const good = [
    `Bearer ${TOKEN}`,
    `bearer  ${TOKEN}`,
    basic(`:${TOKEN}`),
    basic(`admin:${TOKEN}`).replace("Basic", "BASIC"),
  ];
  const bad = [
    null,
    "",
    TOKEN,
    "Bearer",
    "Bearer ",
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(1)}`,
    `Bearer ${TOKEN} ${TOKEN}`,
    `Digest ${TOKEN}`,
    basic(TOKEN),
    basic(`${TOKEN}:`),
    basic(`admin:${TOKEN} `),
    "Basic ",
    "Basic !!!",
  ];
  for (const field of good) assert.equal(hasToken(field, TOKEN), true, field);
  for (const field of bad) assert.equal(hasToken(field, TOKEN), false, String(field));
});
