import { startObjectStore, testWithStore } from "../../testing/object_store.ts";
import { testSource } from "../../testing/source_contract.ts";
import { strict, tool } from "../../testing/tools.ts";
import { DEFAULT_MTIME, makeTree } from "../../testing/tree.ts";
import { BucketSource } from "./bucket.ts";
import { BucketClient } from "./client.ts";

const BUCKET = "photos-of-a-site";
const PREFIX = "site/photos/";

if (strict() || tool("versitygw")) testContract();
else testWithStore("BucketSource: all that a source must do", () => {});

function testContract() {
  testSource("BucketSource", async (files) => {
    await using started = new AsyncDisposableStack();
    const server = started.use(await startObjectStore());
    const tree = started.use(await makeTree());
    await server.createBucket(BUCKET);
    for (const [location, content] of Object.entries(files)) await put(location, content);
    const store = started.use(
      new BucketClient({
        bucket: BUCKET,
        prefix: PREFIX,
        region: server.region,
        endpoints: [server.endpoint],
        pathStyle: true,
        credentials: () => Promise.resolve(server.rootCredentials),
      }),
    );
    const index = tree.join("index.sqlite");
    const source = started.use(
      new BucketSource({ store, bucket: BUCKET, prefix: PREFIX, index }),
    );
    const all = started.move();
    return {
      source,
      change: put,
      remove: (location) => server.remove(BUCKET, PREFIX + location),
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };

    async function put(location: string, content: string) {
      const options = { mtime: DEFAULT_MTIME };
      await server.put(BUCKET, PREFIX + location, content, options);
      // Long ago, as the files of a disk are: what was put just now is not settled.
      server.touch(BUCKET, PREFIX + location, DEFAULT_MTIME);
    }
  });
}
