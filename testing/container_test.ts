import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Authority } from "./certificates.ts";
import {
  addNginxImage,
  addStoreImages,
  type ComposeProject,
  type Container,
  type ContainerOptions,
  runImage,
  runRootless,
  startCompose,
  startContainer,
  testWithContainers,
} from "./container.ts";
import { freePort } from "./free_port.ts";
import { until } from "./process.ts";
import { exchange } from "./raw.ts";
import { assertSameTree, extract, listWithPython } from "./readers.ts";
import { taskFlags } from "./task.ts";
import { accept, run, testWith } from "./tools.ts";
import { makeTree, randomBytes } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const TEST_PHOTOS = join(ROOT, "test_photos");
const HASH = "4be0a97d21c65f38a1b40de7c92f6830";
const MEGABYTE = 1 << 20;
const BUCKET = "deploy/compose/bucket.yaml";

/** Rules of dclint that are a matter of taste; all that it knows of the format stays */
const TASTE = [
  "no-unbound-port-interfaces",
  "require-project-name-field",
  "require-quotes-in-ports",
  "service-keys-order",
  "services-alphabetical-order",
];

function read(name: string) {
  return Deno.readTextFileSync(join(ROOT, name));
}

function hashes() {
  return [...Deno.readDirSync(TEST_PHOTOS)].map(({ name }) => name);
}

/** A program from npm; what it printed, whatever its exit code */
async function npx(...args: string[]) {
  const { stdout, stderr } = await run("npx", ["--yes", ...args], { cwd: ROOT, within: 120_000 });
  return { stdout: new TextDecoder().decode(stdout), stderr };
}

async function download(url: string) {
  return await bodyOf(await fetch(url));
}

async function bodyOf(response: Response) {
  const body = await response.bytes();
  assert.equal(response.status, 200, response.url);
  return body;
}

async function statusOf(url: string) {
  const response = await fetch(url);
  await response.body?.cancel();
  return response.status;
}

/** Downloads, and asks again if it is told to: two long lists may not be made at once */
async function downloadInTime(url: string) {
  const response = await fetch(url);
  if (response.status !== 503) return await bodyOf(response);
  await response.body?.cancel();
  await sleep(1000 * Number(response.headers.get("retry-after")));
  return await download(url);
}

/** Downloads an archive, and takes care that it holds what is in the folder */
async function assertHandsOut(url: string, hash: string, folder: string) {
  await using tree = await makeTree({ "archive.zip": await download(`${url}archive/${hash}/`) });
  await extract(tree.join("archive.zip"), tree.join("files"));
  await assertSameTree(tree.join("files"), folder);
}

async function isHealthy({ name }: Container, env: Readonly<Record<string, string>>) {
  return (await run("podman", ["healthcheck", "run", name], { env })).code === 0;
}

Deno.test("Dockerfile has the flags of deno task start", () => {
  const [, entryPoint] = /^ENTRYPOINT (.*)$/m.exec(read("Dockerfile"))!;
  const words: string[] = JSON.parse(entryPoint);
  const own = [
    "--cached-only",
    "--no-code-cache",
    "--allow-write=/data",
    "--config=/app/deno.json",
  ];
  const [wrapper, deno, run, ...flags] = words;
  assert.equal(wrapper, "/app/deploy/image/with-memory-limit");
  assert.deepEqual([deno, run, flags.pop()], ["deno", "run", "/app/main.ts"]);
  assert.deepEqual(flags.sort(), [...taskFlags("start"), ...own].sort());
});

Deno.test("compose.nginx.yaml runs the service as compose.yaml does", () => {
  const lines = (name: string) => read(name).split(/^ {2}zipferry:\n/m)[1].split("\n");
  const own = lines("compose.yaml").filter((line) => !line.includes("#"));
  const replicated = lines("compose.nginx.yaml");
  const without = (all: string[], others: string[]) => all.filter((line) => !others.includes(line));
  assert.deepEqual(without(own, replicated), ["    ports:", '      - "${PORT:-8080}:8080"']);
  assert.deepEqual(without(replicated, own), [
    "    deploy:",
    "      replicas: 3",
    "    expose:",
    '      - "8080"',
  ]);
});

testWith(["npx"], "Dockerfile is well formed", async () => {
  const { stdout } = await npx("dockerfile-utils@0.16.3", "lint", "Dockerfile");
  assert.equal(stdout.trim(), "");
});

