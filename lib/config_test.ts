import assert from "node:assert/strict";
import {
  type Config,
  ConfigError,
  type Invocation,
  readConfig,
  type Sources,
  variableLookup,
  withoutSecrets,
} from "./config.ts";
import type { BucketSettings } from "./bucket.ts";
import { optionsTable, variables } from "./options.ts";

const DEFAULTS: Config = {
  folder: "test_photos",
  bucket: undefined,
  hostname: "127.0.0.1",
  port: 8080,
  unix: undefined,
  metrics: undefined,
  tlsCert: undefined,
  tlsKey: undefined,
  hsts: undefined,
  delay: 0,
  limitRate: 0,
  limitRateTotal: 0,
  stallTimeout: 300_000,
  settle: 2000,
  log: false,
  logFormat: "text",
  logLevel: "warn",
  engine: "store",
  level: 6,
  listing: "auto",
  landing: undefined,
  partSize: undefined,
  siteName: undefined,
  logo: undefined,
  accent: undefined,
  languages: undefined,
  links: undefined,
  secret: undefined,
  secretFile: undefined,
  hidden: false,
  includeJunk: false,
  followSymlinks: false,
  memory: undefined,
  checksums: undefined,
  maxDownloads: undefined,
  maxPerClient: 0,
  trustProxy: [],
  state: undefined,
  webhook: undefined,
  webhookSecret: undefined,
  webhookSecretFile: undefined,
  adminToken: undefined,
  adminTokenFile: undefined,
  shutdownTimeout: 30,
  drainDelay: 0,
};

/** Options with a test of their own, since they hang on others */
const TOGETHER = ["bucket", "delay", "tlsCert", "tlsKey", "hsts"];

type Variables = Record<string, string>;

/** Reads a command line, words parted by spaces, with these variables and this `.env` file */
function read(line: string, env: Variables = {}, others: Partial<Sources> = {}): Invocation {
  const args = line.split(" ").filter((word) => word !== "");
  return readConfig({ args, env: (name) => env[name], system: "linux", ...others });
}

function configOf(line: string, env?: Variables, dotenv?: string): Config {
  const invocation = read(line, env, { dotenv });
  assert.ok("config" in invocation);
  return invocation.config;
}

/** What an unusable command line is answered with */
function complaint(line: string, env?: Variables, dotenv?: string): string {
  try {
    read(line, env, { dotenv });
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.name, "ConfigError");
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  assert.fail(`taken: ${line} ${JSON.stringify(env ?? dotenv ?? "")}`);
}

function printed(line: string, others?: Partial<Sources>): string {
  const invocation = read(line, {}, others);
  assert.ok(invocation.action === "print");
  return invocation.text;
}

Deno.test("readConfig(): nothing given: the defaults, to serve", () => {
  assert.deepEqual(read(""), { action: "serve", config: DEFAULTS });
});

