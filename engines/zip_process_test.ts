import assert from "node:assert/strict";
import process from "node:process";
import { DiskSource } from "../storage/disk/disk.ts";
import { until } from "../testing/process.ts";
import { makeTree } from "../testing/tree.ts";
import { EMPTY_ZIP_BYTES, emptyZip } from "../testing/zip_script.ts";
import { EngineUnavailableError } from "./engine.ts";
import { createZipCommandEngine, marksUtf8 } from "./zip_command.ts";

const HASH = "0123456789abcdef";
const windows = Deno.build.os === "windows";

/** An album, and a shell script in the place of zip */
async function setUp(script: string) {
  const tree = await makeTree({
    [`photos/${HASH}/Фото.jpg`]: "1",
    "program": { content: `#!/bin/sh\n${script}\n`, mode: 0o755 },
  });
  const root = tree.join("photos");
  const source = new DiskSource({ root, workers: 1 });
  const listing = await source.list(HASH);
  assert.ok(listing);
  const program = tree.join("program");
  const options = { program, level: 6, followSymlinks: false, root, source };
  return {
    tree,
    listing,
    options,
    async [Symbol.asyncDispose]() {
      source[Symbol.dispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

const isUnavailable = (error: unknown) => {
  assert.ok(error instanceof EngineUnavailableError, String(error));
  assert.ok(!error.message.includes(HASH) && !String(error.cause).includes(HASH), error.message);
  return true;
};

Deno.test("createZipCommandEngine(): an error of starting zip tells no path of the folder: that holds the hash", async () => {
  await using setup = await setUp("exit 0");
  const { tree, listing, options } = setup;
  const missing = { ...options, program: tree.join("missing") };
  for (const settings of [missing, options]) {
    const archive = createZipCommandEngine({ ...settings, system: "linux" }).prepare(listing);
    if (settings === options) await Deno.remove(tree.join("photos", HASH), { recursive: true });
    await assert.rejects(archive.open(), isUnavailable);
    await assert.rejects(marksUtf8(listing, settings), isUnavailable);
  }
});

Deno.test(
  "marksUtf8() waits two seconds for a zip that says nothing",
  { ignore: windows },
  async () => {
    await using setup = await setUp('echo $$ > "${0%/*}/pid"; exec sleep 60');
    const started = performance.now();
    await assert.rejects(marksUtf8(setup.listing, setup.options), isUnavailable);
    const elapsed = performance.now() - started;
    assert.ok(elapsed > 1900 && elapsed < 20_000, `${elapsed} ms`);
    const pid = Number(Deno.readTextFileSync(setup.tree.join("pid")));
    await until(() => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    }, "it is ended");
  },
);

Deno.test(
  "createZipCommandEngine(): a zip that takes its time for the first byte is waited for",
  { ignore: windows },
  async () => {
    await using setup = await setUp(`sleep 1; ${emptyZip(1)}`);
    const archive = createZipCommandEngine(setup.options).prepare(setup.listing);
    const started = performance.now();
    const stream = await archive.open();
    assert.ok(performance.now() - started > 400, "a status can be chosen for a moment");
    assert.equal((await new Response(stream).bytes()).length, EMPTY_ZIP_BYTES);
  },
);

Deno.test(
  "createZipCommandEngine(): an engine that is closed leaves downloads that have ended alone",
  { ignore: windows },
  async () => {
    await using setup = await setUp(emptyZip(1));
    const engine = createZipCommandEngine(setup.options);
    const archive = engine.prepare(setup.listing);
    for (let i = 0; i < 3; i++) await new Response(await archive.open()).bytes();
    const { kill } = Deno.ChildProcess.prototype;
    let kills = 0;
    Deno.ChildProcess.prototype.kill = () => void kills++;
    await engine.close();
    Deno.ChildProcess.prototype.kill = kill;
    assert.equal(kills, 0);
    assert.equal(
      (await new Response(await archive.open()).bytes()).length,
      EMPTY_ZIP_BYTES,
      "and can go on",
    );
  },
);
