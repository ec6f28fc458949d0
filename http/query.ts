/**
 * What the query of an archive's link asks for (RFC 3986 section 3.4, in the form of WHATWG URL
 * section 5.1). Pure. Names that are not known here are ignored, since mailers, messengers and
 * analytics add what they like; one that is a letter off a known one is an error, or a choice of ten
 * photos would become all of them without a word.
 *
 * @module
 */

/** What is shown of an archive. */
export type View = "archive" | "manifest" | "status" | "page";

/** What a query asks for. */
export interface ArchiveQuery {
  /** The archive itself, or what is told of it. */
  readonly view: View;
  /**
   * True for the link behind the button of a page: it never leads to the page again.
   *
   * @default false
   */
  readonly download: boolean;
  /**
   * Names of files and folders that were chosen, each once, in no order; empty for all. In Unicode's
   * form NFC, as names in archives are.
   */
  readonly files: readonly string[];
  /** One part of the archive, and how many bytes each has at most; undefined for the whole. */
  readonly part?: { readonly number: number; readonly size: number };
  /** For a manifest that tells into which parts of how many bytes the archive can be cut. */
  readonly partSize?: number;
  /** What makes the link one that was signed. */
  readonly signature?: LinkSignature;
  /** A choice of files that a form made, as a token. */
  readonly selection?: string;
}

/** The end of a signed link. */
export interface LinkSignature {
  /** When the link ends, in seconds since 1970. */
  readonly expires: number;
  /** The signature as it stands in the link; nobody has checked it yet. */
  readonly value: string;
}

/** Names that mean something here. */
export type ParameterName =
  | "manifest"
  | "status"
  | "page"
  | "download"
  | "file"
  | "part"
  | "size"
  | "expires"
  | "signature"
  | "selection";

/** What is wrong with a query. */
export interface QueryProblem {
  /**
   * `name`: one that is nearly a known one; `value`: one that is not allowed; `needs`: it means
   * nothing without another one; `excludes`: it means nothing beside another one.
   */
  readonly kind: "name" | "value" | "needs" | "excludes";
  /** The parameter as it was given. */
  readonly parameter: string;
  /** Its value, where that is what is wrong. */
  readonly value?: string;
  /** The known parameter: the one that is meant, has such values, is needed or is in the way. */
  readonly known: ParameterName;
}

/** Thrown for a query that cannot be meant so. */
export class QueryError extends Error {
  /** Always `QueryError`. */
  override readonly name = "QueryError";
  /** What is wrong with it. */
  readonly problem: QueryProblem;

  /** Takes what is wrong; the message tells it to programmers. */
  constructor(problem: QueryProblem) {
    super(describe(problem));
    this.problem = problem;
  }
}

/** Thrown for a link of the page's form in which nothing was chosen: it must not become everything. */
export class NothingChosenError extends Error {
  /** Always `NothingChosenError`. */
  override readonly name = "NothingChosenError";
}

/** At most this many names in a link; servers and proxies would refuse a longer one. */
export const MAX_FILES = 1000;

/** What values are allowed, as a message for programmers describes it. */
const ALLOWED: Readonly<Partial<Record<ParameterName, string>>> = {
  page: "no value",
  download: "no value",
  file: `a name in the archive, at most ${MAX_FILES} of them`,
  part: "one whole number from 1 to 1000000",
  size: "one size such as 500M, 2G or a number of bytes",
  expires: "one time in seconds since 1970",
  signature: "one signature",
  selection: "one choice of files as a form made it",
};

const NAMES: readonly ParameterName[] = [
  ...["manifest", "status", "page", "download", "file"] as const,
  ...["part", "size", "expires", "signature", "selection"] as const,
];

/**
 * Any value, and any other name that is longer, shorter or in capitals, was allowed for these before
 * there was anything else.
 */
const LENIENT: readonly ParameterName[] = ["manifest", "status"];

/** What is shown, by the name that asks for it. No two of them together. */
const VIEWS = ["manifest", "status", "page", "download"] as const;

/** What does not go together, besides two views. */
const EXCLUDES: readonly (readonly [ParameterName, ParameterName])[] = [
  ["status", "file"],
  ["status", "selection"],
  ["status", "part"],
  ["page", "part"],
  ["selection", "file"],
];

/** What means nothing alone. */
const NEEDS: readonly (readonly [ParameterName, ParameterName])[] = [
  ["part", "size"],
  ["size", "part"],
  ["expires", "signature"],
  ["signature", "expires"],
];

/** Words that others use in links, and that are only by chance a letter off one of ours. */
const ORDINARY = new Set(
  ["site", "side", "sites", "cart", "art", "port", "past", "party", "age", "film", "fire"],
);

const MAX_PART = 1_000_000;
const MAX_SIZE = 2 ** 50;

/**
 * Reads the query of an archive's link, without its question mark.
 *
 * @throws {QueryError} for a known name with a value or in a combination that means nothing, and for
 * a name that is one letter off a known one
 * @throws {NothingChosenError} for a form in which nothing was chosen
 */
