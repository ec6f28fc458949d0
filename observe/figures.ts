/**
 * Figures that are kept somewhere else, and that are asked for at each scrape.
 *
 * @module
 */

import process from "node:process";
import type { BucketStats, ChecksumStats, SourceStats } from "../lib/stats.ts";

/** Who keeps the figures of the source. */
export interface SourceOptions {
  /** Asked at each scrape. */
  readonly source: () => SourceStats;
  /** Asked at each scrape; none for an engine without them. @default none */
  readonly checksums?: () => ChecksumStats;
}

/** What is to be told of the process. */
export interface ProcessOptions {
  /** Which build it is. */
  readonly build: { readonly version: string; readonly commit: string };
  /** Bytes of memory that the process may take; null if that is not known. */
  readonly memoryLimit: number | null;
  /** What requests may take of it together. */
  readonly budget: BudgetFigures;
}

/** Memory for requests, in bytes. */
export interface BudgetFigures {
  /** For all together. */
  readonly limit: number;
  /** Reserved now. */
  readonly used: number;
  /** How many requests wait for some. */
  readonly waiting: number;
}

/** A figure that is asked for at each scrape. */
export interface Figure {
  /** Whether it goes up and down, or only grows. */
  readonly kind: "gauge" | "counter";
  /** Name, as Prometheus has it. */
  readonly name: string;
  /** What it tells, in a sentence. */
  readonly help: string;
  /** Its values now, each with its labels: always the same ones. */
  readonly values: () => Values;
}

/** Values with their labels. */
export type Values = readonly (readonly [Readonly<Record<string, string>>, number])[];

/** Tells of the threads that read, of listings, and of checksums where there are any. */
export function sourceFigures({ source, checksums }: SourceOptions): Figure[] {
  return [
    {
      kind: "gauge",
      name: "zipferry_reader_threads",
      help: "Threads that read. held_up: longer than three seconds at one task, on a disk that " +
        "probably hangs.",
      values: () => {
        const { busy, idle, heldUp } = source().threads;
        return byLabel("state", { busy, idle, held_up: heldUp });
      },
    },
    {
      kind: "gauge",
      name: "zipferry_reader_queue",
      help: "Tasks that wait for a thread that reads.",
      values: () => [[{}, source().threads.queued]],
    },
    {
      kind: "gauge",
      name: "zipferry_local_reads",
      help:
        "Reads that need no such thread: of large files of local disks, of objects of a bucket.",
      values: () => {
        const { running, waiting } = source().reads;
        return byLabel("state", { running, waiting });
      },
    },
    {
      kind: "counter",
      name: "zipferry_listings_total",
      help: "Listings of archives by how they ended. done: also those of no archive; failed: the " +
        "disk or too many others; abandoned: nobody waited for them any more.",
      values: () => {
        const { done, failed, abandoned } = source().listings;
        return byLabel("outcome", { done, failed, abandoned });
      },
    },
    {
      kind: "gauge",
      name: "zipferry_listings_waiting",
      help: "Requests that wait for a listing.",
      values: () => [[{}, source().listings.waiting]],
    },
    ...source().bucket ? bucketFigures(() => source().bucket!) : [],
    ...checksums ? checksumFigures(checksums) : [],
  ];
}

function bucketFigures(bucket: () => BucketStats): Figure[] {
  return [
    {
      kind: "counter",
      name: "zipferry_bucket_requests_total",
      help: "Requests to the object store, those that were tried again among them.",
      values: () => byLabel("kind", bucket().requests),
    },
    {
      kind: "counter",
      name: "zipferry_bucket_retries_total",
      help: "Requests to the object store that were tried again, or taken up where they broke.",
      values: () => [[{}, bucket().retries]],
    },
    {
      kind: "counter",
      name: "zipferry_bucket_received_bytes_total",
      help: "Bytes of objects that came from the object store.",
      values: () => [[{}, bucket().bytes]],
    },
    {
      kind: "gauge",
      name: "zipferry_bucket_requests_active",
      help: "Requests to the object store that are under way.",
      values: () => [[{}, bucket().active]],
    },
  ];
}

