// One archive of a folder, made by a library and thrown away: node library.mjs LIBRARY FOLDER [FILE]
// Prints its length, the seconds and the CPU seconds that it took, and the most memory, in bytes.
import { createReadStream, createWriteStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

const [library, folder, file] = process.argv.slice(2);

const names = (await readdir(folder)).filter((name) => name.endsWith(".jpg")).sort();
const files = await Promise.all(names.map(async (name) => {
  const path = `${folder}/${name}`;
  const { size, mtime } = await stat(path);
  return { name, path, size, mtime };
}));

/** As each library wants its input: most often the stream of a file, opened when its turn comes */
const libraries = {
  async "this, CRC-32 known"(target) {
    const crc32 = JSON.parse(await readFile(`${folder}/crc32.json`));
    await ours(target, files.map((file, i) => ({ ...file, crc32: crc32[i] })));
  },
  async this(target) {
    await ours(target, files);
  },
  async "client-zip"(target) {
    const { makeZip } = await import("client-zip");
    async function* entries() {
      for (const { name, path, size, mtime } of files) {
        yield { name, size, lastModified: mtime, input: Readable.toWeb(createReadStream(path)) };
      }
    }
    await pipeline(Readable.fromWeb(makeZip(entries())), target);
  },
  async "zip.js"(target) {
    const { configure, ZipWriter } = await import("@zip.js/zip.js");
    configure({ useWebWorkers: false });
    const { readable, writable } = new TransformStream();
    const writing = (async () => {
      const archive = new ZipWriter(writable, { level: 0 });
      for (const { name, path, mtime } of files) {
        const input = Readable.toWeb(createReadStream(path));
        await archive.add(name, input, { lastModDate: mtime });
      }
      await archive.close();
    })();
    await Promise.all([pipeline(Readable.fromWeb(readable), target), writing]);
  },
  async archiver(target) {
    const { ZipArchive } = await import("archiver");
    const archive = new ZipArchive({ store: true });
    for (const { name, path } of files) archive.file(path, { name });
    archive.finalize();
    await pipeline(archive, target);
  },
  async yazl(target) {
    const { ZipFile } = await import("yazl");
    const archive = new ZipFile();
    for (const { name, path } of files) archive.addFile(path, name, { compress: false });
    archive.end();
    await pipeline(archive.outputStream, target);
  },
};

async function ours(target, files) {
  const { planZip } = await import("@zipferry/zip");
  const entries = files.map(({ name, path, size, mtime, crc32 }) => {
    const open = ({ start, end }) =>
      Readable.toWeb(createReadStream(path, { start, end: end - 1 }));
    return { name, size, modified: mtime, version: "1", crc32, open };
  });
  const plan = await planZip(entries);
  await pipeline(Readable.fromWeb(plan.open()), target);
}

let bytes = 0;
let memory = 0;
let writes = 0;
const counted = new Writable({
  write(chunk, _, done) {
    bytes += chunk.length;
    if (writes++ % 64 === 0) memory = Math.max(memory, process.memoryUsage.rss());
    done();
  },
});
const before = process.cpuUsage();
const started = performance.now();
await libraries[library](file ? createWriteStream(file) : counted);
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ bytes, seconds, cpu: (user + system) / 1e6, memory }));
