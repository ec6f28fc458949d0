/**
 * Who is told what a download does. Handlers tell one observer, which the process hands in; what
 * wants to know of downloads is a listener behind it.
 *
 * @module
 */

/** A download that has begun. The same object stands for it in every call. */
export interface Download {
  /** The archive. It is the secret of the link: whoever writes it down shortens it. */
  readonly hash: string;
  /** Entity tag of the archive; null if its bytes differ each time. */
  readonly etag: string | null;
  /** Bytes of the whole archive; null if only the end will tell. */
  readonly size: number | null;
  /** First byte that is sent. */
  readonly start: number;
  /** Bytes that are to be sent; null if only the end will tell. */
  readonly length: number | null;
}

/** How a download ended. */
export interface DownloadEnd {
  /** `complete`: every byte was handed to the connection. */
  readonly kind: "complete" | "cancelled" | "failed";
  /** Why it failed; undefined unless it did. */
  readonly error?: unknown;
  /** Bytes that were handed to the connection. */
  readonly bytes: number;
  /** Seconds since the download began. */
  readonly seconds: number;
}

/** An answer to a request: to each, whether a download begins with it or not. */
export interface Answer {
  /** What was asked for. */
  readonly route: "archive" | "manifest" | "status" | "list" | "health" | "other";
  /** Method of the request, as it came. */
  readonly method: string;
  /** Status of the answer. */
  readonly status: number;
  /** The archive that was asked for, there or not; undefined if it was none. A secret, as above. */
  readonly hash?: string;
}

/** What is told of downloads. No method may throw or wait: it is called between two chunks. */
export interface Observer {
  /** A request was answered: for an archive this comes after `started`. Never told of its path. */
  answered?(answer: Answer): void;
  /** The status is chosen, and no byte is sent yet. */
  started(download: Download): void;
  /** This many bytes were handed to the connection so far. Called at most once a second. */
  progressed(download: Download, bytes: number): void;
  /** Called once, whatever becomes of the download. */
  ended(download: Download, end: DownloadEnd): void;
}

/** An observer that passes on what it is told, to each listener in turn. */
export function tellAll(listeners: readonly Observer[]): Observer {
  return {
    answered: (answer) => listeners.forEach((listener) => listener.answered?.(answer)),
    started: (download) => listeners.forEach((listener) => listener.started(download)),
    progressed: (download, bytes) =>
      listeners.forEach((listener) => listener.progressed(download, bytes)),
    ended: (download, end) => listeners.forEach((listener) => listener.ended(download, end)),
  };
}
