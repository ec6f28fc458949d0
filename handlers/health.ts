/**
 * `GET /healthz`: whether the process answers. It does not touch the disk, so that a disk that hangs
 * does not look like a dead service.
 *
 * @module
 */

import { textResponse } from "../http/headers.ts";

/** The answer to a health check. */
export function health(): Response {
  return textResponse("ok\n");
}
