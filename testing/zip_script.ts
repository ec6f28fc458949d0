/**
 * Shell scripts in the place of the program `zip`.
 *
 * @module
 */

/** Bytes that {@link emptyZip} writes */
export const EMPTY_ZIP_BYTES = 22;

/** A command that writes the end of an archive, and nothing of the entries that it tells of */
export function emptyZip(entries: number): string {
  const octal = (value: number) => `\\${value.toString(8).padStart(3, "0")}`;
  const count = `${octal(entries & 0xff)}${octal(entries >> 8)}`;
  const zeros = (bytes: number) => octal(0).repeat(bytes);
  return `printf 'PK\\005\\006${zeros(4)}${count}${count}${zeros(10)}'`;
}