Deno.test("readConfig(): a flag wins over a variable, a variable over .env, .env over the default", () => {
  const cases: [keyof Config, string, string, [string, unknown][]][] = [
    ["folder", "--folder", "PHOTOS_DIR", [["a", "a"], ["/b", "/b"], ["./c", "./c"]]],
    ["hostname", "--hostname", "HOST", [["0.0.0.0", "0.0.0.0"], ["::1", "::1"], ["h.x", "h.x"]]],
    ["port", "--port", "PORT", [["1", 1], ["0", 0], ["65535", 65535]]],
    ["log", "--log", "ENABLE_LOGGING", [["true", true], ["false", false], ["True", true]]],
    [
      "logFormat",
      "--log-format",
      "ZIPFERRY_LOG_FORMAT",
      [["json", "json"], ["combined", "combined"], ["text", "text"]],
    ],
    [
      "logLevel",
      "--log-level",
      "ZIPFERRY_LOG_LEVEL",
      [["info", "info"], ["warn", "warn"], ["error", "error"]],
    ],
    ["engine", "--engine", "ZIPFERRY_ENGINE", [["zip", "zip"], ["store", "store"], ["zip", "zip"]]],
    ["level", "--level", "ZIPFERRY_LEVEL", [["0", 0], ["9", 9], ["1", 1]]],
    ["listing", "--listing", "ZIPFERRY_LISTING", [["on", "on"], ["off", "off"], ["auto", "auto"]]],
    ["links", "--links", "ZIPFERRY_LINKS", [["both", "both"], ["open", "open"], [
      "signed",
      "signed",
    ]]],
    ["secretFile", "--secret-file", "ZIPFERRY_SECRET_FILE", [["a", "a"], ["b", "b"], ["c", "c"]]],
    ["landing", "--landing", "ZIPFERRY_LANDING", [["1", true], ["0", false], ["yes", true]]],
    ["partSize", "--part-size", "ZIPFERRY_PART_SIZE", [["2G", 2 ** 31], ["700M", 700 << 20], [
      "1048576",
      1 << 20,
    ]]],
    ["siteName", "--site-name", "ZIPFERRY_SITE_NAME", [["A", "A"], [" Б & В ", "Б & В"], [
      "C",
      "C",
    ]]],
    ["logo", "--logo", "ZIPFERRY_LOGO", [["a.png", "a.png"], ["/b", "/b"], ["c", "c"]]],
    [
      "accent",
      "--accent",
      "ZIPFERRY_ACCENT",
      [["#7a1f3d", "#7a1f3d"], ["ABCDEF", "#abcdef"], ["000000", "#000000"]],
    ],
    [
      "languages",
      "--languages",
      "ZIPFERRY_LANGUAGES",
      [["de", ["de"]], ["de, en", ["de", "en"]], ["en,ru,de", ["en", "ru", "de"]]],
    ],
    ["hidden", "--hidden", "ZIPFERRY_HIDDEN", [["1", true], ["0", false], ["yes", true]]],
    [
      "includeJunk",
      "--include-junk",
      "ZIPFERRY_INCLUDE_JUNK",
      [["on", true], ["0", false], ["yes", true]],
    ],
    [
      "followSymlinks",
      "--follow-symlinks",
      "ZIPFERRY_FOLLOW_SYMLINKS",
      [["on", true], ["OFF", false], ["TRUE", true]],
    ],
    ["unix", "--unix", "ZIPFERRY_UNIX", [["a", "a"], ["/b", "/b"], ["c", "c"]]],
    [
      "metrics",
      "--metrics",
      "ZIPFERRY_METRICS",
      [
        ["127.0.0.1:9464", { hostname: "127.0.0.1", port: 9464 }],
        ["[::1]:0", { hostname: "::1", port: 0 }],
        ["metrics.example.org:65535", { hostname: "metrics.example.org", port: 65535 }],
      ],
    ],
    ["memory", "--memory", "ZIPFERRY_MEMORY", [["64M", 2 ** 26], ["2GiB", 2 ** 31], [
      "1g",
      2 ** 30,
    ]]],
    ["checksums", "--checksums", "ZIPFERRY_CHECKSUMS", [["a", "a"], ["b", "b"], ["c", "c"]]],
    ["state", "--state", "ZIPFERRY_STATE", [["a", "a"], ["b", "b"], ["c", "c"]]],
    [
      "webhook",
      "--webhook",
      "ZIPFERRY_WEBHOOK",
      [["http://a/", "http://a/"], ["https://b:8/c?d", "https://b:8/c?d"], [
        "http://e",
        "http://e",
      ]],
    ],
    ["webhookSecretFile", "--webhook-secret-file", "ZIPFERRY_WEBHOOK_SECRET_FILE", [
      ["a", "a"],
      ["b", "b"],
      ["c", "c"],
    ]],
    ["adminTokenFile", "--admin-token-file", "ZIPFERRY_ADMIN_TOKEN_FILE", [
      ["a", "a"],
      ["b", "b"],
      ["c", "c"],
    ]],
    ["settle", "--settle", "ZIPFERRY_SETTLE", [["0", 0], ["2.5", 2500], ["60", 60_000]]],
    [
      "limitRate",
      "--limit-rate",
      "ZIPFERRY_LIMIT_RATE",
      [["10M", 10 << 20], ["0", 0], ["1000", 1000]],
    ],
    [
      "limitRateTotal",
      "--limit-rate-total",
      "ZIPFERRY_LIMIT_RATE_TOTAL",
      [["1G", 1 << 30], ["5MB", 5 << 20], ["0", 0]],
    ],
    [
      "stallTimeout",
      "--stall-timeout",
      "ZIPFERRY_STALL_TIMEOUT",
      [["0", 0], ["0.5", 500], ["86400", 86_400_000]],
    ],
    [
      "maxDownloads",
      "--max-downloads",
      "ZIPFERRY_MAX_DOWNLOADS",
      [["1", 1], ["256", 256], ["65535", 65535]],
    ],
    [
      "maxPerClient",
      "--max-per-client",
      "ZIPFERRY_MAX_PER_CLIENT",
      [["1", 1], ["0", 0], ["65535", 65535]],
    ],
    [
      "drainDelay",
      "--drain-delay",
      "ZIPFERRY_DRAIN_DELAY",
      [["1", 1], ["0", 0], ["2.5", 2.5]],
    ],
    [
      "trustProxy",
      "--trust-proxy",
      "ZIPFERRY_TRUST_PROXY",
      [["::1", ["::1"]], ["loopback,unix", ["loopback", "unix"]], ["none", []]],
    ],
    [
      "shutdownTimeout",
      "--shutdown-timeout",
      "ZIPFERRY_SHUTDOWN_TIMEOUT",
      [["0", 0], ["2.5", 2.5], ["3600", 3600]],
    ],
  ];
  const withoutFlag = ["adminToken", "webhookSecret", "secret"];
  assert.deepEqual(
    cases.map(([key]) => key).sort(),
    Object.keys(DEFAULTS).filter((key) => ![...TOGETHER, ...withoutFlag].includes(key)).sort(),
  );
  for (const [key, flag, variable, [[a, first], [b, second], [c, third]]] of cases) {
    const flags = [`${flag} ${a}`, `${flag}=${a}`];
    for (const line of flags) {
      assert.deepEqual(configOf(line, { [variable]: b }, `${variable}=${c}`)[key], first, line);
    }
    assert.deepEqual(configOf("", { [variable]: b }, `${variable}=${c}`)[key], second, variable);
    assert.deepEqual(configOf("", {}, `${variable}=${c}`)[key], third, `${variable} in .env`);
    assert.deepEqual(configOf("", { [variable]: "" }, `${variable}=${c}`)[key], third, "empty");
    assert.deepEqual(configOf("", { [variable]: "" }, `${variable}=`)[key], DEFAULTS[key], "empty");
  }
});

