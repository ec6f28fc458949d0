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
  formatTime,
} from "./format.ts";
import {
  type ErrorStatus,
  type Language,
  messages,
  type Order,
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

export type { ErrorStatus, Language, Order, Problem, QueryMistake } from "./messages.ts";

/** At most this many folders that no link reaches are named, and files that are not there. */
const NAMED_UNREACHABLE = 10;

/** All languages that there are. */
export const allLanguages: readonly Language[] = Object.keys(messages) as Language[];

/** The languages of pages where a site says nothing else, the default first. */
export const pageLanguages: readonly Language[] = ["en", "ru"];

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
  /** Its languages; the first is for visitors who prefer none of them. @default `pageLanguages` */
  readonly languages?: readonly Language[];
}

/** What a page may hold besides its text. */
export interface PolicyOptions {
  /** The look of the site. @default none of its own */
  readonly brand?: Brand;
  /** The script of the page. @default none */
  readonly script?: "archive" | "list";
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

/** What the home page tells of an archive besides what is in it. */
export interface ArchiveNotes {
  /** What it is called. @default it has no title */
  readonly title?: string;
  /** When it ends, in milliseconds since 1970; `broken` if that makes no sense. @default never */
  readonly expires?: number | "broken";
  /** When it begins, likewise. @default it has begun */
  readonly notBefore?: number;
  /** When it was last downloaded, likewise. @default nothing is known of it */
  readonly delivered?: number;
}

/** An archive that is not counted yet. */
export interface PendingSummary extends ArchiveNotes {
  /** Name of the folder. */
  readonly hash: string;
  /** Always true. */
  readonly pending: true;
  /** When its folder was last changed; an invalid date is not shown. */
  readonly newest: Date;
}

/** One archive as the home page lists it. */
export interface ArchiveSummary extends ArchiveNotes {
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
export interface ArchiveProblem extends ArchiveNotes {
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
  readonly archives: readonly (ArchiveSummary | PendingSummary | ArchiveProblem)[] | null;
  /** Which page of the list it is. @default the only one */
  readonly position?: PagePosition;
  /** Names of folders that no link reaches. @default none */
  readonly unreachable?: readonly string[];
  /** The command that gives a folder a link, up to the folder's name. @default `zipferry new --move` */
  readonly command?: string;
  /** The query of an archive's link, without a question mark. @default none */
  readonly queryFor?: (hash: string) => string;
  /** Say how the owner can see the list: `open` right away, or on a click. @default not at all */
  readonly ownerHint?: "open" | "closed";
  /** Offer to take the admin token. @default false */
  readonly signIn?: boolean;
  /** Have a button for each link, and a link to each page. @default false */
  readonly links?: boolean;
  /** What was searched for, and in which order; a form for both. @default no such form */
  readonly finder?: { readonly search: string; readonly order: Order };
  /** Seconds after which the page reloads itself. @default it does not */
  readonly reloadAfter?: number;
  /** The look of the site. @default none of its own */
  readonly brand?: Brand;
  /** Milliseconds since 1970, to tell what is over. @default the system's clock */
  readonly now?: number;
}

/** How any page looks. */
export interface PageLook {
  /** Language of the page. */
  readonly language: Language;
  /** The look of the site. @default none of its own */
  readonly brand?: Brand;
}

/** Which error a page is about. */
export interface ErrorPageOptions extends PageLook {
  /** Status of the response: any other than `ErrorStatus` has the text of 500. */
  readonly status: number;
  /** It stays so until the owner of the photos puts something right. @default false */
  readonly lasting?: boolean;
}

/**
 * Picks the language of a page: the first one of the site, which is English by default, unless the
 * visitor prefers another one that there is.
 *
 * Preferences are weighed as in RFC 9110 section 12.5.4. A response that depends on the result
 * needs `Vary: Accept-Language`.
 *
 * @param acceptLanguage value of the `Accept-Language` header, `null` if the request has none
 */
export function chooseLanguage(acceptLanguage: string | null, brand?: Brand): Language {
  const { languages = pageLanguages } = brand ?? {};
  const headers = { "accept-language": acceptLanguage ?? undefined };
  const preferred = new Negotiator({ headers }).language([...languages]);
  return languages.find((language) => language === preferred) ?? languages[0];
}

/** The page at `/` as HTML. */
export function homePage(options: HomePageOptions): string {
  const { language, archives, position, brand, finder, reloadAfter } = options;
  const rows = archives?.map((archive) => archiveRow(archive, options)) ?? [];
  const query = finder && finderQuery(finder);
  const values = {
    list: rows.length > 0 && { archives: rows },
    unreachable: unreachableFolders(options),
    owner: (options.ownerHint || options.signIn) && ownerText(options),
    paging: position && position.pages > 1 && pagingLinks(position, { language, query }),
    finder: finder && finderForm(finder, language),
    reloadAfter,
  };
  const script = options.links ? "list" as const : undefined;
  return render(homeTemplate, { language, text: homeText(options), values, brand, script });
}

/** The policy of the page at `/`. */
export function homePolicy({ brand, links, finder }: HomePageOptions): string {
  return pagePolicy({ brand, script: links ? "list" : undefined, form: finder !== undefined });
}

const ORDERS: readonly Order[] = ["newest", "title", "size", "expires"];

/** The order that a query asks for; the newest first if it asks for none that there is. */
export function readOrder(text: string | null): Order {
  return ORDERS.find((order) => order === text) ?? ORDERS[0];
}

/** The form in which archives are searched for and sorted. */
function finderForm({ search, order }: Finder, language: Language) {
  const { search: label, sort, orders } = messages[language].tools;
  return {
    search,
    searchLabel: label,
    sortLabel: sort,
    orders: ORDERS.map((name) => ({ name, text: orders[name], selected: name === order })),
  };
}

type Finder = NonNullable<HomePageOptions["finder"]>;

/** What stays in the links to other pages. */
function finderQuery({ search, order }: Finder) {
  const query = new URLSearchParams();
  if (search !== "") query.set("search", search);
  if (order !== ORDERS[0]) query.set("order", order);
  return query.toString();
}

/** The page for an error as HTML. It contains nothing from the request. */
export function errorPage(options: ErrorPageOptions): string {
  const { language, brand, status, lasting = false } = options;
  const { errors, ownerMustAct } = messages[language];
  const usual = status in errors ? errors[status as ErrorStatus] : errors[500];
  const text = lasting ? ownerMustAct : usual;
  return render(errorTemplate, { language, brand, text, values: { status } });
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

/** How the pages of a choice that comes to nothing look. */
export interface ChoicePageLook extends PageLook {
  /** Link to the page of the archive, where one can choose again. @default there is none */
  readonly link?: string;
}

/** Which files a link asks for in vain. */
export interface MissingPageOptions extends ChoicePageLook {
  /** Their names, as they stand in the link. */
  readonly names: readonly string[];
}

/** The page for a choice of files that are not all there (404), as HTML: it names those. */
export function missingPage({ names, ...look }: MissingPageOptions): string {
  const { language } = look;
  const { missing: text, unreachable } = messages[language];
  const count = names.length - NAMED_UNREACHABLE;
  const list = {
    names: names.slice(0, NAMED_UNREACHABLE),
    more: count > 0 && formatNumbers(unreachable.more, { count }, language),
  };
  return choicePage(look, { status: 404, text, list });
}

/** Which part a link asks for in vain. */
export interface MissingPartPageOptions extends ChoicePageLook {
  /** Its number. */
  readonly number: number;
  /** How many parts there are. */
  readonly count: number;
}

/** The page for a part that an archive does not have (404), as HTML. */
export function missingPartPage({ number, count, ...look }: MissingPartPageOptions): string {
  const { language } = look;
  const { missingPart } = messages[language];
  const text = {
    ...missingPart,
    lead: formatNumbers(missingPart.lead, { number, count }, language),
  };
  return choicePage(look, { status: 404, text });
}

/** The page for a choice of files that was made when the archive held others (404), as HTML. */
export function staleChoicePage(look: ChoicePageLook): string {
  return choicePage(look, { status: 404, text: messages[look.language].staleChoice });
}

/** The page for a form in which nothing was ticked (400), as HTML. */
export function nothingChosenPage(look: ChoicePageLook): string {
  return choicePage(look, { status: 400, text: messages[look.language].nothingChosen });
}

/** With a button that leads to the page of the archive, where that may be. */
function choicePage(
  { language, brand, link }: ChoicePageLook,
  { text, ...values }: {
    readonly status: 400 | 404;
    readonly text: PageText;
    readonly list?: object;
  },
) {
  const way = link !== undefined && { link, word: messages[language].archive.open };
  return render(errorTemplate, { language, brand, text, values: { ...values, way } });
}

/** When a page asks for itself again. */
export interface UnsettledPageOptions extends PageLook {
  /** Seconds until the page reloads itself. */
  readonly reloadAfter: number;
}

/** The page of an archive to which photos are still being added, as HTML. */
export function unsettledPage({ language, brand, reloadAfter }: UnsettledPageOptions): string {
  const text = messages[language].unsettled;
  return render(errorTemplate, { language, brand, text, values: { status: 503, reloadAfter } });
}

/** What a page says of a download beyond a limit. */
export interface FullPageOptions extends UnsettledPageOptions {
  /** Whose limit it is. */
  readonly limit: "server" | "client";
}

/** The page of a download for which there is no room now, as HTML. It asks again by itself. */
export function fullPage({ language, brand, limit, reloadAfter }: FullPageOptions): string {
  const status = limit === "server" ? 503 : 429;
  return render(errorTemplate, {
    language,
    brand,
    text: messages[language].full[limit],
    values: { status, reloadAfter },
  });
}

/** What is wrong with the query of a link: see `http/query.ts`. */
export interface QueryPageOptions extends PageLook {
  /** What is wrong. */
  readonly problem: QueryMistake;
}

/** The page of a link whose query cannot be meant so, as HTML. It names what is wrong. */
export function queryPage({ language, brand, problem }: QueryPageOptions): string {
  const { kind, parameter, value, known } = problem;
  const { title, allowed, hint, ...leads } = messages[language].query;
  const given = { parameter: shown(parameter), known, value: shown(value ?? "") };
  const lead = fillIn(`${leads[kind]} ${kind === "value" ? allowed[known] ?? "" : ""}`, given);
  return render(errorTemplate, {
    language,
    brand,
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
export interface ClosedPageOptions extends PageLook {
  /** Whether its time is over, or yet to come. */
  readonly when: "over" | "yet to come";
}

/** The page of an archive that is there, but not at this time, as HTML. */
export function closedPage({ language, brand, when }: ClosedPageOptions): string {
  const isOver = when === "over";
  const text = messages[language][isOver ? "over" : "notYet"];
  return render(errorTemplate, { language, brand, text, values: { status: isOver ? 410 : 404 } });
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
  /** Offer no choice of files: what is shown is one. @default false */
  readonly chosen?: boolean;
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
  const { language, brand, preview = false, chosen = false, entries, title, note } = options;
  const words = messages[language].archive;
  const sums = sumOfFiles(entries);
  const [files, size] = [
    formatFileCount(sums.files, language),
    formatBytes(options.size ?? sums.bytes, language),
  ];
  const hasChooser = !preview && !chosen && sums.files > 1;
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
    download: chosen ? words.downloadChosen : words.download,
    kind: words.exact,
    exact: options.size !== null && formatExactBytes(options.size, language),
    until: options.expires && endIn(options.expires.getTime(), words.until, language),
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
    // A form that is not posted leaves the query of its action out, and has the fields below instead.
    action: query === "" ? path : `${path}?${query}`,
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

function updatedOn(newest: Date, language: Language) {
  return !Number.isNaN(newest.getTime()) && {
    word: messages[language].updated,
    iso: newest.toISOString(),
    date: formatDate(newest, language),
  };
}

/** The text of the home page. */
function homeText(options: HomePageOptions): PageText {
  const { archives, unreachable = [], language, finder } = options;
  const { hiddenList, emptyList, onlyUnreachable, list, tools } = messages[language];
  if (archives === null) return hiddenList;
  if (archives.length > 0) return list;
  if (finder && finder.search !== "") {
    return { title: list.title, lead: fillIn(tools.nothing, { words: shown(finder.search) }) };
  }
  return unreachable.length > 0 ? onlyUnreachable : emptyList;
}

/** What the list says about one archive. */
function archiveRow(
  archive: ArchiveSummary | PendingSummary | ArchiveProblem,
  options: HomePageOptions,
) {
  const { language, links = false, queryFor } = options;
  const { hash, title } = archive;
  const { tools, problems } = messages[language];
  const notes = notesOf(archive, options);
  const name = { hash, title, problem: false as string | false, notes };
  if ("problem" in archive) return { ...name, problem: problems[archive.problem] };
  const key = encodeURIComponent(hash);
  const row = {
    ...name,
    key,
    query: queryFor ? `?${queryFor(hash)}` : "",
    tools: links &&
      { copy: tools.copy, copied: tools.copied, page: tools.page, what: title ?? hash },
  };
  const updated = updatedOn(archive.newest, language);
  if ("pending" in archive) return { ...row, files: tools.counting, size: false, updated };
  return {
    ...row,
    updated,
    files: formatFileCount(archive.files, language),
    size: formatBytes(archive.bytes, language),
  };
}

/** Days of an archive: when it begins, ends, and was downloaded last. */
function notesOf(archive: ArchiveNotes, { language, now = Date.now() }: HomePageOptions) {
  const { tools, problems } = messages[language];
  const { expires, notBefore, delivered } = archive;
  const notes = [];
  if (notBefore !== undefined && notBefore > now) {
    notes.push(dayIn(notBefore, tools.from, language));
  }
  if (expires === "broken") notes.push({ parts: [{ text: problems.label }] });
  if (typeof expires === "number") {
    notes.push(endIn(expires, expires > now ? tools.until : tools.ended, language));
  }
  if (delivered !== undefined) notes.push(dayIn(delivered, tools.delivered, language));
  return notes;
}

/** A text with a day in the place of `{date}`. */
function dayIn(time: number, text: string, language: Language) {
  return dateIn(new Date(time), text, (date) => formatDate(date, language));
}

const DAY_MS = 86_400_000;

/** The same for an end: of one at midnight, the day that it ends; of any other, the time as well. */
function endIn(time: number, text: string, language: Language) {
  if (time % DAY_MS === 0) return dayIn(time - 1, text, language);
  return dateIn(new Date(time), text, (date) => formatTime(date, language));
}

function dateIn(date: Date, text: string, format: (date: Date) => string) {
  if (Number.isNaN(date.getTime())) return { parts: [] };
  const [before, after] = text.split("{date}");
  const day = { iso: date.toISOString(), date: format(date) };
  return { parts: [{ text: before }, { time: day }, { text: after }] };
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
function ownerText({ ownerHint, signIn, language }: HomePageOptions) {
  const { owner: { question, answer }, tools } = messages[language];
  return {
    question,
    answer: ownerHint ? codeInText(answer) : [],
    open: ownerHint === "open",
    signIn: signIn && { word: tools.signIn },
  };
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
function pagingLinks(
  { number, pages, first, last, total }: PagePosition,
  { language, query = "" }: { readonly language: Language; readonly query?: string },
) {
  const { label, previous, next, range } = messages[language].paging;
  const link = (page: number) => ({
    query,
    page: page > 1 && page,
    any: query !== "" || page > 1,
    both: query !== "" && page > 1,
  });
  return {
    label,
    range: formatNumbers(range, { first, last, total }, language),
    previous: number > 1 && { word: previous, ...link(number - 1) },
    next: number < pages && { word: next, ...link(number + 1) },
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
