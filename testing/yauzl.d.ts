/** What is used of yauzl 3: its own types would bring all of Node's, beside Deno's. */

/** One entry of the central directory. */
export interface Entry {
  readonly fileName: string;
  readonly crc32: number;
}

/** An open archive. */
export interface ZipFile {
  eachEntry(): AsyncIterable<Entry>;
  openReadStreamPromise(entry: Entry): Promise<AsyncIterable<Uint8Array>>;
}

/** Opens an archive by its file descriptor, which stays the caller's. */
export function fromFdPromise(fd: number, options: { lazyEntries: true }): Promise<ZipFile>;

/** Opens an archive that is in memory. */
export function fromBufferPromise(
  buffer: Uint8Array,
  options: { lazyEntries: true },
): Promise<ZipFile>;

/** Opens an archive by its path; it is closed when all entries were seen. */
export function openPromise(path: string, options: { lazyEntries: true }): Promise<ZipFile>;