Deno.test("readConfig(): the .env file may have comments, quotes and lines of others", () => {
  const dotenv = "# comment\n\nexport PORT=\"81\"\r\nHOST='::1' # of us\nOTHER=1\nPHOTOS_DIR=a b\n";
  const { port, hostname, folder } = configOf("", {}, dotenv);
  assert.deepEqual([port, hostname, folder], [81, "::1", "a b"]);
});

Deno.test("readConfig(): a certificate needs its key, and HSTS a certificate", () => {
  const tls = { tlsCert: "a.crt", tlsKey: "b.key" };
  const both = "--tls-cert a.crt --tls-key b.key";
  const variables = { ZIPFERRY_TLS_CERT: "a.crt", ZIPFERRY_TLS_KEY: "b.key" };
  assert.deepEqual(configOf(both), { ...DEFAULTS, ...tls });
  assert.deepEqual(configOf("", variables), { ...DEFAULTS, ...tls });
  assert.deepEqual(configOf("--tls-key b.key", {}, "ZIPFERRY_TLS_CERT=a.crt").tlsCert, "a.crt");
  for (const [text, seconds] of [["0", 0], ["300", 300], ["63072000", 63_072_000]] as const) {
    assert.equal(configOf(`${both} --hsts ${text}`).hsts, seconds);
    assert.equal(configOf("", { ...variables, ZIPFERRY_HSTS: text }).hsts, seconds);
  }
  const bad: [string, RegExp][] = [
    ["--tls-cert a.crt", /^--tls-cert: needs --tls-key too$/],
    ["--tls-key b.key", /^--tls-key: needs --tls-cert too$/],
    ["--hsts 1", /^--hsts: needs --tls-cert/],
    [`${both} --unix s`, /^--tls-cert: not with --unix/],
    [`${both} --hsts 63072001`, /^--hsts: "63072001" is not allowed; use .* from 0 to 63072000$/],
    [`${both} --hsts 1.5`, /^--hsts: "1\.5" is not allowed/],
  ];
  for (const [line, message] of bad) {
    assert.throws(() => configOf(line), { name: "ConfigError", message }, line);
  }
});

const BUCKET: BucketSettings = {
  bucket: "photos",
  prefix: "site/2026/",
  region: undefined,
  endpoints: [],
  pathStyle: undefined,
  anonymous: false,
  retries: 4,
  times: "metadata",
};

Deno.test("readConfig(): --folder s3://bucket/prefix is a bucket, with its own settings", () => {
  const bucketOf = (line: string, env?: Variables, dotenv?: string) =>
    configOf(line, env, dotenv).bucket;
  assert.deepEqual(bucketOf("-f s3://photos/site/2026/"), BUCKET);
  assert.deepEqual(bucketOf("", { PHOTOS_DIR: "s3://photos/site/2026" }), BUCKET);
  const all = {
    AWS_REGION: "ru-central1",
    AWS_ENDPOINT_URL_S3: "https://a.example, http://[::1]:7070",
    ZIPFERRY_S3_PATH_STYLE: "false",
    ZIPFERRY_S3_ANONYMOUS: "1",
    ZIPFERRY_S3_RETRIES: "0",
    ZIPFERRY_S3_TIMES: "listing",
  };
  const expected = {
    ...{ bucket: "photos", prefix: "", region: "ru-central1", retries: 0, times: "listing" },
    endpoints: [new URL("https://a.example"), new URL("http://[::1]:7070")],
    ...{ pathStyle: false, anonymous: true },
  };
  const others = { AWS_DEFAULT_REGION: "eu-central-1", AWS_ENDPOINT_URL: "http://b.example" };
  assert.deepEqual(bucketOf("-f s3://photos", { ...all, ...others }), expected);
  const dotenv = Object.entries(all).map(([name, value]) => `${name}='${value}'\n`).join("");
  assert.deepEqual(bucketOf("-f s3://photos/", {}, dotenv), expected);
  const { region, endpoints } = bucketOf("-f s3://photos", others)!;
  assert.deepEqual([region, String(endpoints)], ["eu-central-1", "http://b.example/"]);
  const line = "-f s3://photos --s3-path-style --s3-anonymous --s3-retries 9 --s3-times listing";
  const { pathStyle, anonymous, retries, times } = bucketOf(line)!;
  assert.deepEqual([pathStyle, anonymous, retries, times], [true, true, 9, "listing"]);
});

