/**
 * Writes what package managers read, from the checksums of a release:
 *
 * ```sh
 * deno run --config deno.dev.json --allow-read --allow-write tools/manifests.ts \
 *   --repository OWNER/zipferry --folder dist
 * ```
 *
 * `--folder` has `SHA256SUMS`. Beside it come `zipferry.json` (Scoop), three files for winget,
 * `zipferry.rb` (Homebrew) and `PKGBUILD` (Arch Linux). Each leads to the executables of the release
 * by its address, and has their checksums.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import project from "../deno.json" with { type: "json" };
import { DESCRIPTION, homepageOf, LICENSE } from "./about.ts";

const LICENSE_FILE = new URL("../LICENSE", import.meta.url);

/** Of winget's format; it is the oldest that has everything used here. */
const WINGET_VERSION = "1.6.0";

/** Longest part of a name in winget, in characters. */
const MAX_WINGET_NAME = 32;

const SUM = /^([0-9a-f]{64}) [ *](\S+)$/;

/** Thrown for what the user can put right. One line. */
export class ManifestError extends Error {}

/** What all manifests are made of. */
export interface Release {
  /** As in `deno.json`; it is the tag too */
  readonly version: string;
  /** `OWNER/NAME`, on GitHub */
  readonly repository: string;
  /** SHA-256 of each file, in hexadecimal, by its name */
  readonly sums: ReadonlyMap<string, string>;
  /** SHA-256 of the file LICENSE, in hexadecimal */
  readonly licenseSum: string;
}

/**
 * The lines of a file that `sha256sum` has made, by the names of the files.
 *
 * @throws {ManifestError} if a line is none
 */
export function parseSums(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => {
    const [, sum, name] = SUM.exec(line) ??
      fail(`SHA256SUMS: no checksum and name: ${JSON.stringify(line)}`);
    return [name, sum];
  }));
}

/**
 * All files, by their names.
 *
 * @throws {ManifestError} if an executable has no checksum, or the repository is none
 */
export function manifests(release: Release): Record<string, string> {
  if (!/^[\w.-]+\/[\w.-]+$/.test(release.repository)) {
    fail(`--repository: ${JSON.stringify(release.repository)} is not like OWNER/zipferry`);
  }
  return {
    "zipferry.json": `${JSON.stringify(scoop(release), null, 4)}\n`,
    ...winget(release),
    "zipferry.rb": homebrew(release),
    PKGBUILD: pkgbuild(release),
  };
}

/** Scoop, https://github.com/ScoopInstaller/Scoop/wiki/App-Manifests */
function scoop(release: Release) {
  const { version } = release;
  const home = homepage(release);
  // Behind the "#/" is the name that the downloaded file gets.
  const program = (suffix: string) => {
    const { url, sum } = asset(release, suffix);
    return { url: `${url}#/zipferry.exe`, hash: sum };
  };
  const update = (suffix: string) => ({
    url: `${home}/releases/download/$version/zipferry-$version-${suffix}#/zipferry.exe`,
  });
  return {
    version,
    description: DESCRIPTION,
    homepage: home,
    license: LICENSE,
    architecture: { "64bit": program("windows-x64.exe"), arm64: program("windows-arm64.exe") },
    bin: "zipferry.exe",
    checkver: { github: home },
    autoupdate: {
      architecture: { "64bit": update("windows-x64.exe"), arm64: update("windows-arm64.exe") },
      hash: { url: "$baseurl/SHA256SUMS" },
    },
  };
}

/** winget, https://learn.microsoft.com/windows/package-manager/package/manifest */
function winget(release: Release): Record<string, string> {
  const { version, repository } = release;
  const [owner] = repository.split("/");
  if (owner.length > MAX_WINGET_NAME || owner.includes(".")) {
    fail(`--repository: winget takes no owner like ${JSON.stringify(owner)}`);
  }
  const id = `${owner}.zipferry`;
  const home = homepage(release);
  const installer = (Architecture: string, suffix: string) => {
    const { url, sum } = asset(release, suffix);
    return { Architecture, InstallerUrl: url, InstallerSha256: sum.toUpperCase() };
  };
  const write = (type: string, fields: Record<string, unknown>) => {
    const schema = `https://aka.ms/winget-manifest.${type}.${WINGET_VERSION}.schema.json`;
    const text = stringify({
      PackageIdentifier: id,
      PackageVersion: version,
      ...fields,
      ManifestType: type,
      ManifestVersion: WINGET_VERSION,
    }, { lineWidth: 0 });
    return `# yaml-language-server: $schema=${schema}\n\n${text}`;
  };
  return {
    [`${id}.yaml`]: write("version", { DefaultLocale: "en-US" }),
    [`${id}.installer.yaml`]: write("installer", {
      InstallerType: "portable",
      Commands: ["zipferry"],
      Installers: [
        installer("x64", "windows-x64.exe"),
        installer("arm64", "windows-arm64.exe"),
      ],
    }),
    [`${id}.locale.en-US.yaml`]: write("defaultLocale", {
      PackageLocale: "en-US",
      Publisher: owner,
      PublisherUrl: `https://github.com/${owner}`,
      PackageName: "zipferry",
      PackageUrl: home,
      License: LICENSE,
      LicenseUrl: `${home}/blob/${version}/LICENSE`,
      ShortDescription: DESCRIPTION,
      Tags: ["download", "photos", "zip"],
      ReleaseNotesUrl: `${home}/releases/tag/${version}`,
    }),
  };
}

