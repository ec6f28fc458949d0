/**
 * The records of a ZIP file, one pure function each, as PKWARE's APPNOTE.TXT 6.3.10 defines them.
 *
 * Every function writes its record at the start of `target` and returns the record's length in
 * bytes. There is no other way to learn a length: code that needs one calls the same function on a
 * scratch buffer of {@link MAX_RECORD_LENGTH} bytes. All numbers are little-endian (4.4.1.1).
 *
 * Entries have the one form that every reader accepts: stored, with the CRC-32 and the sizes in the
 * local header, and no data descriptor. Java's `ZipInputStream` throws at a stored entry that has a
 * descriptor (`readLOC`), and the Archive Utility of macOS has refused archives with descriptors.
 *
 * @see {@link https://github.com/openjdk/jdk/blob/01e26a4fab6476a566e05dea0b093446cfe35a28/src/java.base/share/classes/java/util/zip/ZipInputStream.java}
 * @see {@link https://github.com/gildas-lormeau/zip.js/issues/274}
 *
 * @module
 */

/** To be raised when the bytes of an archive change with the same entries in it. */
export const LAYOUT_VERSION = 1;

/** In a 32-bit field: the value does not fit and is in the ZIP64 extra field (4.4.8). */
const MAX_32 = 0xFFFF_FFFF;
/** In a 16-bit field: the count does not fit and is in the ZIP64 record (4.4.22). */
const MAX_16 = 0xFFFF;

/** Version 6.3 of the specification (4.4.2.1), on Unix (4.4.2.2), so that readers use the modes. */
const MADE_BY = 3 << 8 | 63;
/** Bit 11: the name is UTF-8 (4.4.4, Appendix D). */
const UTF8 = 1 << 11;
const STORED = 0; // 4.4.5

const LOCAL_FILE_HEADER_LENGTH = 30; // without name and extra fields
const CENTRAL_DIRECTORY_HEADER_LENGTH = 46; // likewise
const ZIP64_RECORD_LENGTH = 56;

/** No record is longer than this: a fixed part, the longest possible name and our extra fields. */
export const MAX_RECORD_LENGTH: number = 46 + MAX_16 + 64;

const encoder = new TextEncoder();

/** What the records say about one file or empty folder. */
export interface Entry {
  /** Path with `/` between its parts, and at its end for a folder. At most 65,535 UTF-8 bytes. */
  readonly name: string;
  /** Bytes of content; 0 for a folder. */
  readonly size: number;
  /** Modification time, whole seconds since 1970 in UTC. */
  readonly mtime: number;
  /** Unix permission bits, as in `0o644`. */
  readonly mode: number;
}

/** What the local file header says beyond the entry. */
export interface LocalFields {
  /** CRC-32 of the content. */
  readonly crc32: number;
}

/** What the central directory says beyond the entry. */
export interface CentralFields extends LocalFields {
  /** Where the entry's local file header starts, in bytes from the start of the archive. */
  readonly offset: number;
}

/** What the end of an archive says about its central directory. */
export interface EndFields {
  /** How many entries there are. */
  readonly entries: number;
  /** Where the central directory starts, in bytes from the start of the archive. */
  readonly offset: number;
  /** How long the central directory is, in bytes. */
  readonly size: number;
}

/**
 * Local file header (APPNOTE 4.3.7).
 *
 * @throws {RangeError} if the name has more than 65,535 bytes
 */
export function writeLocalFileHeader(
  target: Uint8Array,
  entry: Entry,
  fields: LocalFields,
): number {
  const nameLength = writeName(target, LOCAL_FILE_HEADER_LENGTH, entry.name);
  const extraStart = LOCAL_FILE_HEADER_LENGTH + nameLength;
  const big = entry.size >= MAX_32;
  let end = extraStart;
  if (big) end = writeZip64Extra(target, end, [entry.size, entry.size]);
  end = writeTimestampExtra(target, end, entry.mtime);

  const at = u32(target, 0, 0x04034b50); // local file header signature
  const lengths = { name: nameLength, extra: end - extraStart };
  writeCommonFields(target, at, { entry, lengths, crc32: fields.crc32, zip64: big });
  return end;
}

/**
 * Central directory header (APPNOTE 4.3.12).
 *
 * @throws {RangeError} if the name has more than 65,535 bytes
 */
