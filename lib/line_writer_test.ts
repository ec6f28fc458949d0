import assert from "node:assert/strict";
import { LineWriter } from "./line_writer.ts";

/** A stream that takes a few bytes at a time, once it is open */
function sink(take = Infinity) {
  const gate = Promise.withResolvers<void>();
  let text = "";
  return {
    text: () => text,
    open: gate.resolve,
    async write(bytes: Uint8Array) {
      await gate.promise;
      const taken = bytes.subarray(0, take);
      text += new TextDecoder().decode(taken);
      return taken.length;
    },
  };
}

Deno.test("LineWriter writes all lines in their order, however few bytes are taken at a time", async () => {
  const stream = sink(3);
  const writer = new LineWriter(stream);
  for (let i = 0; i < 100; i++) writer.write(`line ${i}\n`);
  stream.open();
  await writer.flush(10_000);
  assert.equal(stream.text(), Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join(""));
});

Deno.test("LineWriter drops what does not fit, and tells how much when there is room again", async () => {
  const stream = sink();
  const told: number[] = [];
  const writer = new LineWriter(stream, { maxWaiting: 10, onLost: (count) => told.push(count) });
  for (let i = 0; i < 5; i++) writer.write("1234\n");
  await writer.flush(1); // a stream that takes nothing holds nobody up
  assert.deepEqual([stream.text(), told], ["", []]);
  stream.open();
  await writer.flush(10_000);
  assert.deepEqual([stream.text(), told], ["1234\n1234\n", [3]]);
  writer.write("more\n");
  await writer.flush(10_000);
  assert.match(stream.text(), /more\n$/);
});

Deno.test("LineWriter survives a full disk, and a reader that left", async () => {
  const errors = [new Error("no space left"), new Deno.errors.BrokenPipe()];
  const told: number[] = [];
  let tries = 0;
  const write = (bytes: Uint8Array) => {
    const error = ++tries === 2 ? undefined : errors.shift();
    return error ? Promise.reject(error) : Promise.resolve(bytes.length);
  };
  const writer = new LineWriter({ write }, { onLost: (count) => told.push(count) });
  for (let i = 0; i < 5; i++) {
    writer.write("line\n");
    await writer.flush(10_000);
  }
  assert.deepEqual([tries, told], [3, [1]]); // lost, written, closed
});
