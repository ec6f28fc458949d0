/**
 * The pages of the service, and the only place where text becomes HTML.
 *
 * The templates are Mustache, which escapes every value. The one exception is the style sheet, a
 * file beside this one: it goes into each page as it is, so that a page loads nothing else.
 *
 * @module
 */

import { createHash } from "node:crypto";
// @ts-types="npm:@types/mustache@4.2.6"
import Mustache from "mustache";
// @ts-types="npm:@types/negotiator@0.6.5"
import Negotiator from "negotiator";
import { accentStyle } from "./accent.ts";
import {
  formatBytes,
  formatDate,
  formatExactBytes,
  formatFileCount,
  formatNumbers,
} from "./format.ts";
import {
  type ErrorStatus,
  type Language,
  messages,
  type PageText,
  type Problem,
  type QueryMistake,
} from "./messages.ts";
import { type TreeEntry, type TreeStep, walkTree } from "./tree.ts";
import errorTemplate from "./error.html" with { type: "text" };
import homeTemplate from "./home.html" with { type: "text" };
import layout from "./layout.html" with { type: "text" };
import proxyErrorTemplate from "./proxy_error.html" with { type: "text" };
import styleSheet from "./style.css" with { type: "text" };
import archiveScript from "./archive.js" with { type: "text" };
import archiveTemplate from "./archive.html" with { type: "text" };
import listScript from "./list.js" with { type: "text" };

export type { ErrorStatus, Language, Problem, QueryMistake } from "./messages.ts";

/** At most this many folders that no link reaches are named, and files that are not there. */
const NAMED_UNREACHABLE = 10;

/** Languages of the pages, the default first. */
export const pageLanguages: readonly Language[] = Object.keys(messages) as Language[];

/**
 * The style sheet as a browser sees it: with CRLF read as LF before it is hashed. A checkout on
 * Windows may have turned our line ends into CRLF.
 *
 * @see {@link https://html.spec.whatwg.org/multipage/parsing.html#preprocessing-the-input-stream}
 */
const style = styleSheet.replaceAll("\r\n", "\n");

/** The scripts, likewise. */
const scripts = {
  archive: archiveScript.replaceAll("\r\n", "\n"),
  list: listScript.replaceAll("\r\n", "\n"),
};

/** The look of a site, where it has one of its own. */
export interface Brand {
  /** What the site is called. */
  readonly name?: string;
  /** Path of its logo. */
  readonly logo?: string;
  /** Its colour, as `isColour` takes it. */
  readonly accent?: string;
}

/** What a page may hold besides its text. */
export interface PolicyOptions {
  /** The look of the site. @default none of its own */
  readonly brand?: Brand;
  /** The script of the page. @default none */
  readonly script?: keyof typeof scripts;
  /** Whether it has a form, which asks this very site. @default false */
  readonly form?: boolean;
}

/**
 * Value of the `Content-Security-Policy` header for a page: nothing is allowed except the style sheet
 * inside the page, identified by its hash, the empty icon, and what the options say: a script inside
 * the page, likewise by its hash, the logo, a form.
 *
 * @see {@link https://www.w3.org/TR/CSP3/}
 */
