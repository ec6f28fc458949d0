/**
 * Asks for an archive in the ways in which visitors do, and collects what was found.
 *
 * @module
 */

import { type Handshake, shakeHands } from "./certificate.ts";
import type { Finding, RuleId } from "./findings.ts";
import {
  describeStatus,
  faultOfRange,
  finding,
  inBytes,
  isUnresumable,
  judgeAnswer,
  judgeCache,
  judgeClosed,
  judgeHandshake,
  judgeHead,
  judgePace,
  judgeSource,
  judgeVersion,
  MAX_AHEAD_BYTES,
  type RangeReply,
  strongTag,
} from "./judge.ts";
import { type Answer, ask, type Head, type Question, WireError } from "./wire.ts";

/** The beginning of the archive that ranges are compared with, in bytes. */
const SAMPLE_BYTES = 1 << 20;

/** How much is read before the reading stops, in bytes. */
const PACE_BYTES = 256 << 10;

/** A page is looked at to this length, in bytes. */
const PAGE_BYTES = 256 << 10;

/** An archive has to be larger than all buffers for a judgement on its pace, in bytes. */
const MIN_PACE_BYTES = MAX_AHEAD_BYTES + (16 << 20);

const MAX_REDIRECTS = 5;

/** The service is asked this often for what it has sent: its answer comes after a download's end. */
const SENT_ATTEMPTS = 5;

/** Names of programs that fetch links to show them, as they call themselves. */
const BOT = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)";

/** Names in requests and answers of the service: see `observe/probes.ts`. */
const [PROBE_HEADER, SENT_HEADER] = ["zipferry-probe", "zipferry-sent"];

/** What the service should not show to everybody. */
const CLOSED = {
  closed_page: "/",
  closed_metrics: "/metrics",
  closed_readyz: "/readyz",
  closed_healthz: "/healthz",
} as const;

/** How an archive is examined. */
export interface ExamineOptions {
  /** Certificates in PEM that are trusted besides the usual ones. @default none */
  readonly caCerts?: readonly string[];
  /** Milliseconds for one answer. @default 20000 */
  readonly within?: number;
  /** Milliseconds without reading, after which the service is asked how far it got. @default 3000 */
  readonly stall?: number;
}

/** What was found, and what it took. */
export interface Examination {
  /** In the order in which they were made. */
  readonly findings: readonly Finding[];
  /** Bytes of bodies that were read. */
  readonly bytes: number;
}

/** Examines the archive at an address; whatever goes wrong is a finding. */
export async function examine(url: URL, options: ExamineOptions = {}): Promise<Examination> {
  const visit = new Visit(options);
  try {
    await visit.make(url);
  } catch (error) {
    visit.found.push(finding("reach", "fault", describeFailure(error)));
  }
  return { findings: visit.found, bytes: visit.bytes };
}

/** What is known of an archive once its beginning is read. */
interface Archive {
  readonly url: URL;
  readonly head: Head;
  readonly sample: Uint8Array;
  readonly size?: number;
  readonly etag?: string;
}

class Visit {
  readonly found: Finding[] = [];
  bytes = 0;
  readonly #options: ExamineOptions;
  #handshake?: Handshake;
  /** Header fields of all requests from now on. */
  #always: Readonly<Record<string, string>> = {};

  constructor(options: ExamineOptions) {
    this.#options = options;
  }

  async make(start: URL) {
    const url = await this.#arrive(start);
    const archive = url && await this.#begin(url);
    if (!archive) return;
    const resumable = !isUnresumable(archive.head.headers);
    await this.#each(resumable ? ["range", "range_source"] : [], () => this.#range(archive));
    await this.#each(resumable ? ["beyond"] : [], () => this.#beyond(archive));
    await this.#each(resumable ? ["if_range"] : [], () => this.#ifRange(archive));
    await this.#each(resumable ? ["if_match"] : [], () => this.#ifMatch(archive));
    await this.#each(resumable ? ["if_none_match"] : [], () => this.#ifNoneMatch(archive));
    await this.#each(resumable ? ["concurrent"] : [], () => this.#concurrent(archive));
    await this.#each(["pace"], () => this.#pace(archive));
    await this.#each(["head"], () => this.#head(archive));
    await this.#each(["preview"], () => this.#preview(archive));
    await this.#each(["slash"], () => this.#slash(archive));
    await this.#each(["cache"], () => this.#cache(archive));
    await this.#each(["plain_http"], () => this.#plain(archive.url));
    for (const id of Object.keys(CLOSED) as (keyof typeof CLOSED)[]) {
      await this.#each([id], () => this.#closed(id, archive.url));
    }
  }

