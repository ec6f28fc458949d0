/**
 * A question to whoever gives credentials, by HTTP. Nothing of the question or the answer is ever in a
 * message.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../../../lib/log.ts";
import { failure } from "./lease.ts";

/** How long one try may take, in milliseconds. */
const TRY_MS = 5000;

/** How often it is tried, and the pause after the first try that failed, in milliseconds. */
const TRIES = 3;
const PAUSE_MS = 200;

/** A longer answer is none, in bytes. */
const MAX_ANSWER_BYTES = 64 << 10;

/** A question. */
export interface Question {
  /** Who is asked, for messages. */
  readonly from: string;
  /** Their address. */
  readonly url: URL;
  /** The request. */
  readonly init?: Pick<RequestInit, "method" | "headers" | "body">;
  /** Finds the code of an error in the text of an answer. */
  readonly errorCode: (text: string) => string | undefined;
}

/**
 * The text of a good answer. What may pass is tried again: no answer, status 429, and 500 and above.
 *
 * @throws {StorageError} with the status and the code of the error, or why there is no answer
 */
export async function ask(question: Question): Promise<string> {
  for (let tries = 1;; tries++) {
    const { text, why, mayPass } = await askOnce(question);
    if (text !== undefined) return text;
    if (!mayPass || tries === TRIES) throw failure(`${question.from}: ${why}`);
    await sleep(PAUSE_MS * 2 ** (tries - 1));
  }
}

interface Answer {
  readonly text?: string;
  readonly why?: string;
  readonly mayPass?: boolean;
}

async function askOnce({ url, init, errorCode }: Question): Promise<Answer> {
  const signal = AbortSignal.timeout(TRY_MS);
  try {
    const response = await fetch(url, { ...init, redirect: "manual", signal });
    const text = await readText(response);
    if (text === null) return { why: "the answer is too long" };
    if (response.status === 200) return { text };
    const code = errorCode(text);
    const known = code !== undefined && /^[A-Za-z0-9._]{1,64}$/.test(code) ? ` ${code}` : "";
    const mayPass = response.status === 429 || response.status >= 500;
    return { why: `status ${response.status}${known}`, mayPass };
  } catch (error) {
    return { why: signal.aborted ? "no answer in time" : reasonOf(error), mayPass: true };
  }
}

/** Null if it is too long. */
async function readText({ body }: Response): Promise<string | null> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) return null; // leaving the loop cancels the body
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Messages of the runtime hold the address. */
function reasonOf(error: unknown) {
  if (error instanceof Deno.errors.NotCapable) return "not permitted, see --allow-net";
  const [, known] = /(connection refused|dns error|certificate|connection reset|connection closed)/i
    .exec(describeError(error)) ?? [];
  return known?.toLowerCase() ?? "it cannot be reached";
}
