/**
 * Keys of objects that are hard to carry.
 *
 * @module
 */

/** Keys that meet what URLs, forms and paths do to text */
export const ODD_KEYS: readonly string[] = [
  "a b",
  "a+b",
  "a%b",
  "a%20b%2Fc",
  "%2E%2E/a",
  "a//b",
  "/a",
  "a/",
  "../a",
  "a/../b",
  "a/./b",
  "a/..",
  "a/../../b",
  "./.",
  "...",
  "a/...b",
  "!'()*~-._",
  "?a=b&c#d",
  "a\\b:c@d;e,f$g",
  'a"b<c>d&e`f{g}|^[h]',
  "Ёлка 🎄",
  "e\u0301",
  "\u00e9",
  "a\u0000b\tc\nd\re\u001f\u007f\u0085\u2028f",
  "\ufeffa\uffff",
  `${"ы".repeat(511)}ab`,
];