export function writeCentralDirectoryHeader(
  target: Uint8Array,
  entry: Entry,
  fields: CentralFields,
): number {
  const nameLength = writeName(target, CENTRAL_DIRECTORY_HEADER_LENGTH, entry.name);
  const extraStart = CENTRAL_DIRECTORY_HEADER_LENGTH + nameLength;
  const bigValues = entry.size >= MAX_32 ? [entry.size, entry.size] : [];
  if (fields.offset >= MAX_32) bigValues.push(fields.offset);
  let end = writeZip64Extra(target, extraStart, bigValues);
  end = writeTimestampExtra(target, end, entry.mtime);

  const zip64 = bigValues.length > 0;
  const lengths = { name: nameLength, extra: end - extraStart };
  let at = u32(target, 0, 0x02014b50); // central file header signature
  at = u16(target, at, MADE_BY); // version made by
  at = writeCommonFields(target, at, { entry, lengths, crc32: fields.crc32, zip64 });
  at = u16(target, at, 0); // file comment length
  at = u16(target, at, 0); // disk number start
  at = u16(target, at, 0); // internal file attributes
  at = u32(target, at, externalAttributes(entry)); // external file attributes
  u32(target, at, Math.min(fields.offset, MAX_32)); // relative offset of local header
  return end;
}

/** What both headers of an entry have in common. */
interface CommonFields extends LocalFields {
  readonly entry: Entry;
  /** In bytes. */
  readonly lengths: { readonly name: number; readonly extra: number };
  /** Whether the header has a ZIP64 extra. */
  readonly zip64: boolean;
}

/** Writes the run of fields that is the same in both headers (4.3.7, 4.3.12). */
function writeCommonFields(target: Uint8Array, start: number, fields: CommonFields) {
  const { entry, lengths } = fields;
  const { date, time } = dosDateTime(entry.mtime);
  const size = Math.min(entry.size, MAX_32);
  let at = u16(target, start, versionNeeded(entry, fields.zip64)); // version needed to extract
  at = u16(target, at, UTF8); // general purpose bit flag
  at = u16(target, at, STORED); // compression method
  at = u16(target, at, time); // last mod file time
  at = u16(target, at, date); // last mod file date
  at = u32(target, at, fields.crc32); // crc-32
  at = u32(target, at, size); // compressed size
  at = u32(target, at, size); // uncompressed size
  at = u16(target, at, lengths.name); // file name length
  return u16(target, at, lengths.extra); // extra field length
}

/**
 * Everything after the central directory: the end of central directory record (APPNOTE 4.3.16),
 * preceded by the ZIP64 record and its locator (4.3.14, 4.3.15) where a value needs them.
 */
export function writeEndOfCentralDirectory(target: Uint8Array, fields: EndFields): number {
  const { entries, offset, size } = fields;
  const big = entries >= MAX_16 || offset >= MAX_32 || size >= MAX_32;
  let at = big ? writeZip64EndOfCentralDirectory(target, fields) : 0;
  at = u32(target, at, 0x06054b50); // end of central dir signature
  at = u16(target, at, 0); // number of this disk
  at = u16(target, at, 0); // number of the disk with the start of the central directory
  at = u16(target, at, Math.min(entries, MAX_16)); // entries in the central directory on this disk
  at = u16(target, at, Math.min(entries, MAX_16)); // entries in the central directory
  at = u32(target, at, Math.min(size, MAX_32)); // size of the central directory
  at = u32(target, at, Math.min(offset, MAX_32)); // offset of start of central directory
  return u16(target, at, 0); // .ZIP file comment length
}

function writeZip64EndOfCentralDirectory(target: Uint8Array, fields: EndFields) {
  let at = u32(target, 0, 0x06064b50); // zip64 end of central dir signature
  at = u64(target, at, ZIP64_RECORD_LENGTH - 12); // size of the rest of this record
  at = u16(target, at, MADE_BY); // version made by
  at = u16(target, at, 45); // version needed to extract
  at = u32(target, at, 0); // number of this disk
  at = u32(target, at, 0); // number of the disk with the start of the central directory
  at = u64(target, at, fields.entries); // entries in the central directory on this disk
  at = u64(target, at, fields.entries); // entries in the central directory
  at = u64(target, at, fields.size); // size of the central directory
  at = u64(target, at, fields.offset); // offset of start of central directory

  at = u32(target, at, 0x07064b50); // zip64 end of central dir locator signature
  at = u32(target, at, 0); // number of the disk with the zip64 end of central directory
  at = u64(target, at, fields.offset + fields.size); // offset of the zip64 end of central directory
  return u32(target, at, 1); // total number of disks
}

