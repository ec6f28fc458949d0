import assert from "node:assert/strict";
import { freePort } from "../../../testing/free_port.ts";
import { makeTree } from "../../../testing/tree.ts";
import { findCredentials } from "./find.ts";
import type { Credentials } from "./lease.ts";

const HOUR = 3_600_000;
const SECRETS = /hush|\.\.\.token/;

type Variables = Record<string, string>;

/** A home with these files in `.aws`, for this system */
async function makeHome(files: Record<string, string> = {}) {
  const named = Object.entries(files).map(([name, text]) => [`.aws/${name}`, text]);
  const tree = await makeTree(Object.fromEntries(named));
  return { ...tree, env: { HOME: tree.path, USERPROFILE: tree.path } };
}

function find(env: Variables, others: { now?: () => number; region?: string } = {}) {
  return findCredentials({ env: (name) => env[name] || undefined, ...others });
}

/** Why there are no credentials, without a secret in it */
async function complaint(env: Variables, others?: { now?: () => number }): Promise<string> {
  try {
    await (await find(env, others))();
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.ok(["ConfigError", "StorageError"].includes(error.name), error.name);
    assert.doesNotMatch(error.message, SECRETS);
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  assert.fail(`found: ${JSON.stringify(env)}`);
}

type Answer = (request: Request, body: string) => Response;

/** Who gives credentials, and what it was asked */
function serve(answer: Answer) {
  const asked: { readonly method: string; readonly path: string; readonly body: string }[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.text();
    asked.push({ method: request.method, path: new URL(request.url).pathname, body });
    return answer(request, body);
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, asked, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** As AWS STS writes it */
function stsAnswer(id: string, endMs: number) {
  return new Response(
    `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>system:serviceaccount:web:zipferry</SubjectFromWebIdentityToken>
    <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/zipferry</Arn></AssumedRoleUser>
    <Credentials>
      <SessionToken>AQoDYXdzEE0a8ANXXXXXXXXNO1ewxE5TijQyp+IEXAMPLE/hush==</SessionToken>
      <SecretAccessKey>hush-${id}/+</SecretAccessKey>
      <Expiration>${new Date(endMs).toISOString()}</Expiration>
      <AccessKeyId>${id}</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>`,
  );
}

function stsError(status: number, code: string) {
  const text = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code>
    <Message>hush</Message></Error></ErrorResponse>`;
  return new Response(text, { status });
}

Deno.test("findCredentials(): variables come first, without white space at their ends", async () => {
  await using home = await makeHome({
    credentials: "[default]\naws_access_key_id=no\naws_secret_access_key=no",
  });
  const env = { ...home.env, AWS_ACCESS_KEY_ID: "AKID\n", AWS_SECRET_ACCESS_KEY: " hush/+= " };
  const keys = { accessKeyId: "AKID", secretAccessKey: "hush/+=" };
  assert.deepEqual(await (await find(env))(), keys);
  const withToken = await (await find({ ...env, AWS_SESSION_TOKEN: "t" }))();
  assert.deepEqual(withToken, { ...keys, sessionToken: "t" });
  const webIdentity = { AWS_WEB_IDENTITY_TOKEN_FILE: "/none", AWS_ROLE_ARN: "arn" };
  assert.deepEqual(await (await find({ ...env, ...webIdentity }))(), keys);
});

Deno.test("findCredentials(): half of a pair is refused by name, and so are odd characters", async () => {
  await using home = await makeHome();
  const cases: [Variables, string][] = [
    [{ AWS_ACCESS_KEY_ID: "hush" }, "AWS_ACCESS_KEY_ID: needs AWS_SECRET_ACCESS_KEY too"],
    [{ AWS_SECRET_ACCESS_KEY: "hush" }, "AWS_SECRET_ACCESS_KEY: needs AWS_ACCESS_KEY_ID too"],
    [
      { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "hush hush" },
      "AWS_SECRET_ACCESS_KEY: is empty or has characters that are not allowed; use visible ASCII",
    ],
    [
      { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_SESSION_TOKEN: "hush\nx: y" },
      "AWS_SESSION_TOKEN: is empty or has characters that are not allowed; use visible ASCII",
    ],
    [{ AWS_WEB_IDENTITY_TOKEN_FILE: "/x" }, "AWS_WEB_IDENTITY_TOKEN_FILE: needs AWS_ROLE_ARN too"],
  ];
  for (const [env, expected] of cases) {
    assert.equal(await complaint({ ...home.env, ...env }), expected);
  }
});

Deno.test("findCredentials(): without any, it is said what may be given", async () => {
  await using home = await makeHome({ config: "[default]\nregion = eu-central-1\n" });
  const expected =
    /^--folder s3:\/\/: no credentials; give AWS_ACCESS_KEY_ID and .*--s3-anonymous$/;
  assert.match(await complaint(home.env), expected);
  assert.match(await complaint({}), expected);
});

Deno.test("findCredentials(): a profile of the shared files", async () => {
  await using home = await makeHome({
    credentials: "[default]\naws_access_key_id=D\naws_secret_access_key=d\n" +
      "[both]\naws_access_key_id=B\naws_secret_access_key=b\naws_session_token=t\n",
    config: "[profile both]\naws_access_key_id=no\naws_secret_access_key=no\n" +
      "[profile general]\naws_access_key_id=G\naws_secret_access_key=g\n[other]\n" +
      "aws_access_key_id=no\naws_secret_access_key=no\n[profile half]\naws_access_key_id=H\n",
    elsewhere: "[default]\naws_access_key_id=E\naws_secret_access_key=e\n",
  });
  const keyOf = async (env: Variables) =>
    (await (await find({ ...home.env, ...env }))()).accessKeyId;
  assert.equal(await keyOf({}), "D");
  assert.equal(await keyOf({ AWS_PROFILE: "both" }), "B");
  assert.equal(await keyOf({ AWS_PROFILE: "general" }), "G");
  const elsewhere = home.join(".aws", "elsewhere");
  assert.equal(await keyOf({ AWS_SHARED_CREDENTIALS_FILE: elsewhere }), "E");
  assert.equal(await keyOf({ AWS_SHARED_CREDENTIALS_FILE: "~/.aws/elsewhere" }), "E");
  const why = (env: Variables) => complaint({ ...home.env, ...env });
  assert.match(await why({ AWS_PROFILE: "other" }), /^AWS_PROFILE: no profile "other" in .* or .*/);
  assert.match(
    await why({ AWS_PROFILE: "half" }),
    /^aws_access_key_id of profile "half": needs aws_secret_access_key too$/,
  );
  assert.match(
    await why({ AWS_CONFIG_FILE: "/none/config" }),
    /^AWS_CONFIG_FILE: "\/none\/config" cannot be read: there is none; correct the path, or leave/,
  );
});

Deno.test("findCredentials(): what a profile needs and this program lacks is named", async () => {
  const config = [
    "[profile role]\nrole_arn=arn:aws:iam::1:role/r\nsource_profile=default",
    "[profile sso]\nsso_session=corp\nsso_account_id=1",
    "[profile process]\ncredential_process=/bin/give hush",
    "[profile instance]\nrole_arn=a\ncredential_source=Ec2InstanceMetadata",
    "[profile region]\nregion=eu-central-1",
  ];
  await using home = await makeHome({ config: config.join("\n") });
  const cases = [
    ["role", "source_profile"],
    ["sso", "sso_session"],
    ["process", "credential_process"],
    ["instance", "credential_source"],
  ];
  for (const [name, key] of cases) {
    const start = `profile "${name}": ${key} is not supported; use AWS_ACCESS_KEY_ID and `;
    const message = await complaint({ ...home.env, AWS_PROFILE: name });
    assert.ok(message.startsWith(start), message);
  }
  const message = await complaint({ ...home.env, AWS_PROFILE: "region" });
  assert.match(message, /^profile "region": no credentials; give /);
});

Deno.test("findCredentials(): files are read again, so that another program may renew them", async () => {
  const file = (id: string) => `[default]\naws_access_key_id=${id}\naws_secret_access_key=x\n`;
  await using home = await makeHome({ credentials: file("A") });
  let now = 0;
  const get = await find(home.env, { now: () => now });
  assert.equal((await get()).accessKeyId, "A");
  await Deno.writeTextFile(home.join(".aws", "credentials"), file("B"));
  now = 59_999;
  assert.equal((await get()).accessKeyId, "A");
  now = 60_000;
  await until(get, "B");
  await Deno.writeTextFile(home.join(".aws", "credentials"), "half written");
  now = 120_000;
  for (let i = 0; i < 20; i++) assert.equal((await get()).accessKeyId, "B");
});

/** Asks until credentials with this key are given: they are renewed behind who asks */
async function until(get: () => Promise<Credentials>, id: string) {
  while ((await get()).accessKeyId !== id) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("findCredentials(): web identity, renewed before its end with the token of the day", async () => {
  let now = Date.UTC(2026, 0, 1);
  let status = 200;
  let count = 0;
  await using sts = serve(() =>
    status === 200 ? stsAnswer(`ASIA${++count}`, now + HOUR) : stsError(status, "InternalFailure")
  );
  await using home = await makeHome({ token: "eyJ...token-1\n" });
  const env = {
    ...home.env,
    AWS_WEB_IDENTITY_TOKEN_FILE: home.join(".aws", "token"),
    AWS_ROLE_ARN: "arn:aws:iam::1:role/photos",
    AWS_ENDPOINT_URL_STS: sts.url,
  };
  const get = await find(env, { now: () => now });
  assert.equal(sts.asked.length, 0);
  assert.deepEqual(await get(), {
    accessKeyId: "ASIA1",
    secretAccessKey: "hush-ASIA1/+",
    sessionToken: "AQoDYXdzEE0a8ANXXXXXXXXNO1ewxE5TijQyp+IEXAMPLE/hush==",
  });
  const [{ method, path, body }] = sts.asked;
  assert.deepEqual([method, path], ["POST", "/"]);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(body)), {
    Action: "AssumeRoleWithWebIdentity",
    Version: "2011-06-15",
    RoleArn: "arn:aws:iam::1:role/photos",
    RoleSessionName: "zipferry",
    WebIdentityToken: "eyJ...token-1",
  });
  await Deno.writeTextFile(home.join(".aws", "token"), "eyJ...token-2");
  now += HOUR - 5 * 60_000;
  status = 500;
  for (let i = 0; i < 5; i++) assert.equal((await get()).accessKeyId, "ASIA1");
  while (sts.asked.length < 4) await new Promise((resolve) => setTimeout(resolve, 1));
  status = 200;
  await new Promise((resolve) => setTimeout(resolve, 50)); // the renewal that failed ends
  now += 60_000;
  await until(get, "ASIA2");
  assert.equal(
    new URLSearchParams(sts.asked.at(-1)!.body).get("WebIdentityToken"),
    "eyJ...token-2",
  );
});

Deno.test("findCredentials(): web identity of a profile, and at the store's own address", async () => {
  await using sts = serve(() => stsAnswer("ASIA", Date.now() + HOUR));
  const tree = await makeHome({ token: "eyJ...token" });
  await using home = tree;
  const tokenFile = home.join(".aws", "token");
  await Deno.writeTextFile(
    home.join(".aws", "config"),
    `[profile irsa]\nrole_arn = arn:r\nweb_identity_token_file = ${tokenFile}\n` +
      `role_session_name = s\nservices = own\n[services own]\nsts =\n  endpoint_url = ${sts.url}\n`,
  );
  const get = await find({ ...home.env, AWS_PROFILE: "irsa" });
  assert.equal((await get()).accessKeyId, "ASIA");
  assert.equal(new URLSearchParams(sts.asked[0].body).get("RoleSessionName"), "s");
  const env = { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: "a" };
  const other = await find({ ...home.env, ...env, AWS_ENDPOINT_URL: `${sts.url},http://x` });
  assert.equal((await other()).accessKeyId, "ASIA");
});

Deno.test("findCredentials(): why web identity failed, without the token or the answer", async () => {
  await using home = await makeHome({ token: "eyJ...token" });
  const answers: [() => Response, RegExp, number][] = [
    [
      () => stsError(403, "AccessDenied"),
      /: AssumeRoleWithWebIdentity: status 403 AccessDenied$/,
      1,
    ],
    [() => stsError(400, "hush hush"), /: status 400$/, 1],
    [() => stsError(503, "SlowDown"), /: status 503 SlowDown$/, 3],
    [() => new Response("hush"), /: the answer has no AccessKeyId$/, 1],
    [() => new Response("h".repeat(70_000)), /: the answer is too long$/, 1],
    [
      () => stsAnswer("a", Date.now() - 1),
      /they have ended already, by the clock of this machine$/,
      1,
    ],
    [() => new Response(null, { status: 307, headers: { location: "/x" } }), /: status 307$/, 1],
  ];
  for (const [answer, expected, times] of answers) {
    await using sts = serve(answer);
    const env = { AWS_ROLE_ARN: "a", AWS_ENDPOINT_URL_STS: sts.url };
    const AWS_WEB_IDENTITY_TOKEN_FILE = home.join(".aws", "token");
    assert.match(await complaint({ ...env, AWS_WEB_IDENTITY_TOKEN_FILE }), expected);
    assert.equal(sts.asked.length, times);
  }
  const gone = {
    AWS_ROLE_ARN: "a",
    AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${freePort()}`,
    AWS_WEB_IDENTITY_TOKEN_FILE: home.join(".aws", "token"),
  };
  assert.match(await complaint(gone), /AssumeRoleWithWebIdentity: connection refused$/);
  const message = await complaint({ ...gone, AWS_WEB_IDENTITY_TOKEN_FILE: "/none/token" });
  assert.match(message, /the file of the token, "\/none\/token", cannot be read: there is none$/);
});

Deno.test("findCredentials(): the address for a container, with its token read each time", async () => {
  let now = Date.UTC(2026, 0, 1);
  await using home = await makeHome({ token: "...token-1\n" });
  let count = 0;
  const shown: (string | null)[] = [];
  await using agent = serve((request) => {
    shown.push(request.headers.get("authorization"));
    return Response.json({
      ...{ AccessKeyId: `ASIA${++count}`, SecretAccessKey: "hush", Token: "t" },
      ...{ Expiration: new Date(now + HOUR).toISOString(), AccountId: "1" },
    });
  });
  const env = {
    ...home.env,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agent.url}/v1/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: "no",
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: home.join(".aws", "token"),
  };
  const get = await find(env, { now: () => now });
  const keys = { accessKeyId: "ASIA1", secretAccessKey: "hush", sessionToken: "t" };
  assert.deepEqual(await get(), keys);
  assert.deepEqual([agent.asked[0].method, agent.asked[0].path], ["GET", "/v1/credentials"]);
  await Deno.writeTextFile(home.join(".aws", "token"), "...token-2");
  now += HOUR - 5 * 60_000;
  await until(get, "ASIA2");
  assert.deepEqual(shown, ["...token-1", "...token-2"]);
  const { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: _, ...direct } = env;
  const options = { now: () => now };
  const other = await find({ ...direct, AWS_CONTAINER_AUTHORIZATION_TOKEN: "Basic x" }, options);
  assert.equal((await other()).accessKeyId, "ASIA3");
  assert.equal(shown.at(-1), "Basic x");
});

Deno.test("findCredentials(): a container is asked by https, or on this machine, and nowhere else", async () => {
  await using home = await makeHome({ bad: "a\nx: y" });
  const bad = [
    "http://10.0.0.1/x",
    "http://169.254.169.254/x",
    "ftp://127.0.0.1/",
    "x",
    "http://h",
  ];
  for (const uri of bad) {
    const message = await complaint({ ...home.env, AWS_CONTAINER_CREDENTIALS_FULL_URI: uri });
    assert.match(message, /^AWS_CONTAINER_CREDENTIALS_FULL_URI: is not allowed; use an address by/);
  }
  for (const uri of ["@evil.example/x", "//x", "x"].filter((uri) => uri[0] !== "/")) {
    const message = await complaint({ ...home.env, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: uri });
    assert.match(message, /^AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: is not allowed; use a path$/);
  }
  const good = ["https://h/x", "http://[fd00:ec2::23]/x", "http://169.254.170.23/v1/credentials"];
  for (const uri of [...good, "http://localhost:1/", "http://[::1]:1/"]) {
    await find({ ...home.env, AWS_CONTAINER_CREDENTIALS_FULL_URI: uri }); // asks nobody yet
  }
  const address = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:1/" };
  const tokenFile = { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: home.join(".aws", "bad") };
  assert.match(
    await complaint({ ...home.env, ...address, ...tokenFile }),
    /the token for the container is empty or has characters that are not allowed$/,
  );
});

Deno.test("findCredentials(): why a container gives none, without the answer", async () => {
  await using home = await makeHome();
  const answers: [() => Response, RegExp][] = [
    [
      () => Response.json({ code: "NoRole", message: "hush" }, { status: 404 }),
      /status 404 NoRole$/,
    ],
    [() => new Response("hush"), /: the answer is not JSON$/],
    [() => Response.json({ AccessKeyId: "a" }), /: the answer has no SecretAccessKey$/],
    [
      () => Response.json({ AccessKeyId: "a", SecretAccessKey: "hush", Token: "t" }),
      /: the answer does not tell when they end$/,
    ],
  ];
  for (const [answer, expected] of answers) {
    await using agent = serve(answer);
    const env = { ...home.env, AWS_CONTAINER_CREDENTIALS_FULL_URI: agent.url };
    assert.match(await complaint(env), expected);
  }
});
