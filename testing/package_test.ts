import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import project from "../deno.json" with { type: "json" };
import { variables } from "../lib/options.ts";
import {
  ABOUT_PACKAGES,
  CHECKOUT,
  type Machine,
  makeMachine,
  PROGRAM,
  shellBlocks,
  STAND_IN,
  testWithMachine,
} from "./systemd.ts";
import { start } from "./process.ts";
import { accept, run, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const DOC = await Deno.readTextFile(new URL("../docs/systemd.md", import.meta.url));
const commands = shellBlocks(DOC);

const { version } = project;
const EXECUTABLE = `zipferry-${version}-linux-x64`;
const debName = (release: string) => `zipferry_${version}-${release}_amd64.deb`;
const rpmName = (release: string) => `zipferry-${version}-${release}.x86_64.rpm`;
const [DEB, RPM] = [debName("1"), rpmName("1")];
const HASH = "9f27c6b04e8d41d5a3b1707e58cc2d61";

/** Runs the task's script */
function makePackages(tree: Tree, args: readonly string[] = [], env: Record<string, string> = {}) {
  const script = join(ROOT, "tools/package.ts");
  return run(Deno.execPath(), ["run", "--allow-all", script, "--folder", tree.path, ...args], {
    env: { NO_COLOR: "1", SOURCE_DATE_EPOCH: "1790000000", ...env },
  });
}

/** What is in both packages; each has some of its own besides */
const CONTENTS = [
  "-rw------- 0 0 /etc/zipferry.env",
  "-rwxr-xr-x 0 0 /usr/bin/zipferry",
  "-rw-r--r-- 0 0 /usr/lib/systemd/system/zipferry.service",
  "-rw-r--r-- 0 0 /usr/share/bash-completion/completions/zipferry",
  "-rw-r--r-- 0 0 /usr/share/doc/zipferry/changelog.gz",
  ...[
    "Caddyfile",
    "haproxy.cfg",
    "nginx.conf",
    "zipferry-proxy.service",
    "zipferry-proxy.socket",
    "zipferry.service.d/options.conf",
    "zipferry.service.d/socket.conf",
  ].map((name) => `-rw-r--r-- 0 0 /usr/share/doc/zipferry/examples/${name}`),
  "-rw-r--r-- 0 0 /usr/share/fish/vendor_completions.d/zipferry.fish",
  "-rw-r--r-- 0 0 /usr/share/man/man1/zipferry.1.gz",
];

const ONLY_IN_DEB = [
  "-rw-r--r-- 0 0 /usr/share/doc/zipferry/changelog.Debian.gz",
  "-rw-r--r-- 0 0 /usr/share/doc/zipferry/copyright",
  "-rw-r--r-- 0 0 /usr/share/lintian/overrides/zipferry",
  "-rw-r--r-- 0 0 /usr/share/zsh/vendor-completions/_zipferry",
];

const ONLY_IN_RPM = [
  "-rw-r--r-- 0 0 /usr/share/licenses/zipferry/LICENSE",
  "-rw-r--r-- 0 0 /usr/share/zsh/site-functions/_zipferry",
];

/** What `tar -tvf` says, without sizes, times and folders */
function listed(text: string): string[] {
  const lines = text.split("\n").filter((line) => line.startsWith("-"));
  return lines.map((line) => {
    const [mode, , user, group, , , , , path] = line.split(/\s+/);
    return `${mode} ${user} ${group} ${path.replace(/^\.?\/?/, "/")}`;
  }).sort(byPath);
}

function byPath(a: string, b: string) {
  const [x, y] = [a, b].map((line) => line.slice(line.indexOf("/")));
  return x < y ? -1 : 1;
}

testWith(["nfpm", "bsdtar"], "deno task package: what is in both packages", async () => {
  await using tree = await makeTree({ [EXECUTABLE]: "a program", [`${EXECUTABLE}.old`]: "none" });
  await Deno.writeTextFile(tree.join("SHA256SUMS"), `${"0".repeat(64)}  ${EXECUTABLE}\n`);
  const { code, stdout, stderr } = await makePackages(tree);
  assert.equal(code, 0, stderr);
  assert.equal(new TextDecoder().decode(stdout), `${DEB}\n${RPM}\n`);

  const rpm = await accept("bsdtar", ["--numeric-owner", "-tvf", tree.join(RPM)]);
  assert.deepEqual(listed(rpm), [...CONTENTS, ...ONLY_IN_RPM].sort(byPath));
  await accept("bsdtar", ["-xf", tree.join(DEB), "-C", tree.path]);
  const deb = await accept("bsdtar", ["--numeric-owner", "-tvf", tree.join("data.tar.gz")]);
  assert.deepEqual(listed(deb), [...CONTENTS, ...ONLY_IN_DEB].sort(byPath));

  const extracted = ["-xf", tree.join("data.tar.gz"), "-C", tree.path];
  await accept("bsdtar", extracted);
  assert.equal(await Deno.readTextFile(tree.join("usr/bin/zipferry")), "a program");
  const copyright = await Deno.readTextFile(tree.join("usr/share/doc/zipferry/copyright"));
  for (const name of Object.values(project.imports)) {
    const [, title] = /^npm:(.+)@[\d.]+$/.exec(name) ?? [];
    assert.match(copyright, new RegExp(`^${title} [\\d.]+: `, "m"));
  }
  const sums = await Deno.readTextFile(tree.join("SHA256SUMS"));
  const sumOf = (name: string) => `${hash("sha256", Deno.readFileSync(tree.join(name)))}  ${name}`;
  const unchanged = `${"0".repeat(64)}  ${EXECUTABLE}`;
  assert.deepEqual(sums.split("\n"), [sumOf(RPM), unchanged, sumOf(DEB), ""]);
});

testWith(
  ["nfpm"],
  "deno task package: both processors, the same bytes of the same source",
  async () => {
    const arm = `zipferry-${version}-linux-arm64`;
    const made = await Promise.all([1, 2].map(async () => {
      await using tree = await makeTree({ [EXECUTABLE]: "a program", [arm]: "another" });
      const { code, stderr } = await makePackages(tree, ["--release", "7"]);
      assert.equal(code, 0, stderr);
      return await Deno.readTextFile(tree.join("SHA256SUMS"));
    }));
    const names = [
      `zipferry-${version}-7.aarch64.rpm`,
      `zipferry-${version}-7.x86_64.rpm`,
      `zipferry_${version}-7_amd64.deb`,
      `zipferry_${version}-7_arm64.deb`,
    ];
    assert.deepEqual(made[0].trim().split("\n").map((line) => line.slice(66)), names);
    assert.equal(made[0], made[1]);
  },
);

Deno.test("deno task package tells in one line what cannot be packaged", async () => {
  await using tree = await makeTree();
  const cases: [string[], RegExp][] = [
    [[], /^package: .*: has no zipferry-.*-linux-x64, nor .*; deno task compile makes them$/],
    [["--folder", ""], /^package: --folder: give a folder$/],
    [
      ["--release", "1a"],
      /^package: --release: "1a" is not allowed; use a whole number from 1 up$/,
    ],
    [["--repository", "a"], /^package: --repository: "a" is not allowed; use OWNER\/NAME$/],
    [
      ["--relase", "2"],
      /^package: Unknown option '--relase'.*; --folder, --release and --repository are known$/,
    ],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await makePackages(tree, args);
    assert.equal(code, 1);
    assert.match(stderr.trimEnd(), message);
  }
});

Deno.test("deploy/package/zipferry.env: its comments are options of the unit", async () => {
  const text = await Deno.readTextFile(join(ROOT, "deploy/package/zipferry.env"));
  const set = parseEnv(text.replaceAll(/^#(?=[A-Z_]+=)/gm, ""));
  for (const name of Object.keys(set)) assert.ok(variables.includes(name), name);
  assert.deepEqual(Object.keys(parseEnv(text)), []);
  const unit = await Deno.readTextFile(join(ROOT, "deploy/zipferry.service"));
  for (const name of ["PHOTOS_DIR", "HOST", "PORT"]) {
    assert.ok(unit.includes(`${name}=${set[name]}`), `${name} as in the unit`);
  }
});

/** The runtime of executables, which cannot be had everywhere */
const runtime = Deno.env.get("DENORT_BIN");
const STANDS_IN = runtime ? "" : " (of a stand-in that runs deno: no DENORT_BIN)";

testWith(["nfpm", "lintian"], `lintian finds no fault in the .deb${STANDS_IN}`, async () => {
  await using tree = await makeTree();
  await makeExecutable(tree);
  const made = await makePackages(tree);
  assert.equal(made.code, 0, made.stderr);
  const flags = ["--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"];
  const { code, stdout, stderr } = await run("lintian", [...flags, tree.join(DEB)]);
  assert.equal(new TextDecoder().decode(stdout) + stderr, "");
  assert.equal(code, 0);
});

async function makeExecutable(tree: Tree) {
  if (runtime === undefined) return await Deno.writeTextFile(tree.join(EXECUTABLE), STAND_IN);
  const target = "x86_64-unknown-linux-gnu";
  const script = join(ROOT, "tools/compile.ts");
  const args = ["run", "--allow-all", script, "--target", target, "--output", tree.path];
  await accept(Deno.execPath(), args, { env: { NO_COLOR: "1", DENORT_BIN: runtime } });
}

/** What the steps share */
const COMMON = `
url=http://127.0.0.1:8080/archive/${HASH}/
show() { systemctl show --property="$1" --value zipferry.service; }
is() { [ "$(systemctl is-active zipferry)" = "$1" ]; }
not() { ! "$@"; }
downloads() { curl -fsS -o /tmp/archive.zip "$url" && sha256sum --check /expected; }
files() { find / -xdev ! -path '/proc*' ! -path '/run*' ! -path '/tmp*' ! -path '/results*' \\
  ! -path '/var/log*' ! -path '/var/cache*' ! -path '/var/lib/dpkg*' ! -path '/var/lib/apt*' \\
  ! -path '/var/lib/rpm*' ! -path '/root*' ! -path '${PROGRAM}*' | sort; }
photos() { find /srv/photos -type f -exec sha256sum {} + | sort; }
pick() { rm -f dist/*.deb dist/*.rpm; cp "/packages/$1"/* dist/; }
# This rpm is for looking into packages, on a system whose own are others
rpm() {
  case $1 in
    -U | -V | -e) command rpm --force-debian --nodeps "$@" ;;
    *) command rpm "$@" ;;
  esac
}
export DEBIAN_FRONTEND=noninteractive
cd ${CHECKOUT}
`;

const [INSTALL, UPGRADE] = ABOUT_PACKAGES.map((title) => commands[title]);
const [AGAIN, REMOVE, PURGE] = UPGRADE.trim().split("\n");

const STEPS: Record<string, string> = {
  "before": `
    cp -r . ${PROGRAM}
    rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap # leaves out man pages
    echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/yes
    photos >/tmp/photos
    # what systemd makes for any service with a user of its own, and what any Fedora has
    mkdir -p -m 700 /var/lib/private
    mkdir -p /usr/share/licenses /usr/share/man/man1
    files >/tmp/before
  `,

  "Install a package": `
    pick 1
    ${INSTALL}
    downloads
    [ "$(systemctl is-enabled zipferry)" = enabled ]
    [ "$(stat -c '%a %U' /etc/zipferry.env)" = "600 root" ]
    [ -s /usr/share/man/man1/zipferry.1.gz ]
    [ "$(readlink -f "$(show FragmentPath)")" = /usr/lib/systemd/system/zipferry.service ]
    zipferry --version
    dpkg --verify zipferry | tee /tmp/said
    [ ! -s /tmp/said ]
  `,

  "an upgrade keeps a changed config and restarts the service": `
    printf 'PORT=8090\\nZIPFERRY_STATE=/var/lib/zipferry/receipts.sqlite\\n' >/etc/zipferry.env
    systemctl restart zipferry
    pid=$(show MainPID)
    pick 2
    ${AGAIN}
    dpkg-query --show zipferry | grep -- -2
    [ "$(show MainPID)" != $pid ]
    is active
    curl -fsS http://127.0.0.1:8090/healthz
    grep -x PORT=8090 /etc/zipferry.env
    [ -s /var/lib/zipferry/receipts.sqlite ]
  `,

  "a service that is stopped or disabled stays so": `
    systemctl disable --now zipferry
    pick 1
    apt install --allow-downgrades -y ./dist/zipferry_*_amd64.deb
    is inactive
    not systemctl is-enabled zipferry
    systemctl enable --now zipferry
  `,

  "a removal stops it, and keeps the config and what was stored": `
    ${REMOVE}
    is inactive
    [ ! -e /usr/bin/zipferry ]
    not systemctl cat zipferry
    grep -x PORT=8090 /etc/zipferry.env
    [ -s /var/lib/zipferry/receipts.sqlite ]
    photos | diff /tmp/photos -
  `,

  "installed again it is as before": `
    ${AGAIN}
    systemctl start zipferry
    [ "$(systemctl is-enabled zipferry)" = enabled ]
    curl -fsS http://127.0.0.1:8090/healthz
  `,

  "a purge leaves nothing but photos": `
    ${PURGE}
    is inactive
    files | diff /tmp/before -
    photos | diff /tmp/photos -
    [ -z "$(dpkg-query --show --showformat '\${db:Status-Status}' zipferry 2>/dev/null)" ]
  `,

  "a purge without a removal before": `
    ${INSTALL}
    downloads
    ${PURGE}
    files | diff /tmp/before -
  `,

  "after an installation by hand": `
    install -m 755 dist/${EXECUTABLE} /usr/bin/zipferry
    install -m 644 deploy/zipferry.service /etc/systemd/system/
    systemctl daemon-reload
    systemctl enable --now zipferry
    pid=$(show MainPID)
    rm /etc/systemd/system/zipferry.service
    printf 'HOST=127.0.0.1\\n' >/etc/zipferry.env
    ${AGAIN.replace(" install", " install -o Dpkg::Options::=--force-confold")}
    grep -x HOST=127.0.0.1 /etc/zipferry.env
    systemctl reenable zipferry
    systemctl restart zipferry
    [ "$(readlink -f "$(show FragmentPath)")" = /usr/lib/systemd/system/zipferry.service ]
    [ "$(show MainPID)" != $pid ]
    downloads
    ${PURGE}
    files | diff /tmp/before -
  `,

  "rpm: installed": `
    pick 1
    rpm -U dist/zipferry-*.x86_64.rpm
    systemctl enable --now zipferry
    downloads
    rpm -q --configfiles zipferry | grep -x /etc/zipferry.env
    rpm -V zipferry
  `,

  "rpm: an upgrade keeps a changed config and restarts the service": `
    printf 'PORT=8090\\n' >/etc/zipferry.env
    systemctl restart zipferry
    pid=$(show MainPID)
    pick 2
    rpm -U dist/zipferry-*.x86_64.rpm
    rpm -q zipferry | grep -- -2
    [ "$(show MainPID)" != $pid ]
    curl -fsS http://127.0.0.1:8090/healthz
  `,

  "rpm: a removal leaves the changed config and what was stored": `
    rpm -e zipferry
    is inactive
    grep -x PORT=8090 /etc/zipferry.env.rpmsave
    [ -s /var/lib/zipferry/checksums.sqlite ]
    rm -r /etc/zipferry.env.rpmsave /var/lib/zipferry /var/lib/private/zipferry
    files | diff /tmp/before -
    photos | diff /tmp/photos -
  `,
};

Deno.test("docs/systemd.md: what it says of packages is run", () => {
  assert.match(AGAIN, /^apt install /);
  assert.equal(INSTALL.split("\n")[0], AGAIN);
  assert.deepEqual([REMOVE, PURGE], ["apt remove zipferry", "apt purge zipferry"]);
  for (const command of ["rpm -U dist/zipferry-*.x86_64.rpm", "rpm -e zipferry"]) {
    assert.ok(DOC.includes(`\`${command}\``), command);
    assert.ok(Object.values(STEPS).some((step) => step.includes(command)), command);
  }
});

testWithMachine(
  `the packages are installed, upgraded, removed and purged${STANDS_IN}`,
  async (t) => {
    await using machine = await makeMachine();
    await makePhotos(machine);
    await packagesFor(machine);
    const steps = Object.entries(STEPS).map(([name, step]) => [name, COMMON + step]);
    for (const [name, { code, stdout, trace }] of await machine.boot(Object.fromEntries(steps))) {
      await t.step(name, () => assert.equal(code, 0, `exit code ${code}\n${trace}${stdout}`));
    }
  },
  ["nfpm"],
);

async function makePhotos(machine: Machine) {
  Deno.mkdirSync(machine.join("srv/photos", HASH), { recursive: true });
  const photo = machine.join("srv/photos", HASH, "photo.jpg");
  Deno.writeFileSync(photo, randomBytes(1_000_000), { mode: 0o644 });
  await using program = await start(["--folder", machine.join("srv/photos")]);
  const body = await (await fetch(`${program.url}archive/${HASH}/`)).bytes();
  Deno.writeTextFileSync(machine.join("expected"), `${hash("sha256", body)}  /tmp/archive.zip\n`);
}

/** Two versions of the package, and the executable */
async function packagesFor(machine: Machine) {
  await using tree = await makeTree();
  await makeExecutable(tree);
  for (const release of ["1", "2"]) {
    const { code, stderr } = await makePackages(tree, ["--release", release]);
    assert.equal(code, 0, stderr);
    const folder = machine.join("packages", release);
    await Deno.mkdir(folder, { recursive: true });
    for (const name of [debName(release), rpmName(release)]) {
      await Deno.copyFile(tree.join(name), join(folder, name));
    }
  }
  await Deno.mkdir(machine.join(CHECKOUT, "dist"));
  await Deno.copyFile(tree.join(EXECUTABLE), machine.join(CHECKOUT, "dist", EXECUTABLE));
}
