import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CREDENTIAL_VARIABLES } from "../lib/bucket.ts";
import { readConfig } from "../lib/config.ts";
import { variables } from "../lib/options.ts";
import { freePort } from "./free_port.ts";
import {
  ALL_COMPONENTS,
  containersOf,
  KUBERNETES,
  type Kustomize,
  kustomize,
  type Manifest,
  manifestFiles,
  namedIn,
  podOf,
  readManifest,
  settingsIn,
  validate,
} from "./kubernetes.ts";
import { runToEnd, start, until } from "./process.ts";
import { startObjectStore, testWithStore } from "./object_store.ts";
import { samplesOf, startPrometheus } from "./prometheus.ts";
import { run, strict, testWith } from "./tools.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PHOTOS = join(ROOT, "test_photos");
const HASH = "7d02f9c4b1a85e3640cf98de2b715a63";

/** In the example */
const IMAGE = "ghcr.io/OWNER/zipferry:1.2.3";

const ALL = manifestFiles();
const OTHERS = ALL.filter((file) => file.startsWith("monitoring/") || file.endsWith(".env"));
const KUSTOMIZATIONS = ALL.filter((file) => file.endsWith("kustomization.yaml"));
const PATCHES = ALL.filter((file) => file.endsWith("-patch.yaml"));
const MANIFESTS = ALL.filter((file) => ![...OTHERS, ...KUSTOMIZATIONS, ...PATCHES].includes(file));

const DEPLOYMENT = readManifest("base/deployment.yaml");
const SERVICE = readManifest("base/service.yaml");
const CRON_JOB = readManifest("components/warm/cron-job.yaml");
const WARM_PATCH = readManifest("components/warm/deployment-patch.yaml");
const WORKLOADS = [DEPLOYMENT, CRON_JOB];

/** Of the Deployment */
const SERVER = DEPLOYMENT.spec.template.spec.containers[0];

function read(name: string) {
  return Deno.readTextFileSync(join(ROOT, name));
}

function byName<T extends { name: string }>(list: readonly T[], name: string): T {
  const found = list.find((one) => one.name === name);
  assert.ok(found, `there is no ${name}`);
  return found;
}

function variablesOf({ env = [] }: Manifest): Record<string, string> {
  return Object.fromEntries(env.map(({ name, value }: Manifest) => [name, value]));
}

/** Whether these labels are some of those */
function selects(selector: Record<string, string>, labels: Record<string, string>) {
  return Object.entries(selector).every(([name, value]) => labels[name] === value);
}

/** Bytes, as Kubernetes writes them */
function bytesOf(quantity: string) {
  const [, count, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity)!;
  return Number(count) * 2 ** (unit === "Mi" ? 20 : 30);
}

function scaler() {
  return readManifest("components/autoscaler/horizontal-pod-autoscaler.yaml").spec;
}

/** The settings of a container, checked as the program does */
function configOf(container: Manifest, settings: Record<string, string>) {
  const all = { ...settings, ...variablesOf(container) };
  const invocation = readConfig({ args: container.args ?? [], env: (name) => all[name] });
  assert.ok("config" in invocation);
  return invocation;
}

/** For scripts that run in the image */
function onLinux(name: string, fn: () => Promise<void>) {
  if (Deno.build.os === "linux") Deno.test(name, fn);
  else Deno.test({ name: `${name} (skipped: Linux only)`, ignore: true, fn });
}

function testWithKustomize(
  tools: readonly string[],
  name: string,
  fn: (build: Kustomize) => Promise<void>,
) {
  testWith(["go", "cp", ...tools], name, async (t) => {
    let build: Kustomize;
    try {
      build = await kustomize();
    } catch (error) {
      if (strict() || !/dial tcp|lookup|i\/o timeout/.test(String(error))) throw error;
      return void await t.step({ name: "skipped: no modules of Go", ignore: true, fn() {} });
    }
    await fn(build);
  });
}

