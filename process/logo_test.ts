import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ConfigError } from "../lib/config.ts";
import { makeTree } from "../testing/tree.ts";
import { readLogo } from "./logo.ts";

const PNG = Uint8Array.from(Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
));
const svg = (inside: string) => `<svg xmlns="http://www.w3.org/2000/svg">${inside}</svg>`;

Deno.test("readLogo() takes PNG and SVG", async () => {
  const files = {
    "a.png": PNG,
    "b.svg": svg('<defs><path id="p"/></defs><use href="#p" fill="url(#g)"/>'),
    "c.svg": `<?xml version="1.0"?>\n<!-- drawn -->\n${svg("<path d='M0 0'/>")}\n`,
  };
  await using tree = await makeTree(files);
  assert.equal((await readLogo(tree.join("a.png"))).type, "image/png");
  for (const name of ["b.svg", "c.svg"]) {
    assert.equal((await readLogo(tree.join(name))).type, "image/svg+xml");
  }
});

Deno.test("readLogo() refuses what is no picture, or could do harm, and says why", async () => {
  const wide = PNG.slice();
  wide.set([0, 1, 0, 0], 16);
  const cases: [string | Uint8Array<ArrayBuffer>, RegExp][] = [
    ["", /neither PNG nor SVG/],
    ["<html></html>", /neither PNG nor SVG/],
    [Uint8Array.of(0xff, 0xd8, 0xff, 0xe0), /neither PNG nor SVG/],
    [PNG.slice(0, 60), /cut off/],
    [wide, /65536 × 1 pixels/],
    [svg("<script>alert(1)</script>"), /a script/],
    [svg("<g onload='alert(1)'/>"), /an event handler/],
    [svg("<a href='javascript:alert(1)'/>"), /not allowed/],
    [svg("<image href='https://example.com/x.png'/>"), /elsewhere/],
    [svg("<style>@import 'x'</style>"), /elsewhere/],
    [svg("<rect fill='url(https://example.com)'/>"), /elsewhere/],
    [svg("<foreignObject/>"), /foreign/],
    [`<!DOCTYPE svg [<!ENTITY a "b">]>${svg("")}`, /document type/],
    ["<svg></svg>", /namespace/],
    [svg("").slice(0, -3), /cut off/],
    [svg(" ".repeat(300_000)), /longer than 256 KiB/],
  ];
  await using tree = await makeTree(
    Object.fromEntries(cases.map(([content], i) => [`${i}`, content])),
  );
  for (const [i, [, expected]] of cases.entries()) {
    await assert.rejects(
      readLogo(tree.join(`${i}`)),
      (error) =>
        error instanceof ConfigError && error.message.startsWith("--logo: ") &&
        /; use (?:a PNG or SVG file|at most 4096|one without)/.test(error.message) &&
        expected.test(error.message),
      `${i}`,
    );
  }
  await assert.rejects(readLogo(tree.join("none")), /cannot be read \(NotFound\)/);
});
