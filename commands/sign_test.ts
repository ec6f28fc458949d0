import assert from "node:assert/strict";
import { runToEnd, start } from "../testing/process.ts";
import { makeTree } from "../testing/tree.ts";

const HASH = "5b0d81c3f2a94e67a0c8d15e3b7f2694";
const SECRET = "for-tests-only-4f1c9a77";
const OLDER = "for-tests-only-b83e2d05";

Deno.test("sign: prints a link that the service takes, and that ends", async () => {
  await using tree = await makeTree({
    [`photos/${HASH}/a.jpg`]: "1",
    "secret": `${SECRET}\n${OLDER}\n`,
    "older": `${OLDER}\n`,
  });
  const folder = ["--folder", tree.join("photos")];
  await using program = await start([
    ...folder,
    ...["--links", "signed", "--secret-file", tree.join("secret")],
    ...["--log", "--log-format", "json"],
  ]);
  const baseUrl = program.url.replace(/\/$/, "");
  const sign = async (args: readonly string[], env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await runToEnd(["sign", HASH, ...args], { env });
    assert.deepEqual([code, stderr], [0, ""]);
    return stdout.trimEnd();
  };
  const links = [
    await sign(["--base-url", baseUrl, "--secret-file", tree.join("secret")]),
    await sign(["--base-url", baseUrl, "--secret-file", tree.join("older"), "--ttl", "1h"]),
    await sign(["--base-url", baseUrl], { ZIPFERRY_SECRET: SECRET }),
  ];
  for (const link of links) {
    assert.match(
      link,
      /^http:\/\/127\.0\.0\.1:\d+\/archive\/\w+\/\?expires=\d+&signature=[\w-]{43}$/,
    );
    const answer = await fetch(link);
    await answer.bytes();
    assert.equal(answer.status, 200, link);
    const without = await fetch(link.replace(/&signature.*/, ""));
    await without.bytes();
    assert.equal(without.status, 400);
  }
  const seconds = (link: string) => Number(/expires=(\d+)/.exec(link)![1]) - Date.now() / 1000;
  assert.ok(
    Math.abs(seconds(links[0]) - 7 * 86_400) < 60 && Math.abs(seconds(links[1]) - 3600) < 60,
  );
  for (const target of [`/archive/${HASH}/`, `/archive/${HASH}/?manifest`]) {
    const answer = await fetch(baseUrl + target);
    await answer.bytes();
    assert.equal(answer.status, 404);
  }
  const { stdout: report } = await runToEnd(["doctor", links[0]]);
  assert.match(report, /^ok +The link without its last slash: 301 to the right link$/m);
  assert.ok(report.includes("/?…") && !/signature|expires/.test(report), report);
  const files = await sign(["--file", "б в.jpg", "--file", "a/"], { ZIPFERRY_SECRET: SECRET });
  assert.match(files, /^\/archive\/\w+\/\?file=%D0%B1%20%D0%B2\.jpg&file=a%2F&expires=/);
  const logged = program.stdout() + program.stderr();
  for (const link of links) assert.ok(!logged.includes(/signature=(.*)/.exec(link)![1]));
  for (const secret of [SECRET, OLDER]) assert.ok(!logged.includes(secret));
});

Deno.test("sign, --links: without a good secret nothing is done, and the message has none", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/a.jpg`]: "1", "secret": "x,y" });
  const folder = ["--folder", tree.join("photos"), "--check-config"];
  const three = ["one", "two", "three"].map((name) => `for-tests-only-${name}`).join();
  const cases: [string[], Record<string, string>, RegExp][] = [
    [["sign", HASH], {}, /sign: needs ZIPFERRY_SECRET or --secret-file, as the service has it/],
    [["sign", HASH], { ZIPFERRY_SECRET: "short" }, /ZIPFERRY_SECRET: too short; use 16/],
    [
      ["sign", HASH],
      { ZIPFERRY_SECRET: three },
      /ZIPFERRY_SECRET: 3 secrets; at most two are allowed, leave the one/,
    ],
    [["sign", HASH, "--secret-file", tree.join("secret")], {}, /--secret-file: too short/],
    [["sign", HASH, "--secret-file", tree.join("none")], {}, /--secret-file: .*cannot be read/],
    [
      ["sign", HASH, "--secret-file", tree.join("secret")],
      { ZIPFERRY_SECRET: SECRET },
      /ZIPFERRY_SECRET and --secret-file: only one of them is allowed/,
    ],
    [
      [...folder, "--links", "signed"],
      {},
      /--links signed: needs ZIPFERRY_SECRET or --secret-file/,
    ],
    [[...folder, "--links", "both"], {}, /--links both: needs ZIPFERRY_SECRET or --secret-file/],
  ];
  for (const [args, env, expected] of cases) {
    const { code, stderr } = await runToEnd(args, { env });
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, expected);
    assert.doesNotMatch(stderr, /for-tests-only/);
  }
  const modes: [string[], Record<string, string>, string][] = [
    [[], {}, "open"],
    [[], { ZIPFERRY_SECRET: SECRET }, "both"],
    [["--links", "open"], { ZIPFERRY_SECRET: SECRET }, "open"],
    [["--links", "signed"], { ZIPFERRY_SECRET: `${SECRET},${OLDER}` }, "signed"],
  ];
  for (const [args, env, links] of modes) {
    const { code, stdout } = await runToEnd([...folder, ...args], { env });
    assert.equal(code, 0);
    assert.ok(stdout.includes(links), stdout);
    assert.doesNotMatch(stdout, /for-tests-only/);
  }
});
