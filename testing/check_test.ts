/**
 * `zipferry check` as a program.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Finding } from "../commands/check/findings.ts";
import { RULES } from "../commands/check/findings.ts";
import { freePort } from "./free_port.ts";
import { type ProgramOptions, runToEnd, start } from "./process.ts";
import { type ScriptedReply, type ScriptedRequest, scriptStore } from "./scripted_store.ts";
import { testWith } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const HASH = "b27e40c9a6d1485f93e8027d5ac1f64b";

type Reported = Finding & { readonly title: string; readonly next: string | null };

/** Runs the command, and gives what it found by id */
async function check(args: readonly string[], options: ProgramOptions = {}) {
  const ended = await runToEnd(["check", "--json", ...args], options);
  assert.equal(ended.stderr, "");
  const { fine, findings } = JSON.parse(ended.stdout) as { fine: boolean; findings: Reported[] };
  assert.equal(ended.code, fine ? 0 : 1, ended.stdout);
  const lineOf = (id: string) =>
    findings.filter((finding) => finding.id === id)
      .map(({ verdict, seen, next }) => `${verdict}: ${seen}${next === null ? "" : ` → ${next}`}`)
      .join("\n");
  return { fine, findings, lineOf, text: ended.stdout };
}

const linux = Deno.build.os === "linux";

Deno.test("zipferry check: a good set-up, for people and for scripts", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: randomBytes(3_000_000) });
  const args = ["--folder", tree.join("photos"), "--port", `${freePort()}`];
  const files = ["--checksums", tree.join("sums.db"), "--state", tree.join("state.db")];
  const { fine, findings, text } = await check([...args, ...files], { task: "start:checksums" });
  const bad = findings.filter(({ verdict }) => verdict !== "ok");
  // Not every system has a limit that it tells.
  const expected = linux ? [] : [["descriptors", "skipped"]];
  assert.deepEqual([fine, bad.map(({ id, verdict }) => [id, verdict])], [true, expected]);
  const known = Object.keys(RULES);
  assert.deepEqual(
    findings.map(({ id }) => id),
    known.filter((id) => !["times", "metrics"].includes(id)), // only where there is something
  );
  assert.doesNotMatch(text, /b27e40/);
  assert.deepEqual([...Deno.readDirSync(tree.path)].map(({ name }) => name), ["photos"]);

  const { code, stdout } = await runToEnd(["check", ...args]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^ok {7}Version: zipferry [\d.]+ \(commit /);
  assert.match(stdout, /^ok {7}Files: 1 tried, all can be read$/m);
  assert.match(stdout, /^ {9}Next: when it runs, .* zipferry doctor https:/m);
  assert.match(
    stdout,
    new RegExp(`\\n\\n\\d+ ok, 0 warning, 0 fault, ${expected.length} skipped\\n$`),
  );
});

