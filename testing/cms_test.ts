/**
 * The recipes of `docs/cms.md` that need another server: nginx with PHP, and FTP.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Program, start, until } from "./process.ts";
import { freePort } from "./free_port.ts";
import { startNginx } from "./proxy.ts";
import { exchange } from "./raw.ts";
import { accept, run, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const PAGE = await Deno.readTextFile(new URL("../docs/cms.md", import.meta.url));
const HASH = "5b0d81c3f2a94e67a0c8d15e3b7f2694";
const OTHER = "77e2a05c9b1d4f38862ad94c0e1f5b30";
const PATH = `/archive/${HASH}/`;
const LOCATION = "location ^~ /archive/ {";
const PASSWORD = "secret";

Deno.test("docs/cms.ru.md: the table for FTP has the commands of docs/cms.md", async () => {
  const russian = await Deno.readTextFile(new URL("../docs/cms.ru.md", import.meta.url));
  const commandsIn = (page: string) => {
    const rows = page.split("\n").filter((line) => /^\| (lftp|curl|PHP|rsync|ProFTPD)/.test(line));
    return rows.map((row) => row.match(/`[^`]+`/g));
  };
  assert.equal(commandsIn(PAGE).length, 5);
  assert.deepEqual(commandsIn(russian), commandsIn(PAGE));
});

/** The block of the page in this language that has this text in it */
function blockWith(language: string, text: string): string {
  const blocks = [...PAGE.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].filter(([, name]) =>
    name === language
  );
  const found = blocks.filter(([, , block]) => block.includes(text));
  assert.equal(found.length, 1, `${language}: ${text}`);
  return found[0][2];
}

function replaceOnce(text: string, from: string, to: string): string {
  assert.equal(text.split(from).length, 2, from);
  return text.replace(from, () => to);
}

function ask(port: number, target: string, lines: readonly string[] = [], method = "GET") {
  return exchange(port, [`${method} ${target} HTTP/1.1`, "Host: x", ...lines, "\r\n"].join("\r\n"));
}

function makePhotos() {
  return makeTree({
    [`photos/${HASH}/a.jpg`]: randomBytes(3_000_000),
    [`photos/${OTHER}/b.jpg`]: randomBytes(1000),
  });
}

/** What a download needs from the service, by this link as by the archive's own */
async function assertSameDownload(port: number, target: string, program: Program, cookie = "") {
  const etag = (await ask(program.port, PATH)).headers.get("etag");
  const part = "Range: bytes=1000-2000000";
  const cases: [number, ...string[]][] = [
    [200],
    [206, part, `If-Range: ${etag}`],
    [200, part, 'If-Range: "other"'],
    [304, `If-None-Match: ${etag}`],
    [412, 'If-Match: "other"'],
    [416, "Range: bytes=99999999-"],
  ];
  for (const [status, ...lines] of cases) {
    const proxied = await ask(port, target, [...lines, `Cookie: ${cookie}`]);
    const direct = await ask(program.port, PATH, lines);
    assert.deepEqual([direct.status, proxied.status], [status, status], `${lines}`);
    for (const [name, value] of direct.headers) {
      if (["date", "vary", "x-accel-buffering"].includes(name)) continue;
      assert.equal(proxied.headers.get(name), value, `${status} ${name}`);
    }
    assert.ok(Buffer.from(proxied.body).equals(direct.body), `${lines}`);
  }
}

testWith(["nginx", "php"], "docs/cms.md: a link with a signature expires", async () => {
  await using tree = await makePhotos();
  await using program = await start(["--folder", tree.join("photos")]);
  const lines = blockWith("nginx", "secure_link_md5");
  const edit = (sample: string) => replaceOnce(sample, LOCATION, LOCATION + lines);
  await using proxy = await startNginx({ upstreams: [program.port], edit });

  await Deno.writeTextFile(tree.join("signed.php"), blockWith("php", "function signed_link"));
  const printed = await accept("php", [tree.join("signed.php"), HASH]);
  const link = printed.trim();
  assert.ok(link.startsWith(`${PATH}?until=`), link);
  await assertSameDownload(proxy.port, link, program);

  const sign = async (until: number, secret: string) => {
    const code = `<?php $argv[1] = ''; require 'signed.php'; ob_end_clean();
      echo signed_link('${HASH}', ${until}, '${secret}');`;
    await Deno.writeTextFile(tree.join("sign.php"), code.replace("<?php", "<?php ob_start();"));
    return (await accept("php", ["sign.php"], { cwd: tree.path })).trim();
  };
  const now = Math.floor(Date.now() / 1000);
  const secret = "a long random secret";
  assert.equal((await ask(proxy.port, await sign(now + 60, secret))).status, 200);
  assert.equal((await ask(proxy.port, await sign(now - 60, secret))).status, 410);
  assert.equal((await ask(proxy.port, await sign(now + 60, "another"))).status, 404);
  for (const wrong of [PATH, `${PATH}?until=${now + 60}`, link.replace(HASH, OTHER)]) {
    assert.equal((await ask(proxy.port, wrong)).status, 404, wrong);
  }
  assert.equal((await ask(proxy.port, link.replace(/until=\d/, "until=9"))).status, 404);
});