testWith(["npx"], "the Compose files are well formed", async () => {
  const all = ["compose.yaml", "compose.nginx.yaml", BUCKET];
  const { stdout, stderr } = await npx("dclint@2.2.2", "--formatter", "json", ...all);
  const start = stdout.indexOf("[");
  assert.ok(start >= 0, stdout + stderr);
  const files: { messages: { rule: string; message: string }[] }[] = JSON.parse(
    stdout.slice(start),
  );
  assert.equal(files.length, all.length);
  const complaints = files.flatMap(({ messages }) => messages);
  assert.deepEqual(complaints.filter(({ rule }) => !TASTE.includes(rule)), []);
});

testWithContainers(["unzip", "diff"], "Dockerfile: archives, hardened", async (images) => {
  await using container = await startContainer(images, { photos: TEST_PHOTOS });
  await Promise.all(
    hashes().map((hash) => assertHandsOut(container.url, hash, join(TEST_PHOTOS, hash))),
  );
  assert.ok(await isHealthy(container, images.env));
  assert.equal(await container.log(), "Listening on http://0.0.0.0:8080/\n");
  assert.equal(await container.inspect(".HostConfig.ReadonlyRootfs"), "true");
  const pid = await container.inspect(".State.Pid");
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  assert.match(status, /^Uid:\t1993\t/m);
  assert.match(status, /^CapBnd:\t0+$/m);
  assert.ok(images.size < 125 * MEGABYTE, `${images.size} bytes, the base ${images.baseSize}`);
});

testWithContainers(
  ["curl", "newuidmap", "setpriv", "unshare", "unzip"],
  "Dockerfile: without root on the host, and with nothing that can be written to",
  async (images) => {
    await using tree = await makeTree();
    await accept("cp", ["-r", TEST_PHOTOS, tree.join("photos")]);
    await accept("chmod", ["-R", "a+rX", tree.path]);
    const port = freePort();
    const url = `http://127.0.0.1:${port}/`;
    const printed = await runRootless(
      images,
      `id=$(podman run --detach --read-only --cap-drop all --security-opt no-new-privileges \
          --ulimit nproc=32768:32768 --ulimit nofile=16384:16384 --network host \
          --env HOST=127.0.0.1 --env PORT=${port} --volume ${tree.path}/photos:/photos:ro "$image")
        trap 'podman rm --force --time 0 "$id" >&2; podman rmi --all --force >&2' EXIT
        curl -fsS -o /dev/null --retry 100 --retry-delay 1 --retry-connrefused ${url}healthz
        for hash in ${hashes().join(" ")}; do
          curl -fsS -o "$HOME/$hash.zip" "${url}archive/$hash/"
          unzip -tq "$HOME/$hash.zip" >&2
        done
        grep -E '^(Uid|CapBnd):' "/proc/$(podman inspect --format '{{.State.Pid}}' "$id")/status"
        podman exec "$id" sh -c 'for place in /app /data /tmp; do
          if touch "$place/file" 2>/dev/null; then echo "$place can be written to"; fi
        done'
        podman stop --time 20 "$id" >&2
        podman inspect --format 'exit code {{.State.ExitCode}}' "$id"`,
    );
    const user = 300_000 + 1993 - 1;
    assert.deepEqual(printed.split("\n"), [
      `Uid:\t${[user, user, user, user].join("\t")}`,
      "CapBnd:\t0000000000000000",
      "/tmp can be written to", // it is in memory: podman mounts it where nothing else can be
      "exit code 0",
      "",
    ]);
  },
);

testWithContainers([], "Dockerfile: variables and flags work in the image", async (images) => {
  await using tree = await makeTree({ [`2024/${HASH}/photo.jpg`]: randomBytes(1000) });
  await Deno.chmod(tree.path, 0o755);
  await using container = await startContainer(images, {
    photos: tree.path,
    port: 9000,
    args: ["--env", "PORT=9000", "--env", "PHOTOS_DIR=/photos/2024"],
    flags: ["--log", "--shutdown-timeout", "5"],
  });
  await download(`${container.url}archive/${HASH}/`);
  assert.ok(await isHealthy(container, images.env));
  await until(async () => /download complete/.test(await container.log()), "the log tells of it");
  const { code, stderr } = await runImage(images, [], ["--prot", "80"]);
  assert.deepEqual([code, /--prot/.test(stderr)], [2, true], stderr);
});

