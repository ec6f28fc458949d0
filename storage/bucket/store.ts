/**
 * What of a bucket a source needs: the calls of the client, so that a test can hand in another one.
 *
 * @module
 */

import type { BucketClient } from "./client.ts";

/** Lists and reads objects. */
export type ObjectStore = Pick<BucketClient, "list" | "head" | "read" | "open" | "stats">;
