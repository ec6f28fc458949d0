import assert from "node:assert/strict";
import { hasFault } from "../../lib/findings.ts";
import type { Config } from "../../lib/config.ts";
import type { Finding } from "./findings.ts";
import {
  type FolderFacts,
  judgeClock,
  judgeDescriptors,
  judgeListing,
  judgeMemory,
  judgePermissions,
  judgePhotos,
  judgeProxy,
  judgeSettings,
  judgeVariables,
} from "./judge.ts";
import { jsonReport, textReport } from "./report.ts";

const MIB = 2 ** 20;
const HASH = "9c41f0d2b7e8563a1fd04e7b92c6a385";

const GOOD: FolderFacts = {
  ...{ folder: "/srv/photos", isSample: false, folders: 3, archives: 3 },
  ...{ unreachable: [], guessable: [], looked: 3, empty: 0, broken: [] },
  ...{ opened: 12, unreadable: [], unsteady: 0, newest: 0, inTime: true },
  read: { bytes: 200e6, ms: 1000 },
};

const CONFIG = { hostname: "127.0.0.1", maxPerClient: 0, trustProxy: [] } as unknown as Config;

/** The finding of one rule, in one line */
function judged(facts: Partial<FolderFacts>, id: Finding["id"]): string {
  return lineOf(judgePhotos({ ...GOOD, ...facts }).find((finding) => finding.id === id)!);
}

function lineOf({ verdict, seen, next }: Finding): string {
  return [verdict, seen, ...next === undefined ? [] : [next]].join(" | ");
}

Deno.test("judgePhotos(): all is good", () => {
  const findings = judgePhotos(GOOD);
  assert.deepEqual(findings.map(({ verdict }) => verdict), Array(findings.length).fill("ok"));
  assert.equal(judged({}, "folder"), 'ok | "/srv/photos", 3 folders in it');
  assert.equal(judged({ folders: 1 }, "folder"), 'ok | "/srv/photos", 1 folder in it');
});

Deno.test("judgePhotos(): nothing in the folder, or only the sample", () => {
  assert.match(judged({ folders: 0 }, "folder"), /^warning \| .* \| .*zipferry new/);
  assert.match(judged({ isSample: true }, "folder"), /^warning \| .* \| .*--folder or PHOTOS_DIR$/);
});

Deno.test("judgePhotos(): names that no link reaches come with the command that gives one", () => {
  const unreachable = ["summer 2024", "Фото", "c d", "e f"];
  assert.equal(
    judged({ unreachable }, "names"),
    'warning | "summer 2024", "Фото", "c d", … (4) | ' +
      'zipferry new --folder "/srv/photos" --move "summer 2024"',
  );
  assert.match(judged({ unreachable, folder: "s3://photos" }, "names"), / \| upload them under /);
  assert.equal(judged({ guessable: ["wedding"] }, "guessable"), "warning | wedd…");
});

Deno.test("judgePhotos(): an archive that cannot be listed is a fault, with a cure by its code", () => {
  const broken = (code: string) => [{ hash: HASH, code, why: `list folder: ${code}` }];
  assert.match(
    judged({ broken: broken("EILSEQ") }, "archives"),
    /^fault \| cannot be listed: 9c41… list folder: EILSEQ \| give the files names in UTF-8/,
  );
  assert.match(judged({ broken: broken("EACCES") }, "archives"), / \| let the user .* chmod/);
  assert.match(
    judged({ broken: broken("EACCES"), folder: "s3://photos" }, "archives"),
    / \| let the policy of the bucket allow s3:GetObject /,
  );
  assert.match(judged({ broken: broken("EODD") }, "archives"), / \| put right what the line says/);
  assert.match(judged({ looked: 1, inTime: false }, "archives"), /^warning \| only 1 of 3 /);
  assert.equal(
    judged({ looked: 2, empty: 1 }, "archives"),
    "ok | 3, the 2 that changed last were listed, 1 of them without a file: their links answer 404",
  );
});

Deno.test("judgePhotos(): files that cannot be read are a fault, none at all is skipped", () => {
  const unreadable = [{ hash: HASH, code: "EACCES", why: "read file: EACCES: a.jpg" }];
  assert.equal(
    judged({ unreadable }, "files"),
    "fault | cannot be read: 9c41… read file: EACCES: a.jpg",
  );
  assert.match(
    judged({ unreadable, folder: "s3://photos" }, "files"),
    / \| let the policy of the /,
  );
  assert.match(judged({ opened: 0 }, "files"), /^skipped/);
  assert.match(judged({ unsteady: 1 }, "times"), /^warning \| 1 archive on a disk that tells no/);
});

Deno.test("judgePhotos(): the speed in MB/s; slow below 30, and nothing from a few bytes", () => {
  const read = (bytes: number, ms: number) => judged({ read: { bytes, ms } }, "speed");
  assert.match(read(200e6, 1000), /^ok \| 200 MB\/s over 200 MB/);
  assert.match(read(30e6, 1000), /^ok/);
  assert.equal(read(29e6, 1000), "warning | 29 MB/s over 29 MB");
  assert.equal(read(4e6, 2000), "warning | 2.0 MB/s over 4.0 MB");
  assert.match(read(MIB - 1, 1000), /^skipped/);
  assert.match(read(0, 0), /^skipped/);
});

