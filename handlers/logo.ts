/**
 * `GET /logo-<digest>`: the logo of the site. Its address changes with it, so that browsers may keep
 * it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { assetResponse } from "../http/headers.ts";
import { ConfigError } from "../lib/config.ts";
import { allLanguages, type Brand, type Language } from "../templates/mod.ts";

/** The look of a site, as it is set. */
export interface BrandOptions {
  /** What the site is called. @default nothing */
  readonly siteName?: string;
  /** Its logo. @default none */
  readonly logo?: LogoFile;
  /** Its colour, as in `#7a1f3d`. @default ours */
  readonly accent?: string;
  /** Its languages, the default first. @default English and Russian */
  readonly languages?: readonly string[];
}

/** A picture in memory. */
export interface LogoFile {
  /** The file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its media type. */
  readonly type: string;
}

/**
 * The look of a site; undefined if it has none of its own.
 *
 * @throws {ConfigError} if there is no such language
 */
export function createBrand(options: BrandOptions): Brand | undefined {
  const { siteName: name, logo, accent, languages } = options;
  const unknown = languages?.find((language) => !isLanguage(language));
  if (unknown !== undefined) {
    const known = allLanguages.join(", ");
    throw new ConfigError(
      `--languages: there is no ${JSON.stringify(unknown)}; there are ${known}`,
    );
  }
  if ([name, logo, accent, languages].every((value) => value === undefined)) return undefined;
  return { name, logo: logo && pathOf(logo), accent, languages: languages?.filter(isLanguage) };
}

/** The answer to a request for a path, if it is that of the logo. */
export function logoAt(path: string, logo?: LogoFile): Response | null {
  if (!logo || path !== pathOf(logo)) return null;
  return assetResponse(logo.bytes, logo.type);
}

function pathOf({ bytes, type }: LogoFile) {
  const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  return `/logo-${digest}.${type === "image/png" ? "png" : "svg"}`;
}

function isLanguage(text: string): text is Language {
  return allLanguages.some((language) => language === text);
}
