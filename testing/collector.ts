/**
 * A collector of OpenTelemetry on loopback: what it is sent, as it came.
 *
 * @module
 */

/** A span, with its attributes as plain values */
export interface CollectedSpan {
  readonly name: string;
  readonly spanId: string;
  /** Empty for a span that is not inside another one */
  readonly parentSpanId: string;
  /** Nanoseconds since 1970 */
  readonly end: bigint;
  /** 2: an error */
  readonly status: { readonly code: number; readonly message: string };
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What was sent to a collector */
export interface Collector extends AsyncDisposable {
  /** Variables that make a program send to it */
  readonly env: Readonly<Record<string, string>>;
  /** Every body, one after another, as UTF-8; what is not, is replaced */
  text(): string;
  /** All spans so far, in the order in which they came */
  spans(): CollectedSpan[];
  /** Paths that were sent to, each once */
  paths(): string[];
}

interface Body {
  readonly path: string;
  readonly text: string;
}

/** Collects what is sent in one of the two encodings of OTLP; spans can be read from JSON only */
export function startCollector(protocol: "http/json" | "http/protobuf" = "http/json"): Collector {
  const bodies: Body[] = [];
  const type = protocol === "http/json" ? "application/json" : "application/x-protobuf";
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const text = new TextDecoder().decode(await request.bytes());
    bodies.push({ path: new URL(request.url).pathname, text });
    return new Response(protocol === "http/json" ? "{}" : null, {
      headers: { "content-type": type },
    });
  });
  return {
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${server.addr.port}`,
      OTEL_BSP_SCHEDULE_DELAY: "50",
      OTEL_BLRP_SCHEDULE_DELAY: "50",
      // Metrics come at the end: a process that ends just while the runtime collects them hangs.
      OTEL_METRIC_EXPORT_INTERVAL: "3600000",
    },
    text: () => bodies.map(({ text }) => text).join("\n"),
    spans: () => bodies.filter(({ path }) => path === "/v1/traces").flatMap(spansOf),
    paths: () => [...new Set(bodies.map(({ path }) => path))].sort(),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function spansOf({ text }: Body): CollectedSpan[] {
  // deno-lint-ignore no-explicit-any
  const message: any = JSON.parse(text);
  // deno-lint-ignore no-explicit-any
  const scopes = message.resourceSpans.flatMap(({ scopeSpans }: any) => scopeSpans);
  // deno-lint-ignore no-explicit-any
  return scopes.flatMap(({ spans }: any) => spans).map((span: any) => ({
    name: span.name,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    end: BigInt(span.endTimeUnixNano),
    status: span.status,
    attributes: Object.fromEntries(
      span.attributes.map(({ key, value }: { key: string; value: Record<string, unknown> }) => [
        key,
        Object.values(value)[0],
      ]),
    ),
  }));
}
