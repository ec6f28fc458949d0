/**
 * The certificate of the service and its key, checked as far as it can be before anyone connects.
 *
 * @module
 */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { ConfigError } from "../lib/config.ts";
import { describeError } from "../lib/log.ts";
import { quote } from "../lib/quote.ts";

/** A certificate that ends within this many days is warned of: whatever renews it has failed. */
const WARN_DAYS = 14;

const DAY_MS = 86_400_000;

/** Longer than any chain of certificates, in bytes. */
const MAX_BYTES = 1 << 20;

/** Fewer bits are refused by the runtime. */
const MIN_RSA_BITS = 2048;

const CURVES = ["prime256v1", "secp384r1", "secp521r1"];

const OTHERS_MAY_READ = 0o004;

/** Where the certificate and its key are. */
export interface CertificateFiles {
  /** Path of the certificate, with the chain behind it, in PEM. */
  readonly cert: string;
  /** Path of its private key, in PEM. */
  readonly key: string;
}

/** A certificate and the key that belongs to it. */
export interface Certificate {
  /** The certificate and its chain, in PEM. */
  readonly cert: string;
  /** The private key, in PEM. */
  readonly key: string;
  /** When the certificate ends. */
  readonly validTo: Date;
}

/** One of the files, and the option that names it. */
interface PemFile {
  readonly option: "--tls-cert" | "--tls-key";
  readonly path: string;
  readonly text: string;
  /** What its blocks are: the words after BEGIN. */
  readonly labels: readonly string[];
}

/**
 * Reads both files and checks that they belong together and are valid now.
 *
 * @param now when the certificate has to be valid
 * @throws {ConfigError} naming the file and what is wrong with it
 */
export async function readCertificate(
  files: CertificateFiles,
  now: Date = new Date(),
): Promise<Certificate> {
  const cert = await readPem("--tls-cert", files.cert);
  const key = await readPem("--tls-key", files.key);
  const chain = parseChain(cert);
  assertPair(chain, parseKey(key), { cert, key });
  const [own] = chain;
  assertValid(cert, own, now);
  return { cert: cert.text, key: key.text, validTo: new Date(own.validTo) };
}

/**
 * What the owner should see to, a line each: an end that is near, a key that others may read, where
 * the system has permission bits.
 */
export async function certificateWarnings(
  { cert, key }: CertificateFiles,
  { validTo }: Certificate,
  now: Date = new Date(),
  system: typeof Deno.build.os = Deno.build.os,
): Promise<string[]> {
  const ends = describeEnd(cert, validTo, now);
  const { mode } = await Deno.stat(key);
  const open = system !== "windows" && ((mode ?? 0) & OTHERS_MAY_READ) !== 0;
  const readable = open && `--tls-key: ${quote(key)}: every user may read it; chmod o-r`;
  return [ends, readable].filter((line) => typeof line === "string");
}

/** That a certificate has ended or soon will, or null while there is time. */
export function describeEnd(path: string, validTo: Date, now: Date = new Date()): string | null {
  const days = Math.floor((validTo.getTime() - now.getTime()) / DAY_MS);
  if (days >= WARN_DAYS) return null;
  const file = `--tls-cert: ${quote(path)}`;
  if (validTo <= now) return `${file}: expired on ${validTo.toISOString()}`;
  return `${file}: expires on ${validTo.toISOString()}, in less than ${days + 1} days`;
}

async function readPem(option: PemFile["option"], path: string): Promise<PemFile> {
  const bytes = await readBytes(option, path);
  const text = new TextDecoder("latin1").decode(bytes);
  const labels = [...text.matchAll(/^-----BEGIN ([A-Z0-9 ]+)-----\s*$/gm)].map(([, word]) => word);
  if (text.trim() === "") {
    throw bad({ option, path }, "is empty; write it anew, or name another file");
  }
  if (labels.length === 0) throw bad({ option, path }, describeNoPem(option, bytes));
  return { option, path, text, labels };
}

/** Only what is a file is opened: a pipe would block a thread of the runtime for ever. */
async function readBytes(option: PemFile["option"], path: string) {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw bad({ option, path }, "is no regular file; name the PEM file itself");
    if (size > MAX_BYTES) {
      throw bad({ option, path }, "is too long for a PEM file; name another file");
    }
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw bad({ option, path }, describeUnreadable(error, path));
  }
}