Deno.test("readConfig(): what is wrong with an s3:// address is named", () => {
  const prefixes = ["s3://photos//", "s3://photos/a//b", "s3://photos/../b", "s3://photos/./"];
  for (const folder of ["s3:", "s3://", "s3:///a", "s3:photos", "S3:/photos/a", ...prefixes]) {
    const start = `--folder: ${JSON.stringify(folder)} is not allowed; use a path, or s3://BUCKET/`;
    assert.ok(complaint(`--folder ${folder}`).startsWith(start), folder);
  }
  const long = "b".repeat(64);
  for (const bucket of ["ab", "-ab", "ab-", "a..b", "10.0.0.1", "a@b", "é12", "a?b", long]) {
    const start = `PHOTOS_DIR: ${
      JSON.stringify(bucket)
    } is not allowed; use a path, or s3://BUCKET`;
    assert.ok(complaint("", { PHOTOS_DIR: `s3://${bucket}/x` }).startsWith(start), bucket);
  }
  assert.equal(configOf("-f ./s3://photos").bucket, undefined);
  assert.equal(configOf("-f s3://Photos_2026").bucket?.bucket, "Photos_2026");
});

Deno.test("readConfig(): what is not allowed for a bucket is named, and does no harm elsewhere", () => {
  const cases: [string, Variables, RegExp][] = [
    ["", { AWS_REGION: "eu central" }, /^AWS_REGION: "eu central" is not allowed; use a name such/],
    ["", { AWS_ENDPOINT_URL: "store:7070" }, /^AWS_ENDPOINT_URL: "store:7070" is not allowed; use/],
    ["", { AWS_ENDPOINT_URL_S3: "http://a,b" }, /^AWS_ENDPOINT_URL_S3: "b" is not allowed/],
    ["", { AWS_ENDPOINT_URL_S3: "http://a,," }, /^AWS_ENDPOINT_URL_S3: "" is not allowed/],
    ["", { AWS_ENDPOINT_URL_S3: "http://u:hush@a" }, /^AWS_ENDPOINT_URL_S3: "http:\/\/…@a" is not/],
    ["", { ZIPFERRY_S3_RETRIES: "21" }, /^ZIPFERRY_S3_RETRIES: "21" is not .* from 0 to 20$/],
    ["", { ZIPFERRY_S3_TIMES: "x" }, /^ZIPFERRY_S3_TIMES: "x" is not .*; use metadata or listing$/],
    ["--engine zip", {}, /^--engine zip: not with --folder s3:\/\/photos, .*; use store$/],
    ["--follow-symlinks", {}, /^--follow-symlinks: not with --folder s3:\/\/photos, /],
    ["new album", {}, /^new: not with --folder s3:\/\/photos, /],
  ];
  for (const [line, env, expected] of cases) {
    assert.match(complaint(`-f s3://photos ${line}`, env), expected);
    if (!line) assert.deepEqual(configOf("", env), DEFAULTS, "a folder on a disk");
  }
  const line = "-f s3://photos.example.org --s3-path-style=false";
  assert.match(complaint(line), /^--s3-path-style: false is not allowed for "photos.example.org"/);
  assert.match(complaint("--s3-times x"), /^--s3-times: "x" is not allowed/);
});

Deno.test("readConfig() reads no variable of AWS for a folder on a disk", () => {
  const asked: string[] = [];
  const env = (name: string) => void asked.push(name);
  readConfig({ args: [], env });
  assert.deepEqual(asked.filter((name) => /AWS|_S3_/.test(name)), []);
  readConfig({ args: ["-f", "s3://photos"], env });
  assert.ok(asked.includes("AWS_REGION"));
});

Deno.test("variableLookup(): the environment, then .env; empty counts as not set", () => {
  const env = (name: string) => ({ A: "1", B: "" })[name];
  const lookUp = variableLookup({ env, dotenv: "\ufeffA=2\nB=3\nC=4\nD=\n" });
  assert.deepEqual(["A", "B", "C", "D", "E"].map(lookUp), ["1", "3", "4", undefined, undefined]);
  assert.equal(variableLookup({ env })("B"), undefined);
});

