import assert from "node:assert/strict";
import { formatBytes, formatDate, formatFileCount } from "./format.ts";

Deno.test("formatFileCount() uses the right form of the noun", () => {
  const russian = [
    [0, "0 файлов"],
    [1, "1 файл"],
    [2, "2 файла"],
    [5, "5 файлов"],
    [11, "11 файлов"],
    [12, "12 файлов"],
    [21, "21 файл"],
    [22, "22 файла"],
    [111, "111 файлов"],
    [10_000, "10 000 файлов"],
  ] as const;
  for (const [count, text] of russian) {
    assert.equal(plainSpaces(formatFileCount(count, "ru")), text);
  }
  const english = [
    [0, "0 files"],
    [1, "1 file"],
    [2, "2 files"],
    [5, "5 files"],
    [11, "11 files"],
    [21, "21 files"],
    [10_000, "10,000 files"],
  ] as const;
  for (const [count, text] of english) {
    assert.equal(plainSpaces(formatFileCount(count, "en")), text);
  }
});

Deno.test("formatBytes() uses the decimal unit that suits the rounded size", () => {
  const sizes = [
    [0, "0 B", "0 Б"],
    [1, "1 B", "1 Б"],
    [999, "999 B", "999 Б"],
    [1000, "1 kB", "1 кБ"],
    [1234, "1.23 kB", "1,23 кБ"],
    [999_499, "999 kB", "999 кБ"],
    [999_500, "1 MB", "1 МБ"],
    [1_500_000, "1.5 MB", "1,5 МБ"],
    [12_345_678, "12.3 MB", "12,3 МБ"],
    [4_294_967_296, "4.29 GB", "4,29 ГБ"],
    [2e12, "2 TB", "2 ТБ"],
    [2e16, "20,000 TB", "20 000 ТБ"],
  ] as const;
  for (const [bytes, english, russian] of sizes) {
    assert.equal(plainSpaces(formatBytes(bytes, "en")), english);
    assert.equal(plainSpaces(formatBytes(bytes, "ru")), russian);
  }
});

Deno.test("formatBytes() and formatFileCount() leave no place for a line break", () => {
  for (const language of ["en", "ru"] as const) {
    assert.ok(!formatBytes(1_500_000, language).includes(" "));
    assert.ok(!formatFileCount(10_000, language).includes(" "));
  }
});

Deno.test("formatDate() gives the day in UTC, wherever the server is", () => {
  const lastSecond = new Date("2025-11-21T23:59:59.999Z");
  assert.equal(formatDate(lastSecond, "en"), "November 21, 2025");
  assert.equal(plainSpaces(formatDate(lastSecond, "ru")), "21 ноября 2025 г.");
  const firstSecond = new Date("2025-01-01T00:00:00Z");
  assert.equal(formatDate(firstSecond, "en"), "January 1, 2025");
  assert.equal(plainSpaces(formatDate(firstSecond, "ru")), "1 января 2025 г.");
});

/** The text with every kind of no-break space as an ordinary one. */
function plainSpaces(text: string): string {
  return text.replaceAll(/[\u00a0\u202f]/g, " ");
}
