/**
 * The spans of OpenTelemetry, by what the runtime itself has of them. Nothing here does anything
 * unless the process was started with `OTEL_DENO=true`.
 *
 * @see {@link https://docs.deno.com/runtime/fundamentals/open_telemetry/}
 * @module
 */

/** What a span can be told. */
export type SpanValue = string | number | boolean;

/** A span, as far as it is used here. */
export interface Span {
  /** Replaces the name. */
  updateName(name: string): unknown;
  /** Adds a value. The runtime keeps what was added under the same key before. */
  setAttribute(key: string, value: SpanValue): unknown;
  /** 1: good, 2: an error. */
  setStatus(status: { readonly code: number; readonly message?: string }): unknown;
  /** Ends it, now. */
  end(): void;
}

/** Where an API of OpenTelemetry finds what the runtime registered. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");

/** Where a context holds its span. */
const SPAN_KEY = Symbol.for("OpenTelemetry Context Key SPAN");

/** What the runtime writes of the address of a request: the hash is in it, and the query. */
const HIDDEN = ["url.full", "url.path", "url.query"];

/** `SPAN_KIND_INTERNAL` */
const INTERNAL = 0;

/** True if the process was started so that spans are exported. */
export function isTracing(): boolean {
  return registered()?.trace !== undefined;
}

/** True if what goes through the console may be exported too. */
export function isCaptured(): boolean {
  return registered() !== undefined;
}

/** The span of the request that is being answered; undefined if there is none. */
export function activeSpan(): Span | undefined {
  return Deno.telemetry.contextManager.active().getValue(SPAN_KEY);
}

/** Begins a span within the active one. Only while {@link isTracing}. */
export function startSpan(name: string): Span {
  return Deno.telemetry.tracerProvider.getTracer("zipferry").startSpan(name, { kind: INTERNAL });
}

/**
 * Keeps addresses out of every span from now on, and shortens all other text in spans. Overwriting
 * what the runtime wrote does not help: it exports both values. So its spans do not get them at all.
 *
 * @param shorten takes the secrets out of a text
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/telemetry/util.ts} `updateSpanFromRequest`
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/telemetry/lib.rs} `push_parsed_attr`
 */
export function guardSpans(shorten: (text: string) => string): void {
  if (!isTracing()) return;
  const spans: Span = Object.getPrototypeOf(startSpan("unused")); // never ended, so never exported
  const { setAttribute, setStatus, updateName } = spans;
  const clean = (value: SpanValue) => typeof value === "string" ? shorten(value) : value;
  spans.setAttribute = function (key, value) {
    return HIDDEN.includes(key) ? this : setAttribute.call(this, key, clean(value));
  };
  spans.setStatus = function ({ code, message = "" }) {
    return setStatus.call(this, { code, message: shorten(message) });
  };
  spans.updateName = function (name) {
    return updateName.call(this, shorten(name));
  };
}

function registered(): { readonly trace?: unknown } | undefined {
  return (globalThis as unknown as Record<symbol, { readonly trace?: unknown }>)[REGISTERED];
}