Deno.test("readConfig(): the delay, in milliseconds, from three settings", () => {
  const cases: [string, Variables, number][] = [
    ["", {}, 0],
    ["--delay", {}, 1000],
    ["-d", {}, 1000],
    ["-d True", {}, 1000],
    ["-d false", {}, 0],
    ["-d 0", {}, 0],
    ["-d 1", {}, 1000],
    ["-d 0.25", {}, 250],
    ["--delay=2.5", {}, 2500],
    ["--delay 3600", {}, 3_600_000],
    ["", { RESPONSE_DELAY: "3" }, 0],
    ["--delay", { RESPONSE_DELAY: "3" }, 3000],
    ["--delay yes", { RESPONSE_DELAY: "0.5" }, 500],
    ["--delay 2", { RESPONSE_DELAY: "3" }, 2000],
    ["", { ENABLE_RESPONSE_DELAY: "true" }, 1000],
    ["", { ENABLE_RESPONSE_DELAY: "1", RESPONSE_DELAY: "3" }, 3000],
    ["", { ENABLE_RESPONSE_DELAY: "False", RESPONSE_DELAY: "3" }, 0],
    ["--delay off", { ENABLE_RESPONSE_DELAY: "1", RESPONSE_DELAY: "3" }, 0],
    ["--delay 0", { ENABLE_RESPONSE_DELAY: "1" }, 0],
    ["--delay", { ENABLE_RESPONSE_DELAY: "0", RESPONSE_DELAY: "0" }, 0],
  ];
  for (const [line, env, expected] of cases) {
    assert.equal(configOf(line, env).delay, expected, `${line} ${JSON.stringify(env)}`);
  }
});

Deno.test("readConfig(): rates, in bytes per second", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["0M", 0],
    ["1000", 1000],
    ["1000B", 1000],
    ["1K", 1024],
    ["1KiB", 1024],
    ["1KB", 1024],
    ["500k", 512_000],
    ["10M", 10 << 20],
    ["10m", 10 << 20],
    ["10MiB", 10 << 20],
    ["10MB", 10 << 20],
    ["2.5M", 2_621_440],
    ["1.5GB", 1.5 * 2 ** 30],
    ["1G", 1 << 30],
    ["100GiB", 100 * 2 ** 30],
  ];
  for (const [text, expected] of cases) {
    assert.equal(configOf(`--limit-rate ${text}`).limitRate, expected, text);
    assert.equal(configOf(`--limit-rate-total ${text}`).limitRateTotal, expected, text);
  }
});

Deno.test("readConfig(): command lines and variables of older services go on to work", () => {
  const cases: [string, Variables, Partial<Config>][] = [
    ["-f test_photos -d True -l True", {}, { delay: 1000, log: true }],
    ["-d True -l True -f photos", {}, { delay: 1000, log: true, folder: "photos" }],
    ["-H 127.0.0.1 -P 7777", {}, { hostname: "127.0.0.1", port: 7777 }],
    ["--hostname 0.0.0.0 --port 7777", {}, { hostname: "0.0.0.0", port: 7777 }],
    ["--log --delay", {}, { log: true, delay: 1000 }],
    ["-l -d -f x", {}, { log: true, delay: 1000, folder: "x" }],
    ["", {
      ENABLE_RESPONSE_DELAY: "True",
      RESPONSE_DELAY: "0.1",
      ENABLE_LOGGING: "1",
      PHOTOS_DIR: "photos",
      HOST: "0.0.0.0",
      PORT: "80",
    }, { delay: 100, log: true, folder: "photos", hostname: "0.0.0.0", port: 80 }],
  ];
  for (const [line, env, expected] of cases) {
    assert.deepEqual(configOf(line, env), {
      ...DEFAULTS,
      logLevel: expected.log ? "info" : "warn",
      ...expected,
    });
  }
});

Deno.test("readConfig(): a form of the log turns it on, and the level follows", () => {
  const cases: [string, Variables, Pick<Config, "log" | "logFormat" | "logLevel">][] = [
    ["", {}, { log: false, logFormat: "text", logLevel: "warn" }],
    ["--log", {}, { log: true, logFormat: "text", logLevel: "info" }],
    ["--log-format json", {}, { log: true, logFormat: "json", logLevel: "info" }],
    ["", { ZIPFERRY_LOG_FORMAT: "combined" }, {
      log: true,
      logFormat: "combined",
      logLevel: "info",
    }],
    ["--log-format json --log false", {}, { log: false, logFormat: "json", logLevel: "warn" }],
    ["--log-format json", { ENABLE_LOGGING: "0" }, {
      log: false,
      logFormat: "json",
      logLevel: "warn",
    }],
    ["--log --log-level error", {}, { log: true, logFormat: "text", logLevel: "error" }],
    ["--log-level info", {}, { log: false, logFormat: "text", logLevel: "info" }],
  ];
  for (const [line, env, expected] of cases) {
    const { log, logFormat, logLevel } = configOf(line, env);
    assert.deepEqual({ log, logFormat, logLevel }, expected, line);
  }
});