function checksumFigures(checksums: () => ChecksumStats): Figure[] {
  return [
    {
      kind: "gauge",
      name: "zipferry_crc_cache_entries",
      help: "Files whose CRC-32 is remembered.",
      values: () => [[{}, checksums().entries]],
    },
    {
      kind: "gauge",
      name: "zipferry_crc_cache_bytes",
      help: "Memory of the CRC-32 values that are remembered.",
      values: () => [[{}, checksums().bytes]],
    },
    {
      kind: "gauge",
      name: "zipferry_crc_cache_limit_bytes",
      help: "Memory that CRC-32 values may take; beyond it, the oldest ones are forgotten.",
      values: () => [[{}, checksums().maxBytes]],
    },
    {
      kind: "counter",
      name: "zipferry_crc_cache_requests_total",
      help: "CRC-32 values for downloads. hit: remembered; miss: worked out from the file.",
      values: () => {
        const { hits, misses } = checksums();
        return byLabel("result", { hit: hits, miss: misses });
      },
    },
    {
      kind: "counter",
      name: "zipferry_scans_total",
      help: "Scans of whole files for their CRC-32, by how they ended. abandoned: nobody waited " +
        "for them any more; the next one goes on from there.",
      values: () => {
        const { done, failed, abandoned } = checksums().scans;
        return byLabel("outcome", { done, failed, abandoned });
      },
    },
    {
      kind: "gauge",
      name: "zipferry_scans_running",
      help: "Scans under way.",
      values: () => [[{}, checksums().scans.running]],
    },
    {
      kind: "counter",
      name: "zipferry_scanned_bytes_total",
      help: "Bytes that were read for a CRC-32 alone.",
      values: () => [[{}, checksums().scannedBytes]],
    },
  ];
}

/** Tells of the process. Not by the library's own figures: those read `/proc`, which takes all permissions. */
export function processFigures({ build, memoryLimit, budget }: ProcessOptions): Figure[] {
  const startTime = performance.timeOrigin / 1000;
  return [
    {
      kind: "gauge",
      name: "zipferry_build_info",
      help: "Which build runs; the value is always 1.",
      values: () => [[{ ...build, deno: Deno.version.deno }, 1]],
    },
    {
      kind: "gauge",
      name: "zipferry_memory_limit_bytes",
      help: "Memory that the process may take; 0 if that is not known.",
      values: () => [[{}, memoryLimit ?? 0]],
    },
    {
      kind: "gauge",
      name: "zipferry_memory_budget_bytes",
      help: "Memory that requests may take together.",
      values: () => [[{}, budget.limit]],
    },
    {
      kind: "gauge",
      name: "zipferry_memory_reserved_bytes",
      help: "Memory that is reserved for requests.",
      values: () => [[{}, budget.used]],
    },
    {
      kind: "gauge",
      name: "zipferry_memory_waiting",
      help: "Requests that wait for memory.",
      values: () => [[{}, budget.waiting]],
    },
    {
      kind: "gauge",
      name: "zipferry_heap_bytes",
      help: "Memory of JavaScript. used, total: its heap; external: buffers outside of it.",
      values: () => {
        const { heapUsed, heapTotal, external } = Deno.memoryUsage();
        return byLabel("kind", { used: heapUsed, total: heapTotal, external });
      },
    },
    {
      kind: "gauge",
      name: "process_resident_memory_bytes",
      help: "Memory of the process.",
      values: () => [[{}, Deno.memoryUsage().rss]],
    },
    {
      kind: "counter",
      name: "process_cpu_seconds_total",
      help: "CPU time of the process, in all its threads.",
      values: () => {
        const { user, system } = process.cpuUsage();
        return [[{}, (user + system) / 1e6]];
      },
    },
    {
      kind: "gauge",
      name: "process_start_time_seconds",
      help: "When the process started, in seconds since 1970.",
      values: () => [[{}, startTime]],
    },
  ];
}

function byLabel(name: string, values: Readonly<Record<string, number>>): Values {
  return Object.entries(values).map(([label, value]) => [{ [name]: label }, value]);
}