Deno.test("judgeClock(): long past, behind the files, and right", () => {
  const now = Date.UTC(2027, 0, 31, 12);
  const judge = (facts: { now?: number; newest?: number }) =>
    lineOf(judgeClock({ now, newest: -Infinity, zone: "Asia/Tokyo", ...facts }));
  assert.equal(judge({}), "ok | 2027-01-31T12:00:00Z, time zone Asia/Tokyo");
  assert.match(judge({ newest: now + 120_000 }), /^ok/);
  assert.match(judge({ newest: now + 120_001 }), /^warning \| the newest file is 2 minutes ahead/);
  assert.match(
    judge({ newest: now + 3 * 3_600_000 }),
    /is 3 hours ahead .* \| see whether the clock/,
  );
  assert.match(judge({ newest: now + 72 * 3_600_000 }), /is 3 days ahead/);
  assert.match(judge({ now: 0 }), /^fault \| 1970-01-01T00:00:00Z/);
});

Deno.test("judgeMemory(): --memory against what there is", () => {
  const there = 1024 * MIB;
  const usual = 512 * MIB;
  const judge = (given?: number) =>
    lineOf(judgeMemory({ there, usual, given, runtime: 192 * MIB }));
  assert.equal(judge(), "ok | 512 MiB for requests, of 1024 MiB that there are");
  assert.match(judge(832 * MIB), /^ok/);
  assert.match(judge(833 * MIB), /^warning \| .*too little \| --memory 512M is what it would be/);
  assert.match(judge(1024 * MIB), /^fault/);
  assert.equal(
    lineOf(judgeMemory({ there: null, usual, runtime: 192 * MIB })),
    "ok | 512 MiB for requests",
  );
});

Deno.test("judgeDescriptors(): enough, too few, not known", () => {
  const judge = (possible: number | null) => lineOf(judgeDescriptors({ wanted: 256, possible }));
  assert.equal(judge(256), "ok | enough for 256 downloads at a time");
  assert.equal(judge(40), "warning | enough for 40 downloads at a time, not 256");
  assert.match(judge(null), /^skipped/);
});

Deno.test("judgeProxy(): who is believed, and how to look from outside", () => {
  const judge = (config: Partial<Config>) => lineOf(judgeProxy({ ...CONFIG, ...config }));
  assert.match(judge({}), /^ok \| no proxy is believed .* \| .*zipferry doctor https:/);
  assert.match(judge({ trustProxy: ["loopback"] }), /^ok \| proxies in loopback tell/);
  assert.match(
    judge({ trustProxy: ["0.0.0.0/0"] }),
    /^warning \| .*every client may say who it is/,
  );
  assert.match(judge({ trustProxy: ["::/0"] }), /^warning/);
  assert.match(judge({ trustProxy: ["10.0.0.0/8"] }), /^ok/);
  assert.match(
    judge({ maxPerClient: 2 }),
    /^warning \| all clients of a proxy .*--trust-proxy loop/,
  );
  assert.match(judge({ maxPerClient: 2, unix: "s" }), /^warning \| .* \| --trust-proxy unix$/);
  assert.match(judge({ hostname: "0.0.0.0" }), /^ok \| .*0\.0\.0\.0 is open to others without TLS/);
  assert.doesNotMatch(judge({ hostname: "0.0.0.0", tlsCert: "c" }), /without TLS/);
});

Deno.test("judgeSettings(), judgeVariables(), judgePermissions(), judgeListing()", () => {
  assert.match(lineOf(judgeSettings([])), /^ok \| none is given/);
  const given = [{ where: "PORT in .env", text: "81" }, { where: "--log", text: "true" }];
  assert.equal(lineOf(judgeSettings(given)), 'ok | PORT in .env "81", --log "true"');
  assert.deepEqual(judgeVariables([]).map(lineOf), ["ok | none that would do nothing"]);
  assert.deepEqual(judgeVariables(["A", "B"]).map(lineOf), ["warning | A", "warning | B"]);
  assert.match(lineOf(judgePermissions([])), /^ok/);
  assert.equal(
    lineOf(judgePermissions(["--allow-read=a", "--allow-net=b:1"])),
    "fault | missing: --allow-read=a --allow-net=b:1",
  );
  assert.match(lineOf(judgeListing({ listing: "on" })), /^warning/);
  assert.match(lineOf(judgeListing({ listing: "auto" })), /^ok/);
});

Deno.test("textReport() and jsonReport() have the next step where something is not good", () => {
  const findings: Finding[] = [
    { id: "proxy", verdict: "ok", seen: "all well", next: "look from outside" },
    { id: "version", verdict: "ok", seen: "zipferry 1.2.3" },
    { id: "memory", verdict: "warning", seen: "too much" },
  ];
  assert.equal(
    textReport(findings),
    "ok       Version: zipferry 1.2.3\n" +
      "WARNING  Memory: too much\n" +
      "         Next: leave --memory out, or give the container or the unit more\n" +
      "ok       Proxy: all well\n" +
      "         Next: look from outside\n\n" +
      "2 ok, 1 warning, 0 fault, 0 skipped",
  );
  const { fine, findings: list } = JSON.parse(jsonReport(findings));
  assert.equal(fine, true);
  assert.deepEqual(list[0], {
    ...{ id: "version", verdict: "ok", title: "Version", seen: "zipferry 1.2.3", next: null },
  });
  assert.equal(list[2].next, "look from outside");
  assert.equal(hasFault(findings), false);
  assert.equal(hasFault([...findings, { id: "tls", verdict: "fault", seen: "expired" }]), true);
});
