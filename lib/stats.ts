/**
 * What a source and its CRC-32 values tell of themselves: they are kept where the work is done, and
 * asked for by whoever counts.
 *
 * @module
 */

/** What is remembered, and what was scanned so far. */
export interface ChecksumStats {
  /** Values that are remembered. */
  readonly entries: number;
  /** Memory that they take, in bytes. */
  readonly bytes: number;
  /** Memory that they may take, in bytes. */
  readonly maxBytes: number;
  /** How often a value was remembered when it was asked for. */
  readonly hits: number;
  /** How often a value had to be worked out from its file. */
  readonly misses: number;
  /** Scans of whole files, by how they ended, and those under way. */
  readonly scans: {
    /** They went through the whole file. */
    readonly done: number;
    /** They met an error. */
    readonly failed: number;
    /** Nobody waited for them any more. */
    readonly abandoned: number;
    /** They go on. */
    readonly running: number;
  };
  /** Bytes that were scanned. */
  readonly scannedBytes: number;
}

/** How busy the threads are. */
export interface PoolStats {
  /** Tasks that wait for a thread. */
  readonly queued: number;
  /** Threads that do a task, and are not held up. */
  readonly busy: number;
  /** Threads that have nothing to do. */
  readonly idle: number;
  /** Threads whose task takes so long that its disk probably hangs. */
  readonly heldUp: number;
}

/** How busy the slots are. */
export interface SlotsStats {
  /** Reads under way. */
  readonly running: number;
  /** Reads that wait for a slot. */
  readonly waiting: number;
}

/** What was asked of an object store. */
export interface BucketStats {
  /** Requests by kind, those that were tried again among them. */
  readonly requests: Readonly<Record<"list" | "head" | "get", number>>;
  /** How often a request was tried again, or taken up at the byte where it broke. */
  readonly retries: number;
  /** Bytes of objects that came. */
  readonly bytes: number;
  /** Requests under way. */
  readonly active: number;
}

/** What a source has done, and is at. */
export interface SourceStats {
  /** The threads that read; a bucket has none. */
  readonly threads: PoolStats;
  /** Reads that need no thread: of large files of local disks, of objects of a bucket. */
  readonly reads: SlotsStats;
  /** Listings of archives. */
  readonly listings: {
    /** They ended, whether there is such an archive or not. */
    readonly done: number;
    /** They met an error. */
    readonly failed: number;
    /** Nobody waited for them any more. */
    readonly abandoned: number;
    /** Callers that wait for one. */
    readonly waiting: number;
  };
  /** What was asked of the object store, where the source is one. @default none */
  readonly bucket?: BucketStats;
}