testWith(
  ["kubernetes-validate"],
  "deploy/kubernetes/: every manifest is valid, and a misspelt field is not",
  async () => {
    assert.ok(MANIFESTS.length >= 9, MANIFESTS.join());
    for (const { code, text } of await validate(MANIFESTS.map((file) => join(KUBERNETES, file)))) {
      assert.equal(code, 0, text);
      assert.equal(text.match(/ passed /g)?.length, MANIFESTS.length, text);
    }
    const text = Deno.readTextFileSync(join(KUBERNETES, "base/deployment.yaml"));
    const misspelt = text.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem");
    assert.notEqual(misspelt, text);
    await using tree = await makeTree({ "deployment.yaml": misspelt });
    for (const { code, text } of await validate([tree.join("deployment.yaml")])) {
      assert.notEqual(code, 0);
      assert.match(text, /readOnlyRootFileSystem/);
    }
  },
);

testWithKustomize(
  ["kubernetes-validate"],
  "deploy/kubernetes/example: what kustomize builds is valid, with all components too",
  async (build) => {
    for (const options of [{}, ALL_COMPONENTS]) {
      const { text } = await build(options);
      await using tree = await makeTree({ "all.yaml": text });
      for (const { code, text } of await validate([tree.join("all.yaml")])) {
        assert.equal(code, 0, text);
      }
    }
  },
);

testWithKustomize([], "deploy/kubernetes/example: its parts come together", async (build) => {
  const { manifests } = await build();
  const kinds = manifests.map(({ kind }) => kind).sort();
  assert.deepEqual(kinds, [
    "ConfigMap",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Namespace",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Secret",
    "Service",
    "ServiceAccount",
  ]);
  for (const { kind, metadata } of manifests) {
    if (kind !== "Namespace") assert.equal(metadata.namespace, "zipferry", kind);
  }
  const find = (wanted: string) => manifests.find(({ kind }) => kind === wanted);
  const { spec } = find("Deployment");
  assert.ok(!("replicas" in spec), "the autoscaler says how many");
  const [server] = spec.template.spec.containers;
  assert.deepEqual(server.envFrom, [
    { configMapRef: { name: find("ConfigMap").metadata.name } },
    { secretRef: { name: find("Secret").metadata.name } },
  ]);
  assert.match(find("ConfigMap").metadata.name, /^zipferry-settings-[a-z\d]{10}$/);
  assert.equal(server.image, IMAGE);
  assert.ok(read("docs/containers.md").includes(`docker pull ${IMAGE}\n`), "as releases tag it");

  // Whoever copies the example changes it in these places.
  const own = await build({
    edit: (change) => {
      const file = "example/kustomization.yaml";
      change(file, /photos\.example\.org/g, "albums.example.net");
      change(file, "value: ingress-nginx", "value: front");
      change(file, "value: monitoring", "value: watch");
      change(file, "value: 443", "value: 9000");
    },
  });
  const ingress = own.manifests.find(({ kind }) => kind === "Ingress").spec;
  assert.equal(ingress.rules[0].host, "albums.example.net");
  assert.deepEqual(ingress.tls[0].hosts, ["albums.example.net"]);
  const policy = own.manifests.find(({ kind }) => kind === "NetworkPolicy").spec;
  const namespaces = policy.ingress.map(({ from: [{ namespaceSelector }] }: Manifest) =>
    namespaceSelector.matchLabels["kubernetes.io/metadata.name"]
  );
  assert.deepEqual(namespaces, ["front", "watch"]);
  assert.deepEqual(policy.egress[1].ports, [{ port: 9000 }]);
  // What the example itself says is what the base says.
  const parts = ["base/network-policy.yaml", "components/ingress/ingress.yaml"].map(readManifest);
  for (const { kind, spec } of parts) assert.deepEqual(find(kind).spec, spec);

  // What changes is what the Pods are started with, so they are replaced.
  const changed = await build({
    edit: (change) => change("example/settings.env", "us-east-1", "eu-north-1"),
  });
  const [other] = changed.manifests.filter(({ kind }) => kind === "Deployment");
  assert.notDeepEqual(other.spec.template.spec.containers[0].envFrom, server.envFrom);
});

