/**
 * How much a client takes before the runtime sees that it takes anything: the figures of
 * docs/operate.md. A slow client reads 4 KiB at a time from a body that never ends; what counts is
 * how much it has read from one time that the body is asked for more to the next such time.
 *
 * ```sh
 * deno run -A tools/measure_steps.ts             # loopback: slow from the start, then after 20 MB
 * deno run -A tools/measure_steps.ts --unix      # the same on a Unix socket
 * unshare -n sh -c 'ip link set lo up mtu 1500; deno run -A tools/measure_steps.ts'
 * ```
 *
 * @module
 */

const CHUNK_BYTES = 16 << 10;
const FAST_BYTES = 20_000_000;
const READ_BYTES = 4096;
const STEPS = 12;

/** When nothing was asked for in so many milliseconds, the system's buffers are full */
const SETTLE_MS = 1000;

interface Result {
  /** Bytes that were on their way when everything was full */
  readonly held: number;
  /** Bytes that the client took from one step to the next */
  readonly steps: readonly number[];
}

/** Reads so many bytes quickly, then slowly. */
async function measure(fast: number, socket?: string): Promise<Result> {
  let given = 0;
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    given += CHUNK_BYTES;
    controller.enqueue(new Uint8Array(CHUNK_BYTES));
  };
  const body = () => new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
  const quiet = { onListen() {}, automaticCompression: false };
  const server = socket
    ? Deno.serve({ ...quiet, path: socket }, body)
    : Deno.serve({ ...quiet, hostname: "127.0.0.1", port: 0 }, body);
  using client = "port" in server.addr
    ? await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port })
    : await Deno.connect({ transport: "unix", path: server.addr.path });
  await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  let taken = 0;
  const read = async (buffer: Uint8Array) => taken += await client.read(buffer) ?? 0;
  const large = new Uint8Array(64 << 10);
  const small = new Uint8Array(READ_BYTES);
  while (taken < fast) await read(large);
  for (let seen = -1; seen !== given; await sleep(SETTLE_MS)) seen = given;
  const held = given - taken;
  const steps: number[] = [];
  while (steps.length < STEPS) {
    const [before, seen] = [taken, given];
    while (given === seen) {
      await read(small);
      await sleep(1);
    }
    steps.push(taken - before);
  }
  return { held, steps };
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function kibibytes(bytes: number) {
  return Math.round(bytes / 1024);
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir();
  for (const fast of [0, FAST_BYTES]) {
    const socket = Deno.args.includes("--unix") ? `${folder}/${fast}` : undefined;
    const { held, steps } = await measure(fast, socket);
    console.log(`after ${fast} bytes: ${kibibytes(held)} KiB held, then steps of KiB:`);
    console.log(steps.map(kibibytes).join(" "));
  }
  await Deno.remove(folder, { recursive: true });
  Deno.exit(); // the server has a client for ever
}
