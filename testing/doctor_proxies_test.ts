/**
 * `zipferry doctor` against real proxies: the samples have no fault, and each usual mistake is named.
 *
 * @module
 */

import assert from "node:assert/strict";
import { examine } from "../commands/doctor/examine.ts";
import { type Finding, type Rule, type RuleId, RULES } from "../commands/doctor/findings.ts";
import { type Program, runToEnd, start } from "./process.ts";
import { type Proxy, type ProxyOptions, startCaddy, startHaproxy, startNginx } from "./proxy.ts";
import { testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const SMALL = "b27e40c9a6d1485f93e8027d5ac1f64b";
const LARGE = "5fd0c83e71b94a26a8d3960e7c12bf45";
/** Read to its end, so that a cache takes it */
const TINY = "0d94e67a3c1b4f58b2f06ea7719c5d38";
const MEGABYTE = 1_000_000;

/** Names of proxies, as in the cures */
type Name = "nginx" | "HAProxy" | "Caddy";

const STARTS: Readonly<Record<Name, (options: ProxyOptions) => Promise<Proxy>>> = {
  nginx: startNginx,
  HAProxy: startHaproxy,
  Caddy: startCaddy,
};

/** A line that is put in or changed, and what is then found, besides what is fine */
interface Mistake {
  readonly proxy: Name;
  readonly what: string;
  readonly from: string;
  readonly to: string;
  /** nginx only: lines for the `http` block around the sample */
  readonly http?: string;
  readonly found: Readonly<Partial<Record<RuleId, "warning" | "fault">>>;
  readonly hash?: string;
}

const LOCATION = "location ^~ /archive/ {";
const HTTP_1 = "proxy_http_version 1.1;";
const REQUESTS = "    http-request set-header X-Forwarded-For";
const CADDY_PROXY = "reverse_proxy {";

/** What compression does to the first answer */
const COMPRESSED = { length: "fault", encoding: "fault" } as const;

/** What shows besides the page where everything is passed on */
const OPEN = { closed_readyz: "warning", closed_healthz: "warning" } as const;

const MISTAKES: readonly Mistake[] = [
  {
    proxy: "nginx",
    what: "gzip",
    from: "gzip off;\n        # The",
    to: "gzip on; gzip_types application/zip;\n        # The",
    found: { ...COMPRESSED, etag: "fault", accept_ranges: "warning" },
  },
  {
    proxy: "nginx",
    what: "temporary files",
    from: "proxy_max_temp_file_size 0;",
    to: "proxy_ignore_headers X-Accel-Buffering;",
    found: { pace: "fault" },
    hash: LARGE,
  },
  {
    proxy: "nginx",
    what: "no Range",
    from: HTTP_1,
    to: `${HTTP_1} proxy_set_header Range "";`,
    found: { range: "fault", beyond: "warning", if_range: "fault", concurrent: "fault" },
  },
  {
    proxy: "nginx",
    what: "no Range, and ranges of its own",
    from: HTTP_1,
    to: `${HTTP_1} proxy_set_header Range ""; proxy_force_ranges on;`,
    found: { range_source: "warning" },
  },
  {
    proxy: "nginx",
    what: "no If-Range",
    from: HTTP_1,
    to: `${HTTP_1} proxy_set_header If-Range "";`,
    found: { if_range: "fault" },
  },
  {
    proxy: "nginx",
    what: "no If-None-Match and If-Match",
    from: HTTP_1,
    to: `${HTTP_1} proxy_set_header If-None-Match ""; proxy_set_header If-Match "";`,
    found: { if_none_match: "warning", if_match: "fault" },
  },
  {
    proxy: "nginx",
    what: "a weak tag",
    from: LOCATION,
    to:
      `${LOCATION} proxy_hide_header ETag; add_header ETag 'W/"1-0123456789abcdef0123456789abcdef"';`,
    found: { etag: "fault" },
  },
  {
    proxy: "nginx",
    what: "no tag",
    from: LOCATION,
    to: `${LOCATION} proxy_hide_header ETag;`,
    found: { etag: "fault" },
  },
  {
    proxy: "nginx",
    what: "no name of the file, and another type",
    from: LOCATION,
    to: `${LOCATION} proxy_hide_header Content-Disposition; proxy_hide_header Content-Type;
      add_header Content-Type application/octet-stream;`,
    found: { disposition: "fault", content_type: "warning" },
  },
  {
    proxy: "nginx",
    what: "expires",
    from: LOCATION,
    to: `${LOCATION} expires 1d;`,
    found: { cache_control: "fault" },
  },
  {
    proxy: "nginx",
    what: "a cache of the site",
    from: "proxy_cache off;",
    to: "",
    http: `proxy_cache_path cache keys_zone=site:1m; proxy_cache site; proxy_cache_key $uri;
      proxy_cache_valid 200 1h; proxy_ignore_headers Cache-Control X-Accel-Buffering;`,
    found: { cache: "fault" },
    hash: TINY,
  },
  {
    proxy: "nginx",
    what: "HTTP/1.0 to the service, which does no harm to archives of a known length",
    from: HTTP_1,
    to: "",
    found: {},
  },
  {
    proxy: "nginx",
    what: "everything passed on",
    from: "location / {\n        return 404;",
    to: "location / {\n        proxy_pass http://zipferry;",
    found: { closed_page: "fault", ...OPEN },
  },
  {
    proxy: "nginx",
    what: "two downloads at a time",
    from: "limit_conn zipferry_downloads 20;",
    to: "limit_conn zipferry_downloads 2;",
    found: { concurrent: "fault" },
  },
  {
    proxy: "nginx",
    what: "no HEAD",
    from: LOCATION,
    to: `${LOCATION} if ($request_method = HEAD) { return 405; }`,
    found: { head: "fault", slash: "warning" },
  },
  {
    proxy: "nginx",
    what: "redirects to an inner address",
    from: LOCATION,
    to: `${LOCATION} proxy_redirect ~^/(.*)$ http://10.0.0.1:8080/$1;`,
    found: { slash: "fault" },
  },
  {
    proxy: "nginx",
    what: "no X-Robots-Tag",
    from: LOCATION,
    to: `${LOCATION} proxy_hide_header X-Robots-Tag;`,
    found: { preview: "warning" },
  },
  {
    proxy: "HAProxy",
    what: "a weak tag",
    from: REQUESTS,
    to: `    http-response set-header ETag W/%[res.hdr(ETag)]\n${REQUESTS}`,
    found: { etag: "fault" },
  },
  {
    proxy: "HAProxy",
    what: "no Range",
    from: REQUESTS,
    to: `    http-request del-header Range\n${REQUESTS}`,
    found: { range: "fault", beyond: "warning", if_range: "fault", concurrent: "fault" },
  },
  {
    proxy: "HAProxy",
    what: "no If-Range",
    from: REQUESTS,
    to: `    http-request del-header If-Range\n${REQUESTS}`,
    found: { if_range: "fault" },
  },
  {
    proxy: "HAProxy",
    what: "no name of the file",
    from: REQUESTS,
    to: `    http-response del-header Content-Disposition\n${REQUESTS}`,
    found: { disposition: "fault" },
  },
  {
    proxy: "HAProxy",
    what: "everything passed on",
    from: "http-request return status 404 unless { path_beg /archive/ }",
    to: "",
    found: { closed_page: "fault", ...OPEN },
  },
  {
    proxy: "Caddy",
    what: "encode",
    from: "handle /archive/* {",
    to: "handle /archive/* {\n\t\tencode gzip {\n\t\t\tmatch {\n\t\t\t\tstatus 200\n\t\t\t}\n\t\t}",
    found: { ...COMPRESSED, accept_ranges: "warning" },
  },
  {
    proxy: "Caddy",
    what: "no Range",
    from: CADDY_PROXY,
    to: `${CADDY_PROXY}\n\t\t\theader_up -Range`,
    found: { range: "fault", beyond: "warning", if_range: "fault", concurrent: "fault" },
  },
  {
    proxy: "Caddy",
    what: "no If-Range",
    from: CADDY_PROXY,
    to: `${CADDY_PROXY}\n\t\t\theader_up -If-Range`,
    found: { if_range: "fault" },
  },
  {
    proxy: "Caddy",
    what: "no tag, and a day in shared caches",
    from: CADDY_PROXY,
    to:
      `${CADDY_PROXY}\n\t\t\theader_down -ETag\n\t\t\theader_down Cache-Control "public, max-age=86400"`,
    found: { etag: "fault", cache_control: "fault" },
  },
  {
    proxy: "Caddy",
    what: "everything passed on",
    from: "handle /archive/* {",
    to: "handle /* {",
    found: { closed_page: "fault", ...OPEN },
  },
];

function album(): Promise<Tree> {
  const photos = Array.from({ length: 10 }, (_, i) => `photos/${LARGE}/${i}.jpg`)
    .map((path) => [path, { size: 12 * MEGABYTE }]); // a hole, which takes no space
  return makeTree({
    ...Object.fromEntries(photos),
    [`photos/${TINY}/a.jpg`]: randomBytes(MEGABYTE / 4),
    [`photos/${SMALL}/a.jpg`]: randomBytes(3 * MEGABYTE),
  });
}

function serve(tree: Tree): Promise<Program> {
  return start(["--folder", tree.join("photos"), "--listing", "on"]);
}

/** Ids of what is not fine, with how it is judged */
function bad(findings: readonly Finding[]) {
  const others = findings.filter(({ verdict }) => verdict !== "ok" && verdict !== "skipped");
  return Object.fromEntries(others.map(({ id, verdict }) => [id, verdict]));
}

function skipped(findings: readonly Finding[]): string[] {
  return findings.filter(({ verdict }) => verdict === "skipped").map(({ id }) => id);
}

for (const [name, startProxy] of Object.entries(STARTS)) {
  testWith([name.toLowerCase()], `doctor: deploy/'s sample for ${name} has no fault`, async () => {
    await using tree = await album();
    await using program = await serve(tree);
    await using proxy = await startProxy({ upstreams: [program.port] });
    const { code, stdout, stderr } = await runToEnd(["doctor", `${proxy.url}archive/${LARGE}/`]);
    assert.equal(code, 0, stdout + stderr);
    assert.equal(stderr, "");
    assert.match(stdout, /\b0 warning, 0 fault, 0 skipped; [\d,]+ bytes downloaded$/m);
    assert.ok(!stdout.includes(LARGE.slice(0, 5)), "the hash is shortened");
  });

  const mistakes = MISTAKES.filter(({ proxy }) => proxy === name);
  testWith([name.toLowerCase()], `doctor: mistakes with ${name} are named`, async (t) => {
    await using tree = await album();
    await using program = await serve(tree);
    for (const { what, from, to, http, found, hash = SMALL } of mistakes) {
      await t.step(what, async () => {
        const edit = (sample: string) => {
          assert.ok(sample.includes(from), from);
          return sample.replace(from, () => to);
        };
        await using proxy = await startProxy({ upstreams: [program.port], edit, http });
        const url = new URL(`archive/${hash}/`, proxy.url);
        const { findings } = await examine(url);
        assert.deepEqual(bad(findings), found, JSON.stringify(findings, null, 1));
        for (const id of Object.keys(found) as RuleId[]) {
          const { cures }: Rule = RULES[id];
          assert.ok(cures[name as Name] ?? cures.any, `${id}: a cure for ${name}`);
        }
        if (hash === LARGE) assert.deepEqual(skipped(findings), []);
        else if (hash === SMALL && !found.etag && !found.range && !found.head) {
          assert.deepEqual(skipped(findings), ["pace"]);
        }
      });
    }
  });
}

testWith(["nginx", "openssl"], "doctor: TLS that is trusted, and that is not", async () => {
  await using tree = await album();
  await using program = await serve(tree);
  await using proxy = await startNginx({ upstreams: [program.port], tls: true });
  const url = `${proxy.url}archive/${SMALL}/`;
  const { code, stdout } = await runToEnd(["doctor", url, "--json"]);
  const { findings } = JSON.parse(stdout);
  assert.equal(code, 1);
  assert.deepEqual(bad(findings), { tls: "fault" });
  assert.match(findings[0].seen, /self-signed/);
});
