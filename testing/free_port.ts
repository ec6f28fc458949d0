/**
 * A TCP port for a program that cannot choose one itself.
 *
 * @module
 */

/** A port of 127.0.0.1 that nobody listens on; another program may take it in the meantime */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