testWithKustomize([], "deploy/kubernetes/components: all of them go together", async (build) => {
  const { manifests } = await build(ALL_COMPONENTS);
  const workloads = manifests.filter(({ kind }) => /^(?:Deployment|CronJob)$/.test(kind));
  assert.equal(workloads.length, 2);
  for (const workload of workloads) {
    const all = containersOf(workload);
    assert.deepEqual([...new Set(all.map(({ image }) => image))], [IMAGE]);
    all.forEach(assertHardened);
    const program = byName(all, "zipferry");
    assert.deepEqual(program.envFrom.map(Object.keys), [["configMapRef"]], "no stored keys");
    const { AWS_WEB_IDENTITY_TOKEN_FILE: token, ...own } = variablesOf(program);
    const mounts = new Map(program.volumeMounts.map((one: Manifest) => [one.name, one.mountPath]));
    assert.equal(token, `${mounts.get("sts-token")}/token`);
    assert.equal(own.ZIPFERRY_CHECKSUMS, `${mounts.get("data")}/checksums.sqlite`);
    const volumes = podOf(workload).spec.volumes.map(({ name }: Manifest) => name).sort();
    assert.deepEqual(volumes, ["data", "shared", "sts-token"]);
    for (const { volumeMounts = [] } of all) {
      for (const { name } of volumeMounts) assert.ok(volumes.includes(name), name);
    }
  }
  const server = byName(
    containersOf(workloads.find(({ kind }) => kind === "Deployment")),
    "zipferry",
  );
  for (const { name, value } of SERVER.env) assert.equal(variablesOf(server)[name], value);
});

testWithKustomize([], "kustomize refuses what it does not know", async (build) => {
  const misspell = (file: string, from: string, to: string) =>
    assert.rejects(build({ edit: (change) => change(file, from, to) }), /exit code 1/);
  await misspell("base/kustomization.yaml", "resources:", "resource:");
  await misspell("base/kustomization.yaml", "service.yaml", "services.yaml");
});

