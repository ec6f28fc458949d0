import { Ajv, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import development from "../deno.dev.json" with { type: "json" };
import project from "../deno.json" with { type: "json" };
import { accept, run } from "../testing/tools.ts";
import { billOfMaterials } from "./sbom.ts";
import { type ShippedPackage, shippedPackages } from "./shipped.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const SCRIPT = join(ROOT, "tools/sbom.ts");
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** Its authors ship the schemas of CycloneDX in this package */
const LIBRARY = "@cyclonedx/cyclonedx-library";

const PACKAGE: ShippedPackage = {
  name: "@scope/name",
  version: "1.0.0",
  license: "MIT",
  licenseText: "",
  sha512: "ab".repeat(64),
  dependencies: [],
};

let validator: Promise<ValidateFunction> | undefined;

/** What is wrong with a document by the schema, an empty list for nothing */
async function faultsOf(document: unknown): Promise<unknown[]> {
  validator ??= compileSchema();
  const validate = await validator;
  return validate(document) ? [] : validate.errors!;
}

async function compileSchema(): Promise<ValidateFunction> {
  const specifier = development.imports[LIBRARY];
  const args = ["info", "--json", "--config", join(ROOT, "deno.dev.json"), specifier];
  const packages: Record<string, { name: string; localPath: string }> =
    JSON.parse(await accept(Deno.execPath(), args)).npmPackages;
  const { localPath } = Object.values(packages).find(({ name }) => name === LIBRARY)!;
  const schema = (file: string) =>
    JSON.parse(Deno.readTextFileSync(join(localPath, "res/schema", file)));
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  for (const format of ["iri-reference", "idn-email"]) ajv.addFormat(format, true);
  // They are referred to by the names of their files.
  for (const file of ["spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"]) {
    ajv.addSchema(schema(file), `http://cyclonedx.org/schema/${file}`);
  }
  return ajv.compile(schema("bom-1.6.SNAPSHOT.schema.json"));
}

Deno.test("shippedPackages() are those of the lock file, but for types", async () => {
  const lock = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock")));
  const locked = Object.keys(lock.npm).filter((id) => !id.startsWith("@types/")).sort();
  const shipped = await shippedPackages();
  assert.deepEqual(shipped.map(({ name, version }) => `${name}@${version}`), locked);
  for (const { name, license, sha512, dependencies } of shipped) {
    assert.match(license, /^[\w.-]+$/, name);
    assert.match(sha512, /^[0-9a-f]{128}$/, name);
    for (const id of dependencies) assert.ok(locked.includes(id), `${name}: ${id}`);
  }
});

Deno.test("billOfMaterials() is CycloneDX 1.6, and has what is shipped and nothing else", async () => {
  const packages = await shippedPackages();
  const document = billOfMaterials({
    version: "1.2.3",
    repository: "Some-One/zipferry",
    commit: COMMIT,
    runtime: { deno: "2.9.6", v8: "14.0.0" },
    packages,
  });
  assert.deepEqual(await faultsOf(document), []);
  const { metadata, components, dependencies } = document as {
    metadata: { component: { purl: string } };
    components: { "bom-ref": string; group?: string; name: string; purl?: string }[];
    dependencies: { ref: string; dependsOn?: string[] }[];
  };
  assert.equal(metadata.component.purl, `pkg:github/some-one/zipferry@${COMMIT}`);
  const ids = packages.map(({ name, version }) => `${name}@${version}`);
  assert.deepEqual(components.map((component) => component["bom-ref"]), [
    "deno@2.9.6",
    "v8@14.0.0",
    ...ids,
  ]);
  const scoped = components.find(({ group }) => group === "@logtape")!;
  assert.equal(scoped.name, "logtape");
  assert.match(scoped.purl!, /^pkg:npm\/%40logtape\/logtape@/);

  const refs = dependencies.map(({ ref }) => ref);
  assert.deepEqual(refs.sort(), ["zipferry@1.2.3", "deno@2.9.6", "v8@14.0.0", ...ids].sort());
  const direct = dependencies.find(({ ref }) => ref === "zipferry@1.2.3")!.dependsOn!;
  const imported = Object.values(project.imports).map((specifier) => specifier.slice(4));
  assert.deepEqual(direct.toSorted(), ["deno@2.9.6", ...imported].sort());
  const reached = new Set(["zipferry@1.2.3"]);
  for (const ref of reached) { // grows while it is walked
    dependencies.find((entry) => entry.ref === ref)!.dependsOn?.forEach((id) => reached.add(id));
  }
  assert.deepEqual([...reached].sort(), refs, "nothing stands apart");
});

Deno.test("billOfMaterials() names a licence by its identifier or as an expression", async () => {
  const contents = {
    version: "1.2.3",
    repository: "some-one/zipferry",
    runtime: { deno: "2.9.6", v8: "14.0.0" },
  };
  const licensesOf = (license: string) => {
    const packages = [{ ...PACKAGE, license }];
    const document = billOfMaterials({ ...contents, packages });
    return { document, licenses: (document.components as Record<string, unknown>[])[2].licenses };
  };
  const plain = licensesOf("Apache-2.0");
  assert.deepEqual(plain.licenses, [{ license: { id: "Apache-2.0" } }]);
  const either = licensesOf("(MIT OR Apache-2.0)");
  assert.deepEqual(either.licenses, [{ expression: "(MIT OR Apache-2.0)" }]);
  for (const { document } of [plain, either]) assert.deepEqual(await faultsOf(document), []);
  assert.notDeepEqual(
    await faultsOf(licensesOf("Unknown-1.0").document),
    [],
    "the schema is in use",
  );
});

Deno.test("tools/sbom.ts prints the same document each time", async () => {
  const flags = ["run", "--no-prompt", "--allow-read", "--allow-run", SCRIPT];
  const args = [...flags, "--repository", "some-one/zipferry", "--commit", COMMIT];
  const [first, second] = [
    await accept(Deno.execPath(), args, { cwd: ROOT }),
    await accept(Deno.execPath(), args, { cwd: ROOT, env: { TZ: "Asia/Tokyo" } }),
  ];
  assert.equal(first, second);
  const { metadata, components } = JSON.parse(first);
  assert.equal(metadata.component.version, project.version);
  assert.equal(components[0].version, Deno.version.deno);
  const { code, stderr } = await run(Deno.execPath(), flags);
  assert.deepEqual([code, stderr], [1, "sbom: --repository: give one, like OWNER/zipferry\n"]);
});