Deno.test("readConfig(): a value that is not allowed is named, with its option and what is allowed", () => {
  const port = "a whole number from 0 to 65535";
  const seconds = "a number of seconds from 0 to 3600";
  const boolean = "true or false";
  const rates = [
    "-1",
    "999",
    "0.9K",
    "10Mb",
    "10mb",
    "10Mbit",
    "10MB/s",
    "10T",
    "1e6",
    "10_M",
    "M",
  ];
  const rate = "0 for no limit, or bytes per second from 1000 up, such as 500K, 2.5M or 10MB " +
    "(K, M and G are powers of 1024)";
  const cases: [string, string, string[], string][] = [ // flag, variable, values, what is allowed
    [
      "--metrics",
      "ZIPFERRY_METRICS",
      [
        "9464",
        ":9464",
        "127.0.0.1",
        "127.0.0.1:",
        "::1:9464",
        "[::1]",
        "h:65536",
        "h:-1",
        "http://h:1",
      ],
      "HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464",
    ],
    ["--port", "PORT", ["-1", "65536", "99999999999", "80.5", "0x50", "1e3", "http"], port],
    ["--level", "ZIPFERRY_LEVEL", ["-1", "10", "1.5", "max"], "a whole number from 0 to 9"],
    [
      "--shutdown-timeout",
      "ZIPFERRY_SHUTDOWN_TIMEOUT",
      ["-1", "3601", "1s", "NaN", "1e1"],
      seconds,
    ],
    ["--delay", "", ["-1", "3600.1", "1s", ".5", "1,5", "Infinity"], `${seconds}, true or false`],
    ["", "RESPONSE_DELAY", ["-1", "3601", "true", "1s"], seconds],
    ["", "ENABLE_RESPONSE_DELAY", ["2", "-1", "truth", "0.5", "ja"], boolean],
    ["--limit-rate", "ZIPFERRY_LIMIT_RATE", rates, rate],
    ["--limit-rate-total", "ZIPFERRY_LIMIT_RATE_TOTAL", rates, rate],
    [
      "--stall-timeout",
      "ZIPFERRY_STALL_TIMEOUT",
      ["-1", "86400.1", "5m", "never"],
      "a number of seconds from 0 to 86400",
    ],
    ["--log", "ENABLE_LOGGING", ["2", "y", "debug", "t"], boolean],
    [
      "--log-format",
      "ZIPFERRY_LOG_FORMAT",
      ["JSON", "common", "true"],
      "text, json or combined",
    ],
    ["--log-level", "ZIPFERRY_LOG_LEVEL", ["debug", "WARN", "0"], "info, warn or error"],
    ["--hidden", "ZIPFERRY_HIDDEN", ["2", "none"], boolean],
    ["--include-junk", "ZIPFERRY_INCLUDE_JUNK", ["2", "all"], boolean],
    ["--follow-symlinks", "ZIPFERRY_FOLLOW_SYMLINKS", ["2", "inside"], boolean],
    ["--engine", "ZIPFERRY_ENGINE", ["tar", "ZIP", "store,zip"], "store or zip"],
    ["--links", "ZIPFERRY_LINKS", ["yes", "SIGNED", "all"], "open, signed or both"],
    ["--listing", "ZIPFERRY_LISTING", ["yes", "ON", "true"], "auto, on or off"],
    [
      "--hostname",
      "HOST",
      ["a/b", "a@b", "http://x", "[::1]", "ё"],
      "a host name or an IP address",
    ],
  ];
  for (const [flag, variable, values, allowed] of cases) {
    for (const value of values) {
      const rest = `${JSON.stringify(value)} is not allowed; use ${allowed}`;
      if (flag) assert.equal(complaint(`${flag}=${value}`), `${flag}: ${rest}`);
      if (!variable) continue;
      assert.equal(complaint("", { [variable]: value }), `${variable}: ${rest}`);
      assert.equal(complaint("", {}, `${variable}=${value}`), `${variable} in .env: ${rest}`);
    }
  }
  assert.match(complaint("--folder="), /^--folder: "" is not allowed; use a path, or s3:/);
  assert.match(complaint("-P x"), /^--port: "x" is not allowed/);
  assert.match(complaint("", { PORT: "8\n0" }), /^PORT: "8\\n0" is not allowed/);
});

Deno.test("readConfig(): an empty flag is not the same as none", () => {
  for (const flag of ["--port", "--hostname", "--engine", "--delay", "--log"]) {
    const args = [flag, ""];
    assert.throws(() => readConfig({ args, env: () => undefined }), {
      name: "ConfigError",
      message: new RegExp(`^${flag}: "" is not allowed; use `),
    });
  }
});

Deno.test("readConfig(): a bad value under one that wins does no harm", () => {
  assert.equal(configOf("--port 80", { PORT: "x" }).port, 80);
  assert.equal(configOf("", { PORT: "80" }, "PORT=x").port, 80);
});