Deno.test("zipferry check: one thing that is wrong hides no other", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using tree = await makeTree({
    ...{ "logo.png": "no picture", "cert.pem": "no certificate" },
    ".env": "ZIPFERRY_NEW_OPTION=1\n",
  });
  const { lineOf, findings } = await check([
    ...["--folder", tree.join("missing"), "--port", `${taken.addr.port}`, "--links", "signed"],
    ...["--logo", tree.join("logo.png"), "--listing", "on", "--memory", "1024G"],
    ...["--tls-cert", tree.join("cert.pem"), "--tls-key", tree.join("none.pem")],
    ...["--trust-proxy", "0.0.0.0/0", "--metrics", `127.0.0.1:${taken.addr.port}`],
  ], { env: { ZIPFERRY_LISTNG: "on" }, cwd: tree.path });
  assert.match(lineOf("folder"), /^fault: --folder: ".*missing" cannot be .*; create it, or name /);
  for (const id of ["names", "archives", "files", "speed", "checksums"]) {
    assert.match(lineOf(id), /^skipped: there are no photos to look at$/, id);
  }
  assert.match(lineOf("clock"), /^ok: /);
  assert.match(lineOf("variables"), /ZIPFERRY_LISTNG: .*use ZIPFERRY_LISTING → correct or remove/);
  assert.match(
    lineOf("variables"),
    /ZIPFERRY_NEW_OPTION: .* newer version has it, update zipferry/,
  );
  assert.match(
    lineOf("secrets"),
    /^fault: --links signed: needs ZIPFERRY_SECRET or --secret-file$/,
  );
  assert.match(lineOf("listing"), /^warning: .* → use --listing auto/);
  assert.match(lineOf("memory"), /^fault: .* → --memory \d+M is what it would be/);
  assert.match(lineOf("pages"), /^fault: --logo: .*neither PNG nor SVG; use a PNG/);
  assert.match(lineOf("tls"), /^fault: --tls-cert: .* is not PEM/);
  assert.match(lineOf("address"), /somebody listens there → if it is not this service: stop/);
  assert.match(lineOf("metrics"), /^fault: .*somebody listens there → .* by --metrics$/);
  assert.match(lineOf("proxy"), /^warning: --trust-proxy 0\.0\.0\.0\/0: every client may say/);
  assert.match(lineOf("settings"), /--folder ".*missing", .*--listing "on"/);
  for (const { id, verdict, seen, next } of findings) {
    if (verdict === "ok" || verdict === "skipped") continue;
    assert.ok(next !== null || /; |use |needs /.test(seen), `${id} has no next step: ${seen}`);
  }
});

Deno.test("zipferry check: names and files that nobody gets are found", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using tree = await makeTree({
    [`${HASH}/a.jpg`]: "a",
    "summer 2024/b.jpg": "b",
    "wedding/c.jpg": "c",
  });
  const { lineOf } = await check(["--folder", tree.path, "--port", "0"]);
  assert.match(
    lineOf("names"),
    /^warning: "summer 2024" → zipferry new --folder ".*" --move "summ/,
  );
  assert.match(lineOf("guessable"), /^warning: wedd… → rename them to 16 random characters/);
});

if (Deno.build.os === "linux") {
  testWith(
    Deno.uid() === 0 ? ["setpriv"] : [],
    "zipferry check: folders and files that this user may not read are faults",
    async () => {
      const [other, third] = [HASH.replace("b", "c"), HASH.replace("b", "d")];
      await using tree = await makeTree({
        [`${HASH}/a.jpg`]: { content: "a", mode: 0o000 },
        [`${other}/b.jpg`]: "b",
        [`${third}/more/c.jpg`]: "c",
      });
      const closed = [tree.join(other), tree.join(third, "more")];
      for (const path of closed) await Deno.chmod(path, 0o000);
      const drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"];
      const prefix = Deno.uid() === 0 ? drop : [];
      const { lineOf, text } = await check(["--folder", tree.path, "--port", "0"], { prefix });
      for (const path of closed) await Deno.chmod(path, 0o755); // or they could not be removed
      const archives = lineOf("archives");
      assert.match(archives, /^fault: cannot be listed: .* EACCES.* → let the user of the service/);
      for (const start of ["c27e…", "d27e…"]) assert.ok(archives.includes(start), archives);
      assert.match(
        lineOf("files"),
        /^fault: cannot be read: b27e… .*EACCES: a\.jpg → let the user/,
      );
      assert.doesNotMatch(text, /27e40/);
    },
  );
}

Deno.test("zipferry check: a service that runs already is no fault", async () => {
  await using tree = await makeTree({ [`${HASH}/a.jpg`]: "a" });
  const folder = ["--folder", tree.path];
  await using program = await start(folder);
  const { lineOf, fine } = await check([...folder, "--port", `${program.port}`]);
  assert.match(lineOf("address"), /^ok: .*: a zipferry is running there$/);
  assert.equal(fine, true);
});

