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
import { formatBytes, formatDate, formatFileCount, formatNumbers } from "./format.ts";
import {
  type ErrorStatus,
  type Language,
  messages,
  type PageText,
  type Problem,
  type QueryMistake,
} from "./messages.ts";
import errorTemplate from "./error.html" with { type: "text" };
import homeTemplate from "./home.html" with { type: "text" };
import layout from "./layout.html" with { type: "text" };
import proxyErrorTemplate from "./proxy_error.html" with { type: "text" };
import styleSheet from "./style.css" with { type: "text" };

export type { ErrorStatus, Language, Problem, QueryMistake } from "./messages.ts";

/** At most this many folders that no link reaches are named. */
const NAMED_UNREACHABLE = 10;

/** Languages of the pages, the default first. */
const LANGUAGES: readonly Language[] = ["en", "ru"];

/**
 * The style sheet as a browser sees it: with CRLF read as LF before it is hashed. A checkout on
 * Windows may have turned our line ends into CRLF.
 *
 * @see {@link https://html.spec.whatwg.org/multipage/parsing.html#preprocessing-the-input-stream}
 */
const style = styleSheet.replaceAll("\r\n", "\n");

/** The style sheet as an element: the hash below is that of the text between the tags. */
const styleElement = `<style>${style}</style>`;

/**
 * Value of the `Content-Security-Policy` header for every page: nothing is allowed except the style
 * sheet inside the page, identified by its hash, and the empty icon.
 *
 * @see {@link https://www.w3.org/TR/CSP3/}
 */
export const contentSecurityPolicy: string = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`,
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

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
  /** The query of an archive's link, without a question mark. @default none */
  readonly queryFor?: (hash: string) => string;
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
 * Picks the language of a page: English unless the visitor prefers Russian.
 *
 * Preferences are weighed as in RFC 9110 section 12.5.4. A response that depends on the result
 * needs `Vary: Accept-Language`.
 *
 * @param acceptLanguage value of the `Accept-Language` header, `null` if the request has none
 */
export function chooseLanguage(acceptLanguage: string | null): Language {
  const headers = { "accept-language": acceptLanguage ?? undefined };
  const preferred = new Negotiator({ headers }).language([...LANGUAGES]);
  return LANGUAGES.find((language) => language === preferred) ?? LANGUAGES[0];
}

/** The page at `/` as HTML. */
export function homePage(options: HomePageOptions): string {
  const { language, archives, position, queryFor } = options;
  const rows = archives?.map((archive) => archiveRow(archive, { language, queryFor })) ?? [];
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
  const texts = LANGUAGES.map((language) => ({ language, ...messages[language].errors[status] }));
  const text = { ...texts[0], title: texts.map(({ title }) => title).join(" · ") };
  return render(proxyErrorTemplate, { language: LANGUAGES[0], text, values: { status, texts } });
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

/** The text of the home page. */
function homeText({ archives, unreachable = [], language }: HomePageOptions): PageText {
  const { hiddenList, emptyList, onlyUnreachable, list } = messages[language];
  if (archives === null) return hiddenList;
  if (archives.length > 0) return list;
  return unreachable.length > 0 ? onlyUnreachable : emptyList;
}

/** What the list says about one archive. */
function archiveRow(
  archive: ArchiveSummary | ArchiveProblem,
  { language, queryFor }: Pick<HomePageOptions, "language" | "queryFor">,
) {
  const { hash } = archive;
  if ("problem" in archive) return { hash, problem: messages[language].problems[archive.problem] };
  const { newest } = archive;
  return {
    hash,
    key: encodeURIComponent(hash),
    query: queryFor && `?${queryFor(hash)}`,
    files: formatFileCount(archive.files, language),
    size: formatBytes(archive.bytes, language),
    updated: !Number.isNaN(newest.getTime()) && {
      word: messages[language].updated,
      iso: newest.toISOString(),
      date: formatDate(newest, language),
    },
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
}

/** Puts a page into the layout. */
function render(page: string, content: PageContent): string {
  const { language, text, values } = content;
  return Mustache.render(layout, { language, styleElement, ...text, ...values }, { page });
}
