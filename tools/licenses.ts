/**
 * The licences of the program and of all that an executable has inside.
 *
 * @module
 */

import { type ShippedPackage, shippedPackages } from "./shipped.ts";

const OWN = new URL("../LICENSE", import.meta.url);

/** Where a system has the texts of licences, by the names of SPDX. */
export type CommonLicenses = Readonly<Record<string, string>>;

/**
 * One text: our licence, what the runtime has, then those of npm packages as they come with them.
 *
 * @param common licences whose texts the system has; it is named instead of repeating them
 */
export async function licenses(common: CommonLicenses = {}): Promise<string> {
  const { copyright, text } = await ownLicense();
  const packages = (await shippedPackages()).map((shipped) => licenseOf(shipped, common));
  return [
    `zipferry is ${copyright}\n\n${text}`,
    runtimeNote(),
    ...packages,
  ].map((part) => part.trim()).join(`\n\n${"-".repeat(72)}\n\n`) + "\n";
}

async function ownLicense() {
  const license = await Deno.readTextFile(OWN);
  const [copyright] = /^Copyright .*$/m.exec(license) ?? [];
  if (copyright === undefined) throw new Error("read LICENSE: no line of copyright");
  return { copyright, text: license };
}

function runtimeNote() {
  const { deno, v8 } = Deno.version;
  return `The executable /usr/bin/zipferry contains the runtime of Deno ${deno}, Copyright the Deno authors, under ` +
    `the MIT License above, and in it V8 ${v8}, SQLite and other libraries under licences of their ` +
    `own: https://github.com/denoland/deno/tree/v${deno} has them. It also contains these packages:`;
}

function licenseOf(shipped: ShippedPackage, common: CommonLicenses): string {
  const { name, version, license, licenseText, author = "its authors" } = shipped;
  const title = `${name} ${version}: ${license}`;
  if (licenseText === "") return `${title}, by ${author}`;
  const path = common[license];
  return path === undefined
    ? `${title}\n\n${licenseText}`
    : `${title}, by ${author}\n\nThe text is in ${path}.`;
}
