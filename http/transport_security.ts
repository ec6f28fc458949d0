/**
 * `Strict-Transport-Security`, for whoever asks for it.
 *
 * @module
 */

type Handler = (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response>;

/**
 * Tells browsers, with every answer, to come back by HTTPS only (RFC 6797). It is for this very host:
 * what others there are below its name is not this program's business.
 *
 * @param seconds how long they remember; 0 to forget it, undefined to tell nothing
 */
export function withTransportSecurity(handler: Handler, seconds: number | undefined): Handler {
  if (seconds === undefined) return handler;
  return async (request, info) => {
    const response = await handler(request, info);
    response.headers.set("strict-transport-security", `max-age=${seconds}`);
    return response;
  };
}
