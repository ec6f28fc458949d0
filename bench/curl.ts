/**
 * The client of the benchmarks.
 *
 * @module
 */

/** One download. */
export interface Download {
  /** Bytes of the body. */
  readonly bytes: number;
  /** From the request to the last byte, in seconds. */
  readonly seconds: number;
  /** From the request to the first byte, in seconds. */
  readonly firstByte: number;
}

/**
 * Downloads a URL and throws the bytes away.
 *
 * @param range bytes to ask for, as in `500-999`; all if it is not given
 * @throws {Error} if the download fails
 */
export async function curl(url: string, range?: string): Promise<Download> {
  const format = "%{size_download} %{time_total} %{time_starttransfer}";
  const args = ["-sS", "-f", "-o", "/dev/null", "-w", format, ...(range ? ["-r", range] : []), url];
  const { success, stdout, stderr } = await new Deno.Command("curl", { args }).output();
  if (!success) throw new Error(`download: ${new TextDecoder().decode(stderr)}`);
  const [bytes, seconds, firstByte] = new TextDecoder().decode(stdout).split(" ").map(Number);
  return { bytes, seconds, firstByte };
}
