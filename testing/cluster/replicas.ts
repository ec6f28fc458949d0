/**
 * Replicas of the service, and what they say of themselves.
 *
 * @module
 */

import { start } from "../process.ts";
import { samplesOf } from "../prometheus.ts";
import { type Launched, Member } from "./member.ts";
import { READER, untilParentEnds } from "./seaweed.ts";

/** Where the replicas find their photos */
export interface ReplicasOptions {
  /** One for each replica */
  readonly ports: readonly number[];
  /** As in `s3://bucket/prefix` */
  readonly folder: string;
  readonly endpoints: readonly URL[];
}

/** Figures of one process */
export interface Sample {
  /** Resident memory and its peak so far, in bytes */
  readonly resident: number;
  readonly peak: number;
  /** Requests that were sent to the store, and how many of them were further tries */
  readonly requests: number;
  readonly retries: number;
}

/** Replicas that hold nothing; none has been started yet */
export function makeReplicas({ ports, folder, endpoints }: ReplicasOptions): Member[] {
  const env = {
    AWS_ENDPOINT_URL_S3: endpoints.map(({ origin }) => origin).join(","),
    AWS_ACCESS_KEY_ID: READER.accessKeyId,
    AWS_SECRET_ACCESS_KEY: READER.secretAccessKey,
  };
  return ports.map((port, i) => {
    const launch = async (): Promise<Launched> => {
      const args = ["--folder", folder, "--port", String(port)];
      const options = { env, anyPort: false, settle: null, prefix: untilParentEnds() };
      const program = await start(args, options);
      return {
        pid: program.pid,
        status: program.status,
        log: program.stderr,
        [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
      };
    };
    const url = new URL(`http://127.0.0.1:${port}/`);
    return new Member({ kind: "replica", name: `replica ${i + 1}`, url, launch });
  });
}

/** What a replica takes just now; null if it does not run */
export async function sampleOf({ pid, url }: Member): Promise<Sample | null> {
  if (pid === null) return null;
  try {
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    const bytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(status)?.[1] ?? NaN) * 1024;
    const figures = samplesOf(await (await fetch(new URL("metrics", url))).text());
    return {
      resident: bytes("VmRSS"),
      peak: bytes("VmHWM"),
      requests: sumOf(figures, "zipferry_bucket_requests_total"),
      retries: sumOf(figures, "zipferry_bucket_retries_total"),
    };
  } catch {
    return null; // killed in the meantime
  }
}

/** Errors that a replica logged, without what differs from download to download, with how often */
export function errorsOf(log: string): Map<string, number> {
  const errors = new Map<string, number>();
  for (const line of log.split("\n")) {
    if (!/"level":"(ERROR|FATAL)"|"level":"WARN/.test(line)) continue;
    const text = messageIn(line);
    errors.set(text, (errors.get(text) ?? 0) + 1);
  }
  return errors;
}

function messageIn(line: string): string {
  try {
    const { level, message, properties } = JSON.parse(line);
    return `${level}: ${properties?.why ?? message}`.replace(/: [^:]*\.jpg.*$/, "");
  } catch {
    return line;
  }
}

function sumOf(figures: ReadonlyMap<string, number>, name: string): number {
  return [...figures].filter(([sample]) => sample.startsWith(name))
    .reduce((sum, [, value]) => sum + value, 0);
}
