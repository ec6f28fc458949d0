import assert from "node:assert/strict";
import { start, until } from "../testing/process.ts";
import { makeTree } from "../testing/tree.ts";

const HASH = "0f6a3c92b7d14e58a9c07e21fb35d846";

/** Tells of each buffer that is given back to the system before it is collected as garbage */
const PROBE = `
const { transfer } = ArrayBuffer.prototype;
ArrayBuffer.prototype.transfer = function (length) {
  if (length === 0) console.error("released " + this.byteLength);
  return transfer.call(this, length);
};
`;

Deno.test("serve frees what was sent at once: memory does not wait for the garbage collector", async () => {
  const size = 3_000_000;
  await using tree = await makeTree({
    [`photos/${HASH}/photo.jpg`]: { size },
    "probe.ts": PROBE,
  });
  const flags = ["--no-prompt", "--allow-all", `--preload=${tree.join("probe.ts")}`];
  await using program = await start(["-f", tree.join("photos")], { flags });
  const response = await fetch(`${program.url}archive/${HASH}/`);
  const { length } = await response.bytes();
  const released = () =>
    [...program.stderr().matchAll(/^released (\d+)$/gm)]
      .reduce((sum, [, bytes]) => sum + Number(bytes), 0);
  await until(() => released() >= length, `${length} bytes are released`);
  assert.ok(length > size);
});