/** Homebrew, https://docs.brew.sh/Formula-Cookbook */
function homebrew(release: Release): string {
  const on = (system: string, name: string) =>
    `  on_${system} do
${source("arm", asset(release, `${name}-arm64`))}
${source("intel", asset(release, `${name}-x64`))}
  end
`;
  const source = (processor: string, { url, sum }: Asset) =>
    `    on_${processor} do
      url "${url}"
      sha256 "${sum}"
    end`;
  return `# Executables of the release, with the sums of its SHA256SUMS.
class Zipferry < Formula
  desc "${DESCRIPTION}"
  homepage "${homepage(release)}"
  version "${release.version}"
  license "${LICENSE}"

${on("macos", "macos")}
${on("linux", "linux")}
  def install
    bin.install Dir["zipferry-*"].first => "zipferry"
    (var/"zipferry").mkpath
  end

  service do
    run [opt_bin/"zipferry", "--folder", var/"zipferry"]
    keep_alive true
    log_path var/"log/zipferry.log"
    error_log_path var/"log/zipferry.log"
  end

  test do
    assert_match "zipferry #{version} ", shell_output("#{bin}/zipferry --version")
  end
end
`;
}

/** Arch Linux, https://wiki.archlinux.org/title/PKGBUILD */
function pkgbuild(release: Release): string {
  const { version, repository, licenseSum } = release;
  const home = homepage(release);
  const source = (architecture: string, suffix: string) => {
    const { url, sum, name } = asset(release, suffix);
    return `source_${architecture}=("${name}::${url}")
sha256sums_${architecture}=('${sum}')
`;
  };
  // An executable carries the program behind its own end: strip would cut it off.
  return `# Maintainer: ${repository.split("/")[0]} <${home}>
pkgname=zipferry-bin
pkgver=${version.replaceAll("-", "_")}
pkgrel=1
pkgdesc='${DESCRIPTION}'
arch=('x86_64' 'aarch64')
url='${home}'
license=('${LICENSE}')
depends=('gcc-libs' 'glibc')
optdepends=('zip: for --engine zip')
provides=("zipferry=$pkgver")
conflicts=('zipferry')
options=('!strip' '!debug')
source=("zipferry-${version}-LICENSE::${home}/raw/${version}/LICENSE")
sha256sums=('${licenseSum}')
${source("x86_64", "linux-x64")}${source("aarch64", "linux-arm64")}
package() {
  install -D -m 755 zipferry-${version}-linux-* "$pkgdir/usr/bin/zipferry"
  install -D -m 644 zipferry-${version}-LICENSE "$pkgdir/usr/share/licenses/$pkgname/LICENSE"
}
`;
}

interface Asset {
  readonly name: string;
  readonly url: string;
  readonly sum: string;
}

function asset(release: Release, suffix: string): Asset {
  const { version, sums } = release;
  const name = `zipferry-${version}-${suffix}`;
  const sum = sums.get(name) ?? fail(`SHA256SUMS: no line for ${name}`);
  return { name, sum, url: `${homepage(release)}/releases/download/${version}/${name}` };
}

function homepage({ repository }: Release) {
  return homepageOf(repository);
}

function fail(message: string): never {
  throw new ManifestError(message);
}

function readOptions(args: readonly string[]) {
  const options = { repository: { type: "string" }, folder: { type: "string" } } as const;
  const { repository, folder } = parseArgs({ args: [...args], options }).values;
  if (!repository) fail("--repository: give one, like OWNER/zipferry");
  if (!folder) fail("--folder: give the folder that has SHA256SUMS");
  return { repository, folder };
}

if (import.meta.main) {
  try {
    const { repository, folder } = readOptions(Deno.args);
    const files = manifests({
      version: project.version,
      repository,
      sums: parseSums(await Deno.readTextFile(join(folder, "SHA256SUMS"))),
      licenseSum: createHash("sha256").update(await Deno.readFile(LICENSE_FILE)).digest("hex"),
    });
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(folder, name), text);
      console.log(name);
    }
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    console.error(`manifests: ${error.message}`);
    Deno.exit(1);
  }
}