testWith(["nginx", "php-cgi"], "docs/cms.md: X-Accel-Redirect, for who is logged in", async () => {
  await using tree = await makePhotos();
  await using program = await start(["--folder", tree.join("photos")]);
  await Deno.writeTextFile(tree.join("download.php"), blockWith("php", "X-Accel-Redirect"));
  await Deno.mkdir(tree.join("sessions"));
  await Deno.writeTextFile(tree.join("sessions/sess_known"), `albums|a:1:{i:0;s:32:"${HASH}";}`);
  await using fastcgi = await startFastcgi(tree);
  const location = [
    ["include fastcgi_params", "include /etc/nginx/fastcgi_params"],
    ["/var/www/site", tree.path],
    ["unix:/run/php/php-fpm.sock", `127.0.0.1:${fastcgi.port}`],
  ].reduce((text, [from, to]) => replaceOnce(text, from, to), blockWith("nginx", "fastcgi_pass"));
  const edit = (sample: string) =>
    replaceOnce(sample, LOCATION, `${location}${LOCATION} internal;`);
  await using proxy = await startNginx({ upstreams: [program.port], edit });

  const target = `/download?album=${HASH}`;
  const cookie = "PHPSESSID=known";
  await assertSameDownload(proxy.port, target, program, cookie);
  const head = await ask(proxy.port, target, [`Cookie: ${cookie}`], "HEAD");
  assert.deepEqual([head.status, head.headers.get("content-type")], [200, "application/zip"]);

  assert.equal((await ask(proxy.port, PATH, [`Cookie: ${cookie}`])).status, 404, "not directly");
  assert.equal((await ask(proxy.port, target)).status, 403, "not logged in");
  for (const album of [OTHER, `${HASH}/../${OTHER}`, `x%0d%0aX-Accel-Redirect:%20${PATH}`, ""]) {
    const { status } = await ask(proxy.port, `/download?album=${album}`, [`Cookie: ${cookie}`]);
    assert.equal(status, 403, album);
  }
});

testWith(["proftpd", "php", "lftp", "openssl"], "docs/cms.md: albums come over FTP", async () => {
  await using stage = await prepareFtp();
  const { tree, port, program } = stage;
  const [photos, album] = [tree.join("photos"), tree.join("album")];

  await Deno.writeTextFile(tree.join("ftp.php"), blockWith("php", "publish_over_ftp"));
  await Deno.writeTextFile(
    tree.join("try.php"),
    `<?php require 'ftp.php'; $ftp = ftp_connect('127.0.0.1', ${port});
    ftp_login($ftp, 'photographer', '${PASSWORD}') && ftp_pasv($ftp, true);
    echo publish_over_ftp($ftp, 'photos', ['a.jpg' => 'album/a.jpg', 'Утро.jpg' => 'album/a.jpg']);
    try { publish_over_ftp($ftp, 'photos', ['../x' => 'album/a.jpg']); echo 'published'; }
    catch (RuntimeException $error) {}`,
  );
  const hash = await accept("php", ["try.php"], { cwd: tree.path });
  assert.match(hash, /^[0-9a-f]{32}$/);
  assert.equal((await ask(program.port, `/archive/${hash}/`)).status, 200);
  assert.deepEqual(namesIn(tree.join("photos", hash)), ["a.jpg", "Утро.jpg"]);

  const lines = blockWith("sh", "lftp").replace("ftp.example.org", `127.0.0.1 -p ${port}`)
    .replace('-e "', '-e "set ftp:ssl-allow no;');
  const env = { user: "photographer", password: PASSWORD };
  const before = namesIn(photos);
  await accept("bash", ["-euc", lines], { cwd: tree.path, env });
  const [made] = namesIn(photos).filter((name) => !before.includes(name));
  assert.match(made, /^[0-9a-f]{32}$/);
  assert.deepEqual(namesIn(tree.join("photos", made)), namesIn(album));
  assert.equal((await ask(program.port, `/archive/${made}/`)).status, 200);
});

for (const [client, hidden] of [["lftp", ".in.big.jpg"], ["curl", ".big.jpg"]] as const) {
  testWith(
    ["proftpd", "openssl", client],
    `docs/cms.md: ${client} renames at the end`,
    async () => {
      await using stage = await prepareFtp();
      const [account, host] = [`photographer,${PASSWORD}`, `127.0.0.1 -p ${stage.port}`];
      const [, temporary, name] = /\| lftp +\| `(set [^`]+)` and `(set [^`]+)`/.exec(PAGE)!;
      const slow = "set ftp:ssl-allow no; set net:limit-total-rate 5M:5M";
      const [, line] = /\| curl +\| `curl ([^`]+)`/.exec(PAGE)!;
      const url = `ftp://photographer:${PASSWORD}@127.0.0.1:${stage.port}`;
      const command = {
        lftp: `lftp -u ${account} ${host} -e '${slow}; ${temporary}; ${name};
        put -O photos/${HASH} album/big.jpg; bye'`,
        curl: `cd album; curl -sS --limit-rate 5M ${line}`.replaceAll("IMG.jpg", "big.jpg")
          .replace("ftp://…", url).replace("$hash", HASH),
      };
      await assertArrivesWhole(stage, command[client], hidden);
    },
  );
}

