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
  /** True for a choice of files or a part: what else is told here is of that. @default false */
  readonly chosen?: boolean;
  /** Random mark of the client, by which it may ask how much went out. @default none */
  readonly probe?: string;
}

/** How a download ended. */
export interface DownloadEnd {
  /**
   * `complete`: every byte was handed to the connection. `stalled`: the client took nothing for so
   * long that it was given up.
   */
  readonly kind: "complete" | "cancelled" | "failed" | "stalled";
  /** Why it failed or was given up; undefined if neither. */
  readonly error?: unknown;
  /** Bytes that were handed to the connection. */
  readonly bytes: number;
  /** Seconds since the download began. */
  readonly seconds: number;
}

/** What can be asked for. */
export const ROUTES = [
  "archive",
  "manifest",
  "page",
  "status",
  "list",
  "health",
  "metrics",
  "other",
] as const;

/** An answer to a request: to each, whether a download begins with it or not. */
export interface Answer {
  /** What was asked for. */
  readonly route: (typeof ROUTES)[number];
  /** Method of the request, as it came. */
  readonly method: string;
  /** Status of the answer. */
  readonly status: number;
  /** The archive that was asked for, there or not; undefined if it was none. A secret, as above. */
  readonly hash?: string;
  /** When the request came, in milliseconds since 1970. */
  readonly came?: number;
  /** Address of the client; undefined if there is none, as on a Unix socket. */
  readonly client?: string;
  /** What the client calls itself. Anybody may send anything. */
  readonly userAgent?: string;
  /** The part that is sent of an archive, as in `0-99/1000`; undefined if it is not a part. */
  readonly range?: string;
  /** Bytes of the answer, if it has a length; of a download, whether all are sent or not. */
  readonly length?: number;
  /** The download that begins with this answer; undefined if it is none. */
  readonly download?: Download;
  /** Why it was refused before anything was done for it; undefined unless it was. */
  readonly refused?: Refusal;
}

/** Why a request was refused before anything was done for it. */
export type Refusal = (typeof REFUSALS)[number];

/** All reasons there are: what counts by them has a bound. */
export const REFUSALS = [
  /** As many downloads are under way as there may be. */
  "downloads",
  /** One client has as many downloads under way as it may have. */
  "client-downloads",
  /** Too many requests that are no downloads, or not yet, are under way. */
  "requests",
  /** The same, of one client. */
  "client-requests",
  /** One connection has as many requests under way as it may have. */
  "connection",
  /** File descriptors are short. */
  "descriptors",
  /** There is no memory for it. */
  "memory",
] as const;

/** What is told of downloads. No method may throw or wait: it is called between two chunks. */
export interface Observer {
  /** A request was answered: for an archive this comes after `started`. Never told of its path. */
  answered?(answer: Answer): void;
  /** The status is chosen, and no byte is sent yet. */
  started(download: Download): void;
  /** The first byte was handed to the connection, this many seconds after the request came. */
  firstByte?(download: Download, seconds: number): void;
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
    firstByte: (download, seconds) =>
      listeners.forEach((listener) => listener.firstByte?.(download, seconds)),
    progressed: (download, bytes) =>
      listeners.forEach((listener) => listener.progressed(download, bytes)),
    ended: (download, end) => listeners.forEach((listener) => listener.ended(download, end)),
  };
}
