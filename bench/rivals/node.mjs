// Four libraries for Node behind one server: node node.mjs PORT FOLDER archiver|yazl|client-zip|zip.js
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, join, relative } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const [port, root, library] = process.argv.slice(2);

const libraries = {
  async archiver(files, response) {
    const { ZipArchive, default: archiver } = await import("archiver");
    const archive = ZipArchive ? new ZipArchive({ store: true }) : archiver("zip", { store: true });
    for (const { path, name } of files) archive.file(path, { name });
    archive.finalize();
    await pipeline(archive, response);
  },
  async yazl(files, response) {
    const { default: yazl } = await import("yazl");
    const archive = new yazl.ZipFile();
    for (const { path, name } of files) archive.addFile(path, name, { compress: false });
    archive.end();
    await pipeline(archive.outputStream, response);
  },
  async "client-zip"(files, response) {
    const { makeZip } = await import("client-zip");
    async function* entries() {
      for (const { path, name } of files) {
        const { mtime, size } = await stat(path);
        const input = Readable.toWeb(createReadStream(path, { highWaterMark: 1 << 18 }));
        yield { name, input, lastModified: mtime, size };
      }
    }
    await pipeline(Readable.fromWeb(makeZip(entries())), response);
  },
  async "zip.js"(files, response) {
    const { ZipWriter, configure } = await import("@zip.js/zip.js");
    configure({ useWebWorkers: false });
    const { readable, writable } = new TransformStream();
    const writing = (async () => {
      const archive = new ZipWriter(writable, { level: 0 });
      for (const { path, name } of files) {
        const stream = createReadStream(path, { highWaterMark: 1 << 18 });
        await archive.add(name, Readable.toWeb(stream));
      }
      await archive.close();
    })();
    await Promise.all([pipeline(Readable.fromWeb(readable), response), writing]);
  },
};

createServer(async (request, response) => {
  try {
    const folder = join(root, basename(request.url));
    const found = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = found.filter((entry) => entry.isFile()).map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path, name: relative(folder, path) };
    });
    await libraries[library](files, response);
  } catch (error) {
    console.error(error);
    response.destroy();
  }
}).listen(Number(port), "127.0.0.1");
