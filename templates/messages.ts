/**
 * What the pages say, whatever the language. The words themselves stand in `languages/`, one file
 * for each. Plain text: `mod.ts` turns it into HTML.
 *
 * @module
 */

import { languages } from "./languages.ts";

/** Language of a page: the name of its file in `languages/`. */
export type Language = keyof typeof languages;

/** Heading and sentences of a page. */
export interface PageText {
  /** Heading of the page, and title of the window. */
  readonly title: string;
  /** What the page is about. */
  readonly lead: string;
  /** What the visitor can do. */
  readonly hint?: string;
}

/** Forms of a noun after a number, by category of `Intl.PluralRules`. */
export type PluralForms =
  & Partial<Readonly<Record<Intl.LDMLPluralRule, string>>>
  & { readonly other: string };

/** What is said of folders that no link reaches. */
export interface UnreachableText {
  /** Heading. */
  readonly title: string;
  /** Why nobody can download them. */
  readonly lead: string;
  /** What stands before the command that gives a folder a link; code between backticks. */
  readonly how: string;
  /** What stands after the names if there are more; `{count}` is their number. */
  readonly more: string;
}

/** What a visitor who may not see the list can open, in case it is the owner. */
export interface OwnerText {
  /** What is always shown. */
  readonly question: string;
  /** What is shown when it is opened; code between backticks. */
  readonly answer: string;
}

/** Words around the links to other pages of the list. */
export interface PagingText {
  /** What the links are, for screen readers. */
  readonly label: string;
  /** The link to newer archives. */
  readonly previous: string;
  /** The link to older archives. */
  readonly next: string;
  /** Which archives of how many: `{first}`, `{last}`, `{total}`. */
  readonly range: string;
}

/** What is wrong with the query of a link: see `QueryProblem` in `http/query.ts`. */
export interface QueryMistake {
  /** Which sentence tells it. */
  readonly kind: "name" | "value" | "needs" | "excludes";
  /** The parameter as it was given. */
  readonly parameter: string;
  /** Its value, where that is what is wrong. */
  readonly value?: string;
  /** The parameter that is meant, has such values, is needed or is in the way. */
  readonly known: string;
}

/** Words for a link whose query cannot be meant so: `{parameter}`, `{value}` and `{known}`. */
export interface QueryText extends Readonly<Record<QueryMistake["kind"], string>> {
  /** Heading of the page. */
  readonly title: string;
  /** What the visitor can do. */
  readonly hint: string;
  /** Which values a parameter may have; follows the sentence for `value`. */
  readonly allowed: Readonly<Record<string, string>>;
}

/** Words of the page of an archive. */
export interface ArchiveText {
  /** Heading of an archive without a title. */
  readonly untitled: string;
  /** The button for the whole archive. */
  readonly download: string;
  /** Until when it can be downloaded: `{date}`. */
  readonly until: string;
  /** What stands under the size: it is exact, so that a download can be checked against it. */
  readonly exact: string;
  /** What opens the list of files. */
  readonly contents: string;
  /** How to choose. */
  readonly chooseHint: string;
  /** What a checkbox in front of a folder stands for: `{name}`. */
  readonly wholeFolder: string;
  /** The button for the chosen files. */
  readonly downloadChosen: string;
  /** The button that chooses all files. */
  readonly chooseAll: string;
  /** The button that takes the choice back. */
  readonly chooseNone: string;
  /** Heading of the parts. */
  readonly parts: string;
  /** What parts are good for. */
  readonly partsLead: string;
  /** The link to one of them: `{number}`. */
  readonly part: string;
  /** The button that leads to the page from one that says what is not there. */
  readonly open: string;
}

/** Words of the list for its owner. */
export interface ToolsText {
  /** The field to search in, and its button. */
  readonly search: string;
  /** The choice of an order. */
  readonly sort: string;
  /** Its values. */
  readonly orders: Readonly<Record<Order, string>>;
  /** Nothing was found for `{words}`. */
  readonly nothing: string;
  /** The button that copies a link, and what it says when it has. */
  readonly copy: string;
  /** See there. */
  readonly copied: string;
  /** The link to the page of an archive. */
  readonly page: string;
  /** Until when: `{date}`. */
  readonly until: string;
  /** Since when no longer: `{date}`. */
  readonly ended: string;
  /** From when on: `{date}`. */
  readonly from: string;
  /** The last delivery: `{date}`. */
  readonly delivered: string;
  /** In the place of counts that are still to come. */
  readonly counting: string;
  /** The link for whoever has the token. */
  readonly signIn: string;
}

/** Orders of the list. */
export type Order = "newest" | "title" | "size" | "expires";

/** Why a folder in the list has no link. */
export type Problem = "empty" | "names" | "changing" | "slow" | "other";

/** All words of the pages in one language. */
export interface Messages {
  /** `/` with a list of archives. */
  readonly list: PageText;
  /** `/` when there are no archives. */
  readonly emptyList: PageText;
  /** `/` for a visitor who may not see the list. */
  readonly hiddenList: PageText;
  /** An archive to which photos are still being added. */
  readonly unsettled: PageText;
  /** For a download beyond what there may be at a time: of the service, or of one client. */
  readonly full: Readonly<Record<"server" | "client", PageText>>;
  /** For a link whose query cannot be meant so. */
  readonly query: QueryText;
  /** For an archive whose time is over. */
  readonly over: PageText;
  /** For an archive whose time is yet to come. */
  readonly notYet: PageText;
  /** For an archive that cannot be made until the owner of the photos puts something right. */
  readonly ownerMustAct: PageText;
  /** `/` when the only folders are such that no link reaches. */
  readonly onlyUnreachable: PageText;
  /** On `/` for a visitor who may not see the list, unless nobody may. */
  readonly owner: OwnerText;
  /** Folders that no link reaches. */
  readonly unreachable: UnreachableText;
  /** In the place of an archive's size. */
  readonly problems: Readonly<Record<Problem | "label", string>>;
  /** What the owner finds beside the list. */
  readonly tools: ToolsText;
  /** The list's other pages. */
  readonly paging: PagingText;
  /** Pages of errors, by status. */
  readonly errors: Readonly<Record<ErrorStatus, PageText>>;
  /** "file" after a number. */
  readonly files: PluralForms;
  /** The word before the date of an archive's newest file. */
  readonly updated: string;
  /** "byte" after a number, for sizes that are exact. */
  readonly bytes: PluralForms;
  /** The page of an archive. */
  readonly archive: ArchiveText;
  /** Around the names of files that a link asks for in vain. */
  readonly missing: PageText;
  /** For a part that the archive does not have: `{number}` of `{count}`. */
  readonly missingPart: PageText;
  /** For a choice of files that was made when the archive held others. */
  readonly staleChoice: PageText;
  /** For a form in which nothing was ticked. */
  readonly nothingChosen: PageText;
}

/** Statuses that have a page of their own. */
export type ErrorStatus = 400 | 401 | 404 | 405 | 408 | 413 | 416 | 429 | 500 | 502 | 503 | 504;

/** The words in every language. */
export const messages: Readonly<Record<Language, Messages>> = languages;
