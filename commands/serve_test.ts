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

Deno.test("serve answers who still waits at --shutdown-timeout with 503, and ends the connection", async () => {
  if (Deno.build.os === "windows") return; // it has no SIGTERM
  await using tree = await makeTree({ [`photos/${HASH}/photo.jpg`]: "1" });
  Deno.utimeSync(tree.join("photos", HASH, "photo.jpg"), new Date(), new Date());
  const args = ["-f", tree.join("photos"), "--shutdown-timeout", "1"];
  await using program = await start(args, { settle: 60 });
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: program.port });
  const request = `GET /archive/${HASH}/ HTTP/1.1\r\nHost: x\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  await (await fetch(`${program.url}healthz`)).bytes(); // whoever came before has been heard
  program.kill("SIGTERM");
  const answer = await new Response(connection.readable).text(); // to the end of the connection
  assert.match(answer, /^HTTP\/1\.1 503 .*\r\n(.+\r\n)*retry-after: 5\r\n/);
  assert.match(answer, /<\/html>\s*$/);
  assert.equal((await program.status).code, 0);
});