Deno.test("readConfig(): a command line that cannot be used is refused in one line", () => {
  const cases: [string, RegExp][] = [
    ["--prot 80", /unknown option '--prot'.*--port/],
    ["--follow-symlink", /unknown option '--follow-symlink'.*--follow-symlinks/],
    ["-x", /unknown option '-x'/],
    ["--PORT 80", /unknown option '--PORT'/],
    ["--port", /'-P, --port <number>' argument missing/],
    ["-f", /'-f, --folder <path>' argument missing/],
    ["--port 80 --port 81", /^--port: given 2 times, only once is allowed$/],
    ["-P 80 --port 80", /^--port: given 2 times, only once is allowed$/],
    ["-l -l", /^--log: given 2 times, only once is allowed$/],
    ["-d 1 --delay -d 2", /^--delay: given 3 times, only once is allowed$/],
    ["photos", /photos/],
    ["-f photos other", /other/],
    ["--check-config photos", /photos/],
  ];
  for (const [line, expected] of cases) assert.match(complaint(line), expected, line);
});

Deno.test("withoutSecrets() and error messages show no secret", () => {
  const env = {
    ...{ ZIPFERRY_ADMIN_TOKEN: "token-1", ZIPFERRY_WEBHOOK_SECRET: "token-2" },
    ZIPFERRY_SECRET: "token-5",
  };
  const config = configOf("--webhook https://hooks.example/token-3", env);
  assert.deepEqual([config.adminToken, config.webhookSecret], ["token-1", "token-2"]);
  const shown = withoutSecrets(config);
  assert.doesNotMatch(JSON.stringify(shown), /token-/);
  const secret = "(secret)";
  const secrets = { adminToken: secret, webhookSecret: secret, webhook: secret, secret };
  const expected = { ...DEFAULTS, ...secrets };
  assert.deepEqual(shown, expected);
  assert.deepEqual(withoutSecrets(DEFAULTS), DEFAULTS);
  for (const url of ["token-4", "ftp://token-4/", "http://token-4@h/", "http://a:token-4@h/"]) {
    const message = complaint(`--webhook ${url}`);
    assert.match(message, /^--webhook: this is not allowed; use an http or https address/);
    assert.doesNotMatch(message, /token-/);
  }
});

Deno.test("--check-config reads all and serves nothing", () => {
  const invocation = read("--check-config -P 81", { HOST: "::1" });
  assert.deepEqual(invocation, {
    action: "check-config",
    config: { ...DEFAULTS, port: 81, hostname: "::1" },
  });
  assert.match(complaint("--check-config -P x"), /^--port: /);
});

Deno.test("--version prints the version, --help prints help", () => {
  for (const flag of ["--version", "-V"]) {
    assert.equal(printed(flag, { version: "1.2.3" }), "1.2.3\n");
    assert.equal(printed(flag), "unknown\n");
  }
  for (const line of ["--help", "-h", "--help --port 1", "--port 1 -h", "help"]) {
    assert.match(printed(line), /^Usage: zipferry \[options\]/, line);
  }
  for (const line of ["new --help", "-h new", "help new", "new album --move -h"]) {
    assert.match(printed(line), /^Usage: zipferry new /, line);
  }
  for (const line of ["help nothing", "help new sign"]) {
    assert.match(complaint(line), /^help: no topic ".*"; the topics are check, new, .*, all$/);
  }
});

Deno.test("readConfig(): every option, its variable and its default are in the whole help", () => {
  const help = printed("help all");
  const text = help.replaceAll(/\s+/g, " ");
  const rows = optionsTable().replaceAll("\\|", "/").split("\n").slice(2)
    .map((row) => row.split("|").slice(1, 5).map((cell) => cell.replaceAll("`", "").trim()));
  assert.equal(rows.length, Object.keys(DEFAULTS).length + 2 + 7); // the delay has three, the bucket eight
  for (const [flag, variable, value, description] of rows) {
    assert.ok(text.includes(flag.replaceAll("/", "|")), flag);
    assert.ok(text.includes(variable), variable);
    if (flag && value) assert.ok(text.includes(`(default: ${value})`), `${flag} ${value}`);
    if (flag) assert.ok(text.includes(description), description);
  }
  assert.deepEqual(rows.flatMap(([, variable]) => variable || []), variables);
});

Deno.test("readConfig(): check takes the options of the service, and --json", () => {
  assert.deepEqual(read("check"), { action: "check", json: false, config: DEFAULTS });
  assert.deepEqual(read("check --json -P 81"), {
    action: "check",
    json: true,
    config: { ...DEFAULTS, port: 81 },
  });
  const cases: [string, RegExp][] = [
    ["check photos", /^check: takes options only, not "photos"; name the .* by --folder$/],
    ["check --move", /^--move: only for the command new$/],
    ["--json", /^--json: only for the commands check, doctor and repair$/],
    ["chek", /^"chek": no such command; the commands are check, new, sign, /],
  ];
  for (const [line, expected] of cases) assert.match(complaint(line), expected, line);
});

