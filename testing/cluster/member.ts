/**
 * A process of the cluster, which can be killed and started again.
 *
 * @module
 */

/** What is killed, each in its turn */
export type MemberKind = "replica" | "volume server" | "gateway";

/** A process that runs; disposal kills it and awaits its end */
export interface Launched extends AsyncDisposable {
  readonly pid: number;
  readonly status: Promise<Deno.CommandStatus>;
  /** What it has printed so far, or the end of it */
  log(): string;
}

/** What a member is, and how it is started */
export interface MemberOptions {
  readonly kind: MemberKind;
  readonly name: string;
  /** Where it answers, the same after each start */
  readonly url: URL;
  /** Starts the process; resolves when it is of use */
  readonly launch: () => Promise<Launched>;
}

/** A process that may be killed at any time; disposal ends it for good */
export class Member implements AsyncDisposable {
  readonly kind: MemberKind;
  readonly name: string;
  readonly url: URL;
  readonly #launch: () => Promise<Launched>;
  readonly #ended: Launched[] = [];
  #running: Launched | null = null;
  #crashes = 0;

  /** Starts nothing yet */
  constructor({ kind, name, url, launch }: MemberOptions) {
    this.kind = kind;
    this.name = name;
    this.url = url;
    this.#launch = launch;
  }

  /** How often it was killed: what was asked of it before may have broken for that reason */
  get kills(): number {
    return this.#ended.length;
  }

  /** How often it ended though nobody killed it */
  get crashes(): number {
    return this.#crashes;
  }

  /** Null while it does not run */
  get pid(): number | null {
    return this.#running?.pid ?? null;
  }

  /** What all of its processes have printed */
  log(): string {
    const processes = this.#running ? [...this.#ended, this.#running] : this.#ended;
    return processes.map((process) => process.log()).join("");
  }

  /** Starts the process */
  async start(): Promise<void> {
    const launched = await this.#launch();
    this.#running = launched;
    launched.status.then(() => {
      if (this.#running === launched) this.#crashes++;
    });
  }

  /** Sends SIGKILL, and awaits the end */
  async kill(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    this.#ended.push(running);
    await running[Symbol.asyncDispose]();
  }

  /** Ends the process, if there is one */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Starts members at the same time; all of these starts have ended when it fails. */
export async function startTogether(members: readonly Member[]): Promise<void> {
  const starts = await Promise.allSettled(members.map((member) => member.start()));
  const failed = starts.find((start) => start.status === "rejected");
  if (failed) throw failed.reason;
}
