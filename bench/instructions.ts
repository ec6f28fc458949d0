/**
 * Instructions of program code, counted by the processor. They differ far less from run to run than
 * CPU time does, but a virtual machine often has no such counter.
 *
 * @module
 */

import type { Server } from "./process.ts";

/**
 * Instructions in user mode that a server takes for a download, for 10⁹ bytes of it.
 *
 * @returns `null` if there is no `perf`, or nothing that it could count
 * @throws {Error} if the download fails
 */
export async function userInstructions(server: Server, url: string): Promise<number | null> {
  const counted = ["stat", "-x", ",", "-e", "instructions:u", "-p", String(server.pid)];
  const download = ["curl", "-sSf", "-o", "/dev/null", "-w", "%{size_download}", url];
  const perf = new Deno.Command("perf", { args: [...counted, "--", ...download] });
  const output = await perf.output().catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  const [said, size] = [output?.stderr, output?.stdout].map((text) => decode(text));
  if (!size) return null; // no perf, or one that may not look at the process
  if (!output?.success) throw new Error(`count instructions: ${said.trim()}`);
  const instructions = parsePerf(said);
  return instructions === null ? null : instructions / (Number(size) / 1e9);
}

/** The count in a line of `perf stat -x ,`; `null` for `<not supported>` and `<not counted>`. */
export function parsePerf(text: string): number | null {
  const line = text.split("\n").find((line) => line.includes("instructions"));
  const [count] = line?.split(",") ?? [];
  return count && /^\d+$/.test(count) ? Number(count) : null;
}

function decode(text?: Uint8Array) {
  return new TextDecoder().decode(text);
}
