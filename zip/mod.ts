/**
 * Sends many files as one ZIP that is made while it is sent, with its exact length, a strong entity
 * tag and byte ranges: a download shows how far it is, resumes after a cut, and never looks complete
 * when it is not.
 *
 * {@link planZip} says how long the archive of some entries is, without opening any. {@link
 * zipResponse} answers a request for it. Nothing is compressed, and nothing is stored.
 *
 * Only web standards are used, so it runs in Deno, Node, Bun and browsers.
 *
 * @module
 */

export { crc32 } from "./crc32.ts";
export type { ChecksumCache } from "./entry_source.ts";
export type { TaggedState } from "./http/entity_tag.ts";
export type { ByteRange } from "./http/range.ts";
export type { DatedState } from "./http/validators.ts";
export type { ZipEntry } from "./zip_entry.ts";
export { planZip, type PlanZipOptions, type ZipPlan } from "./zip_plan.ts";
export { zipResponse, type ZipResponseOptions } from "./zip_response.ts";
