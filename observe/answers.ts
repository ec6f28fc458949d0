/**
 * Answers together with the ends of their downloads: for whoever wants to know of a request when all
 * of it is over.
 *
 * @module
 */

import type { Answer, Download, DownloadEnd, Observer } from "./observer.ts";

/**
 * An observer that calls back once a request, when its answer is over: with the end of its download if
 * it is one.
 */
export function onceOver(tell: (answer: Answer, end?: DownloadEnd) => void): Observer {
  // A download that fails at once ends before its answer is told of.
  const answers = new WeakMap<Download, Answer>();
  const ends = new WeakMap<Download, DownloadEnd>();
  return {
    answered(answer) {
      const { download } = answer;
      if (!download) return tell(answer);
      const end = ends.get(download);
      if (end) tell(answer, end);
      else answers.set(download, answer);
    },
    started() {},
    progressed() {},
    ended(download, end) {
      const answer = answers.get(download);
      if (answer) tell(answer, end);
      else ends.set(download, end);
    },
  };
}
