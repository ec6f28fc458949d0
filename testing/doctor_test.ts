/**
 * `zipferry doctor` as a program, and against servers that are something else.
 *
 * @module
 */

import assert from "node:assert/strict";
import { examine } from "../commands/doctor/examine.ts";
import type { Finding, RuleId } from "../commands/doctor/findings.ts";
import { freePort } from "./free_port.ts";
import { runToEnd, start } from "./process.ts";
import { taskFlags } from "./task.ts";
import { accept, testWith } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "b27e40c9a6d1485f93e8027d5ac1f64b";
const PATH = `/archive/${HASH}/`;

/** What the last finding says, of which there should be no more than the first ones */
function endOf(findings: readonly Finding[]): string {
  const { id, verdict, seen } = findings.at(-1)!;
  return `${id}: ${verdict}: ${seen}`;
}

/** Examines what a function answers */
async function examineAnswers(
  answer: (request: Request) => Response | Promise<Response>,
  within?: number,
) {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, automaticCompression: false },
    answer,
  );
  return await examine(new URL(`http://127.0.0.1:${server.addr.port}${PATH}`), { within });
}

/** Examines a server that sends these bytes on each connection, and closes it */
async function examineBytes(bytes: string) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(4096));
      await connection.write(new TextEncoder().encode(bytes));
      connection.close();
    }
  })();
  const { findings } = await examine(new URL(`http://127.0.0.1:${listener.addr.port}${PATH}`));
  listener.close();
  await serving;
  return findings;
}

Deno.test("doctor: prints lines for people, or JSON with stable ids", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(3_000_000) });
  await using program = await start(["--folder", tree.join("photos"), "--listing", "off"]);
  const url = `${program.url}archive/${HASH}/?secret=of-a-link`;
  const [text, json] = await Promise.all([
    runToEnd(["doctor", url], { env: { PORT: "no port" }, cwd: tree.path }),
    runToEnd(["doctor", "--json", url]),
  ]);
  assert.equal(text.code, 1, text.stdout + text.stderr); // shows its figures to this machine
  assert.match(text.stdout, /^http:\/\/127\.0\.0\.1:\d+\/archive\/b27e…\/\?…\n\n/);
  assert.match(text.stdout, /^ok {7}Strong ETag: "1-[0-9a-f]{32}"$/m);
  assert.match(text.stdout, /^WARNING {2}\/healthz: open \(200\)\n {9}It is for .*\n {9}nginx: /m);
  assert.match(text.stdout, /^skipped {2}The pace .*100,663,296 bytes$/m);
  for (const { stdout, stderr } of [text, json]) {
    assert.equal(stderr, "");
    assert.doesNotMatch(stdout, /b27e4|of-a-link/);
  }
  assert.equal(json.code, 1);
  const { fine, bytes, findings } = JSON.parse(json.stdout);
  const faults = findings.filter(({ verdict }: Finding) => verdict === "fault");
  assert.deepEqual(faults.map(({ id }: Finding) => id), ["closed_metrics"]);
  assert.equal(fine, false);
  assert.ok(bytes < 5_000_000, `${bytes} bytes`);
  const ids: RuleId[] = findings.map(({ id }: Finding) => id);
  assert.deepEqual(
    ids,
    "reach tls redirect answer http_version length encoding content_type disposition etag accept_ranges range range_source beyond if_range if_match if_none_match concurrent cache cache_control first_byte pace head preview slash closed_page closed_metrics closed_readyz closed_healthz"
      .split(" "),
  );
  for (const { title, seen, why, cures } of findings) assert.ok(title && seen && why && cures);
});

testWith(["zip"], "doctor: --engine zip is no fault of a proxy", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(3_000_000) });
  await using program = await start(["--folder", tree.join("photos"), "--engine", "zip"]);
  const { findings } = await examine(new URL(`archive/${HASH}/`, program.url), { stall: 100 });
  const bad = findings.filter(({ verdict, id }) => verdict !== "ok" && !id.startsWith("closed"));
  assert.deepEqual(bad.map(({ id, verdict }) => `${id} ${verdict}`).sort(), [
    "accept_ranges warning",
    "etag warning",
    "length warning",
  ]);
});

Deno.test("doctor: an address that is none, and what does not belong to it", async () => {
  const cases: [string[], RegExp][] = [
    [[], /needs the address of one archive, none is given/],
    [["http://x/archive/a/", "http://x/archive/b/"], /2 are given/],
    [["photos"], /not the address of an archive/],
    [["ftp://x/archive/a/"], /not the address of an archive/],
    [["http://user:word@x/archive/a/"], /not the address of an archive/],
    [["http://x/"], /not the address of an archive/],
    [["http://x/archive/a/", "--folder", "x"], /no option but --json/],
  ];
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await runToEnd(["doctor", ...args]);
    assert.deepEqual([code, stdout], [2, ""], `${args}`);
    assert.match(stderr, expected);
  }
});

Deno.test("doctor: without the permission for connections it says how to give it", async () => {
  const flags = taskFlags("start").filter((flag) => !flag.startsWith("-P"));
  const { code, stderr } = await runToEnd(["doctor", "http://127.0.0.1:1/archive/a/"], {
    flags: [...flags, "--allow-env", "--allow-read"],
  });
  assert.equal(code, 2);
  assert.match(stderr, /--allow-net=127\.0\.0\.1:1\b/);
});

