import assert from "node:assert/strict";
import { join } from "node:path";
import { serveBucket } from "./bucket_program.ts";
import { freePort } from "./free_port.ts";
import { type Program, start, until } from "./process.ts";
import { GRAFANA, namesOf, startPrometheus } from "./prometheus.ts";
import { scriptStore } from "./scripted_store.ts";
import { accept, testWith } from "./tools.ts";
import { makeTree } from "./tree.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";

const DASHBOARD = join(GRAFANA, "dashboard.json");
const RULES = join(GRAFANA, "zipferry.rules.yml");
const RULES_TEST = join(GRAFANA, "zipferry.rules_test.yml");
const CONFIG = join(GRAFANA, "prometheus.yml");

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}

async function readPanels(): Promise<Panel[]> {
  return JSON.parse(await Deno.readTextFile(DASHBOARD)).panels;
}

/** Each query of the dashboard and the rules, with the dashboard's variables filled in */
async function queries(): Promise<string[]> {
  const ofDashboard = (await readPanels()).flatMap(({ targets = [] }) => targets)
    .map(({ expr }) => expr.replaceAll("$__rate_interval", "1m"))
    .map((expr) => expr.replaceAll("$job", "zipferry").replaceAll("$instance", ".+"));
  const rules = await Deno.readTextFile(RULES);
  const ofRules = rules.split(/^ +- alert: /m).slice(1)
    .map((rule) => /^ +expr: (?:\|-\n)?([^]*?)^ +(?:for|labels):/m.exec(rule)![1].trim());
  return [...ofDashboard, ...ofRules];
}

function metricsIn(query: string): string[] {
  return [...query.matchAll(/\b(?:zipferry|process)_[a-z_]+\b/g)].map(([name]) => name);
}