testWithContainers([], "Dockerfile: a volume at /data keeps checksums", async (images) => {
  const { env } = images;
  const volume = `zipferry-${crypto.randomUUID()}`;
  const args = ["--volume", `${volume}:/data`, "--volume", `${TEST_PHOTOS}:/photos:ro`];
  const kept = ["--checksums", "/data/checksums.sqlite"];
  try {
    const warmed = await runImage(images, args, ["warm", ...kept]);
    assert.equal(warmed.code, 0, warmed.stderr);
    const { code, stdout, stderr } = await runImage(images, args, ["verify", ...kept]);
    const text = new TextDecoder().decode(stdout);
    assert.match(text, /^[1-9]\d* good, 0 changed, 0 failed, 0 unknown$/m, stderr);
    assert.equal(code, 0);
  } finally {
    await run("podman", ["volume", "rm", "--force", volume], { env });
  }
});

testWithContainers(["unzip"], "STOPSIGNAL: a container ends its downloads", async (images) => {
  const content = randomBytes(64 * MEGABYTE);
  await using tree = await makeTree({ [`${HASH}/photo.jpg`]: content });
  await Deno.chmod(tree.path, 0o755);
  await using container = await startContainer(images, { photos: tree.path, flags: ["--log"] });
  const podman = (...args: string[]) => run("podman", args, { env: images.env, within: 30_000 });
  let stopping: Promise<unknown> | undefined;
  const request = `GET /archive/${HASH}/ HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const { complete, body } = await exchange(container.port, request, {
    async onBody(received) {
      if (stopping || received < MEGABYTE) return;
      stopping = podman("stop", "--time", "25", container.name);
      await until(async () => /"stopping"/.test(await container.log()), "SIGTERM has come");
    },
  });
  await stopping;
  assert.ok(complete);
  assert.equal(await container.inspect(".State.ExitCode"), "0");
  assert.match(await container.log(), /download complete/);
  await Deno.writeFile(tree.join("archive.zip"), body);
  const { code } = await run("unzip", ["-tq", tree.join("archive.zip")]);
  assert.equal(code, 0);
});

testWithContainers([], "--memory 256m is known to the program", async (images) => {
  await using container = await startContainer(images, { photos: TEST_PHOTOS });
  const url = "http://127.0.0.1:8080/metrics";
  const words = ["exec", container.name, "wget", "-q", "-O", "-", url];
  const { stdout, stderr } = await run("podman", words, { env: images.env });
  const metrics = new TextDecoder().decode(stdout);
  const limit = /^zipferry_memory_limit_bytes (\d+)$/m.exec(metrics)?.[1];
  assert.equal(Number(limit), 256 * MEGABYTE, stderr);
});

testWithContainers(
  [],
  "Dockerfile: a container's limit that is no number is told of",
  async (images) => {
    const args = ["--env", "ZIPFERRY_CONTAINER_MEMORY=1g"];
    const { code, stderr } = await runImage(images, args, []);
    assert.equal(code, 2);
    assert.match(stderr, /ZIPFERRY_CONTAINER_MEMORY: must be a number of bytes, .*1g/);
  },
);

testWithContainers(["openssl"], "Dockerfile: the health check, by HTTPS too", async (images) => {
  await using tree = await makeTree();
  await Deno.chmod(tree.path, 0o755);
  const { cert, key } = await (await Authority.make(tree.path)).issue("own", { kind: "Ed25519" });
  await Deno.chmod(key, 0o644);
  const tls = ["--env", "ZIPFERRY_TLS_CERT=/tls/own.crt", "--env", "ZIPFERRY_TLS_KEY=/tls/own.key"];
  const cases: [ContainerOptions, boolean][] = [
    [{ args: [...tls, "--volume", `${tree.path}:/tls:ro`] }, true],
    // It does not look at flags
    [{ flags: ["--port", "9000"], port: 9000 }, false],
  ];
  for (const [options, expected] of cases) {
    await using container = await startContainer(images, { photos: TEST_PHOTOS, ...options });
    assert.equal(await isHealthy(container, images.env), expected, cert);
  }
});

testWithContainers([], "--memory 256m: 100 downloads at once fit", async (images) => {
  const names = [...Array(10).keys()].map((i) => `${HASH}/${i}.jpg`);
  const files = names.map((name, i) => [name, randomBytes(2 * MEGABYTE, i)]);
  await using tree = await makeTree(Object.fromEntries(files));
  await Deno.chmod(tree.path, 0o755);
  await using container = await startContainer(images, { photos: tree.path });
  const url = `${container.url}archive/${HASH}/`;
  const expected = createHash("sha256").update(await download(url)).digest("hex");
  const all = Promise.withResolvers<void>();
  let started = 0;
  const digests = await Promise.all(Array.from({ length: 100 }, async () => {
    const { body } = await fetch(url);
    const hash = createHash("sha256");
    let waited = false;
    for await (const chunk of body!) {
      hash.update(chunk);
      if (waited) continue;
      waited = true;
      if (++started === 100) all.resolve();
      await all.promise;
    }
    return hash.digest("hex");
  }));
  assert.deepEqual(new Set(digests), new Set([expected]));
  assert.equal(await container.inspect(".State.OOMKilled"), "false");
  assert.equal(await container.inspect(".HostConfig.Memory"), String(256 * MEGABYTE));
  assert.ok(await isHealthy(container, images.env));
});

testWithContainers([], "--memory 256m: 2 downloads of 100,000 files fit", async (images) => {
  const names = [...Array(100_000).keys()].map((i) => `${HASH}/${i % 100}/${i}.jpg`);
  await using tree = await makeTree(Object.fromEntries(names.map((name) => [name, "photo"])));
  await Deno.chmod(tree.path, 0o755);
  await using container = await startContainer(images, { photos: tree.path });
  const url = `${container.url}archive/${HASH}/`;
  const archives = await Promise.all([1, 2].map(() => downloadInTime(url)));
  for (const archive of archives) assert.ok(Buffer.from(archive).equals(archives[0]));

  // 300 that take a little and stall, and who comes then is served whole or refused.
  const request = new TextEncoder().encode(`GET /archive/${HASH}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
  const stalled = await Promise.all(Array.from({ length: 300 }, async () => {
    const connection = await Deno.connect({ port: container.port });
    await connection.write(request);
    return connection;
  }));
  const statuses = await Promise.all(stalled.map(readStatus));
  assert.deepEqual(
    [...new Set(statuses)].filter((status) => !/^(?:200|429|503)$/.test(status)),
    [],
  );
  assert.ok(statuses.filter((status) => status === "200").length >= 15, "many are admitted");
  const late = await fetch(url);
  const body = await late.bytes();
  if (late.status === 200) assert.ok(Buffer.from(body).equals(archives[0]));
  else assert.equal(late.status, 503);
  stalled.forEach((connection) => connection.close());
  assert.equal(await container.inspect(".State.OOMKilled"), "false");
  assert.ok(await isHealthy(container, images.env));
});