export function parseArchiveQuery(query: string): ArchiveQuery {
  // With a question mark, since the first one of a query that begins with it would be dropped.
  const given = new URLSearchParams(`?${query}`);
  for (const name of new Set(given.keys())) assertNoNearMiss(name);
  const isOfForm = takeFormMark(given);
  assertCombination(given);
  const view = VIEWS.find((name) => given.has(name)) ?? "archive";
  const [expires, value] = [read(given, "expires"), read(given, "signature")];
  const [number, size] = [read(given, "part"), read(given, "size")];
  const selection = read(given, "selection");
  for (const name of ["page", "download"] as const) read(given, name);
  const files = readFiles(given);
  if (isOfForm && files.length === 0) throw new NothingChosenError("query: nothing was chosen");
  return {
    view: view === "download" ? "archive" : view,
    download: view === "download",
    files,
    ...(number !== null && size !== null &&
      { part: { number: Number(number), size: bytesOf(size) } }),
    ...(number === null && size !== null && { partSize: bytesOf(size) }),
    ...(expires !== null && value !== null && { signature: { expires: Number(expires), value } }),
    ...(selection !== null && { selection }),
  };
}

/**
 * Takes away what the page's form has in any case, an empty `selection`: beside names it means nothing,
 * and without one it tells that nothing was ticked. False if it is not there.
 */
export function takeFormMark(given: URLSearchParams): boolean {
  const marks = given.getAll("selection");
  const isMarked = marks.length > 0 && marks.every((mark) => mark === "");
  if (isMarked) given.delete("selection");
  return isMarked;
}

/** The one value of a name; null if it is not there. */
function read(given: URLSearchParams, name: keyof typeof CHECKS): string | null {
  const values = [...new Set(given.getAll(name))];
  if (values.length === 0) return null;
  const wrong = values.find((value) => !CHECKS[name](value)) ?? values[1];
  if (wrong !== undefined) {
    throw new QueryError({ kind: "value", parameter: name, value: wrong, known: name });
  }
  return values[0];
}

/** Which values are allowed. A signature is only compared, so that a wrong one tells nothing. */
const CHECKS = {
  page: (value: string) => value === "",
  download: (value: string) => value === "",
  part: (value: string) => /^[1-9]\d{0,6}$/.test(value) && Number(value) <= MAX_PART,
  size: (value: string) => bytesOf(value) >= 1 && bytesOf(value) <= MAX_SIZE,
  expires: (value: string) => /^\d{1,12}$/.test(value),
  signature: () => true,
  selection: (value: string) => value !== "",
} as const;

/** Bytes of a size: a whole number with K, M, G or T for powers of 1,024; NaN for anything else. */
function bytesOf(text: string): number {
  const [, number, unit = ""] = /^(\d{1,16})([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  return Number(number) * 1024 ** " KMGT".indexOf(unit.toUpperCase() || " ");
}

/** A size as links have it: `2G` for 2,147,483,648 bytes, or a number of bytes. */
export function writeSize(bytes: number): string {
  const power = [4, 3, 2, 1].find((power) => bytes % 1024 ** power === 0) ?? 0;
  return `${bytes / 1024 ** power}${["", "K", "M", "G", "T"][power]}`;
}

function readFiles(given: URLSearchParams): string[] {
  const files = [...new Set(given.getAll("file").map((name) => name.normalize("NFC")))];
  const wrong = files.find((name) => name === "") ?? files[MAX_FILES];
  if (wrong === undefined) return files;
  throw new QueryError({ kind: "value", parameter: "file", value: wrong, known: "file" });
}

function assertCombination(given: URLSearchParams) {
  const views = VIEWS.filter((name) => given.has(name));
  if (views.length > 1) {
    throw new QueryError({ kind: "excludes", parameter: views[1], known: views[0] });
  }
  const [parameter, known] = EXCLUDES.find((names) => names.every((name) => given.has(name))) ?? [];
  if (parameter && known) throw new QueryError({ kind: "excludes", parameter, known });
  const alone = NEEDS.find(([name, other]) => {
    const mayStandAlone = name === "size" && given.has("manifest");
    return given.has(name) && !given.has(other) && !mayStandAlone;
  });
  if (alone) throw new QueryError({ kind: "needs", parameter: alone[0], known: alone[1] });
}

function assertNoNearMiss(name: string) {
  if (NAMES.some((known) => known === name) || ORDINARY.has(name)) return;
  const known = NAMES.find((known) => isNearMiss(name, known));
  if (known) throw new QueryError({ kind: "name", parameter: name, known });
}

function isNearMiss(name: string, known: ParameterName) {
  const lower = name.toLowerCase();
  if (!LENIENT.includes(known)) return isOneOff(lower, known);
  return lower !== known && lower.length === known.length && isOneOff(lower, known);
}

/**
 * True if one letter was changed, added or left out, or two were swapped, at most (Damerau).
 */
function isOneOff(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  return restA.slice(1) === restB.slice(1) || restA.slice(1) === restB ||
    restA === restB.slice(1) || swapped(restA) === restB;
}

/** The same with its first two letters swapped. */
function swapped(text: string) {
  return text.slice(1, 2) + text.slice(0, 1) + text.slice(2);
}

function describe({ kind, parameter, known }: QueryProblem) {
  const name = JSON.stringify(parameter);
  switch (kind) {
    case "name":
      return `query: ${name} is no parameter; ${known} is probably meant`;
    case "value":
      return `query: ${name} has a value that is not allowed; use ${ALLOWED[known]}`;
    case "needs":
      return `query: ${name} needs ${known} too`;
    case "excludes":
      return `query: ${name} means nothing beside ${known}`;
  }
}
