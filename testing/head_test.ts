import assert from "node:assert/strict";
import { start } from "./process.ts";
import { exchange } from "./raw.ts";
import { run, testWith } from "./tools.ts";
import { makeTree } from "./tree.ts";

const HASH = "0d7c62f4b19e4a83a5c08d3f6e21b947";

/** Header fields that may differ from one answer to the next, or belong to one connection */
const PASSING = ["date", "connection", "transfer-encoding"];

const VERSIONS = ["1.1", "1.0"];

/** Sends a text on one connection and reads to its end */
async function converse(port: number, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(text));
  const chunks = await Array.fromAsync(connection.readable.pipeThrough(new TextDecoderStream()));
  return chunks.join("");
}

function fieldsOf(headers: Headers) {
  return [...headers].filter(([name]) => !PASSING.includes(name)).sort();
}

for (const engine of ["store", "zip"] as const) {
  const tools = engine === "zip" ? ["zip", "curl"] : ["curl"];
  testWith(
    tools,
    `HEAD has the header fields of GET on the wire (--engine ${engine})`,
    async () => {
      await using tree = await makeTree({ [`photos/${HASH}/a.txt`]: "text ".repeat(1000) });
      await using site = await start(["--folder", tree.join("photos"), "--engine", engine]);
      const conditions = ["", "If-None-Match: *\r\n", 'If-Match: "x"\r\n'];
      const targets = [
        ...conditions.flatMap((fields) => ["", "?manifest"].map((query) => [query, fields])),
        ["nowhere", ""],
      ];
      for (const [query, fields] of targets) {
        for (const version of VERSIONS) {
          const rest = `/archive/${HASH}/${query} HTTP/${version}\r\nHost: x\r\n${fields}\r\n`;
          const get = await exchange(site.port, `GET ${rest}`);
          const head = await exchange(site.port, `HEAD ${rest}`);
          assert.equal(head.status, get.status, rest);
          assert.deepEqual(fieldsOf(head.headers), fieldsOf(get.headers), rest);
          const length = head.headers.get("content-length");
          if (length !== null) assert.equal(Number(length), get.body.length, rest);
        }
      }
      const archive = `/archive/${HASH}/ HTTP/1.1\r\nHost: x\r\n\r\n`;
      const { headers } = await exchange(site.port, `HEAD ${archive}`);
      assert.equal(headers.has("content-length"), engine === "store", "only where it is known");

      // One connection goes on after it: no byte of a body, and no chunk, is in the way
      const rest = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
      const [head, ...others] = (await converse(site.port, `HEAD ${archive}${rest}`)).split(
        "\r\n\r\n",
      );
      assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(others[0], /^HTTP\/1\.1 200 OK\r\n/);
      assert.deepEqual(others.slice(1), ["ok\n"]);

      const url = `${site.url}archive/${HASH}/`;
      const http2 = await run("curl", ["-sSI", "-m", "20", "--http2-prior-knowledge", url]);
      const text = new TextDecoder().decode(http2.stdout);
      assert.match(text, /^HTTP\/2 200 \r\n/, http2.stderr);
      assert.equal(/^content-length: [1-9]/m.test(text), engine === "store");
      assert.equal(/^content-length: 0/m.test(text), false);
    },
  );
}
