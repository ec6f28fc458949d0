import assert from "node:assert/strict";
import { makeTree } from "../testing/tree.ts";
import { type Address, listen, StartError, tryAddress } from "./listen.ts";

const HERE = "127.0.0.1";

function answer() {
  return new Response("hello");
}

/** What a refused address is answered with */
async function refusal(address: Address): Promise<string> {
  try {
    const { stop } = await listen(address, answer);
    await stop({ grace: 0, cut: () => {} });
  } catch (error) {
    assert.ok(error instanceof StartError, String(error));
    return error.message;
  }
  assert.fail(`taken: ${JSON.stringify(address)}`);
}

Deno.test("listen() names the address that it cannot have, and the option for another one", async () => {
  using taken = Deno.listen({ hostname: HERE, port: 0 });
  const { port } = taken.addr;
  assert.equal(
    await refusal({ hostname: HERE, port }),
    `listen: ${HERE}:${port}: address already in use; choose another port by --port`,
  );
  assert.equal(
    await refusal({ hostname: HERE, port, option: "--metrics" }),
    `listen: ${HERE}:${port}: address already in use; choose another port by --metrics`,
  );
  assert.match(
    await refusal({ hostname: "nowhere.invalid", port: 0, option: "--metrics" }),
    /--metrics$/,
  );
  assert.match(
    await refusal({ hostname: "192.0.2.1", port: 0 }), // of no machine, RFC 5737
    /^listen: 192\.0\.2\.1:0: this machine has no such address; .*--hostname$/,
  );
  assert.match(
    await refusal({ hostname: "nowhere.invalid", port: 0 }), // RFC 6761
    /^listen: nowhere\.invalid:0: .*--hostname$/,
  );
});

Deno.test("listen() takes no new clients when descriptors run out, until there are more", async () => {
  let enough = true;
  const listeners: (() => void)[] = [];
  const descriptors = {
    refill: () => enough,
    runOut: () => {},
    onRunOut: (listener: () => void) => void listeners.push(listener),
  };
  const held = Promise.withResolvers<Response>();
  const begun = Promise.withResolvers<void>();
  const handler = (request: Request) => {
    if (!request.url.endsWith("/held")) return answer();
    begun.resolve();
    return held.promise;
  };
  const listening = await listen({ hostname: HERE, port: 0, descriptors }, handler);
  const get = async (path: string) => await (await fetch(listening.url + path)).text();
  assert.equal(await get(""), "hello");
  const before = get("held");
  await begun.promise;
  enough = false;
  for (const listener of listeners) listener();
  await assert.rejects(get(""));
  await new Promise((resolve) => setTimeout(resolve, 600));
  await assert.rejects(get(""));
  enough = true;
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(await get(""), "hello");
  const stopped = listening.stop({ grace: 5000, cut: () => assert.fail("cut") });
  held.resolve(new Response("held"));
  assert.equal(await before, "held");
  await stopped;
});

Deno.test("tryAddress(): free, taken, held by a service like this one, or impossible", async () => {
  const hostname = "127.0.0.1";
  assert.equal(await tryAddress({ hostname, port: 0 }), "free");
  {
    using taken = Deno.listen({ hostname, port: 0 });
    const { port } = taken.addr;
    // It hangs up on whoever asks.
    taken.accept().then((connection) => connection.close(), () => {});
    assert.equal(await tryAddress({ hostname, port }), "taken");
  }
  for (const [text, state] of [["ok\n", "ours"], ["hello", "taken"]] as const) {
    const options = { hostname, port: 0, onListen() {} };
    await using server = Deno.serve(options, () => new Response(text));
    assert.equal(await tryAddress({ hostname, port: server.addr.port }), state);
  }
  await assert.rejects(tryAddress({ hostname: "192.0.2.1", port: 1, option: "--metrics" }), {
    name: "StartError",
    message: /^listen: 192\.0\.2\.1:1: this machine has no such address; .* by --metrics$/,
  });
});

Deno.test("tryAddress(): a Unix socket is looked for, and not made", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using tree = await makeTree({ "file": "x" });
  const at = (name: string) => tryAddress({ hostname: "", port: 0, unix: tree.join(name) });
  assert.equal(await at("socket"), "free");
  assert.deepEqual([...Deno.readDirSync(tree.path)].map(({ name }) => name), ["file"]);
  {
    using _listener = Deno.listen({ transport: "unix", path: tree.join("socket") });
    assert.equal(await at("socket"), "taken");
  }
  await assert.rejects(at("file"), {
    name: "ConfigError",
    message: /is no socket; choose another/,
  });
  await assert.rejects(at("no folder/socket"), {
    name: "StartError",
    message: /there is no such folder; make it, or choose another path by --unix$/,
  });
});