/** A service from which something was downloaded */
async function serve() {
  const tree = await makeTree({ [`photos/${HASH}/1.jpg`]: "1" });
  const program = await start(["--folder", tree.join("photos")]);
  const url = `http://127.0.0.1:${program.port}`;
  await (await fetch(`${url}/archive/${HASH}/`)).bytes();
  return {
    tree,
    program,
    metrics: `${url}/metrics`,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

/** The sample configuration as it is, but for the address, the pace and where the rules are */
async function configFor({ port }: Program): Promise<string> {
  const sample = await Deno.readTextFile(CONFIG);
  const config = sample.replace("127.0.0.1:8080", `127.0.0.1:${port}`)
    .replace("scrape_interval: 15s", "scrape_interval: 1s")
    .replace("zipferry.rules.yml", RULES);
  assert.ok(config.includes(`:${port}`) && config.includes(": 1s") && config.includes(RULES));
  return config;
}

testWith(
  ["promtool"],
  "deploy/grafana/: promtool accepts the rules, their tests and the sample",
  async () => {
    assert.match(await accept("promtool", ["check", "rules", RULES]), /SUCCESS: 11 rules found/);
    assert.match(await accept("promtool", ["test", "rules", RULES_TEST]), /SUCCESS/);
    assert.match(await accept("promtool", ["check", "config", CONFIG]), /SUCCESS/);
  },
);

/** A service whose photos folder is in a bucket with nothing in it */
async function serveEmptyBucket() {
  const body = '<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount>' +
    "<IsTruncated>false</IsTruncated></ListBucketResult>";
  const store = await scriptStore(() => ({ body }));
  const program = await serveBucket({ endpoint: store.url });
  return {
    metrics: `http://127.0.0.1:${program.port}/metrics`,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

Deno.test("deploy/grafana/: each alert has a test, and its row in docs/operate.md", async () => {
  const rules = await Deno.readTextFile(RULES);
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const tested = [...(await Deno.readTextFile(RULES_TEST)).matchAll(/alertname: (\w+)/g)];
  const page = await Deno.readTextFile(join(GRAFANA, "../../docs/operate.md"));
  assert.equal(alerts.length, 11);
  assert.deepEqual([...new Set(tested.map(([, name]) => name))].sort(), [...alerts].sort());
  for (const name of alerts) assert.ok(page.includes(`| \`${name}\``), name);
});

testWith(["promtool"], "/metrics: promtool finds nothing to complain of", async () => {
  await using service = await serve();
  const text = await (await fetch(service.metrics)).text();
  assert.equal(await accept("promtool", ["check", "metrics"], { stdin: text }), "");
});

Deno.test("deploy/grafana/ and docs/operate.md speak of metrics that there are, and of all of them", async () => {
  await using service = await serve();
  await using bucket = await serveEmptyBucket();
  const answers = [service, bucket].map(async ({ metrics }) => await (await fetch(metrics)).text());
  const text = (await Promise.all(answers)).join("");
  const there = namesOf(text);
  const all = await queries();
  assert.ok(all.length > 40);
  const used = new Set(all.flatMap(metricsIn));
  for (const name of used) assert.ok(there.has(name), `${name} is in no answer`);

  const page = await Deno.readTextFile(join(GRAFANA, "../../docs/operate.md"));
  const described = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  const families = new Set([...used].map((name) => name.replace(/_(?:bucket|sum|count)$/, "")));
  for (const name of described) {
    assert.ok(families.has(name), `${name} is in no panel and no rule`);
    assert.ok(page.includes(`\`${name}\``), `${name} is not described`);
  }
  for (const name of metricsIn(page)) {
    assert.ok(there.has(name) || described.includes(name), `${name} of the page is not there`);
  }
});

Deno.test("deploy/grafana/dashboard.json: panels have names of their own and do not overlap", async () => {
  const panels = await readPanels();
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const { type, title, description, targets = [] } of panels) {
    assert.ok(title);
    assert.equal(type === "row", targets.length === 0, title);
    if (type !== "row") assert.match(description ?? "", /\.$/, title);
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length);
  }
  const taken = new Set<string>();
  for (const { title, gridPos: { x, y, w, h } } of panels) {
    assert.ok(x + w <= 24, title);
    for (let i = 0; i < w * h; i++) {
      const cell = `${x + i % w},${y + Math.floor(i / w)}`;
      assert.ok(!taken.has(cell), `${title} is over another panel`);
      taken.add(cell);
    }
  }
});

testWith(
  ["prometheus"],
  "deploy/grafana/: a Prometheus scrapes the service and answers every query",
  async () => {
    await using service = await serve();
    const { tree, program } = service;
    const config = tree.join("prometheus.yml");
    await Deno.writeTextFile(config, await configFor(program));
    await using prometheus = await startPrometheus(tree, { config, port: freePort() });

    const first = async (query: string) => (await prometheus.query(query))[0];
    await until(async () => (await first("up"))?.value === 1, "it is scraped", 30_000);
    const labels = { job: "zipferry", engine: "store", outcome: "complete" };
    const complete = await first('zipferry_downloads_total{outcome="complete"}');
    assert.equal(complete.value, 1);
    assert.deepEqual(complete.labels, {
      ...labels,
      __name__: "zipferry_downloads_total",
      instance: `127.0.0.1:${program.port}`,
    });
    const scraped = 'zipferry_answers_total{route="metrics",status="200"}';
    await until(async () => (await first(scraped))?.value >= 3, "and again and again", 30_000);
    for (const query of await queries()) {
      const values = await prometheus.query(query); // rejects where the query is wrong
      const isAlert = /[<>]|==/.test(query);
      const isOfBuckets = query.includes("zipferry_bucket_"); // the photos of this one are on a disk
      assert.equal(isOfBuckets && values.length > 0, false, `a value: ${query}`);
      assert.ok(isAlert || isOfBuckets || values.length > 0, `no value: ${query}`);
      for (const { labels } of values) {
        assert.ok(!JSON.stringify(labels).includes(HASH.slice(0, 4)));
      }
    }
    assert.deepEqual(await prometheus.query("ALERTS"), []);
  },
);
