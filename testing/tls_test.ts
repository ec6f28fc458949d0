import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import { openBrowser } from "./browser.ts";
import { Authority, type IssuedFiles, KEY_KINDS } from "./certificates.ts";
import { type Program, runToEnd, start, until } from "./process.ts";
import { accept, run, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "5b9e2d7f0c148a63e7f2b0d95c36a18e";
const LINK = `archive/${HASH}/`;

/** Requests that one connection may have under way */
const MOST = 8;

interface Site {
  readonly tree: Tree;
  readonly authority: Authority;
  /** What the program serves with */
  readonly files: IssuedFiles;
}

async function makeSite(): Promise<Site & AsyncDisposable> {
  const tree = await makeTree({
    [`photos/${HASH}/1.jpg`]: randomBytes(3_000_000, 1),
    [`photos/${HASH}/2.jpg`]: randomBytes(3_000_000, 2),
  });
  const authority = await Authority.make(tree.path);
  const files = await authority.issue("live");
  return { tree, authority, files, [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose]() };
}

function options({ cert, key }: IssuedFiles): string[] {
  return ["--tls-cert", cert, "--tls-key", key];
}

function serve({ tree, files }: Site, ...args: string[]): Promise<Program> {
  return start(["--folder", tree.join("photos"), ...options(files), ...args]);
}

/** What curl gets, when it trusts the authority only */
function curl({ authority }: Site, ...args: string[]): Promise<string> {
  return accept("curl", ["--silent", "--show-error", "--cacert", authority.cert, ...args]);
}

async function digest(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}

/** Serial number of the certificate that new connections get */
async function serialAt(port: number): Promise<string> {
  const { stdout } = await run("openssl", ["s_client", "-connect", `127.0.0.1:${port}`]);
  return await accept("openssl", ["x509", "-noout", "-serial"], { stdin: stdout });
}

testWith(
  ["curl", "openssl"],
  "TLS: every kind of key, HTTP/1.1 and HTTP/2, whole and resumed",
  async () => {
    await using site = await makeSite();
    const { tree, authority } = site;
    const sums = new Set<string>();
    for (const kind of Object.keys(KEY_KINDS) as (keyof typeof KEY_KINDS)[]) {
      if (kind === "weak RSA") continue;
      const files = await authority.issue("kind", { kind });
      await using program = await serve({ ...site, files });
      assert.match(program.url, /^https:\/\/127\.0\.0\.1:\d+\/$/);
      for (const version of ["1.1", "2"]) {
        const out = tree.join("out.zip");
        const url = `https://localhost:${program.port}/${LINK}`;
        const write = ["--write-out", "%{http_version} %{http_code}", "--output", out];
        assert.equal(await curl(site, `--http${version}`, ...write, url), `${version} 200`);
        sums.add(await digest(out));
        await Deno.truncate(out, 4_000_000);
        const resume = ["--continue-at", "-", ...write];
        assert.equal(await curl(site, `--http${version}`, ...resume, url), `${version} 206`);
        sums.add(await digest(out));
      }
      assert.equal(program.stderr(), "", "nothing to warn of");
    }
    assert.equal(sums.size, 1);
  },
);

testWith(
  ["curl", "openssl"],
  "TLS: 1.2 and 1.3 only, and bad handshakes neither log nor hold up others",
  async () => {
    await using site = await makeSite();
    await using program = await serve(site);
    const { port } = program;
    const versions = { "-tls1": false, "-tls1_1": false, "-tls1_2": true, "-tls1_3": true };
    for (const [version, works] of Object.entries(versions)) {
      const connect = ["s_client", "-connect", `127.0.0.1:${port}`, version];
      // Debian's openssl itself would not offer the old versions
      const { code } = await run("openssl", [...connect, "-cipher", "DEFAULT@SECLEVEL=0"]);
      assert.equal(code === 0, works, version);
    }
    const plain = await run("curl", ["--silent", "--max-time", "10", `http://127.0.0.1:${port}/`]);
    assert.ok(plain.code !== 0, "plain HTTP gets no answer");

    using open = new DisposableStack();
    for (let i = 0; i < 100; i++) {
      const stalled = open.use(await Deno.connect({ hostname: "127.0.0.1", port }));
      if (i % 2) await stalled.write(Uint8Array.of(22, 3, 1, 2, 0)); // begins a ClientHello
    }
    for (let i = 0; i < 50; i++) {
      using bad = await Deno.connect({ hostname: "127.0.0.1", port });
      await bad.write(new TextEncoder().encode("no handshake at all\r\n\r\n"));
    }
    const url = `https://localhost:${port}/healthz`;
    assert.equal(await curl(site, "--max-time", "10", url), "ok\n");
    assert.equal(program.stderr(), "");
  },
);

testWith(
  ["curl", "openssl"],
  "TLS: --hsts is sent with every answer, and only where it is asked for",
  async () => {
    await using site = await makeSite();
    for (const [args, expected] of [[[], null], [["--hsts", "86400"], "max-age=86400"]] as const) {
      await using program = await serve(site, ...args);
      for (const path of ["", "healthz", "nowhere", LINK, LINK.slice(0, -1), `${LINK}?manifest`]) {
        for (const method of [["--head"], ["--output", site.tree.join("out")]]) {
          const url = `https://localhost:${program.port}/${path}`;
          const headers = await curl(site, "--dump-header", "-", ...method, url);
          const [, value] = /^strict-transport-security: (.*)\r$/im.exec(headers) ?? [];
          assert.equal(value ?? null, expected, path);
        }
      }
      for (const version of ["1.1", "2"]) {
        const home = await curl(site, `--http${version}`, `https://localhost:${program.port}/`);
        assert.ok(home.includes(HASH), "a browser on this machine sees the list");
        const resolve = ["--resolve", `example.org:${program.port}:127.0.0.1`, "--insecure"];
        const url = `https://example.org:${program.port}/`;
        const elsewhere = await curl(site, `--http${version}`, ...resolve, url);
        assert.ok(!elsewhere.includes(HASH), "one that asks for another name does not");
      }
    }
  },
);

testWith(
  ["openssl"],
  "TLS: what cannot be used is one line at the start, with exit code 2",
  async () => {
    await using site = await makeSite();
    const { tree, files, authority } = site;
    const other = await authority.issue("other");
    const expired = await authority.issue("expired", { days: -1 });
    const cases: [string[], RegExp][] = [
      [["--tls-cert", files.cert], /--tls-cert: needs --tls-key too/],
      [["--tls-key", files.key], /--tls-key: needs --tls-cert too/],
      [["--hsts", "1"], /--hsts: needs --tls-cert/],
      [[...options(files), "--unix", tree.join("socket")], /--tls-cert: not with --unix/],
      [options({ ...files, key: other.key }), /--tls-key: ".*other\.key": the key does not belong/],
      [options(expired), /--tls-cert: ".*expired\.crt": expired on/],
      [["--check-config", ...options(expired)], /--tls-cert: ".*expired\.crt": expired on/],
    ];
    for (const [args, expected] of cases) {
      const { code, stderr } = await runToEnd(["--folder", tree.join("photos"), ...args]);
      assert.match(stderr, /^zipferry: [^\n]+\n$/);
      assert.match(stderr, expected);
      assert.equal(code, 2, stderr);
    }
  },
);

testWith(
  ["curl", "openssl"],
  "TLS: a renewed certificate is taken up, and downloads go on",
  async () => {
    await using site = await makeSite();
    const { tree, authority, files } = site;
    await using program = await serve(site, "--log");
    const url = `https://localhost:${program.port}/${LINK}`;
    await curl(site, "--output", tree.join("whole.zip"), url);
    const before = await serialAt(program.port);
    const slow = ["1.1", "2"].map((version) =>
      curl(site, `--http${version}`, "--limit-rate", "300k", "--output", tree.join(version), url)
    );
    await until(() => program.stderr().split("download started").length === 4, "they start");

    const renewed = await authority.issue("renewed", { kind: "RSA" });
    await Deno.rename(renewed.cert, files.cert); // for a moment the files do not belong together
    await Deno.rename(renewed.key, files.key);
    await until(() => program.stderr().includes("took up the renewed"), "it is noticed", 15_000);
    await until(async () => await serialAt(program.port) !== before, "new connections get it");
    await Deno.writeTextFile(files.key, "damaged");
    await Promise.all(slow);
    for (const version of ["1.1", "2"]) {
      assert.equal(await digest(tree.join(version)), await digest(tree.join("whole.zip")), version);
    }
    await until(() => program.stderr().includes("keeping the old"), "the damage is told", 30_000);
    assert.equal(await curl(site, `https://localhost:${program.port}/healthz`), "ok\n");
  },
);

testWith(["openssl"], "TLS: HTTP/2 with 100 requests at once has eight under way", async () => {
  await using site = await makeSite();
  await using program = await serve(site);
  const ca = await Deno.readTextFile(site.authority.cert);
  const session = http2.connect(`https://localhost:${program.port}`, { ca });
  const statuses = await Promise.all(Array.from({ length: 100 }, () => statusOf(session)));
  session.destroy();
  assert.equal(statuses.filter((status) => status === 200).length, MOST);
  assert.equal(statuses.filter((status) => status === 429).length, 100 - MOST);
});

/** The status of a download of which nothing is read */
async function statusOf(session: http2.ClientHttp2Session): Promise<number | undefined> {
  const stream = session.request({ ":path": `/${LINK}` });
  stream.on("error", () => {}); // the session ends before it does
  const [fields] = await once(stream, "response");
  return fields[":status"];
}

testWith(["chromium", "openssl"], "TLS: Chromium downloads an archive by HTTP/2", async () => {
  await using site = await makeSite();
  await using program = await serve(site);
  await using browser = await openBrowser();
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  await page.goto(`https://localhost:${program.port}/`);
  const protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol";
  assert.equal(await page.evaluate(protocol), "h2");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: HASH }).click(),
  ]);
  assert.equal(await download.failure(), null);
  await download.saveAs(site.tree.join("browser.zip"));
  await accept("unzip", ["-tq", site.tree.join("browser.zip")]);
  await page.close();
});
