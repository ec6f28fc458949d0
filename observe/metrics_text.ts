/**
 * The formats in which Prometheus reads metrics.
 *
 * @module
 */

// @ts-types="npm:@types/negotiator@0.6.5"
import Negotiator from "negotiator";

/** Prometheus's own text format, which everything that reads metrics knows. */
export const TEXT = "text/plain; version=0.0.4; charset=utf-8";

/** OpenMetrics, which Prometheus prefers. */
export const OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** Metrics as they are sent. */
export interface MetricsText {
  /** Their format. */
  readonly contentType: string;
  /** All of them. */
  readonly text: string;
}

/**
 * Metrics in the format that an Accept header prefers.
 *
 * @param text metrics in Prometheus's text format
 */
export function inPreferredFormat(text: string, accept: string | null): MetricsText {
  if (chooseFormat(accept) === TEXT) return { contentType: TEXT, text };
  return { contentType: OPEN_METRICS, text: toOpenMetrics(text) };
}

function chooseFormat(accept: string | null) {
  // Prometheus 3 also says how names may be escaped; there are none here that need it.
  const plain = accept?.replaceAll(/;\s*escaping=[^;,]*/g, "");
  const headers = plain === undefined ? {} : { accept: plain };
  return new Negotiator({ headers }).mediaType([TEXT, OPEN_METRICS]) ?? TEXT;
}

/**
 * The same metrics as OpenMetrics: the name of a counter is without `_total` where it is described,
 * there are no empty lines, and the end is marked.
 *
 * The library can write this too, but then changes the names of its counters for good.
 *
 * @see {@link https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md}
 * @see {@link https://github.com/platformatic/prom-client/blob/main/lib/registry.js} `metrics()` there
 */
function toOpenMetrics(text: string): string {
  const described = text.replaceAll(/^(# (?:HELP|TYPE) \w+?)_total /gm, "$1 ");
  return `${described.replaceAll(/\n{2,}/g, "\n")}# EOF\n`;
}
