/**
 * Tables as `deno fmt` leaves them, and parts of a page that a task writes.
 *
 * @module
 */

/** A table with its columns in line; the first row is the heading. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const [head, ...body] = rows.map((row) => {
    return `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  });
  const line = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [head, line, ...body].join("\n");
}

/**
 * Puts text between `<!-- name -->` and `<!-- /name -->`.
 *
 * @throws {Error} if the page has no such marks
 */
export function replaceMarked(page: string, name: string, text: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [start, end] = [page.indexOf(open), page.indexOf(close)];
  if (start < 0 || end < start) throw new Error(`write part of page: no ${open} … ${close}`);
  return `${page.slice(0, start + open.length)}\n\n${text}\n\n${page.slice(end)}`;
}
