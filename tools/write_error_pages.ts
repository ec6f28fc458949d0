/**
 * Writes the pages that a proxy shows when it answers itself, in the look of the service's own:
 *
 * - `deploy/errors/<status>.html` for nginx and Caddy, which add the header fields themselves
 * - `deploy/errors/<status>.http` for HAProxy, with the header fields
 * - the Content-Security-Policy in the samples for nginx and Caddy
 *
 * ```sh
 * deno run --allow-read --allow-write tools/write_error_pages.ts
 * ```
 *
 * @module
 */

import {
  contentSecurityPolicy,
  type ErrorStatus,
  pageLanguages,
  proxyErrorPage,
} from "../templates/mod.ts";

const ROOT = new URL("../", import.meta.url);

/** Samples that name the policy of the pages. */
const SAMPLES = ["deploy/nginx.conf", "deploy/compose/nginx.conf", "deploy/Caddyfile"];

const POLICY = /(?<=Content-Security-Policy ")[^"]*/;

/** Why a proxy may answer itself: the reason phrase, and seconds after which to try again. */
const ERRORS = {
  429: { reason: "Too Many Requests", retryAfter: 10 },
  502: { reason: "Bad Gateway", retryAfter: 5 },
  503: { reason: "Service Unavailable", retryAfter: 5 },
  504: { reason: "Gateway Timeout", retryAfter: 60 },
} as const;

/** All texts that this tool writes, by their paths in the project. */
export function errorPages(): Record<string, string> {
  const files: Record<string, string> = {};
  for (const status of [429, 502, 503, 504] as const) {
    files[`deploy/errors/${status}.html`] = proxyErrorPage(status);
    files[`deploy/errors/${status}.http`] = httpMessage(status);
  }
  for (const path of SAMPLES) {
    const sample = Deno.readTextFileSync(new URL(path, ROOT));
    files[path] = sample.replace(POLICY, () => contentSecurityPolicy);
  }
  return files;
}

/** A whole response as HAProxy's `errorfile` takes it; lines may end in LF alone. */
function httpMessage(status: ErrorStatus & keyof typeof ERRORS): string {
  const { reason, retryAfter } = ERRORS[status];
  const page = proxyErrorPage(status);
  return [
    `HTTP/1.1 ${status} ${reason}`,
    "Content-Type: text/html; charset=utf-8",
    `Content-Length: ${new TextEncoder().encode(page).length}`,
    `Content-Language: ${pageLanguages.join(", ")}`,
    `Content-Security-Policy: ${contentSecurityPolicy}`,
    "Cache-Control: no-store",
    "Referrer-Policy: no-referrer",
    "X-Content-Type-Options: nosniff",
    "X-Robots-Tag: noindex, nofollow",
    `Retry-After: ${retryAfter}`,
    "",
    page,
  ].join("\n");
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(errorPages())) {
    await Deno.writeTextFile(new URL(path, ROOT), text);
  }
}