testWithContainers(["python3"], "--engine zip: names in Cyrillic are right", async (images) => {
  const names = ["Байкал/Утро на мысе.jpg", "Ёлка.jpg"];
  const files = names.map((name) => [`${HASH}/${name}`, randomBytes(1000)]);
  await using tree = await makeTree(Object.fromEntries(files));
  await Deno.chmod(tree.path, 0o755);
  const flags = ["--engine", "zip"];
  await using container = await startContainer(images, { photos: tree.path, flags });
  const archive = tree.join("archive.zip");
  await Deno.writeFile(archive, await download(`${container.url}archive/${HASH}/`));
  const entries = await listWithPython(archive);
  assert.deepEqual(entries.map(({ name }) => name).sort(), names.sort());
  assert.ok(entries.every((entry) => entry.flags & 0x800), "all are marked as UTF-8");
  assert.equal(await container.log(), "Listening on http://0.0.0.0:8080/\n", "no warning");
});

testWithContainers(
  ["podman-compose", "unzip", "diff"],
  "compose.yaml runs the service with the settings of .env",
  async (images) => {
    const dotenv = "ENABLE_RESPONSE_DELAY=true\nENABLE_LOGGING=true\n" +
      "RESPONSE_DELAY=0.01\nPHOTOS_DIR=photos\n";
    await using compose = await startCompose(images, { dotenv, photos: TEST_PHOTOS });
    await Promise.all(
      hashes().map((hash) => assertHandsOut(compose.url, hash, join(TEST_PHOTOS, hash))),
    );
    const [container, ...others] = await compose.containers("zipferry");
    assert.deepEqual(others, []);
    assert.match(await compose.logs(container), /download complete/);
    await compose.compose("down");
    assert.deepEqual(await compose.containers("zipferry"), []);
  },
);