Deno.test("deploy/kubernetes/: each file belongs to something, and all that is named is there", () => {
  const named = KUSTOMIZATIONS.flatMap(namedIn);
  for (const file of named) assert.ok(ALL.includes(file), `${file} is named and not there`);
  // The example names the rest behind a comment sign.
  const example = Deno.readTextFileSync(join(KUBERNETES, "example/kustomization.yaml"));
  const commented = [...example.matchAll(/^ {2}# - \.\.\/(components\/\S+)$/gm)]
    .map(([, folder]) => `${folder}/kustomization.yaml`);
  assert.equal(commented.length, 2);
  const known = [...named, ...commented, "example/kustomization.yaml"];
  const alone = ALL.filter((file) => !known.includes(file));
  assert.deepEqual(alone, ["monitoring/prometheus-adapter.yaml", "monitoring/prometheus.yml"]);
});

Deno.test("deploy/kubernetes/: names, labels and selectors agree", () => {
  const { spec, metadata } = DEPLOYMENT;
  const labels = spec.template.metadata.labels;
  const job = podOf(CRON_JOB).metadata.labels;
  assert.deepEqual(metadata.labels, labels);
  const budget = readManifest("base/pod-disruption-budget.yaml").spec;
  const spread = spec.template.spec.topologySpreadConstraints;
  const selectors = [
    spec.selector.matchLabels,
    SERVICE.spec.selector,
    budget.selector.matchLabels,
    ...spread.map(({ labelSelector }: Manifest) => labelSelector.matchLabels),
  ];
  for (const selector of selectors) {
    assert.ok(selects(selector, labels));
    assert.ok(!selects(selector, job), "the Job is no replica");
  }
  const policy = readManifest("base/network-policy.yaml").spec;
  for (const pod of [labels, job]) assert.ok(selects(policy.podSelector.matchLabels, pod));

  const ports = SERVER.ports.map(({ name }: Manifest) => name);
  assert.deepEqual(ports, ["http", "metrics"]);
  assert.deepEqual(SERVICE.spec.ports.map(({ targetPort }: Manifest) => targetPort), ["http"]);
  assert.deepEqual(policy.ingress.flatMap((rule: Manifest) => rule.ports), [
    { port: "http" },
    { port: "metrics" },
  ]);
  const [rule] = readManifest("components/ingress/ingress.yaml").spec.rules;
  assert.deepEqual(rule.http.paths.map(({ path }: Manifest) => path), ["/archive/"]);
  const { service } = rule.http.paths[0].backend;
  assert.equal(service.name, SERVICE.metadata.name);
  assert.equal(service.port.name, SERVICE.spec.ports[0].name);

  const { apiVersion, kind } = DEPLOYMENT;
  assert.deepEqual(scaler().scaleTargetRef, { apiVersion, kind, name: metadata.name });
  assert.ok(scaler().minReplicas > budget.maxUnavailable, "one goes on while a node is emptied");

  const account = readManifest("base/service-account.yaml");
  const claim = readManifest("components/warm/persistent-volume-claim.yaml");
  for (const workload of WORKLOADS) {
    assert.equal(podOf(workload).spec.serviceAccountName, account.metadata.name);
  }
  for (const { volumes } of [podOf(CRON_JOB).spec, podOf(WARM_PATCH).spec]) {
    assert.equal(
      byName<Manifest>(volumes, "shared").persistentVolumeClaim.claimName,
      claim.metadata.name,
    );
  }
});

function assertHardened({ name, securityContext, resources }: Manifest) {
  assert.deepEqual(securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  }, name);
  assert.equal(resources.limits.memory, resources.requests.memory, name);
}

Deno.test("deploy/kubernetes/: Pods are as restricted as the namespace wants", () => {
  const namespace = readManifest("example/namespace.yaml");
  const level = namespace.metadata.labels["pod-security.kubernetes.io/enforce"];
  assert.equal(level, "restricted");
  const [, user, group] = /:-(\d+):(\d+)\}/.exec(read("compose.yaml"))!.map(Number);
  for (const workload of WORKLOADS) {
    const { securityContext, ...spec } = podOf(workload).spec;
    assert.deepEqual(securityContext, {
      runAsNonRoot: true,
      runAsUser: user,
      runAsGroup: group,
      fsGroup: group,
      seccompProfile: { type: "RuntimeDefault" },
    });
    assert.equal(spec.automountServiceAccountToken, false);
    assert.equal(spec.enableServiceLinks, false, "nobody else sets ZIPFERRY_… variables");
    containersOf(workload).forEach(assertHardened);
  }
  containersOf(WARM_PATCH).slice(0, 1).forEach(assertHardened);
});

Deno.test("deploy/kubernetes/: every variable is one of the program's, with a value that it takes", () => {
  const known = [...variables, ...CREDENTIAL_VARIABLES];
  const settings = settingsIn("example/settings.env");
  const credentials = settingsIn("example/credentials.env");
  const inManifests = [...MANIFESTS, ...PATCHES].map(readManifest)
    .filter(({ kind }) => /^(?:Deployment|CronJob)$/.test(kind))
    .flatMap(containersOf).flatMap((container) => Object.keys(variablesOf(container)));
  assert.ok(inManifests.length >= 9);
  for (const name of [...inManifests, ...Object.keys({ ...settings, ...credentials })]) {
    assert.ok(known.includes(name), `${name} is no variable of the program`);
  }

  const served = configOf(SERVER, settings);
  assert.equal(served.action, "serve");
  assert.equal(served.config.bucket?.bucket, "photos");
  const job = configOf(byName(containersOf(CRON_JOB), "zipferry"), settings);
  assert.equal(job.action, "warm");
  assert.equal(
    job.config.checksums,
    variablesOf(WARM_PATCH.spec.template.spec.containers[0])
      .ZIPFERRY_CHECKSUMS,
  );
});

