import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { start } from "./process.ts";
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
import { taskFlags } from "./task.ts";
import { randomBytes } from "./tree.ts";

const DOC = Deno.readTextFileSync(new URL("../docs/systemd.md", import.meta.url));

const HASH = "9f27c6b04e8d41d5a3b1707e58cc2d61";

/** Longer than what the system's buffers hold between a service and a client, at any rate */
const PHOTO_BYTES = 48_000_000;

/** The permissions of the program, and what else it is started with */
const FLAGS = taskFlags("start:checksums").join(" ");

/** What the steps share */
const COMMON = `
site=http://127.0.0.1:8080
url=$site/archive/${HASH}/
dropins=/etc/systemd/system/zipferry.service.d
show() { systemctl show --property="$1" --value "\${2:-zipferry.service}"; }
is() { [ "$(systemctl is-active "$1")" = "$2" ]; }
soon() { { set +x; } 2>/dev/null; until eval "$1"; do sleep 0.05; done; set -x; }
not() { ! "$@"; }
answers() { curl -fsS "$site/healthz"; }

# Puts an option, or some, into the unit
configure() {
  printf '%s\\n' "$@" >/etc/zipferry.env
  systemctl restart zipferry
}

# Back to the unit as it comes
reset() {
  rm -rf /etc/zipferry.env "$dropins"
  systemctl daemon-reload
  systemctl reset-failed
  systemctl restart zipferry
}

# A download that takes two seconds; when this returns, a third of it at least is to come
begin() {
  rm -f /tmp/archive.zip
  answers # curl keeps to its rate on the average, and would make up for time it waited
  curl -fsS --limit-rate 24M -o /tmp/archive.zip "$url" &
  download=$!
  soon '[ -s /tmp/archive.zip ]'
  [ "$(stat -c %s /tmp/archive.zip)" -lt ${PHOTO_BYTES / 3 * 2} ]
}

# It comes to its end, and is the right one
finish() {
  wait $download
  sha256sum --check /tmp/expected
}
`;

async function makePhotos(machine: Machine) {
  for (const folder of ["srv/photos", "home/site/photos"]) {
    Deno.mkdirSync(machine.join(folder, HASH), { recursive: true });
    Deno.writeTextFileSync(machine.join(folder, HASH, "Утро.txt"), folder);
    Deno.chmodSync(machine.join(folder, HASH, "Утро.txt"), 0o644);
  }
  Deno.chmodSync(machine.join("home/site"), 0o700);
  const photo = machine.join("srv/photos", HASH, "photo.jpg");
  Deno.writeFileSync(photo, randomBytes(PHOTO_BYTES), { mode: 0o644 });
  await using program = await start(["--folder", machine.join("srv/photos")]);
  const body = await (await fetch(`${program.url}archive/${HASH}/`)).bytes();
  Deno.writeTextFileSync(
    machine.join("expected"),
    `${hash("sha256", body)}  /tmp/archive.zip\n`,
  );
}

function makeExecutable(machine: Machine) {
  const dist = machine.join(CHECKOUT, "dist");
  Deno.mkdirSync(dist);
  Deno.writeTextFileSync(`${dist}/zipferry-1.2.3-linux-x64`, STAND_IN);
}

/** By heading, the commands of the document, which are run as they are */
const commands = shellBlocks(DOC);