Deno.test("zipferry check: missing permissions are told all at once", async () => {
  await using tree = await makeTree({ [`${HASH}/a.jpg`]: "a" });
  const args = ["--folder", tree.path, "--port", "18089", "--state", tree.join("state.db")];
  const env = "--allow-env";
  const { lineOf, fine } = await check(args, {
    flags: ["--quiet", "--no-prompt", env, "--allow-read=.env"],
  });
  assert.equal(fine, false);
  const missing = lineOf("permissions");
  for (const flag of ["read", "net", "write"]) {
    assert.match(missing, new RegExp(`--allow-${flag}=`));
  }
  assert.match(lineOf("folder"), /^fault: .*not permitted, start deno with --allow-read=/);
  assert.match(lineOf("state"), /^fault: not permitted, see Permissions$/);
});

const PHOTO = randomBytes(2_000_000);

/** A store with one photo in the folder `site/` of the bucket `photos` */
function answerOf(
  { method, target, headers }: ScriptedRequest,
  isReadable: boolean,
): ScriptedReply {
  if (method === "GET" && target.includes("list-type=2")) {
    const inArchive = target.includes(HASH);
    const found = inArchive
      ? `<Contents><Key>site/${HASH}/a.jpg</Key><LastModified>2026-05-06T07:08:09.000Z</LastModified>
         <ETag>&quot;0123456789abcdef&quot;</ETag><Size>${PHOTO.length}</Size></Contents>`
      : `<CommonPrefixes><Prefix>site/${HASH}/</Prefix></CommonPrefixes>`;
    const body = `<ListBucketResult><Name>photos</Name><Prefix>site/</Prefix>
      <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>${found}</ListBucketResult>`;
    return { headers: { "content-type": "application/xml" }, body };
  }
  if (!isReadable) {
    return { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" };
  }
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.get("range") ?? "") ?? [];
  const etag = '"0123456789abcdef"';
  const common = { etag, "last-modified": "Wed, 06 May 2026 07:08:09 GMT" };
  if (method === "HEAD" || from === undefined) {
    return { headers: { ...common, "content-length": `${PHOTO.length}` }, body: PHOTO };
  }
  const end = to ? Number(to) : PHOTO.length - 1;
  const range = { "content-range": `bytes ${from}-${end}/${PHOTO.length}` };
  const body = PHOTO.subarray(Number(from), end + 1);
  return { status: 206, headers: { ...common, ...range }, body };
}

for (const isReadable of [true, false]) {
  const what = isReadable ? "that may be read" : "that may be listed, but not read";
  Deno.test(`zipferry check: a bucket ${what}`, async () => {
    await using store = await scriptStore((request) => answerOf(request, isReadable));
    const env = { AWS_ENDPOINT_URL: store.url.href, AWS_REGION: "eu-central-1" };
    const args = ["--folder", "s3://photos/site", "--port", "0", "--s3-retries", "0"];
    const keys = { AWS_ACCESS_KEY_ID: "user", AWS_SECRET_ACCESS_KEY: "hush-hush" };
    const { lineOf, fine, text } = await check(args, { env: { ...env, ...keys } });
    assert.equal(lineOf("folder"), 'ok: "s3://photos/site", 1 folder in it');
    assert.equal(fine, isReadable, text);
    assert.match(
      lineOf("archives"),
      isReadable ? /^ok: 1$/ : /^fault: .* status 403 → let the policy of the bucket allow/,
    );
    assert.match(lineOf("files"), isReadable ? /^ok: 1 tried/ : /^skipped/);
    assert.doesNotMatch(text, /hush/);
  });
}

Deno.test("zipferry check: a bucket that cannot be reached", async () => {
  const env = { AWS_ENDPOINT_URL: `http://127.0.0.1:${freePort()}`, AWS_REGION: "eu-central-1" };
  const args = ["--folder", "s3://photos", "--s3-anonymous", "--s3-retries", "0", "--port", "0"];
  const { lineOf } = await check(args, { env });
  assert.match(
    lineOf("folder"),
    /^fault: .*look at the address in AWS_ENDPOINT_URL_S3, the network/,
  );
});