testWith(
  ["proftpd", "openssl", "curl"],
  "docs/cms.md: HiddenStores, for every client",
  async () => {
    assert.ok(PAGE.includes("`HiddenStores on`"));
    await using stage = await prepareFtp("HiddenStores on");
    const url = `ftp://photographer:${PASSWORD}@127.0.0.1:${stage.port}/photos/${HASH}/`;
    const command = `curl -sS --limit-rate 5M -T album/big.jpg ${url}`;
    await assertArrivesWhole(stage, command, ".in.big.jpg.");
  },
);

/** A new file is in the folder under this name at first, and in the archive only when complete */
async function assertArrivesWhole({ tree, program }: FtpStage, command: string, hidden: string) {
  const folder = tree.join("photos", HASH);
  const before = await ask(program.port, PATH);
  const upload = run("bash", ["-euc", command], { cwd: tree.path, within: 30_000 });
  await until(() => namesIn(folder).includes(hidden), `${hidden} is there`);
  assert.deepEqual(namesIn(folder), [hidden, "a.jpg"]);
  assert.equal((await ask(program.port, PATH)).body.length, before.body.length);
  const { code, stderr } = await upload;
  assert.equal(code, 0, stderr);
  assert.deepEqual(namesIn(folder), ["a.jpg", "big.jpg"]);
  assert.deepEqual(
    await Deno.readFile(`${folder}/big.jpg`),
    await Deno.readFile(tree.join("album/big.jpg")),
  );
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Photos, a service for them, and an FTP server whose user's home is the folder around them */
interface FtpStage extends AsyncDisposable {
  readonly tree: Tree;
  readonly program: Program;
  readonly port: number;
}

async function prepareFtp(extra = ""): Promise<FtpStage> {
  const stack = new AsyncDisposableStack();
  try {
    const tree = stack.use(
      await makeTree({
        [`photos/${HASH}/a.jpg`]: "a",
        "album/a.jpg": "a",
        "album/big.jpg": randomBytes(10_000_000),
      }),
    );
    const program = stack.use(
      await start(["--folder", tree.join("photos")], {
        env: { ZIPFERRY_SETTLE: "0" }, // an album that has just changed is answered at once
      }),
    );
    const server = stack.use(await startFtp(tree, extra));
    const held = stack.move();
    return { tree, program, port: server.port, [Symbol.asyncDispose]: () => held.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** ProFTPD as the user that runs the tests, with one account */
async function startFtp(tree: Tree, extra: string) {
  const port = freePort();
  const password = (await accept("openssl", ["passwd", "-1", PASSWORD])).trim();
  const [uid, gid] = [Deno.uid(), Deno.gid()];
  const [user, group] = await Promise.all(["-un", "-gn"].map((flag) => accept("id", [flag])));
  const account = ["photographer", password, uid, gid, "", tree.path, "/bin/sh"].join(":");
  await Deno.writeTextFile(tree.join("accounts"), account + "\n", { mode: 0o600 });
  const config = [
    ...["ServerType standalone", "UseIPv6 off", "DefaultAddress 127.0.0.1", `Port ${port}`],
    ...[
      "SocketBindTight on",
      `User ${user.trim()}`,
      `Group ${group.trim()}`,
      "RootLogin on",
      "UseReverseDNS off",
    ],
    ...["RequireValidShell off", "AuthOrder mod_auth_file.c", "WtmpLog off"],
    ...[`AuthUserFile ${tree.join("accounts")}`, `PidFile ${tree.join("pid")}`],
    ...[`ScoreboardFile ${tree.join("scoreboard")}`, "SystemLog none", extra],
  ];
  await Deno.writeTextFile(tree.join("proftpd.conf"), config.join("\n") + "\n");
  return await startServer("proftpd", ["-n", "-c", tree.join("proftpd.conf")], port);
}

/** PHP as nginx's `fastcgi_pass` reaches it, with sessions in the tree */
function startFastcgi(tree: Tree) {
  const port = freePort();
  const args = ["-d", `session.save_path=${tree.join("sessions")}`, "-b", `127.0.0.1:${port}`];
  return startServer("php-cgi", args, port);
}

async function startServer(command: string, args: readonly string[], port: number) {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = new Response(child.stderr).text();
  let running = true;
  const end = Promise.all([child.status.finally(() => running = false), said]);
  await until(async () => !running || await isListening(port), `${command} listens`);
  assert.ok(running, await (running ? "" : said));
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await end;
    },
  };
}

async function isListening(port: number): Promise<boolean> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    return connection.localAddr.port !== port;
  } catch {
    return false;
  }
}