function describeUnreadable(error: unknown, path: string) {
  const { NotFound, PermissionDenied, NotCapable } = Deno.errors;
  if (error instanceof NotFound) {
    return "there is no such file; see where your certificates are kept";
  }
  if (error instanceof PermissionDenied) {
    const how = Deno.build.os === "windows"
      ? "allow it to (icacls)"
      : "let its group read it (chgrp, chmod g+r)";
    return `may not be read by the user of this process; ${how}`;
  }
  if (error instanceof NotCapable) return `may not be read, start deno with --allow-read=${path}`;
  return `cannot be read: ${describeError(error)}; look at the disk and the path`;
}

function describeNoPem(option: PemFile["option"], [first]: Uint8Array) {
  if (first !== 0x30) return "is not PEM: it has no line -----BEGIN …-----; name another file"; // not an ASN.1 SEQUENCE
  const command = option === "--tls-cert" ? "x509" : "pkey";
  return `is DER, not PEM; convert it with openssl ${command} -inform der`;
}

function parseChain(file: PemFile): X509Certificate[] {
  const { labels, text } = file;
  const hasKey = labels.some(isKey);
  if (!labels.includes("CERTIFICATE")) {
    if (hasKey) throw bad(file, "holds a key and no certificate; is it the file for --tls-key?");
    const isRequest = labels.some((label) => label.endsWith("CERTIFICATE REQUEST"));
    throw bad(
      file,
      isRequest
        ? "is a certificate request, not yet signed; name the certificate that came back"
        : "holds no certificate; name the file that does, such as fullchain.pem",
    );
  }
  if (hasKey) throw bad(file, "holds a private key too; leave that in the file of --tls-key alone");
  const blocks = text.match(/-----BEGIN CERTIFICATE-----.*?(?:-----END CERTIFICATE-----|$)/gs);
  return (blocks ?? []).map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw bad(
        file,
        `certificate ${i + 1} in it is damaged: ${describeError(error)}; write it anew`,
      );
    }
  });
}

function parseKey(file: PemFile): KeyObject {
  const { labels, text } = file;
  const keys = labels.filter(isKey);
  if (keys.length === 0) {
    const isCertificate = labels.includes("CERTIFICATE");
    throw bad(
      file,
      isCertificate
        ? "holds a certificate and no private key; is it the file for --tls-cert?"
        : "holds no private key; name the file that does, such as privkey.pem",
    );
  }
  if (keys.length > 1) throw bad(file, `holds ${keys.length} private keys; leave one`);
  if (keys[0].startsWith("ENCRYPTED") || /^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw bad(file, "is encrypted, and nobody is there to type the password; see openssl pkey");
  }
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw bad(file, `the key in it is damaged: ${describeError(error)}; write it anew`);
  }
}

function assertPair(
  chain: readonly X509Certificate[],
  key: KeyObject,
  files: { readonly cert: PemFile; readonly key: PemFile },
) {
  const [own, ...others] = chain;
  if (!own.checkPrivateKey(key)) {
    if (others.some((other) => other.checkPrivateKey(key))) {
      throw bad(files.cert, "the chain is in the wrong order: the server's own must be the first");
    }
    const path = quote(files.cert.path);
    throw bad(
      files.key,
      `the key does not belong to the certificate in ${path}; name the two that came together`,
    );
  }
  const problem = describeUnusable(key);
  if (problem) throw bad(files.key, problem);
}

/** What is wrong with a kind of key, which the runtime would refuse in words of its own. */
function describeUnusable({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | null {
  const { modulusLength = 0, namedCurve = "" } = asymmetricKeyDetails ?? {};
  switch (asymmetricKeyType) {
    case "rsa":
      if (modulusLength >= MIN_RSA_BITS) return null;
      return `an RSA key of ${modulusLength} bits is too weak; use ${MIN_RSA_BITS} or more`;
    case "ec":
      if (CURVES.includes(namedCurve)) return null;
      return `the curve ${namedCurve} is not usual; use P-256 or P-384`;
    case "ed25519":
      return null;
    default:
      return `a key of the kind ${asymmetricKeyType} cannot be used; use RSA, ECDSA or Ed25519`;
  }
}

function assertValid(file: PemFile, { validFrom, validTo }: X509Certificate, now: Date) {
  const [from, to] = [new Date(validFrom), new Date(validTo)];
  if (now < from) throw bad(file, `is not valid before ${from.toISOString()}; is the clock right?`);
  if (now >= to) throw bad(file, `expired on ${to.toISOString()}; renew it`);
}

function isKey(label: string) {
  return label.endsWith("PRIVATE KEY");
}

function bad({ option, path }: Pick<PemFile, "option" | "path">, what: string) {
  return new ConfigError(`${option}: ${quote(path)}: ${what}`);
}
