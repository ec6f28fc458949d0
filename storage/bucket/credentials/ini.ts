/**
 * The shared files of AWS, `credentials` and `config`: INI with two particulars. A key without a value
 * begins a group: the indented lines after it belong to it. Names of sections may hold any character,
 * dots too. Parsers of plain INI lose the first and split at the second.
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 *
 * @module
 */

/** Values by section and key; in a group the key is `group.key`. */
export type Sections = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Behind white space or at the start of a line. */
const COMMENT = /(?:^|\s)[#;].*$/;

/** Reads a file. Lines that are neither a section nor `key = value` do nothing. */
export function parseSections(text: string): Sections {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  let group = "";
  for (const line of text.replace(/^\ufeff/, "").split(/\r?\n/)) {
    const content = line.replace(COMMENT, "").trim();
    const name = sectionName(content);
    if (name !== undefined) {
      section = sections.get(name) ?? new Map();
      sections.set(name, section);
      group = "";
      continue;
    }
    const [, key, value] = /^([^=]*[^=\s])\s*=\s*(.*)$/.exec(content) ?? [];
    if (key === undefined) continue;
    const isIndented = /^\s/.test(line);
    if (!isIndented) group = value === "" ? key : "";
    if (value !== "") section?.set(isIndented && group ? `${group}.${key}` : key, value);
  }
  return sections;
}

/** The name with one space where it has white space, without quotes. */
function sectionName(content: string) {
  const [, name] = /^\[(.*)\]$/.exec(content) ?? [];
  return name?.trim().replace(/\s+/, " ").replaceAll(/["']/g, "");
}