testWithContainers(["podman-compose"], "compose.yaml works without .env", async (images) => {
  await using compose = await startCompose(images, {});
  await download(`${compose.url}archive/${hashes()[0]}/`);
});

testWithContainers(
  ["podman-compose"],
  "compose.nginx.yaml runs replicas behind nginx, which passes nothing but /archive/",
  async (images) => {
    await addNginxImage(images);
    const options = { file: "compose.nginx.yaml", dotenv: "ENABLE_LOGGING=true\n" };
    await using compose = await startCompose(images, options);
    const url = `${compose.url}archive/${hashes()[0]}/`;
    await until(async () => await statusOf(url) === 200, "a replica listens");
    for (const path of ["", "healthz", "metrics", "archive", "style.css"]) {
      assert.equal(await statusOf(compose.url + path), 404, path);
    }
    const replicas = await compose.containers("zipferry");
    assert.equal(replicas.length, 3);
    const archives = [];
    for (let i = 0; i < 12; i++) archives.push((await download(url)).toHex());
    assert.equal(new Set(archives).size, 1);
    for (const replica of replicas) {
      await until(
        async () => /download complete/.test(await compose.logs(replica)),
        `${replica} has work`,
      );
    }
  },
);

testWithContainers(
  ["podman-compose", "versitygw", "unzip", "diff"],
  "deploy/compose/bucket.yaml: a download goes on at another replica when its own is killed",
  async (images) => {
    await addNginxImage(images);
    await addStoreImages(images);
    const content = randomBytes(64 * MEGABYTE);
    await using tree = await makeTree({ [`${HASH}/photo.jpg`]: content });
    await Deno.chmod(tree.path, 0o755);
    await accept("cp", ["-r", ...hashes().map((hash) => join(TEST_PHOTOS, hash)), tree.path]);
    const variables = { PHOTOS_DIR: tree.path, ENABLE_LOGGING: "true" };
    await using compose = await startCompose(images, { file: BUCKET, variables });
    const url = `${compose.url}archive/${HASH}/`;
    await until(async () => await statusOf(url) === 200, "the photos are there", 60_000);
    for (const hash of hashes()) await assertHandsOut(compose.url, hash, join(TEST_PHOTOS, hash));
    assert.equal(await statusOf(`${compose.url}metrics`), 404);

    // The jobs may run again, and find their work done.
    for (const job of ["bucket", "photos"]) {
      const name = `${(await compose.containers("store"))[0].split("_")[0]}_${job}_1`;
      const { code, stderr } = await run("podman", ["start", "--attach", name], {
        env: images.env,
      });
      assert.equal(code, 0, stderr);
    }

    const expected = await download(url);
    const replicas = await compose.containers("zipferry");
    assert.equal(replicas.length, 2);
    const request = (more = "") =>
      `GET /archive/${HASH}/ HTTP/1.1\r\nHost: localhost\r\n${more}Connection: close\r\n\r\n`;
    const begun = await Promise.all(replicas.map((name) => countStarts(compose, name)));
    let killed = "";
    const first = await exchange(compose.port, request(), {
      async onBody(received) {
        if (killed !== "" || received < MEGABYTE) return;
        const now = await Promise.all(replicas.map((name) => countStarts(compose, name)));
        killed = replicas[now.findIndex((count, i) => count > begun[i])];
        await run("podman", ["kill", killed], { env: images.env });
      },
    });
    assert.ok(!first.complete, "its replica was killed");
    assert.ok(first.body.length < expected.length);
    const etag = first.headers.get("etag");
    const second = await exchange(
      compose.port,
      request(`Range: bytes=${first.body.length}-\r\nIf-Range: ${etag}\r\n`),
    );
    assert.equal(second.status, 206);
    assert.ok(Buffer.concat([first.body, second.body]).equals(expected));
  },
);

/** How many downloads a replica has told of */
async function countStarts(compose: ComposeProject, name: string): Promise<number> {
  return (await compose.logs(name)).split("download started").length - 1;
}

/** The status at the start of an answer */
async function readStatus(connection: Deno.TcpConn): Promise<string> {
  const start = new Uint8Array(12);
  for (let length = 0; length < start.length;) {
    const count = await connection.read(start.subarray(length));
    if (count === null) return "none";
    length += count;
  }
  return new TextDecoder().decode(start.subarray(9));
}
