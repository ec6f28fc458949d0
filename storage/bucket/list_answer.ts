/**
 * What ListObjectsV2 answers with.
 *
 * @see {@link https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html}
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import type { BucketObject, ListPage } from "./client.ts";
import { quoted } from "./object_answer.ts";
import { parseXml, textOf, type XmlElement } from "./xml.ts";

/** A page, and where the next one begins. */
export interface ListAnswer extends ListPage {
  /** `NextContinuationToken`; null on the last page. */
  readonly next: string | null;
}

/**
 * Reads one answer.
 *
 * @throws {SyntaxError} If it is cut, no XML or no list
 * @throws {StorageError} `EPROTO` if it lacks what a list must have
 */
export function parseListAnswer(document: string): ListAnswer {
  const root = parseXml(document);
  if (root.name !== "ListBucketResult") {
    throw new SyntaxError("parse list: it is no list of objects");
  }
  const encoding = textOf(root, "EncodingType");
  const decode = encoding === "url" ? decodeUrl : (text: string) => text;
  const objects: BucketObject[] = [];
  const prefixes: string[] = [];
  for (const element of root.children) {
    if (element.name === "Contents") objects.push(objectOf(element, decode));
    if (element.name === "CommonPrefixes") prefixes.push(decode(required(element, "Prefix")));
  }
  return { objects, prefixes, next: nextOf(root) };
}

/**
 * A key as `encoding-type=url` writes it: a space is `+` at some stores and `%20` at others, and a
 * plus sign is `%2B` at all.
 */
function decodeUrl(text: string) {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw lacking("a key in it is not encoded as it says");
  }
}

function objectOf(element: XmlElement, decode: (text: string) => string): BucketObject {
  const size = required(element, "Size");
  const lastModifiedMs = Date.parse(required(element, "LastModified"));
  if (!/^\d{1,15}$/.test(size)) throw lacking("an object in it has no size");
  if (Number.isNaN(lastModifiedMs)) throw lacking("an object in it has no time");
  const key = decode(required(element, "Key"));
  const etag = textOf(element, "ETag");
  return { key, size: Number(size), etag: etag ? quoted(etag) : "", lastModifiedMs };
}

function nextOf(root: XmlElement) {
  const truncated = required(root, "IsTruncated");
  if (truncated === "false") return null;
  if (truncated !== "true") throw lacking("it does not say whether it is the last page");
  const token = textOf(root, "NextContinuationToken");
  if (!token) throw lacking("it is no last page and has no token for the next one");
  return token;
}

function required(element: XmlElement, name: string) {
  const text = textOf(element, name);
  if (!text) throw lacking(`it has no ${name} in ${element.name}`);
  return text;
}

function lacking(what: string) {
  return new StorageError("EPROTO", `list objects: the answer is of no use: ${what}`);
}
