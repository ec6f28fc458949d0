/**
 * The listener that makes spans of OpenTelemetry: it names the request's span, which the runtime makes
 * and ends with the header fields, and adds one that ends with the last byte of a download.
 *
 * @module
 */

import { describeError, redact } from "../lib/log.ts";
import { activeSpan, type Span, startSpan } from "../lib/telemetry.ts";
import { knownMethod } from "./log.ts";
import type { Answer, Download, DownloadEnd, Observer } from "./observer.ts";

/** What every span of a download tells besides. */
export interface TraceOptions {
  /** What makes the archives. */
  readonly engine: string;
}

/** `SPAN_STATUS_ERROR` */
const ERROR = 2;

/** Makes the spans. To be used only while spans are exported. */
export function trace({ engine }: TraceOptions): Observer {
  const spans = new WeakMap<Download, Span>();
  return {
    answered: nameRequest,
    started(download) {
      const span = startSpan("download");
      spans.set(download, span);
      describeDownload(span, download);
      span.setAttribute("zipferry.engine", engine);
    },
    progressed() {},
    ended(download, end) {
      const span = spans.get(download);
      if (span) endSpan(span, download, end);
    },
  };
}

/** By its route, of which there are few: neither the hash nor what a stranger made up. */
function nameRequest({ route, method, hash }: Answer) {
  const span = activeSpan();
  if (!span) return;
  const template = templateOf(route);
  if (template) span.setAttribute("http.route", template);
  span.updateName([knownMethod(method), template].filter(Boolean).join(" "));
  if (hash !== undefined) span.setAttribute("zipferry.archive", redact(hash));
}

function templateOf(route: Answer["route"]) {
  if (route === "archive") return "/archive/{hash}/";
  if (route === "manifest") return "/archive/{hash}/?manifest";
  if (route === "page") return "/archive/{hash}/?page";
  if (route === "status") return "/archive/{hash}/?status";
  if (route === "list") return "/";
  if (route === "other") return undefined;
  return route === "health" ? "/healthz" : `/${route}`;
}

function describeDownload(span: Span, { hash, size, start, length }: Download) {
  const isPart = length !== size;
  span.setAttribute("zipferry.archive", redact(hash));
  span.setAttribute("http.response.status_code", isPart ? 206 : 200);
  if (size !== null) span.setAttribute("zipferry.size", size);
  if (isPart && length !== null) {
    span.setAttribute("zipferry.range", `${start}-${start + length - 1}/${size}`);
  }
}

function endSpan(span: Span, { hash }: Download, { kind, bytes, error }: DownloadEnd) {
  span.setAttribute("zipferry.outcome", kind);
  span.setAttribute("http.response.body.size", bytes);
  if (error !== undefined) span.setStatus({ code: ERROR, message: describeError(error, hash) });
  span.end();
}