Deno.test("doctor: nobody is there", async () => {
  const { code, stdout } = await runToEnd(["doctor", `http://127.0.0.1:${freePort()}${PATH}`]);
  assert.equal(code, 1);
  assert.match(stdout, /^FAULT {4}Reachable: the connection is refused: nothing listens there$/m);
  const { findings } = await examine(new URL(`http://nobody.invalid${PATH}`));
  assert.match(endOf(findings), /^reach: fault: .*(name|DNS|Host not found)/);
});

Deno.test("doctor: no answer in time", async () => {
  const { findings } = await examineAnswers(({ signal }) => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    signal.addEventListener("abort", () => resolve(new Response()));
    return promise;
  }, 300);
  assert.match(endOf(findings), /^reach: fault: no answer from 127\.0\.0\.1:\d+ in time$/);
});

Deno.test("doctor: an answer that is no HTTP, and one that ends too early", async () => {
  const at = "reach: fault: the";
  assert.equal(endOf(await examineBytes("SSH-2.0-OpenSSH\r\n\r\n")), `${at} answer is no HTTP`);
  const early = `${at} connection ended before the answer`;
  assert.equal(endOf(await examineBytes("HTTP/1.1 200 OK\r\n")), early);
  const short = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nPK";
  assert.equal(endOf(await examineBytes(short)), `${at} connection ended too early`);
  const interim = `HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 404 Not Found\r\n\r\n`;
  assert.match(endOf(await examineBytes(interim)), /^answer: fault: 404: not found/);
});

Deno.test("doctor: statuses and answers that are no archive, in words", async () => {
  const cases: [Response, RegExp][] = [
    [new Response("", { status: 404 }), /^answer: fault: 404: not found: the link is wrong/],
    [new Response("", { status: 502 }), /^answer: fault: 502: the proxy cannot reach/],
    [new Response("", { status: 418 }), /^answer: fault: 418$/],
    [
      new Response("<p>", { headers: { "content-type": "text/html; charset=utf-8" } }),
      /^answer: fault: 200, but no archive of this service: text\/html$/,
    ],
    [
      new Response(null, { status: 302, headers: { location: "mailto:a@b" } }),
      /^redirect: fault: leads nowhere: 302 mailto:a@b$/,
    ],
    [
      new Response(null, { status: 301, headers: { location: PATH } }),
      /^redirect: fault: leads nowhere: 301 \/archive/,
    ],
  ];
  for (const [response, expected] of cases) {
    const { findings } = await examineAnswers(() => response.clone());
    assert.match(endOf(findings), expected);
  }
});

Deno.test("doctor: a hit of a cache, and pages that are open", async () => {
  const open: Record<string, Response> = {
    "/metrics": new Response("# HELP x\n# TYPE x counter\nx 1\n"),
    "/readyz": new Response("full\n", { status: 503, headers: { "x-robots-tag": "noindex" } }),
    "/": new Response("<h1>Our site</h1>", { headers: { "content-type": "text/html" } }),
  };
  const { findings } = await examineAnswers((request) => {
    const known = open[new URL(request.url).pathname];
    const headers = { "x-cache": "Hit from somewhere", "content-type": "application/zip" };
    return known?.clone() ?? new Response("PK\x03\x04", { headers });
  });
  const seen = Object.fromEntries(findings.map(({ id, ...rest }) => [id, rest]));
  assert.equal(seen.cache.seen, "x-cache: Hit from somewhere");
  assert.equal(seen.closed_metrics.verdict, "fault");
  assert.equal(seen.closed_readyz.verdict, "warning");
  assert.equal(seen.closed_page.seen, "a page of the site");
});

testWith(["openssl"], "doctor: certificates that are trusted, and that are not", async () => {
  await using tree = await makeTree();
  const make = async (name: string, extra: readonly string[]) => {
    const files = ["-keyout", tree.join(`${name}.key`), "-out", tree.join(`${name}.pem`)];
    const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    await accept("openssl", [...request, "-nodes", "-subj", `/CN=${name}`, ...files, ...extra]);
    return Deno.readTextFileSync(tree.join(`${name}.pem`));
  };
  const ca = await make("ca", ["-days", "30"]);
  const signed = ["-CA", tree.join("ca.pem"), "-CAkey", tree.join("ca.key")];
  const leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
  const here = [...signed, ...leaf, "-addext", "subjectAltName=IP:127.0.0.1", "-days"];
  const cases: [cert: string, expected: RegExp, trusted?: boolean][] = [
    [
      await make("good", [...here, "30"]),
      /^tls: ok: TLSv1\.3, the certificate ends in (29|30) days$/,
    ],
    [
      await make("short", [...here, "3"]),
      /^tls: warning: TLSv1\.3, the certificate ends in [23] days/,
    ],
    [await make("unknown", [...here, "30"]), /^tls: fault: the issuer is unknown/, false],
    [
      await make("other", [...signed, ...leaf, "-addext", "subjectAltName=DNS:x.test"]),
      /^tls: fault: the certificate is for another name$/,
    ],
  ];
  const names = ["good", "short", "unknown", "other"];
  for (const [i, [cert, expected, trusted = true]] of cases.entries()) {
    let asked = 0;
    const key = Deno.readTextFileSync(tree.join(`${names[i]}.key`));
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
      () => {
        asked++;
        return new Response("", { status: 404 });
      },
    );
    const url = new URL(`https://127.0.0.1:${server.addr.port}${PATH}`);
    const { findings } = await examine(url, trusted ? { caCerts: [ca] } : {});
    const tls = findings.filter(({ id }) => id === "tls");
    assert.match(endOf(tls), expected);
    assert.equal(asked > 0, tls[0].verdict !== "fault", "the link is sent to nobody else");
  }
});