const STEPS: Record<string, string> = {
  "the program is where the stand-in for an executable looks for it": `
    cp -r . ${PROGRAM}
    cp /expected /tmp/expected
    # Units are verified with what they start
    install -m 755 dist/zipferry-*-linux-x64 /usr/bin/zipferry
  `,

  "units are valid, with every line of the drop-ins": `
    cp -r deploy /tmp/units
    sed -i -E 's/^#([A-Z][A-Za-z]+=)/\\1/' /tmp/units/zipferry.service.d/options.conf
    [ $(grep -c '^[A-Z].*=' /tmp/units/zipferry.service.d/options.conf) -gt 9 ]
    cd /tmp/units
    for unit in zipferry.service zipferry-proxy.service zipferry-proxy.socket; do
      systemd-analyze verify --man=no --recursive-errors=yes ./$unit 2>&1 | tee /tmp/said
      [ ! -s /tmp/said ]
    done
    sed -i s/KillMode/KilMode/ zipferry.service
    not systemd-analyze verify --man=no --recursive-errors=yes ./zipferry.service
  `,

  "units are exposed little": `
    for unit in zipferry zipferry-proxy; do
      systemd-analyze security --no-pager --offline=true --threshold=20 deploy/$unit.service
    done
  `,

  "Install by hand": `
    ${commands["Install by hand"]}
    systemctl is-enabled zipferry
  `,

  "what the process may do": `
    pid=$(show MainPID)
    [ "$(show LimitNOFILE)" = 65535 ]
    grep '^NoNewPrivs:.1$' /proc/$pid/status
    grep '^Seccomp:.2$' /proc/$pid/status
    grep '^CapBnd:.0*$' /proc/$pid/status
    [ "$(stat -c %u /proc/$pid)" -ge 61184 ] # those that systemd hands out
    nsenter --mount --target $pid touch /run/zipferry/new /var/lib/zipferry/new
    for folder in /srv/photos /etc /usr/local /var/lib; do
      not nsenter --mount --target $pid touch $folder/new
    done
    not nsenter --mount --target $pid ls /home/site
    [ "$(stat -c %a /var/lib/zipferry/)" = 700 ]
  `,

  "a download is the same archive as outside": `
    curl -fsS -o /tmp/archive.zip "$url"
    sha256sum --check /tmp/expected
    [ -s /var/lib/zipferry/checksums.sqlite ]
  `,

  "a killed service is started again": `
    pid=$(show MainPID)
    kill -9 $pid
    soon '[ "$(show NRestarts)" = 1 ]'
    soon 'is zipferry active'
    answers
    [ "$(show MainPID)" != $pid ]
  `,

  "a stop refuses connections and lets a download finish": `
    begin
    systemctl stop --no-block zipferry
    soon 'not answers'
    is zipferry deactivating
    finish
    soon 'is zipferry inactive'
    [ "$(show Result)" = success ]
    systemctl start zipferry
    answers
  `,

  "Options": `
    { ${commands["Options"]} } | tee /tmp/said
    grep -x MemoryHigh=536870912 /tmp/said
    curl -fsS -o /dev/null http://127.0.0.1:8090/archive/${HASH}/
  `,

  "Logs": `
    soon "journalctl --unit zipferry --grep 'download complete'"
    { ${commands["Logs"]} } | tee /tmp/said
    grep '^{.*download complete' /tmp/said
    reset
  `,

  "an option that cannot be used ends it for good": `
    not configure ZIPFERRY_ENGINE=lzma
    is zipferry failed
    [ "$(show NRestarts) $(show ExecMainStatus)" = "0 2" ]
    journalctl --unit zipferry --grep 'ZIPFERRY_ENGINE.*store or zip'
    reset
    answers
  `,

  "a service that fails again and again is given up": `
    not configure HOST=192.0.2.1
    soon 'is zipferry failed'
    [ "$(show NRestarts) $(show ExecMainStatus)" = "4 1" ]
    journalctl --unit zipferry --grep 'Start request repeated too quickly'
    reset
    answers
  `,

  "Photos for a group only": `
    ${commands["Photos for a group only"]}
    curl -fsS -o /dev/null "$url"
    rm "$dropins/group.conf"
    systemctl daemon-reload
    not systemctl restart zipferry
    chmod -R u=rwX,go=rX /srv/photos
    reset
  `,

  "Photos under /home": `
    ${commands["Photos under /home"]}
    curl -fsS -o /tmp/home.zip "$url"
    grep -a home/site/photos /tmp/home.zip
    reset
  `,

  "Stop and upgrade": `
    pid=$(show MainPID)
    ${commands["Stop and upgrade"]}
    [ "$(show MainPID)" != $pid ]
    answers
  `,

  "a stop lets a download of zip finish, a killed service leaves no zip behind": `
    configure ZIPFERRY_ENGINE=zip ZIPFERRY_LEVEL=0
    begin
    pgrep --exact zip
    systemctl stop zipferry
    wait $download
    zip --show-files /tmp/archive.zip | grep photo.jpg
    systemctl start zipferry
    begin
    pgrep --exact zip
    kill -9 $(show MainPID)
    soon 'not pgrep --exact zip'
    not wait $download
    reset
  `,

  "From a checkout, with Deno": `
    ${commands["From a checkout, with Deno"]}
    tr '\\0' ' ' </proc/$(show MainPID)/cmdline | grep /opt/zipferry/main.ts
    curl -fsS -o /tmp/archive.zip "$url"
    sha256sum --check /tmp/expected
    reset
  `,

  "Socket activation": `
    ${commands["Socket activation"]}
    is zipferry active
    systemctl stop zipferry-proxy.service zipferry.service
  `,

  "the first connection starts the service": `
    is zipferry inactive
    curl -fsS -o /tmp/archive.zip "$url"
    sha256sum --check /tmp/expected
    is zipferry active
    [ "$(stat -c '%F %a' /run/zipferry/zipferry.sock)" = "socket 700" ]
    curl -fsS "$site/" >/tmp/page
    not grep ${HASH} /tmp/page
  `,

  "a stop behind the socket lets a download finish": `
    begin
    systemctl stop zipferry-proxy.service
    finish
    soon 'is zipferry inactive'
  `,

  "a restart behind the socket lets a download finish": `
    begin
    pid=$(show MainPID)
    systemctl restart zipferry
    finish
    answers
    [ "$(show MainPID)" != $pid ]
  `,

  "a service killed behind the socket comes back": `
    kill -9 $(show MainPID)
    soon 'answers'
  `,

  "without connections it ends, until the next one": `
    mkdir -p /etc/systemd/system/zipferry-proxy.service.d
    sed -n '/^ExecStart=/,/[^\\\\]$/p' deploy/zipferry-proxy.service |
      sed '1i [Service]\\nExecStart=' | sed s/=30min/=1s/ |
      tee /etc/systemd/system/zipferry-proxy.service.d/idle.conf
    systemctl daemon-reload
    systemctl stop zipferry-proxy.service
    answers
    soon 'is zipferry inactive'
    soon 'is zipferry-proxy.service inactive'
    [ "$(show Result) $(show Result zipferry-proxy.service)" = "success success" ]
    answers
  `,

  "Back from socket activation": `
    ${commands["Back from socket activation"]}
    [ ! -e /run/zipferry/zipferry.sock ]
    answers
  `,
};

