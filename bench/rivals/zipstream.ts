/**
 * Esri/zipstream, which takes files from a store as a site describes them: the site is here, and knows
 * all of a photos folder with the same bytes.
 *
 *     deno run --allow-all zipstream.ts PORT BUCKET/PREFIX FOLDER
 *
 * Archives are at /HASH/. Endpoint and credentials are in the usual variables of AWS.
 *
 * @module
 */

import { join } from "node:path";
import { crc32 } from "node:zlib";

const [port, place, root] = Deno.args;

/** What a site would have in its database. */
function describe(hash: string) {
  const entries = [...Deno.readDirSync(join(root, hash))].map(({ name }) => {
    const content = Deno.readFileSync(join(root, hash, name));
    return {
      archive_name: name,
      source: `s3://${place}${hash}/${name}`,
      length: content.length,
      crc: crc32(content),
      last_modified: Deno.statSync(join(root, hash, name)).mtime,
    };
  });
  return JSON.stringify({ filename: `${hash}.zip`, entries });
}

const known = new Map(
  [...Deno.readDirSync(root)].filter(({ isDirectory }) => isDirectory)
    .map(({ name }) => [`/${name}/`, describe(name)]),
);
const headers = { "x-zip-stream": "true", "content-type": "application/json" };
const site = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
  const archive = known.get(new URL(request.url).pathname);
  return archive ? new Response(archive, { headers }) : new Response(null, { status: 404 });
});
const upstream = `http://127.0.0.1:${site.addr.port}`;
const service = new Deno.Command("zipstream", {
  args: ["--listen", `127.0.0.1:${port}`, "--upstream", upstream],
  stdout: "null",
}).spawn();
Deno.addSignalListener("SIGTERM", () => service.kill("SIGKILL"));
const { code } = await service.status;
Deno.exit(code);
