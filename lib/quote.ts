/**
 * Text in quotes, for messages.
 *
 * @module
 */

/**
 * A text in double quotes, on one line: what cannot be seen is escaped. On Windows, a backslash is
 * not: it separates folders there and is in no name, and `"D:\photos"` is what a person would type.
 */
export function quote(text: string, system: typeof Deno.build.os = Deno.build.os): string {
  const quoted = JSON.stringify(text);
  return system === "windows" ? quoted.replaceAll("\\\\", "\\") : quoted;
}