export function pagePolicy({ brand, script, form = false }: PolicyOptions = {}): string {
  const styles = brand?.accent ? [style, accentStyle(brand.accent)] : [style];
  return [
    "default-src 'none'",
    ...(script ? [`script-src ${sourceOf(scripts[script])}`] : []),
    `style-src ${styles.map(sourceOf).join(" ")}`,
    brand?.logo ? "img-src 'self' data:" : "img-src data:",
    "base-uri 'none'",
    form ? "form-action 'self'" : "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

function sourceOf(text: string) {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

/** The policy of a page that has nothing but its text. */
export const contentSecurityPolicy: string = pagePolicy();

/** One archive as the home page lists it. */
export interface ArchiveSummary {
  /** Name of the folder, and the key in the link. */
  readonly hash: string;
  /** Number of files in the archive. */
  readonly files: number;
  /** Total size of the files in bytes. */
  readonly bytes: number;
  /** When the newest file was last changed; an invalid date is not shown. */
  readonly newest: Date;
}

/** A folder in the list that cannot be downloaded, at least not now. */
export interface ArchiveProblem {
  /** Name of the folder. */
  readonly hash: string;
  /** Why. */
  readonly problem: Problem;
}

/** Where a page is in a list that is too long for one. */
export interface PagePosition {
  /** Number of the page, from 1. */
  readonly number: number;
  /** How many pages there are. */
  readonly pages: number;
  /** Position of its first archive in the list, from 1. */
  readonly first: number;
  /** Position of its last archive. */
  readonly last: number;
  /** How many archives there are. */
  readonly total: number;
}

/** What the home page shows, and to whom. */
export interface HomePageOptions {
  /** Language of the page. */
  readonly language: Language;
  /** Archives in the order of the list; `null` if this visitor may not see the list. */
  readonly archives: readonly (ArchiveSummary | ArchiveProblem)[] | null;
  /** Which page of the list it is. @default the only one */
  readonly position?: PagePosition;
  /** Names of folders that no link reaches. @default none */
  readonly unreachable?: readonly string[];
  /** The command that gives a folder a link, up to the folder's name. @default `zipferry new --move` */
  readonly command?: string;
  /** Say how the owner can see the list: `open` right away, or on a click. @default not at all */
  readonly ownerHint?: "open" | "closed";
}

/** Which error a page is about. */
export interface ErrorPageOptions {
  /** Language of the page. */
  readonly language: Language;
  /** Status of the response: any other than `ErrorStatus` has the text of 500. */
  readonly status: number;
  /** It stays so until the owner of the photos puts something right. @default false */
  readonly lasting?: boolean;
}

/**
 * Picks the language of a page: English unless the visitor prefers another one that there is.
 *
 * Preferences are weighed as in RFC 9110 section 12.5.4. A response that depends on the result
 * needs `Vary: Accept-Language`.
 *
 * @param acceptLanguage value of the `Accept-Language` header, `null` if the request has none
 */
export function chooseLanguage(acceptLanguage: string | null): Language {
  const headers = { "accept-language": acceptLanguage ?? undefined };
  const preferred = new Negotiator({ headers }).language([...pageLanguages]);
  return pageLanguages.find((language) => language === preferred) ?? pageLanguages[0];
}

/** The page at `/` as HTML. */
export function homePage(options: HomePageOptions): string {
  const { language, archives, position } = options;
  const rows = archives?.map((archive) => archiveRow(archive, language)) ?? [];
  const values = {
    list: rows.length > 0 && { archives: rows },
    unreachable: unreachableFolders(options),
    owner: options.ownerHint && ownerText(options.ownerHint, language),
    paging: position && position.pages > 1 && pagingLinks(position, language),
  };
  return render(homeTemplate, { language, text: homeText(options), values });
}

/** The page for an error as HTML. It contains nothing from the request. */
export function errorPage(options: ErrorPageOptions): string {
  const { language, status, lasting = false } = options;
  const { errors, ownerMustAct } = messages[language];
  const usual = status in errors ? errors[status as ErrorStatus] : errors[500];
  const text = lasting ? ownerMustAct : usual;
  return render(errorTemplate, { language, text, values: { status } });
}

/**
 * The page for an error that a proxy answers with, in every language: a proxy cannot choose one.
 *
 * @see `tools/write_error_pages.ts`, which writes them into `deploy/errors/`
 */
export function proxyErrorPage(status: ErrorStatus): string {
  const texts = pageLanguages.map((language) => ({
    language,
    ...messages[language].errors[status],
  }));
  const text = { ...texts[0], title: texts.map(({ title }) => title).join(" · ") };
  return render(proxyErrorTemplate, {
    language: pageLanguages[0],
    text,
    values: { status, texts },
  });
}

/** Which files a link asks for in vain. */
export interface MissingPageOptions {
  /** Language of the page. */
  readonly language: Language;
  /** Their names, as they stand in the link. */
  readonly names: readonly string[];
}

/** The page for a choice of files that are not all there (404), as HTML: it names those. */
export function missingPage({ language, names }: MissingPageOptions): string {
  const { missing: text, unreachable } = messages[language];
  const count = names.length - NAMED_UNREACHABLE;
  const list = {
    names: names.slice(0, NAMED_UNREACHABLE),
    more: count > 0 && formatNumbers(unreachable.more, { count }, language),
  };
  return render(errorTemplate, { language, text, values: { status: 404, list } });
}

/** When a page asks for itself again. */
export interface UnsettledPageOptions {
  /** Language of the page. */
  readonly language: Language;
  /** Seconds until the page reloads itself. */
  readonly reloadAfter: number;
}

/** The page of an archive to which photos are still being added, as HTML. */
export function unsettledPage({ language, reloadAfter }: UnsettledPageOptions): string {
  const text = messages[language].unsettled;
  return render(errorTemplate, { language, text, values: { status: 503, reloadAfter } });
}

/** What a page says of a download beyond a limit. */
export interface FullPageOptions extends UnsettledPageOptions {
  /** Whose limit it is. */
  readonly limit: "server" | "client";
}

/** The page of a download for which there is no room now, as HTML. It asks again by itself. */
export function fullPage({ language, limit, reloadAfter }: FullPageOptions): string {
  const status = limit === "server" ? 503 : 429;
  return render(errorTemplate, {
    language,
    text: messages[language].full[limit],
    values: { status, reloadAfter },
  });
}

/** What is wrong with the query of a link: see `http/query.ts`. */
export interface QueryPageOptions {
  /** Language of the page. */
  readonly language: Language;
  /** What is wrong. */
  readonly problem: QueryMistake;
}

/** The page of a link whose query cannot be meant so, as HTML. It names what is wrong. */
export function queryPage({ language, problem }: QueryPageOptions): string {
  const { kind, parameter, value, known } = problem;
  const { title, allowed, hint, ...leads } = messages[language].query;
  const given = { parameter: shown(parameter), known, value: shown(value ?? "") };
  const lead = fillIn(`${leads[kind]} ${kind === "value" ? allowed[known] ?? "" : ""}`, given);
  return render(errorTemplate, {
    language,
    text: { title, lead: lead.trim(), hint },
    values: { status: 400 },
  });
}

/** At most so many characters of what was given are shown. */
const MAX_SHOWN = 60;

/** What was given, short and without characters that turn the text around. */
function shown(text: string) {
  const plain = text.replace(UNTYPABLE_ALL, "\ufffd");
  return plain.length > MAX_SHOWN ? `${plain.slice(0, MAX_SHOWN).toWellFormed()}…` : plain;
}

/** Puts values in the places of `{name}`. */
function fillIn(text: string, values: Readonly<Record<string, string>>) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Why an archive is closed. */
export interface ClosedPageOptions {
  /** Language of the page. */
  readonly language: Language;
  /** Whether its time is over, or yet to come. */
  readonly when: "over" | "yet to come";
}

/** The page of an archive that is there, but not at this time, as HTML. */
export function closedPage({ language, when }: ClosedPageOptions): string {
  const isOver = when === "over";
  const text = messages[language][isOver ? "over" : "notYet"];
  return render(errorTemplate, { language, text, values: { status: isOver ? 410 : 404 } });
}

/** What the page of an archive shows. */
export interface ArchivePageOptions {
  /** Language of the page. */
  readonly language: Language;
  /** The look of the site. @default none of its own */
  readonly brand?: Brand;
  /** Path of the archive. */
  readonly path: string;
  /** What stays in its links of the query, without the question mark. @default nothing */
  readonly query?: string;
  /** What it is called. @default "Your photos", in the language of the page */
  readonly title?: string;
  /** A line of the owner's. @default none */
  readonly note?: string;
  /** What is in it, in the order of the names' UTF-8 bytes. */
  readonly entries: readonly TreeEntry[];
  /** Exact bytes of the archive; null if they are not known beforehand. */
  readonly size: number | null;
  /** When the newest file was last changed; an invalid date is not shown. */
  readonly newest: Date;
  /** When the archive ends. @default never */
  readonly expires?: Date;
  /** The parts in which it is offered, as sizes with the text that a link has. @default none */
  readonly parts?: { readonly size: string; readonly bytes: readonly number[] };
  /** Leave the files out: this is for the preview in a message. @default false */
  readonly preview?: boolean;
}

/** A page in pieces, so that it can be sent while it is written. */
export interface StreamedPage {
  /** Its pieces, at least one; each is made when it is asked for. */
  readonly pieces: Iterable<string>;
  /** Its Content-Security-Policy. */
  readonly policy: string;
}

/** Stands in a page where the list of files goes: no text can hold it, since `<` is escaped. */
const LIST_MARK = "<!-- files -->";

/** In a list that is longer, files are folded away. */
const MAX_OPEN_FILES = 60;

/** Longest query of a form in characters: proxies take requests of 8 KiB (nginx) without a word. */
const LONGEST_QUERY = 6000;

/** The page of an archive. */
export function archivePage(options: ArchivePageOptions): StreamedPage {
  const { language, brand, preview = false, entries, title, note } = options;
  const words = messages[language].archive;
  const sums = sumOfFiles(entries);
  const [files, size] = [
    formatFileCount(sums.files, language),
    formatBytes(options.size ?? sums.bytes, language),
  ];
  const hasChooser = !preview && sums.files > 1;
  const script = hasChooser ? "archive" as const : undefined;
  const values = {
    note,
    files,
    size,
    preview: {
      description: [note, files, size].filter(Boolean).join(" · "),
      site: brand?.name,
    },
    updated: updatedOn(options.newest, language),
    link: linkTo(options, "download"),
    download: words.download,
    kind: words.exact,
    exact: options.size !== null && formatExactBytes(options.size, language),
    until: options.expires && { parts: lastDay(options.expires, words.until, language) },
    inParts: !preview && partLinks(options),
    chooser: hasChooser && chooser(options, sums),
  };
  const text = { title: title ?? words.untitled, lead: "" };
  const html = render(archiveTemplate, { language, text, values, brand, script, bare: true });
  const [before, after] = html.split(LIST_MARK);
  const pieces = function* () {
    yield before;
    if (after === undefined) return;
    for (const step of walkTree(entries)) yield fileRow(step, language);
    yield after;
  };
  const policy = pagePolicy({ brand, script, form: hasChooser });
  return { pieces: { [Symbol.iterator]: pieces }, policy };
}

function sumOfFiles(entries: readonly TreeEntry[]) {
  const files = entries.filter(({ name }) => !name.endsWith("/"));
  return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
}

/** A link to the archive, with what stays of the query. */
function linkTo({ path, query = "" }: ArchivePageOptions, added: string) {
  return `${path}?${[query, added].filter((part) => part !== "").join("&")}`;
}

/** The links to the parts; null if there is only one. */
function partLinks(options: ArchivePageOptions) {
  const { parts, language } = options;
  if (!parts || parts.bytes.length < 2) return null;
  const words = messages[language].archive;
  return {
    heading: words.parts,
    lead: words.partsLead,
    parts: parts.bytes.map((bytes, i) => ({
      link: linkTo(options, `part=${i + 1}&size=${encodeURIComponent(parts.size)}`),
      name: formatNumbers(words.part, { number: i + 1 }, language),
      size: formatBytes(bytes, language),
    })),
  };
}

/** The form in which files are chosen. Where it could ask for too many, it posts their names. */
function chooser(options: ArchivePageOptions, { files }: { readonly files: number }) {
  const { language, entries, path, query = "" } = options;
  const { archive: words, files: forms } = messages[language];
  const kept = [...new URLSearchParams(`?${query}`)].filter(([name]) => name !== "file");
  let length = query.length;
  for (const { name } of entries) length += "file=&".length + encodeURIComponent(name).length;
  return {
    method: length > LONGEST_QUERY ? "post" : "get",
    longest: LONGEST_QUERY,
    action: path,
    open: files <= MAX_OPEN_FILES,
    heading: words.contents,
    hint: words.chooseHint,
    kept: kept.map(([name, value]) => ({ name, value })),
    forms: JSON.stringify(forms),
    all: words.chooseAll,
    none: words.chooseNone,
    submit: words.downloadChosen,
    list: LIST_MARK,
  };
}

const FILE_ROW =
  '<li><label><input type="checkbox" name="file" value="{{path}}" data-size="{{bytes}}">' +
  "<bdi>{{name}}</bdi><span>{{size}}</span></label></li>\n";

const FOLDER_ROW =
  '<li class="folder"><input type="checkbox" name="file" value="{{path}}" aria-label="{{label}}">' +
  "<details><summary><bdi>{{name}}</bdi><span>{{files}} · {{size}}</span></summary><ul>\n";

/** A file, or one end of a folder. */
function fileRow(step: TreeStep, language: Language): string {
  if (step.kind === "close") return "</ul></details></li>\n";
  const size = formatBytes(step.size, language);
  if (step.kind === "file") return Mustache.render(FILE_ROW, { ...step, bytes: step.size, size });
  const label = fillIn(messages[language].archive.wholeFolder, { name: step.name });
  const files = formatFileCount(step.files, language);
  return Mustache.render(FOLDER_ROW, { ...step, files, size, label });
}

/** A text with a day in it: the last on which something is there that ends at this time. */
function lastDay(end: Date, text: string, language: Language) {
  const last = new Date(end.getTime() - 1);
  const [before, after] = text.split("{date}");
  const time = { iso: last.toISOString(), date: formatDate(last, language) };
  return [{ text: before }, { time }, { text: after }];
}

function updatedOn(newest: Date, language: Language) {
  return !Number.isNaN(newest.getTime()) && {
    word: messages[language].updated,
    iso: newest.toISOString(),
    date: formatDate(newest, language),
  };
}

/** The text of the home page. */
function homeText({ archives, unreachable = [], language }: HomePageOptions): PageText {
  const { hiddenList, emptyList, onlyUnreachable, list } = messages[language];
  if (archives === null) return hiddenList;
  if (archives.length > 0) return list;
  return unreachable.length > 0 ? onlyUnreachable : emptyList;
}

/** What the list says about one archive. */
function archiveRow(archive: ArchiveSummary | ArchiveProblem, language: Language) {
  const { hash } = archive;
  if ("problem" in archive) return { hash, problem: messages[language].problems[archive.problem] };
  const { newest } = archive;
  return {
    hash,
    key: encodeURIComponent(hash),
    files: formatFileCount(archive.files, language),
    size: formatBytes(archive.bytes, language),
    updated: updatedOn(newest, language),
  };
}

/** What is said of the folders that no link reaches; null if there are none. */
function unreachableFolders(
  { language, unreachable = [], command = "zipferry new --move" }: HomePageOptions,
) {
  if (unreachable.length === 0) return null;
  const { title, lead, how, more } = messages[language].unreachable;
  const count = unreachable.length - NAMED_UNREACHABLE;
  const example = unreachable.find((name) => !UNTYPABLE.test(name));
  return {
    title,
    lead,
    names: unreachable.slice(0, NAMED_UNREACHABLE),
    more: count > 0 && formatNumbers(more, { count }, language),
    command: example !== undefined &&
      { how: codeInText(how), line: `${command} ${quoteForShell(example)}` },
  };
}

/** How the owner can see the list. */
function ownerText(hint: "open" | "closed", language: Language) {
  const { question, answer } = messages[language].owner;
  return { question, answer: codeInText(answer), open: hint === "open" };
}

/** A text in which code stands between backticks, in parts of one kind each. */
function codeInText(text: string) {
  return text.split("`").map((part, i) => i % 2 === 0 ? { text: part } : { code: part });
}

/** Characters that nobody can type, or that the runtime shows in the place of others. */
// deno-lint-ignore no-control-regex
const UNTYPABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]/;

const UNTYPABLE_ALL = new RegExp(UNTYPABLE.source, "g");

/** A name as an argument: in quotes that shells on Windows know too, unless they change it there. */
function quoteForShell(name: string) {
  const quoted = /["$`\\!%]/.test(name) ? `'${name.replaceAll("'", `'\\''`)}'` : `"${name}"`;
  return name.startsWith("-") ? `-- ${quoted}` : quoted;
}

/** Which part of the list it is, and links to the pages beside it. */
function pagingLinks({ number, pages, ...range }: PagePosition, language: Language) {
  const { label, previous, next, range: text } = messages[language].paging;
  return {
    label,
    range: formatNumbers(text, range, language),
    previous: number > 1 && { word: previous, page: number > 2 && number - 1 },
    next: number < pages && { word: next, page: number + 1 },
  };
}

/** What goes into a page. */
interface PageContent {
  readonly language: Language;
  readonly text: PageText;
  /** What the page's own template uses besides the text. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The look of the site. @default none of its own */
  readonly brand?: Brand;
  /** Which script it has. @default none */
  readonly script?: keyof typeof scripts;
  /** Whether it does without our mark. @default false */
  readonly bare?: boolean;
}

/** Puts a page into the layout. */
function render(page: string, content: PageContent): string {
  const { language, text, values, brand, script, bare } = content;
  // The hashes in the policy are those of the texts between the tags.
  const accent = brand?.accent && accentStyle(brand.accent);
  const elements = {
    styleElement: `<style>${style}</style>`,
    accentElement: accent && `<style>${accent}</style>`,
    scriptElement: script && `<script>${scripts[script]}</script>`,
  };
  const { name, logo } = brand ?? {};
  const shown = name || logo
    ? { name, logo: logo && { path: logo, alt: name ? "" : "Logo" } }
    : null;
  const all = { language, bare, ...elements, ...text, ...values, brand: shown };
  return Mustache.render(layout, all, { page });
}