/**
 * ZIP64 extended information (4.5.3). The first of the extra fields, as the built-in tools of
 * Windows 7 require.
 *
 * @see {@link https://github.com/julik/zip_kit/blob/v6.3.4/IMPLEMENTATION_DETAILS.md#L47}
 */
function writeZip64Extra(target: Uint8Array, start: number, values: readonly number[]) {
  if (values.length === 0) return start;
  let at = u16(target, start, 0x0001); // tag
  at = u16(target, at, 8 * values.length); // size
  for (const value of values) at = u64(target, at, value);
  return at;
}

/**
 * Extended timestamp in UTC (Info-ZIP's `proginfo/extrafld.txt`). Its value is a signed 32-bit
 * number, but 7-Zip, bsdtar and Go read it as unsigned and show 2091 for 1955. So a time outside of
 * 1970-01-01 to 2038-01-19 has none, and only the DOS date remains.
 *
 * @see {@link https://github.com/golang/go/blob/go1.25.0/src/archive/zip/reader.go}
 */
function writeTimestampExtra(target: Uint8Array, start: number, mtime: number) {
  if (mtime !== (mtime | 0) || mtime < 0) return start;
  let at = u16(target, start, 0x5455); // tag
  at = u16(target, at, 5); // size
  target[at++] = 1; // flags: modification time is here
  return u32(target, at, mtime);
}

/** Version 1.0, 2.0 for a folder, 4.5 where a ZIP64 extra is needed (4.4.3.2). */
function versionNeeded(entry: Entry, zip64: boolean) {
  if (zip64) return 45;
  return isFolder(entry) ? 20 : 10;
}

/** Unix mode in the high half, MS-DOS attributes in the low one (4.4.15). */
function externalAttributes(entry: Entry) {
  const folder = isFolder(entry);
  const type = folder ? 0o040000 : 0o100000;
  return ((type | entry.mode & 0o777) << 16 | (folder ? 0x10 : 0)) >>> 0;
}

/** True if the entry is a folder: its name ends in `/`. */
export function isFolder(entry: Entry): boolean {
  return entry.name.endsWith("/");
}

/** MS-DOS date and time (4.4.6), in UTC, clamped to the years that they can express. */
function dosDateTime(mtime: number) {
  const seconds = Math.min(Math.max(mtime, 315_532_800), 4_354_819_198); // 1980-01-01, 2107-12-31
  const day = Math.floor(seconds / 86_400);
  const second = seconds - day * 86_400;
  return {
    date: dosDate(day),
    time: (second / 3600 | 0) << 11 | (second / 60 | 0) % 60 << 5 | second % 60 >> 1,
  };
}

/**
 * The date of a day, counted from 1970-01-01. Years begin in March here, so that the leap day comes
 * last. A `Date` would do, but took as long as everything else in both headers together.
 */
function dosDate(day: number) {
  const sinceMarch1900 = day + 25_508;
  const leapless = sinceMarch1900 > 73_048 ? sinceMarch1900 + 1 : sinceMarch1900; // 2100 has no leap day
  const year = (leapless * 4 + 3) / 1461 | 0;
  const dayOfYear = leapless - (year * 1461 >> 2);
  const month = (dayOfYear * 5 + 2) / 153 | 0; // from March: 0 to 11
  const dayOfMonth = dayOfYear - ((month * 153 + 2) / 5 | 0) + 1;
  const january = month >= 10 ? 1 : 0;
  return year - 80 + january << 9 | month + 3 - 12 * january << 5 | dayOfMonth;
}

function writeName(target: Uint8Array, at: number, name: string) {
  if (name.length <= MAX_16 && writeAscii(target, at, name)) return name.length;
  const { read, written } = encoder.encodeInto(name, target.subarray(at, at + MAX_16));
  if (read < name.length) {
    throw new RangeError(`write entry name: more than ${MAX_16} bytes: ${name.slice(0, 40)}…`);
  }
  return written;
}

/** Writes the text if it is ASCII, several times as fast as the encoder; false if it is not. */
function writeAscii(target: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return false;
    target[at + i] = code;
  }
  return true;
}

function u16(target: Uint8Array, at: number, value: number) {
  target[at] = value;
  target[at + 1] = value >>> 8;
  return at + 2;
}

function u32(target: Uint8Array, at: number, value: number) {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
  return at + 4;
}

function u64(target: Uint8Array, at: number, value: number) {
  u32(target, at, value % 0x1_0000_0000);
  return u32(target, at + 4, Math.floor(value / 0x1_0000_0000));
}
