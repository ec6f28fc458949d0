/**
 * A warning of the runtime that says nothing to the users of an executable.
 *
 * @module
 */

/**
 * Keeps the runtime from warning that a request's signal aborts after success too, which nothing here
 * relies on. `deno run` does not warn with `"unstable": ["no-legacy-abort"]` in deno.json; an
 * executable does not know that setting.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/http/00_serve.ts} `legacyAbortWarned`
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/cli/rt/run.rs} `no_legacy_abort: false`
 */
export function muteLegacyAbortWarning() {
  const { warn } = console;
  console.warn = (...data: unknown[]) => {
    if (!String(data[0]).startsWith("Deno.serve: request.signal aborts on success")) warn(...data);
  };
}
