/**
 * The thread that turns many objects into a listing.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { codeOf } from "../errors.ts";
import { type GatherAnswer, gatherHere, type GatherRequest, unpackObjects } from "./gathering.ts";

async function answer({ objects, ...options }: GatherRequest): Promise<GatherAnswer> {
  try {
    return { listing: await gatherHere(unpackObjects(objects), options) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { code: codeOf(error), message };
  }
}

self.onmessage = async ({ data }: MessageEvent<GatherRequest>) => {
  const reply = await answer(data);
  const listing = "listing" in reply ? reply.listing : null;
  self.postMessage(reply, listing ? [listing.numbers.buffer] : []);
};
