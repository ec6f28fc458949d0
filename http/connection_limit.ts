/**
 * How many requests one connection may have under way at a time. HTTP/1.1 has one; HTTP/2 as many as
 * the server allows.
 *
 * @module
 */

/** Counts the requests of each connection. */
export class ConnectionLimit {
  readonly #most: number;
  readonly #underWay = new Map<string, number>();

  /**
   * A limit for all connections alike.
   *
   * @param most requests at a time on one connection
   */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Counts a request of a connection until it has ended, in whatever way. False, and nothing is
   * counted, if the connection has as many as it may.
   */
  admit(connection: string, ended: Promise<unknown>): boolean {
    const count = this.#underWay.get(connection) ?? 0;
    if (count >= this.#most) return false;
    this.#underWay.set(connection, count + 1);
    const leave = () => this.#leave(connection);
    ended.then(leave, leave);
    return true;
  }

  #leave(connection: string) {
    const count = this.#underWay.get(connection) ?? 0;
    if (count > 1) this.#underWay.set(connection, count - 1);
    else this.#underWay.delete(connection);
  }
}
