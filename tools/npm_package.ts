/**
 * Makes the package for npm, a folder that `npm pack` and `npm publish` take:
 *
 * ```sh
 * deno task npm --repository OWNER/zipferry --output dist/npm
 * npm pack dist/npm
 * ```
 *
 * The program and each module that a thread starts with become one file of JavaScript each: Deno
 * takes no TypeScript from a folder `node_modules`, and no package but Deno itself has to be
 * installed. The files keep the places that the modules have in the source, since the program may
 * read the code of its threads in `storage` only.
 *
 * @module
 */

import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import project from "../deno.json" with { type: "json" };
import { taskFlags } from "../testing/task.ts";
import { DESCRIPTION, homepageOf, LICENSE } from "./about.ts";
import { ENTRY_POINTS, type ShippedPackage, shippedPackages } from "./shipped.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const FILES = join(ROOT, "tools/npm");

/** Where the program is in the package */
const PROGRAM = "program";

/** What stands for the permissions of `deno.json`, which is not in the package */
const PERMISSION_SET = "-P=serve";

/**
 * Packages in the old format of modules call `require` for parts of Node. In a bundle there is none,
 * and what stands for it there takes one that it finds, or fails with a message that has these words.
 */
const REQUIRE = 'import { createRequire } from "node:module";' +
  "const require = createRequire(import.meta.url);\n";
const NEEDS_REQUIRE = "Dynamic require of";

/** No configuration of whoever runs the package takes part, and nothing is fetched. */
const SEALED = ["--no-config", "--no-lock", "--no-remote", "--no-npm"];

/** Permissions as `deno.json` has them: true for all, or a list */
export type Permissions = Readonly<Record<string, boolean | readonly string[]>>;

/** The flags of `deno run` that grant the same as a set of permissions in `deno.json`. */
export function permissionFlags(permissions: Permissions): string[] {
  return Object.entries(permissions).flatMap(([name, granted]) => {
    if (granted === false) return [];
    return granted === true ? [`--allow-${name}`] : [`--allow-${name}=${granted.join()}`];
  });
}

/** The flags of `deno run` in the package: those of `deno task start`, without a configuration. */
export function startFlags(): string[] {
  const flags = taskFlags("start").flatMap((flag) =>
    flag === PERMISSION_SET ? permissionFlags(project.permissions.serve) : [flag]
  );
  return [...SEALED, ...project.unstable.map((name) => `--unstable-${name}`), ...flags];
}

/** The `package.json` of the package. */
export function packageJson(repository: string): Record<string, unknown> {
  const [, denoVersion] = /deno@([\d.]+)/.exec(Deno.readTextFileSync(join(ROOT, ".ci/run")))!;
  const home = homepageOf(repository);
  return {
    name: "zipferry",
    version: project.version,
    description: DESCRIPTION,
    license: LICENSE,
    homepage: `${home}#readme`,
    repository: { type: "git", url: `git+${home}.git` },
    bugs: `${home}/issues`,
    keywords: ["download", "photos", "server", "zip"],
    type: "module",
    bin: { zipferry: "zipferry.js" },
    engines: { node: ">=18" },
    dependencies: { deno: denoVersion },
  };
}

/**
 * A bundle that finds the threads' modules, each of which has become a bundle in another folder.
 *
 * @param code of the bundle
 * @param module the entry point that it was made of
 * @throws {Error} if it starts a thread with a module that is no entry point
 */
export function pointToBundles(code: string, module: string): string {
  const from = posix.dirname(module);
  return code.replaceAll(/import\.meta\.resolve\("(\.[^"]*)"\)/g, (_, path: string) => {
    const [target, ...more] = ENTRY_POINTS.filter((entry) =>
      posix.basename(entry) === posix.basename(path)
    );
    if (!target || more.length > 0) throw new Error(`find module of a thread: ${path}`);
    const moved = posix.relative(from, bundleName(target));
    return `import.meta.resolve("${moved.startsWith(".") ? moved : `./${moved}`}")`;
  });
}

function bundleName(module: string) {
  return module.replace(/\.ts$/, ".js");
}

/** Small, but names of functions and classes stay: errors tell them. */
async function bundle(module: string, output: string) {
  const path = join(output, bundleName(module));
  const flags = ["--quiet", "--frozen", "--platform=deno", "--minify", "--keep-names"];
  const args = ["bundle", ...flags, `--output=${path}`, module];
  const { success } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).spawn().status;
  if (!success) throw new Error(`bundle ${module}: deno ${args.join(" ")} failed`);
  const code = pointToBundles(await Deno.readTextFile(path), module);
  await Deno.writeTextFile(path, code.includes(NEEDS_REQUIRE) ? REQUIRE + code : code);
}

/** The licences of all that is in the bundles. */
function notices(packages: readonly ShippedPackage[]): string {
  const texts = packages.map(({ name, version, license, licenseText }) =>
    `${name} ${version} (${license})\n\n${licenseText}`.trim()
  );
  return `The program contains these packages:\n\n${texts.join(`\n\n${"-".repeat(72)}\n\n`)}\n`;
}

/** Makes the package in a folder, which must not be there. */
export async function makePackage(
  { repository, commit, output }: { repository: string; commit: string; output: string },
): Promise<void> {
  await Deno.mkdir(join(output, PROGRAM), { recursive: true });
  const write = (name: string, text: string) => Deno.writeTextFile(join(output, name), text);
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  for (const module of ENTRY_POINTS) await bundle(module, join(output, PROGRAM));
  await write("package.json", json(packageJson(repository)));
  await write("start.json", json({ flags: startFlags(), commit }));
  await write("THIRD-PARTY-NOTICES", notices(await shippedPackages()));
  for (const name of ["README.md", "zipferry.js"]) {
    await Deno.copyFile(join(FILES, name), join(output, name));
  }
  await Deno.copyFile(join(ROOT, "LICENSE"), join(output, "LICENSE"));
}

if (import.meta.main) {
  const options = {
    repository: { type: "string", default: "OWNER/zipferry" },
    commit: { type: "string", default: "unknown" },
    output: { type: "string", default: join(ROOT, "dist/npm") },
  } as const;
  const { values } = parseArgs({ args: Deno.args, options });
  await makePackage(values);
  console.log(values.output);
}
