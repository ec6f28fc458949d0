// What the library makes, in whichever runtime: the same in each of them, or something is wrong there.
// `testing/library_test.ts` runs this in Deno, Node, Bun and Chromium.

const MODIFIED = new Date("2024-05-06T07:08:09Z");

/** Ranges at the seams: of headers, contents, buffers, the directory and the end */
export const RANGES = [
  null,
  "bytes=0-0",
  "bytes=-22",
  "bytes=-400",
  "bytes=29-31",
  "bytes=70000-70200",
  "bytes=69000-6000000",
  "bytes=5000000-",
  "bytes=99999999-",
];

/** Bytes without a pattern, the same everywhere */
function noise(length, seed) {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Entries of every kind: with and without a CRC-32, smaller and larger than a buffer */
export function entries({ crc32 }) {
  const entry = (name, length, known) => {
    const content = noise(length, length + 1);
    return {
      name,
      size: length,
      modified: MODIFIED,
      version: "1",
      ...known && { crc32: crc32(content) },
      open: ({ start, end }) => new Blob([content.subarray(start, end)]).stream(),
    };
  };
  return [
    entry("a.jpg", 70_000, false),
    entry("b.jpg", 70_001, true),
    entry("Байкал/утро.jpg", 4_500_000, false),
    entry("Байкал/вечер.jpg", 1_500_003, true),
    entry("empty", 0, false),
    { name: "folder/", size: 0, modified: MODIFIED },
    entry("z 👨‍👩‍👧.jpg", 1, false),
  ];
}

/** SHA-256 in hexadecimal digits */
export async function sha256(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Status, length and digest of the answer for each range, and what becomes of errors */
export async function probe(zip) {
  const { planZip, zipResponse } = zip;
  const plan = await planZip(entries(zip));
  const answers = [];
  for (const range of RANGES) {
    const headers = range ? { range, "if-range": plan.etag } : {};
    const response = zipResponse(new Request("http://localhost/photos.zip", { headers }), plan);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const contentRange = response.headers.get("content-range");
    answers.push([range, response.status, contentRange, bytes.length, await sha256(bytes)]);
  }
  const conditional = new Request("http://localhost/", { headers: { "if-none-match": plan.etag } });
  const { status } = zipResponse(conditional, plan);
  return {
    size: plan.size,
    etag: plan.etag,
    answers,
    unmodified: status,
    short: await short(zip),
    cancelled: await cancelled(zip),
  };
}

/** The error of a body whose entry ends too early */
async function short({ planZip, zipResponse }) {
  const open = () => new Blob([new Uint8Array(99)]).stream();
  const plan = await planZip([{ name: "a", size: 100, modified: MODIFIED, open }]);
  const reader = zipResponse(new Request("http://localhost/"), plan).body.getReader();
  try {
    while (!(await reader.read()).done);
    return "it ended as if it were complete";
  } catch ({ message }) {
    return message;
  }
}

/** Whether an entry's stream is told when nobody wants the body any more */
async function cancelled({ planZip }) {
  let told = false;
  const open = () =>
    new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(1000)),
      cancel: () => void (told = true),
    });
  const plan = await planZip([{ name: "a", size: 1e12, crc32: 0, modified: MODIFIED, open }]);
  const reader = plan.open().getReader();
  await reader.read();
  await reader.cancel();
  return told;
}