Deno.test("deploy/kubernetes/: times, memory and ports agree with the settings beside them", () => {
  const { config } = configOf(SERVER, settingsIn("example/settings.env"));
  const { terminationGracePeriodSeconds: grace } = DEPLOYMENT.spec.template.spec;
  assert.ok(grace >= config.drainDelay + config.shutdownTimeout + 10, `${grace} s`);
  const [{ periodSeconds: pause }] = scaler().behavior.scaleDown.policies;
  assert.ok(pause >= grace, "one replica has ended before the next is told to");

  for (const workload of WORKLOADS) {
    const container = byName(containersOf(workload), "zipferry");
    const { memory } = configOf(container, settingsIn("example/settings.env")).config;
    assert.equal(bytesOf(container.resources.limits.memory), memory! * 2);
  }

  const [, port] = /^ {2}PORT=(\d+)/m.exec(read("Dockerfile"))!;
  const [http, metrics] = SERVER.ports;
  assert.equal(http.containerPort, Number(port));
  assert.deepEqual(config.metrics, { hostname: "0.0.0.0", port: metrics.containerPort });
});

Deno.test("deploy/kubernetes/: what the probes and Prometheus ask for is there", async () => {
  const port = freePort();
  await using program = await start(["--folder", PHOTOS, "--metrics", `127.0.0.1:${port}`]);
  for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
    const { path, port: where } = SERVER[probe].httpGet;
    assert.equal(where, "http");
    const response = await fetch(new URL(path, program.url));
    await response.body?.cancel();
    assert.equal(response.status, 200, path);
  }
  const figures = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const [metric] = scaler().metrics;
  assert.match(figures, new RegExp(`^${metric.pods.metric.name}\\{`, "m"));
});

const [FETCH_FOR_JOB, WARM, PUBLISH] = containersOf(CRON_JOB);
const [FETCH] = containersOf(WARM_PATCH);

/** Runs the script of a container, with a folder of the tree as its /data and another as /shared */
function runScript({ command: [shell, flag, script] }: Manifest, tree: Tree, data: string) {
  const text = script.replaceAll("/data/", `${tree.join(data)}/`)
    .replaceAll("/shared/", `${tree.join("shared")}/`);
  return run(shell, [flag, text]);
}

async function acceptScript(container: Manifest, tree: Tree, data: string) {
  const { code, stderr } = await runScript(container, tree, data);
  assert.deepEqual([code, stderr], [0, ""]);
}

/** What a volume, a Job and a replica find before the first night */
function makeFolders() {
  return makeTree({
    ...{ "shared": { directory: true }, "job": { directory: true } },
    "replica/checksums.sqlite-wal": "left behind",
  });
}

onLinux("deploy/kubernetes/components/warm: the file goes round", async () => {
  await using tree = await makeFolders();
  const runProgram = (command: string, folder: string) =>
    runToEnd([command, "--folder", PHOTOS, "--checksums", tree.join(folder, "checksums.sqlite")], {
      task: "start:checksums",
    });

  await acceptScript(FETCH, tree, "replica");
  assert.deepEqual([...Deno.readDirSync(tree.join("replica"))], [], "it starts with nothing");
  for (let night = 1; night <= 2; night++) {
    await acceptScript(FETCH_FOR_JOB, tree, "job");
    const { code, stderr } = await runProgram(WARM.args[0], "job");
    assert.equal(code, 0, stderr);
    await acceptScript(PUBLISH, tree, "job");
    assert.deepEqual([...Deno.readDirSync(tree.join("shared"))].map(({ name }) => name), [
      "checksums.sqlite",
    ]);
  }
  await acceptScript(FETCH, tree, "replica");
  const { stdout } = await runProgram("verify", "replica");
  assert.match(stdout, /^[1-9]\d* good, 0 changed, 0 failed, 0 unknown$/m);

  Deno.writeTextFileSync(tree.join("job", "checksums.sqlite-wal"), "not in the file yet");
  const { code, stderr } = await runScript(PUBLISH, tree, "job");
  assert.equal(code, 1);
  assert.match(stderr, /still writes/);
});