Deno.test("onGiven(): told of each option that is given, and where, but of no secret", () => {
  const given: string[] = [];
  readConfig({
    args: ["-f", "s3://photos", "--log"],
    env: (name) => ({ PORT: "81", ZIPFERRY_SECRET: "hush", AWS_REGION: "eu-central-1" })[name],
    dotenv: "PORT=82\nZIPFERRY_LISTING=off\n",
    onGiven: ({ where, text }) => given.push(`${where}: ${text}`),
  });
  assert.deepEqual(given.sort(), [
    "--folder: s3://photos",
    "--log: true",
    "AWS_REGION: eu-central-1",
    "PORT: 81",
    "ZIPFERRY_LISTING in .env: off",
    "ZIPFERRY_SECRET: (secret)",
  ]);
});

Deno.test("readConfig(): --trust-proxy takes networks, and names the one that is none", () => {
  const trusted = (text: string) => configOf("", { ZIPFERRY_TRUST_PROXY: text }).trustProxy;
  assert.deepEqual(trusted("none"), []);
  assert.deepEqual(trusted("10.0.0.0/8,::1"), ["10.0.0.0/8", "::1"]);
  assert.deepEqual(trusted(" loopback private,  unix "), ["loopback", "private", "unix"]);
  assert.deepEqual(configOf("--trust-proxy fd00::/8").trustProxy, ["fd00::/8"]);
  const bad = [
    "10.0.0.0/33",
    "10.0.0/8",
    "::1/129",
    "nginx",
    "1.2.3",
    "10.0.0.1/8x",
    "fe80::1%1/64",
  ];
  for (const network of bad) {
    assert.match(
      complaint(`--trust-proxy ::1,${network},127.0.0.1`),
      new RegExp(`"${network}" is`),
    );
  }
  assert.match(complaint("--trust-proxy ,"), /^--trust-proxy: "," is not allowed; use addresses/);
});

Deno.test("readConfig(): limits that are none are refused", () => {
  for (const value of ["0", "-1", "many", "65536", "1.5"]) {
    const line = `--max-downloads=${value}`;
    assert.match(complaint(line), new RegExp(`^--max-downloads: "${value}" is not allowed`));
  }
  for (const flag of ["--max-per-client", "--drain-delay"]) {
    assert.match(complaint(`${flag}=off`), new RegExp(`^${flag}: "off" is not allowed; use a `));
  }
});

Deno.test("readConfig(): sign takes a hash, a time, files and an address", () => {
  const hash = "5b0d81c3f2a94e67a0c8d15e3b7f2694";
  assert.deepEqual(read(`sign ${hash}`), {
    ...{ action: "sign", hash, ttl: 604_800, files: [], baseUrl: undefined },
    config: DEFAULTS,
  });
  const line = `sign ${hash} --ttl 12h --file a.jpg --file b/ --base-url https://x.example/p/`;
  assert.deepEqual(read(line), {
    ...{ action: "sign", hash, ttl: 43_200, files: ["a.jpg", "b/"] },
    baseUrl: "https://x.example/p",
    config: DEFAULTS,
  });
  const cases: [string, RegExp][] = [
    ["sign", /^sign: needs the hash of one archive, none is given; see `zipferry help sign`$/],
    ["sign a b", /^sign: needs the hash of one archive, 2 are given; see /],
    ["sign a/b", /^sign: not a hash; use the part of the link between/],
    ...["7", "0d", "-1d", "1y", "1.5d", "9999999d"].map((ttl): [string, RegExp] => [
      `sign ${hash} --ttl=${ttl}`,
      /^--ttl: "[^"]+" is not allowed; use a time such as 30m, 12h, 7d or 2w$/,
    ]),
    [`sign ${hash} --file=`, /^--file: "" is not allowed; use a name in the archive$/],
    [`sign ${hash} --base-url ftp://x`, /^--base-url: /],
    [`sign ${hash} --copy`, /^--copy: only for the command new$/],
    [`sign ${hash} --ttl 1d --ttl 2d`, /^--ttl: given 2 times, only once is allowed$/],
    ["--ttl 7d", /^--ttl: only for the command sign$/],
    ["warm --file a --checksums c", /^--file: only for the command sign$/],
    ["--base-url https://x.example", /^--base-url: only for the commands new and sign$/],
  ];
  for (const [line, expected] of cases) assert.match(complaint(line), expected, line);
});

Deno.test("readConfig(): --unix is not for Windows", () => {
  const given: [string[], Record<string, string>][] = [
    [["--unix", "socket"], {}],
    [["--check-config"], { ZIPFERRY_UNIX: "socket" }],
  ];
  for (const [args, variables] of given) {
    const sources = { args, env: (name: string) => variables[name] };
    assert.throws(() => readConfig({ ...sources, system: "windows" }), {
      name: "ConfigError",
      message: "--unix: not on Windows; use --hostname and --port",
    });
    for (const system of ["linux", "darwin"] as const) readConfig({ ...sources, system });
  }
});
