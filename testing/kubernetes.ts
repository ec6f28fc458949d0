/**
 * The manifests in `deploy/kubernetes`, as files and as kustomize builds them.
 *
 * @module
 */

import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";
import { accept, run } from "./tools.ts";
import { makeTree } from "./tree.ts";

/** What this project has for Kubernetes */
export const KUBERNETES = fileURLToPath(new URL("../deploy/kubernetes/", import.meta.url));

/** Of a file that tells kustomize what to build */
const KUSTOMIZATION = "kustomization.yaml";

/** Kubernetes of the end of 2026, and of early 2023 */
const VERSIONS = ["1.37", "1.27"];

/** Whatever stands in a manifest: each test looks at what it is about */
// deno-lint-ignore no-explicit-any
export type Manifest = any;

/** Paths of all files, from the folder on, with slashes */
export function manifestFiles(folder: string = KUBERNETES): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? manifestFiles(join(folder, name)).map((file) => `${name}/${file}`) : name
  ).sort();
}

/** The only document of a file */
export function readManifest(file: string): Manifest {
  return parse(Deno.readTextFileSync(join(KUBERNETES, file)));
}

/** What a kustomization names, as paths from the folder on; folders stand for the file in them */
export function namedIn(file: string): string[] {
  const { resources = [], components = [], patches = [], ...rest } = readManifest(file);
  const generators = [...rest.configMapGenerator ?? [], ...rest.secretGenerator ?? []];
  const names = [
    ...[...resources, ...components].map((name) => name.endsWith(".yaml") ? name : `${name}/`),
    ...patches.flatMap(({ path = [] }: Manifest) => path),
    ...generators.flatMap(({ envs }: Manifest) => envs),
  ];
  return names.map((name: string) => {
    const path = posix.resolve(
      "/",
      posix.dirname(file),
      name,
      name.endsWith("/") ? KUSTOMIZATION : "",
    );
    return path.slice(1);
  });
}

/** The lines of a file of settings that are set, or would be without their comment sign */
export function settingsIn(file: string): Record<string, string> {
  const text = Deno.readTextFileSync(join(KUBERNETES, file));
  const lines = [...text.matchAll(/^(?:# )?([A-Z][A-Z\d_]*)=(.*)$/gm)];
  return Object.fromEntries(lines.map(([, name, value]) => [name, value]));
}

/** All containers of a Deployment or CronJob, those that run first included */
export function containersOf(workload: Manifest): Manifest[] {
  const { initContainers = [], containers = [] } = podOf(workload).spec;
  return [...initContainers, ...containers];
}

/** The template of a workload's Pods */
export function podOf({ kind, spec }: Manifest): Manifest {
  return kind === "CronJob" ? spec.jobTemplate.spec.template : spec.template;
}

/** What `kubectl apply -k` would send */
export interface Build {
  /** In YAML, as it is sent */
  readonly text: string;
  /** The same, taken apart */
  readonly manifests: readonly Manifest[];
}

/** Builds a folder with kustomize; rejects with what it said where it does not accept something */
export type Kustomize = (options?: BuildOptions) => Promise<Build>;

/** What is built */
export interface BuildOptions {
  /** @default "example" */
  readonly folder?: string;
  /** Changes to files of a copy, by their path: what is to be where something else stood */
  readonly edit?: (files: (file: string, from: string | RegExp, to: string) => void) => void;
}

/** The components that the example has behind a comment sign, all of them put in */
export const ALL_COMPONENTS: BuildOptions = {
  edit: (change) => change("example/kustomization.yaml", /^ {2}# - /gm, "  - "),
};

let made: Promise<Kustomize> | undefined;

/**
 * Builds kustomize itself, with Go, once for all tests of a file.
 *
 * @throws {Error} With what Go said, such as that it cannot reach its modules
 */
export function kustomize(): Promise<Kustomize> {
  made ??= makeKustomize();
  return made;
}

async function makeKustomize(): Promise<Kustomize> {
  const tools = Deno.makeTempDirSync({ prefix: "zipferry-kustomize-" });
  addEventListener("unload", () => Deno.removeSync(tools, { recursive: true }));
  const program = join(tools, "kustomize");
  await accept("go", ["build", "-o", program, "."], {
    cwd: fileURLToPath(new URL("kustomize/", import.meta.url)),
  });
  return async ({ folder = "example", edit } = {}) => {
    await using copy = await makeTree();
    const root = copy.join("kubernetes");
    await accept("cp", ["-r", KUBERNETES, root]);
    edit?.((file, from, to) => {
      const before = Deno.readTextFileSync(join(root, file));
      const after = before.replace(from, to);
      if (after === before) throw new Error(`edit ${file}: there is no ${from}`);
      Deno.writeTextFileSync(join(root, file), after);
    });
    const text = await accept(program, [join(root, folder)]);
    return { text, manifests: parseAllDocuments(text).map((document) => document.toJS()) };
  };
}

/** What `kubernetes-validate --strict` says of files, for each version of Kubernetes */
export async function validate(paths: readonly string[]): Promise<Verdict[]> {
  return await Promise.all(VERSIONS.map(async (version) => {
    const args = ["--strict", "--kubernetes-version", version, ...paths];
    const { code, stdout, stderr } = await run("kubernetes-validate", args, { within: 60_000 });
    return { code, text: new TextDecoder().decode(stdout) + stderr };
  }));
}

/** What a validator found */
export interface Verdict {
  /** 0 for no fault */
  readonly code: number;
  /** All that it printed */
  readonly text: string;
}
