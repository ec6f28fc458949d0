import assert from "node:assert/strict";
import { ConfigError } from "../lib/config.ts";
import { quote } from "../lib/quote.ts";
import { Authority, type IssuedFiles, KEY_KINDS, openssl } from "../testing/certificates.ts";
import { testWith } from "../testing/tools.ts";
import { makeTree } from "../testing/tree.ts";
import { type CertificateFiles, certificateWarnings, readCertificate } from "./certificate.ts";

const DAY_MS = 86_400_000;

/** What is said of files that cannot be used */
async function refusal(files: CertificateFiles, now?: Date): Promise<string> {
  try {
    await readCertificate(files, now);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(!error.message.includes("\n"), "one line");
    return error.message;
  }
  assert.fail(`taken: ${JSON.stringify(files)}`);
}

testWith(
  ["openssl"],
  "readCertificate() takes every kind of key, in each of its forms",
  async () => {
    await using tree = await makeTree({});
    const authority = await Authority.make(tree.path);
    for (const kind of Object.keys(KEY_KINDS) as (keyof typeof KEY_KINDS)[]) {
      const files = await authority.issue(kind.replaceAll(" ", "-"), { kind });
      if (kind === "weak RSA") {
        assert.match(await refusal(files), /RSA key of 1024 bits is too weak/);
        continue;
      }
      const { validTo } = await readCertificate(files);
      assert.ok(Math.abs(validTo.getTime() - Date.now() - 30 * DAY_MS) < 60_000, kind);
      if (kind === "Ed25519") continue; // has one form only
      const key = `${files.key}.old`;
      await openssl("pkey", "-in", files.key, "-traditional", "-out", key);
      assert.match(await Deno.readTextFile(key), /BEGIN (RSA|EC) PRIVATE KEY/);
      await readCertificate({ ...files, key });
    }
  },
);

testWith(["openssl"], "readCertificate() says which file is bad, and what is wrong", async () => {
  await using tree = await makeTree({ "empty.pem": "", "text.pem": "no PEM at all" });
  const authority = await Authority.make(tree.path);
  const good = await authority.issue("good");
  const other = await authority.issue("other");
  const expired = await authority.issue("expired", { days: -1 });
  const path = (name: string) => tree.join(name);
  const text = (name: string) => Deno.readTextFile(path(name));
  await openssl("x509", "-in", good.cert, "-outform", "der", "-out", path("crt.der"));
  await openssl("pkey", "-in", good.key, "-outform", "der", "-out", path("key.der"));
  await openssl("pkey", "-in", good.key, "-aes128", "-passout", "pass:x", "-out", path("locked"));
  await Deno.writeTextFile(path("both"), await text("good.crt") + await text("good.key"));
  await Deno.writeTextFile(path("chain"), await text("ca.crt") + await text("good.crt"));
  await Deno.writeTextFile(path("two"), await text("good.key") + await text("other.key"));
  await Deno.writeTextFile(path("cut"), (await text("good.crt")).slice(0, 300));
  await Deno.writeTextFile(path("cutkey"), (await text("good.key")).slice(0, 90));

  const cases: readonly [Partial<IssuedFiles>, "cert" | "key", RegExp][] = [
    [{ cert: path("nowhere") }, "cert", /: there is no such file; see /],
    [{ key: path("nowhere") }, "key", /: there is no such file; see /],
    [{ cert: tree.path }, "cert", /: is no regular file; name the PEM file itself$/],
    [{ cert: path("empty.pem") }, "cert", /: is empty; write it anew, or name another file$/],
    [{ key: path("empty.pem") }, "key", /: is empty; write it anew, or name another file$/],
    [{ cert: path("text.pem") }, "cert", /: is not PEM: .*; name another file$/],
    [{ cert: path("crt.der") }, "cert", /: is DER, not PEM; .* openssl x509 -inform der$/],
    [{ key: path("key.der") }, "key", /: is DER, not PEM; .* openssl pkey -inform der$/],
    [{ key: path("locked") }, "key", /: is encrypted/],
    [{ cert: good.key, key: good.cert }, "cert", /: holds a key and no certificate/],
    [{ key: good.cert }, "key", /: holds a certificate and no private key/],
    [
      { cert: path("good.csr") },
      "cert",
      /: is a certificate request, not yet signed; name the certificate /,
    ],
    [{ cert: path("both") }, "cert", /: holds a private key too/],
    [{ cert: path("chain") }, "cert", /: the chain is in the wrong order/],
    [{ key: path("two") }, "key", /: holds 2 private keys/],
    [{ cert: path("cut") }, "cert", /: certificate 1 in it is damaged: .*; write it anew$/],
    [{ key: path("cutkey") }, "key", /: the key in it is damaged: .*; write it anew$/],
    [
      { key: other.key },
      "key",
      /: the key does not belong to the certificate in ".*good\.crt"; name the two that /,
    ],
    [expired, "cert", /: expired on .*; renew it$/],
  ];
  for (const [change, which, expected] of cases) {
    const files = { ...good, ...change };
    const message = await refusal(files);
    assert.ok(message.startsWith(`--tls-${which}: ${quote(files[which])}: `), message);
    assert.match(message, expected);
  }
  const yesterday = new Date(Date.now() - DAY_MS);
  assert.match(await refusal(good, yesterday), /: is not valid before .*; is the clock right\?$/);
  // The chain behind the certificate, as it should be
  await Deno.writeTextFile(path("full"), await text("good.crt") + await text("ca.crt"));
  await readCertificate({ ...good, cert: path("full") });
});

testWith(
  ["openssl"],
  "certificateWarnings() tells of an end that is near and of a key that all may read",
  async () => {
    await using tree = await makeTree({});
    const authority = await Authority.make(tree.path);
    const files = await authority.issue("good", { days: 15 });
    const certificate = await readCertificate(files);
    await Deno.chmod(files.key, 0o640);
    assert.deepEqual(await certificateWarnings(files, certificate), []);
    const later = new Date(Date.now() + 2 * DAY_MS);
    const [ends, ...others] = await certificateWarnings(files, certificate, later);
    assert.match(ends, /^--tls-cert: ".*good\.crt": expires on .*, in less than 13 days$/);
    assert.deepEqual(others, []);
    const [ended] = await certificateWarnings(
      files,
      certificate,
      new Date(Date.now() + 16 * DAY_MS),
    );
    assert.match(ended, /: expired on /);
    if (Deno.build.os === "windows") return;
    await Deno.chmod(files.key, 0o644);
    const now = new Date();
    assert.deepEqual(await certificateWarnings(files, certificate, now, "windows"), []);
    const [open] = await certificateWarnings(files, certificate);
    assert.match(open, /^--tls-key: ".*good\.key": every user may read it; chmod o-r$/);
  },
);
