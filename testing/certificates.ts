/**
 * Certificates made by openssl, signed by an authority that only the tests know.
 *
 * @module
 */

import { join } from "node:path";
import { accept } from "./tools.ts";

/** Options of `openssl genpkey`, by the names that people use */
export const KEY_KINDS = {
  "RSA": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
  "ECDSA P-256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "ECDSA P-384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
  "Ed25519": ["-algorithm", "ED25519"],
  "weak RSA": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
} as const;

/** What a certificate is made with */
export interface IssueOptions {
  /** @default "ECDSA P-256" */
  readonly kind?: keyof typeof KEY_KINDS;
  /** Days until it ends, negative for one that has ended */
  readonly days?: number;
}

/** Paths of a certificate for `localhost` and 127.0.0.1, and of its key */
export interface IssuedFiles {
  readonly cert: string;
  readonly key: string;
}

/** Signs certificates in a folder */
export class Authority {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes an authority with a key of its own */
  static async make(folder: string): Promise<Authority> {
    const authority = new Authority(folder);
    const [cert, key] = [authority.cert, join(folder, "ca.key")];
    const subject = ["-subj", "/CN=Test authority", "-days", "30"];
    await genkey(key, "ECDSA P-256");
    await openssl("req", "-x509", "-key", key, "-out", cert, ...subject);
    return authority;
  }

  /** Its own certificate, which clients are told to trust */
  get cert(): string {
    return join(this.#folder, "ca.crt");
  }

  /** Makes a key and a certificate, as NAME.crt and NAME.key */
  async issue(name: string, { kind = "ECDSA P-256", days = 30 }: IssueOptions = {}) {
    const path = (ending: string) => join(this.#folder, `${name}.${ending}`);
    const files: IssuedFiles = { cert: path("crt"), key: path("key") };
    await genkey(files.key, kind);
    await openssl("req", "-new", "-key", files.key, "-out", path("csr"), "-subj", "/CN=localhost");
    await Deno.writeTextFile(path("cnf"), EXTENSIONS);
    const signer = ["-CA", this.cert, "-CAkey", join(this.#folder, "ca.key"), "-CAcreateserial"];
    const request = ["-req", "-in", path("csr"), "-extfile", path("cnf"), "-days", String(days)];
    await openssl("x509", ...request, ...signer, "-out", files.cert);
    return files;
  }
}

const EXTENSIONS = [
  "basicConstraints=critical,CA:FALSE",
  "subjectAltName=DNS:localhost,IP:127.0.0.1",
  "extendedKeyUsage=serverAuth",
].join("\n");

/** Runs openssl, which has to end well */
export function openssl(...args: string[]): Promise<string> {
  return accept("openssl", args);
}

function genkey(path: string, kind: keyof typeof KEY_KINDS) {
  return openssl("genpkey", ...KEY_KINDS[kind], "-out", path);
}
