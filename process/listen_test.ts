import assert from "node:assert/strict";
import { type Address, listen, StartError } from "./listen.ts";

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
