/**
 * The thread that reads and writes the file of `--state`. It opens the file for each task: so a file
 * that was deleted is made anew, and none is held open.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import type { RequestUpdate } from "../../lib/receipts.ts";
import { ReceiptFile } from "./receipt_file.ts";

/** What the thread is asked for: by default to look through the file, which is made if need be. */
export interface ReceiptCall {
  /** Path of the file. */
  readonly path: string;
  /** Updates to take in. @default none */
  readonly updates?: readonly RequestUpdate[];
  /** An archive to look up. @default none */
  readonly hash?: string;
}

/** Its answer: a result, or why there is none. */
export type ReceiptAnswer = { readonly result: unknown } | { readonly message: string };

function answer({ path, updates, hash }: ReceiptCall): ReceiptAnswer {
  try {
    using file = new ReceiptFile(path);
    if (hash !== undefined) return { result: file.find(hash) };
    if (updates) return { result: file.apply(updates) };
    return { result: file.check() };
  } catch (error) {
    return { message: error instanceof Error ? error.message : String(error) };
  }
}

self.onmessage = ({ data }: MessageEvent<ReceiptCall>) => self.postMessage(answer(data));
