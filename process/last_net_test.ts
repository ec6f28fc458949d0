import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { run } from "../testing/tools.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

Deno.test("catchStrayErrors() logs and counts what nobody catches, and the process lives on", async () => {
  const script = `
    import { catchStrayErrors } from ${JSON.stringify(import.meta.resolve("./last_net.ts"))};
    import { configureLog } from ${JSON.stringify(import.meta.resolve("../lib/log.ts"))};
    configureLog({ folder: "/srv/photos" });
    catchStrayErrors();
    const steps = [
      () => Promise.reject(new Error("first: /srv/photos/5d1c0f7a9b3e4826/a.jpg")),
      () => { throw new TypeError("second"); },
      () => Promise.reject("third"),
      () => { for (let i = 0; i < 1000; i++) Promise.reject(i); },
      () => console.log("alive"),
    ];
    // Each is told of before the next one happens, however slow the machine is.
    const next = () => {
      const step = steps.shift();
      if (steps.length > 0) setTimeout(next, 10);
      step();
    };
    setTimeout(next);
  `;
  const { code, stdout, stderr } = await run(Deno.execPath(), ["run", "-A", "-"], {
    cwd: ROOT,
    stdin: script,
    env: { NO_COLOR: "1" },
  });
  assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, "alive\n"], stderr);
  const lines = stderr.trim().split("\n").map((line) => JSON.parse(line));
  const [first, second, third] = lines.map(({ properties }) => [properties.why, properties.count]);
  assert.deepEqual(first, ["first: /srv/photos/5d1c…/a.jpg", 1]);
  assert.deepEqual(second, ["second", 2]);
  assert.deepEqual(third, ["third", 3]);
  assert.ok(lines.every(({ level }) => level === "ERROR"));
  assert.ok(lines.length > 100 && lines.length < 120, "no flood");
});