Deno.test("docs/systemd.md: every command is run", () => {
  for (const title of Object.keys(commands)) {
    assert.ok(title in STEPS || ABOUT_PACKAGES.includes(title), title);
  }
  const words = (text: string) => text.split(/[\s\\]+/).filter(Boolean).join(" ");
  const command = `deno run --cached-only ${FLAGS} /opt/zipferry/main.ts`;
  assert.ok(words(DOC).includes(words(command)), "the flags of the task start:checksums");
});

testWithMachine("deploy/zipferry.service and its like work under systemd", async (t) => {
  await using machine = await makeMachine();
  await makePhotos(machine);
  makeExecutable(machine);
  const steps = Object.entries(STEPS).map(([name, step]) => [name, COMMON + step]);
  for (const [name, { code, stdout, trace }] of await machine.boot(Object.fromEntries(steps))) {
    await t.step(name, () => {
      assert.equal(code, 0, `exit code ${code}\n${trace}${stdout}`);
      if (name === "units are exposed little") assertExposure(stdout);
    });
  }
});

/** The document says what was measured */
function assertExposure(text: string) {
  const [, level] = /exposure level for zipferry\.service: ([\d.]+)/.exec(text) ?? [];
  const [, documented] = /`systemd-analyze security[^.]*\.service`[^.]*?([\d.]+) with/.exec(DOC) ??
    [];
  assert.equal(documented, level);
}
