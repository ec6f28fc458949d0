import assert from "node:assert/strict";
import { MemoryObjects } from "../../testing/memory_objects.ts";
import { BucketSource } from "./bucket.ts";

Deno.test("BucketSource.readable() asks for one page, however many there are", async () => {
  const store = new MemoryObjects({ "hash/a.jpg": "a" });
  const pages = ["first", "second"];
  store.list = async function* () {
    await Promise.resolve();
    const page = pages.shift();
    if (page !== "first") throw new Error(`asked for ${page}`);
    yield { objects: [], prefixes: ["hash/"] };
  };
  using source = new BucketSource({ store, bucket: "b", prefix: "" });
  await source.readable();
  assert.deepEqual(pages, ["second"]);
  await assert.rejects(source.readable(), /asked for second/);
  await assert.rejects(source.readable({ signal: AbortSignal.abort(new Error("late")) }), /late/);
});
