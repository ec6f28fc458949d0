/**
 * Metrics as Prometheus reads them, and Prometheus itself.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startServer } from "./server.ts";
import type { Tree } from "./tree.ts";

/** What this project has for Prometheus and Grafana */
export const GRAFANA = fileURLToPath(new URL("../deploy/grafana/", import.meta.url));

/** The values in Prometheus's text format, by name and labels as they stand there */
export function samplesOf(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice(0, at), Number(line.slice(at + 1))];
  }));
}

/** Names of what can be asked for, as in queries: a histogram has three. */
export function namesOf(text: string): Set<string> {
  const described = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Set(
    described.flatMap(([, name, type]) =>
      type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
    ),
  );
}

/** A running Prometheus */
export interface Prometheus extends AsyncDisposable {
  /** The values that a query gives now, by their labels as JSON */
  query(expression: string): Promise<readonly PrometheusValue[]>;
}

/** One of the values that a query gives */
export interface PrometheusValue {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * Starts Prometheus with a configuration, in a folder of a test's own.
 *
 * @throws {Error} With what it printed, when it is not ready in time
 */
export async function startPrometheus(
  tree: Tree,
  options: { readonly config: string; readonly port: number },
): Promise<Prometheus> {
  const { config, port } = options;
  const origin = `http://127.0.0.1:${port}`;
  const server = await startServer("prometheus", {
    name: "Prometheus",
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(tree.path, "tsdb")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ],
    isReady: () => isReady(origin),
  });
  return {
    query: (expression) => query(origin, expression),
    [Symbol.asyncDispose]: () => server.stop("SIGKILL"),
  };
}

async function isReady(origin: string): Promise<boolean> {
  try {
    const response = await fetch(`${origin}/-/ready`);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // it does not listen yet
  }
}

async function query(origin: string, expression: string): Promise<PrometheusValue[]> {
  const response = await fetch(
    `${origin}/api/v1/query?${new URLSearchParams({ query: expression })}`,
  );
  const { status, data, error } = await response.json();
  if (status !== "success") throw new Error(`query ${expression}: ${error}`);
  return data.result.map(
    (one: { metric: Record<string, string>; value: [number, string] }) => ({
      labels: one.metric,
      value: Number(one.value[1]),
    }),
  );
}