testWithStore("deploy/kubernetes/components/warm: a replica reads no photo twice", async () => {
  await using store = await startObjectStore();
  await store.createBucket("photos");
  await store.put("photos", `${HASH}/photo.jpg`, randomBytes(8 << 20));
  const { accessKeyId, secretAccessKey } = store.rootCredentials;
  const env = {
    PHOTOS_DIR: "s3://photos",
    AWS_ENDPOINT_URL_S3: store.endpoint.href,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  await using tree = await makeFolders();
  const optionsFor = (folder: string) => ({
    env: { ...env, ZIPFERRY_CHECKSUMS: tree.join(folder, "checksums.sqlite") },
    task: "start:checksums" as const,
  });
  await acceptScript(FETCH_FOR_JOB, tree, "job");
  const { code, stderr } = await runToEnd(WARM.args, optionsFor("job"));
  assert.equal(code, 0, stderr);
  await acceptScript(PUBLISH, tree, "job");
  await acceptScript(FETCH, tree, "replica");

  for (const [folder, scans] of [["replica", 0], ["shared/none", 1]] as const) {
    await Deno.mkdir(tree.join(folder), { recursive: true });
    await using program = await start([], optionsFor(folder));
    const archive = await fetch(`${program.url}archive/${HASH}/`);
    assert.equal(archive.status, 200);
    assert.equal((await archive.bytes()).length, Number(archive.headers.get("content-length")));
    const figures = samplesOf(await (await fetch(`${program.url}metrics`)).text());
    assert.equal(figures.get('zipferry_scans_total{outcome="done"}'), scans, folder);
  }
});

testWith(
  ["prometheus"],
  "deploy/kubernetes/monitoring: Prometheus finds the replicas, and the autoscaler's query has an answer",
  async () => {
    await using program = await start(["--folder", PHOTOS]);
    // What Kubernetes would tell of each port of each Pod, since Debian's Prometheus cannot ask it.
    const { labels } = DEPLOYMENT.spec.template.metadata;
    const meta = "__meta_kubernetes_pod";
    const found = (address: string, port: string, component: string) => `
      - targets: ["${address}"]
        labels:
          __meta_kubernetes_namespace: photos
          ${meta}_name: zipferry-1
          ${meta}_label_app_kubernetes_io_name: ${labels["app.kubernetes.io/name"]}
          ${meta}_label_app_kubernetes_io_component: ${component}
          ${meta}_container_port_name: ${port}`;
    const server = labels["app.kubernetes.io/component"];
    const [, metrics] = SERVER.ports;
    const others = [
      found("127.0.0.1:1", "http", server),
      found("127.0.0.1:2", metrics.name, "warm"),
    ];
    const sample = Deno.readTextFileSync(join(KUBERNETES, "monitoring/prometheus.yml"));
    const config = sample.replace("scrape_interval: 15s", "scrape_interval: 1s")
      .replace(
        /kubernetes_sd_configs:\n.*role: pod$/m,
        () =>
          ["static_configs:", found(`127.0.0.1:${program.port}`, metrics.name, server), ...others]
            .join(""),
      );
    assert.match(config, /static_configs/);
    await using tree = await makeTree({ "prometheus.yml": config });
    await using prometheus = await startPrometheus(tree, {
      config: tree.join("prometheus.yml"),
      port: freePort(),
    });

    const [rule] = readManifest("monitoring/prometheus-adapter.yaml").rules.custom;
    assert.equal(rule.name.as, scaler().metrics[0].pods.metric.name);
    const [series] = rule.seriesQuery.split("{");
    // As the adapter asks for some Pods of a namespace.
    const query = rule.metricsQuery.replace("<<.Series>>", series)
      .replace("<<.LabelMatchers>>", 'namespace="photos",pod=~"zipferry-1|zipferry-2"')
      .replace("<<.GroupBy>>", "pod");
    const hasSeries = async () => (await prometheus.query(rule.seriesQuery)).length > 0;
    await until(hasSeries, "it is scraped", 30_000);
    assert.deepEqual(await prometheus.query(query), [{ labels: { pod: "zipferry-1" }, value: 0 }]);
    const up = await prometheus.query("up");
    assert.deepEqual(up.map(({ labels }) => [labels.job, labels.namespace, labels.pod]), [
      ["zipferry", "photos", "zipferry-1"],
    ]);
  },
);
