/**
 * Writes a bill of materials: what is in an executable, as CycloneDX 1.6 in JSON.
 *
 * ```sh
 * deno run --no-prompt --allow-read --allow-run tools/sbom.ts \
 *   --repository OWNER/zipferry --commit "$GITHUB_SHA" > zipferry.cdx.json
 * ```
 *
 * The same source gives the same text: neither a date nor a random number is in it.
 *
 * @see https://cyclonedx.org/docs/1.6/json/
 *
 * @module
 */

import { parseArgs } from "node:util";
import project from "../deno.json" with { type: "json" };
import { DESCRIPTION, homepageOf, LICENSE } from "./about.ts";
import { type ShippedPackage, shippedPackages } from "./shipped.ts";

/** What the document is about */
export interface Contents {
  /** As in `deno.json` */
  readonly version: string;
  /** `OWNER/NAME`, on GitHub */
  readonly repository: string;
  /** 40 hexadecimal digits, if it is known */
  readonly commit?: string;
  /** Versions of the runtime and of the engine in it */
  readonly runtime: { readonly deno: string; readonly v8: string };
  readonly packages: readonly ShippedPackage[];
}

/** A part of the program, in CycloneDX' terms */
interface Component {
  readonly type: string;
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly [field: string]: unknown;
}

/** The document, ready for `JSON.stringify`. */
export function billOfMaterials(contents: Contents): Record<string, unknown> {
  const { version, repository, commit, packages } = contents;
  const [deno, v8] = runtimeComponents(contents);
  const program = {
    type: "application",
    "bom-ref": `zipferry@${version}`,
    name: "zipferry",
    version,
    description: DESCRIPTION,
    ...licensed(LICENSE),
    purl: `pkg:github/${repository.toLowerCase()}@${commit ?? version}`,
    externalReferences: [{ type: "vcs", url: homepageOf(repository) }],
  };
  const imported = Object.values(project.imports).map((specifier) =>
    specifier.slice("npm:".length)
  );
  const direct = packages.map(idOf).filter((id) => imported.includes(id));
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: program },
    components: [deno, v8, ...packages.map(packageComponent)],
    dependencies: [
      { ref: program["bom-ref"], dependsOn: [deno["bom-ref"], ...direct] },
      { ref: deno["bom-ref"], dependsOn: [v8["bom-ref"]] },
      { ref: v8["bom-ref"] },
      ...packages.map((shipped) => ({ ref: idOf(shipped), dependsOn: shipped.dependencies })),
    ],
    // What Deno is made of is listed by its own authors.
    compositions: [
      { aggregate: "complete", dependencies: [program["bom-ref"], ...packages.map(idOf)] },
      { aggregate: "incomplete", dependencies: [deno["bom-ref"], v8["bom-ref"]] },
    ],
  };
}

function runtimeComponents({ runtime: { deno, v8 } }: Contents): [Component, Component] {
  return [{
    type: "platform",
    "bom-ref": `deno@${deno}`,
    name: "deno",
    version: deno,
    ...licensed("MIT"),
    cpe: `cpe:2.3:a:deno:deno:${deno}:*:*:*:*:*:*:*`,
    purl: `pkg:github/denoland/deno@v${deno}`,
    externalReferences: [{ type: "vcs", url: "https://github.com/denoland/deno" }],
  }, {
    type: "library",
    "bom-ref": `v8@${v8}`,
    name: "v8",
    version: v8,
    ...licensed("BSD-3-Clause"),
    externalReferences: [{ type: "vcs", url: "https://github.com/denoland/rusty_v8" }],
  }];
}

function packageComponent(shipped: ShippedPackage): Component {
  const { name, version, license, sha512 } = shipped;
  return {
    type: "library",
    "bom-ref": idOf(shipped),
    ...name.startsWith("@") ? { group: name.split("/")[0], name: name.split("/")[1] } : { name },
    version,
    hashes: [{ alg: "SHA-512", content: sha512 }],
    ...licensed(license),
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
  };
}

function idOf({ name, version }: ShippedPackage) {
  return `${name}@${version}`;
}

function licensed(license: string) {
  const isExpression = /[ ()]/.test(license);
  return { licenses: [isExpression ? { expression: license } : { license: { id: license } }] };
}

if (import.meta.main) {
  const options = { repository: { type: "string" }, commit: { type: "string" } } as const;
  const { repository, commit } = parseArgs({ args: Deno.args, options }).values;
  if (!repository) {
    console.error("sbom: --repository: give one, like OWNER/zipferry");
    Deno.exit(1);
  }
  const { deno, v8 } = Deno.version;
  const packages = await shippedPackages();
  const contents = {
    version: project.version,
    repository,
    commit,
    runtime: { deno, v8 },
    packages,
  };
  console.log(JSON.stringify(billOfMaterials(contents), null, 2));
}
