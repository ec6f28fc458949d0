/**
 * The body of a request that sends a form, within bounds: nobody holds a connection or memory by
 * sending much, or slowly.
 *
 * @module
 */

/** How much may come, and for how long. */
export interface FormBodyOptions {
  /** Most bytes. */
  readonly maxBytes: number;
  /** Milliseconds for all of it. */
  readonly timeout: number;
}

/** Thrown for a body that is too long, or takes too long. */
export class FormBodyError extends Error {
  /** Always `FormBodyError`. */
  override readonly name = "FormBodyError";
  /** Status that says so (RFC 9110 sections 15.5.14 and 15.5.9). */
  readonly status: 413 | 408;

  /** Takes the status that says what is wrong. */
  constructor(status: 413 | 408) {
    super(status === 413 ? "read form: it is too long" : "read form: it takes too long");
    this.status = status;
  }
}

/** True if a request sends a form as browsers do by default (WHATWG HTML section 4.10.21.7). */
export function sendsForm({ method, headers }: Request): boolean {
  const [type] = (headers.get("content-type") ?? "").split(";");
  return method === "POST" && type.trim().toLowerCase() === "application/x-www-form-urlencoded";
}

/** Bytes of a form at most, as far as the request says. */
export function formLength({ headers }: Request, maxBytes: number): number {
  const length = headers.get("content-length") ?? "";
  return /^\d{1,15}$/.test(length) ? Math.min(Number(length), maxBytes) : maxBytes;
}

/**
 * The form that a request sends, as a query is written.
 *
 * @throws {FormBodyError} if it is too long, or takes too long
 */
export async function readForm(
  request: Request,
  { maxBytes, timeout }: FormBodyOptions,
): Promise<string> {
  if (Number(request.headers.get("content-length")) > maxBytes) throw new FormBodyError(413);
  if (!request.body) return "";
  const reader = request.body.getReader();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reader.cancel().catch(() => {}); // whoever waits for the next piece is told that there is none
  }, timeout);
  try {
    const decoder = new TextDecoder();
    let [text, bytes] = ["", 0];
    for (;;) {
      const { value, done } = await reader.read();
      if (isLate) throw new FormBodyError(408);
      if (done) return text + decoder.decode();
      bytes += value.length;
      if (bytes > maxBytes) throw new FormBodyError(413);
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {}); // the rest is not wanted
  }
}