  /** One look; if it fails, that is what it found. */
  async #each(ids: readonly RuleId[], look: () => Promise<Finding[]>) {
    if (ids.length === 0) return;
    try {
      this.found.push(...await look());
    } catch (error) {
      this.found.push(finding(ids[0], "fault", describeFailure(error)));
    }
  }

  /** Follows redirects; the address of the archive, undefined if it leads nowhere. */
  async #arrive(start: URL): Promise<URL | undefined> {
    let url = start;
    const hops: string[] = [];
    while (true) {
      if (!await this.#isTrusted(url)) return undefined;
      // With a mark of its own, which a cache would give to whoever asks next.
      const headers = { [PROBE_HEADER]: newMark() };
      using answer = await this.#ask({ url, method: "HEAD", headers });
      const location = answer.headers.get("location");
      const isRedirect = [301, 302, 303, 307, 308].includes(answer.status) && location !== null;
      if (!isRedirect) break;
      const next = URL.canParse(location, url) ? new URL(location, url) : null;
      if (next === null || !/^https?:$/.test(next.protocol) || hops.length === MAX_REDIRECTS) {
        this.found.push(
          finding("redirect", "fault", `leads nowhere: ${answer.status} ${location}`),
        );
        return undefined;
      }
      if (url.protocol === "https:" && next.protocol === "http:") {
        this.found.push(finding("redirect", "fault", "from https:// to http://"));
        return undefined;
      }
      hops.push(`${answer.status} to ${next}`);
      url = next;
    }
    this.found.push(finding("reach", "ok", url.host));
    const seen = hops.join(", then ") || "none";
    this.found.push(finding("redirect", hops.length > 1 ? "warning" : "ok", seen));
    return url;
  }

  async #isTrusted(url: URL): Promise<boolean> {
    if (url.protocol !== "https:") {
      const isHere = /^(localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname);
      this.#note(
        finding("tls", isHere ? "ok" : "warning", isHere ? "none, on this machine" : "none"),
      );
      return true;
    }
    this.#handshake = await shakeHands(url, { ...this.#options, within: this.#within });
    const judged = judgeHandshake(this.#handshake, Date.now());
    this.#note(judged);
    return judged.verdict !== "fault";
  }

  /** Adds a finding in place of an earlier one, as after a redirect. */
  #note(judged: Finding) {
    const at = this.found.findIndex(({ id }) => id === judged.id);
    if (at >= 0) this.found.splice(at, 1);
    this.found.push(judged);
  }

  /** Reads the beginning of the archive; undefined if it is none. */
  async #begin(url: URL): Promise<Archive | undefined> {
    const mark = newMark();
    using first = await this.#ask({ url, headers: { [PROBE_HEADER]: mark } });
    let sample = await this.#read(first, SAMPLE_BYTES);
    const answer = judgeAnswer(first, sample);
    this.found.push(answer);
    if (answer.verdict === "fault") return undefined;
    this.found.push(judgeVersion(first.version, this.#handshake), ...judgeHead(first));
    this.found.push(judgeCache(first, mark, first.headers.get(PROBE_HEADER)));
    let head: Head = first;
    if (first.headers.has("content-encoding")) {
      this.#always = { "Accept-Encoding": "identity" };
      using plain = await this.#ask({ url });
      sample = await this.#read(plain, SAMPLE_BYTES);
      head = plain;
    }
    const length = head.headers.get("content-length");
    const size = length === null ? undefined : Number(length);
    return { url, head, sample, size, etag: strongTag(head.headers) };
  }

  async #range(archive: Archive): Promise<Finding[]> {
    const mark = newMark();
    const reply = await this.#askRange(archive, 1 / 3, 2 / 3, { [PROBE_HEADER]: mark });
    const fault = faultOfRange(reply);
    if (fault !== null) return [finding("range", "fault", fault)];
    const range = finding("range", "ok", `206, ${inBytes(reply.expected.length)} as in the whole`);
    const sent = await this.#sent(archive.url, mark);
    const source = sent === undefined
      ? finding("range_source", "skipped", UNTOLD)
      : judgeSource(sent, reply.expected.length);
    return [range, source];
  }

  async #beyond({ url, size }: Archive): Promise<Finding[]> {
    if (size === undefined) return [finding("beyond", "skipped", "the length is not known")];
    using answer = await this.#ask({ url, headers: { Range: `bytes=${size}-` } });
    const range = answer.headers.get("content-range");
    const isRight = answer.status === 416 && range === `bytes */${size}`;
    const seen = answer.status === 416 ? `416, ${range}` : `${answer.status} instead of 416`;
    return [finding("beyond", isRight ? "ok" : "warning", seen)];
  }

  async #ifRange(archive: Archive): Promise<Finding[]> {
    const { etag } = archive;
    if (etag === undefined) return [finding("if_range", "skipped", "needs a strong ETag")];
    const same = await this.#askRange(archive, 0, 1 / 2, { "If-Range": etag });
    if (same.status !== 206) {
      return [finding("if_range", "fault", `${same.status} instead of 206 for the right tag`)];
    }
    const other = await this.#askRange(archive, 0, 1 / 2, { "If-Range": OTHER_TAG });
    return other.status === 200
      ? [finding("if_range", "ok", "206 for the right tag, 200 for another one")]
      : [finding("if_range", "fault", `${other.status} for the tag of another archive, not 200`)];
  }

  async #ifMatch({ url }: Archive): Promise<Finding[]> {
    using answer = await this.#ask({ url, headers: { "If-Match": OTHER_TAG } });
    return answer.status === 412
      ? [finding("if_match", "ok", "412 for the tag of another archive")]
      : [finding("if_match", "fault", `${answer.status} for the tag of another archive, not 412`)];
  }

  async #ifNoneMatch({ url, etag }: Archive): Promise<Finding[]> {
    if (etag === undefined) return [finding("if_none_match", "skipped", "needs a strong ETag")];
    using answer = await this.#ask({ url, headers: { "If-None-Match": etag } });
    return answer.status === 304
      ? [finding("if_none_match", "ok", "304 for the right tag")]
      : [finding("if_none_match", "warning", `${answer.status} for the right tag, not 304`)];
  }

  async #concurrent(archive: Archive): Promise<Finding[]> {
    const parts = [0, 1, 2, 3].map((i) => this.#askRange(archive, i / 4, (i + 1) / 4));
    const faults = (await Promise.all(parts)).map(faultOfRange).filter((fault) => fault !== null);
    return faults.length === 0
      ? [finding("concurrent", "ok", "all of them 206, with the right bytes")]
      : [finding("concurrent", "fault", `${faults.length} of 4: ${faults[0]}`)];
  }

  /** Stops reading, leaves, and asks the service how much it had sent until then. */
  async #pace({ url, size }: Archive): Promise<Finding[]> {
    if (size !== undefined && size < MIN_PACE_BYTES) {
      const least = inBytes(MIN_PACE_BYTES);
      const seen = `the archive fits into ordinary buffers; try one of at least ${least}`;
      return [finding("pace", "skipped", seen)];
    }
    const mark = newMark();
    let taken: number;
    {
      using answer = await this.#ask({ url, headers: { [PROBE_HEADER]: mark } });
      if (answer.headers.get(PROBE_HEADER) !== mark) return [finding("pace", "skipped", UNTOLD)];
      taken = (await this.#read(answer, PACE_BYTES)).length;
      await sleep(this.#options.stall ?? 3000);
    }
    const sent = await this.#sent(url, mark);
    return [sent === undefined ? finding("pace", "skipped", UNTOLD) : judgePace(sent, taken)];
  }

  async #head({ url, head, size }: Archive): Promise<Finding[]> {
    using answer = await this.#ask({ url, method: "HEAD" });
    if (answer.status !== 200) return [finding("head", "fault", describeStatus(answer.status))];
    const length = answer.headers.get("content-length");
    const isSame = length === (size === undefined ? null : String(size)) &&
      answer.headers.get("etag") === head.headers.get("etag");
    return [
      isSame
        ? finding("head", "ok", "the same length and tag as with GET")
        : finding("head", "warning", "another length or tag than with GET"),
    ];
  }

  async #preview({ url }: Archive): Promise<Finding[]> {
    using answer = await this.#ask({ url, headers: { "User-Agent": BOT } });
    if (answer.status === 403) return [finding("preview", "ok", "bots are refused (403)")];
    if (answer.status !== 200) {
      return [finding("preview", "warning", `bots get ${describeStatus(answer.status)}`)];
    }
    const robots = answer.headers.get("x-robots-tag") ?? "";
    return [
      /noindex/.test(robots)
        ? finding("preview", "ok", "bots get the archive, marked `noindex`")
        : finding("preview", "warning", "bots get the archive, without X-Robots-Tag: noindex"),
    ];
  }

  async #slash({ url }: Archive): Promise<Finding[]> {
    const bare = new URL(url);
    bare.pathname = url.pathname.replace(/\/$/, "");
    using answer = await this.#ask({ url: bare, method: "HEAD" });
    const location = answer.headers.get("location");
    if (location === null || answer.status >= 400) {
      return [finding("slash", "warning", `${answer.status}, no redirect`)];
    }
    const target = URL.canParse(location, bare) ? new URL(location, bare).href : location;
    return [
      target === url.href
        ? finding("slash", "ok", `${answer.status} to the right link`)
        : finding("slash", "fault", `${answer.status} to ${location}`),
    ];
  }

  /** By now, a cache may hold what was asked for before. */
  async #cache({ url }: Archive): Promise<Finding[]> {
    const mark = newMark();
    using answer = await this.#ask({ url, method: "HEAD", headers: { [PROBE_HEADER]: mark } });
    const judged = judgeCache(answer, mark, answer.headers.get(PROBE_HEADER));
    const earlier = this.found.find(({ id }) => id === "cache");
    if (judged.verdict !== "ok" && earlier?.verdict === "ok") this.#note(judged);
    return [];
  }

  /** Asks for the root only: the link itself is not sent in plain text. */
  async #plain({ protocol, host, port }: URL): Promise<Finding[]> {
    if (protocol !== "https:" || port !== "") return [];
    try {
      using answer = await this.#ask({ url: new URL(`http://${host}/`), method: "HEAD" });
      const location = answer.headers.get("location") ?? "";
      return [
        /^https:/.test(location)
          ? finding("plain_http", "ok", String(answer.status))
          : finding("plain_http", "warning", `${answer.status}, no redirect to https://`),
      ];
    } catch {
      return [finding("plain_http", "ok", "closed")];
    }
  }

  async #closed(id: keyof typeof CLOSED, url: URL): Promise<Finding[]> {
    using answer = await this.#ask({ url: new URL(CLOSED[id], url) });
    const body = answer.status === 200 ? await this.#read(answer, PAGE_BYTES) : new Uint8Array();
    return [judgeClosed(id, answer, new TextDecoder().decode(body))];
  }

  /** Asks for a part of the sample, from one share of it to another. */
  async #askRange(
    { url, sample, size }: Archive,
    from: number,
    to: number,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<RangeReply> {
    const start = Math.floor(sample.length * from);
    const expected = sample.subarray(start, Math.max(start + 1, Math.floor(sample.length * to)));
    const range = `bytes=${start}-${start + expected.length - 1}`;
    using answer = await this.#ask({ url, headers: { Range: range, ...headers } });
    const body = answer.status === 206
      ? await this.#read(answer, expected.length)
      : new Uint8Array();
    const { version, status, elapsed } = answer;
    return { version, status, elapsed, headers: answer.headers, start, expected, body, size };
  }

  /** What the service says it has sent for a mark; undefined if it does not say. */
  async #sent(url: URL, mark: string): Promise<number | undefined> {
    for (let attempt = 0; attempt < SENT_ATTEMPTS; attempt++) {
      if (attempt > 0) await sleep(200);
      const headers = { [PROBE_HEADER]: mark };
      using answer = await this.#ask({ url, method: "HEAD", headers });
      const sent = answer.headers.get(SENT_HEADER);
      if (sent !== null && answer.headers.get(PROBE_HEADER) === mark) return Number(sent);
    }
    return undefined;
  }

  #ask(question: Omit<Question, "within">): Promise<Answer> {
    const { caCerts } = this.#options;
    const headers = { ...this.#always, ...question.headers };
    return ask({ ...question, headers, caCerts, within: this.#within });
  }

  async #read(answer: Answer, length: number) {
    const bytes = await answer.read(length);
    this.bytes += bytes.length;
    return bytes;
  }

  get #within() {
    return this.#options.within ?? 20_000;
  }
}

/** No archive has this tag. */
const OTHER_TAG = '"zipferry-doctor"';

const UNTOLD = "the service did not say what it sent: it may be an older one, or another replica";

/** Random, so that nobody else can ask for what was sent. */
function newMark() {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}

/** What went wrong with a connection, in words. */
function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof WireError) return error.message;
  if (error instanceof Deno.errors.NotCapable) return "Deno does not permit it: --allow-net";
  const { message } = error;
  if (/ECONNREFUSED|refused/i.test(message)) {
    return "the connection is refused: nothing listens there";
  }
  if (/ENOTFOUND|lookup|resolve/i.test(message)) return "the name is not known to DNS";
  if (/reset|broken pipe|ECONNRESET/i.test(message)) return "the connection was reset";
  if (/unreachable/i.test(message)) return "the host cannot be reached";
  return message.split("\n")[0];
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
