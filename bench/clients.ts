/**
 * The clients of the benchmarks: fast ones, many fast ones, and those that stop reading.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";

/** What a stalled client reads before it stops, in bytes. */
const STALLED_BYTES = 16 << 10;

/** Until the system's buffers are full and the server has come to rest, in milliseconds. */
const REST_MS = 5000;

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
  const flags = ["-o", "/dev/null", "-w", format, ...(range ? ["-r", range] : [])];
  const [bytes, seconds, firstByte] = (await runCurl(...flags, url)).split(" ").map(Number);
  return { bytes, seconds, firstByte };
}

/**
 * Downloads a URL many times at once, in one process: that takes far less of the machine than a
 * process for each, so that it is the server that is measured.
 *
 * @throws {Error} if a download fails
 */
export async function curlMany(url: string, clients: number) {
  const together = ["--parallel", "--parallel-immediate", "--parallel-max", String(clients)];
  await runCurl(...together, "--fail-early", "-o", "/dev/null", `${url}?[1-${clients}]`);
}

/** Sends a request, and reads the first bytes of the answer. */
export async function ask(port: number, path: string): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ port });
  await connection.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`));
  await connection.read(new Uint8Array(STALLED_BYTES));
  return connection;
}

/** An answer whose body was not read yet but for its first bytes. */
export interface Answer {
  /** The HTTP status. */
  readonly status: number;
  /** Reads on. Whether as many bytes came as `Content-Length` said, and the connection ended well. */
  readToEnd(): Promise<boolean>;
}

/** Sends a request that closes the connection, and reads the head of the answer. */
export async function startDownload(port: number, path: string): Promise<Answer> {
  const connection = await Deno.connect({ port });
  const request = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  const buffer = new Uint8Array(STALLED_BYTES);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const got = await connection.read(buffer);
    if (got === null) throw new Error("the connection ended before the body");
    head += String.fromCharCode(...buffer.subarray(0, got));
  }
  const bodyStart = head.indexOf("\r\n\r\n") + 4;
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
  const readToEnd = async () => {
    using _connection = connection;
    let bytes = head.length - bodyStart;
    for (let got; (got = await connection.read(buffer)) !== null;) bytes += got;
    return bytes === length;
  };
  return { status: Number(head.slice(9, 12)), readToEnd };
}

/** Does something while clients have begun a download and read no further. */
export async function whileStalled<T>(
  { port, path, clients }: { readonly port: number; readonly path: string; clients: number },
  act: () => T,
): Promise<T> {
  using connections = new DisposableStack();
  await Promise.all(Array.from({ length: clients }, async () => {
    connections.use(await ask(port, path));
  }));
  await sleep(REST_MS);
  return act();
}

async function runCurl(...args: string[]) {
  const command = new Deno.Command("curl", { args: ["-sS", "-f", ...args] });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(`download: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
