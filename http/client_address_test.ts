import assert from "node:assert/strict";
import { clientAddress, clientKey, trustProxies } from "./client_address.ts";

const TRUSTED = trustProxies(["10.0.0.0/8", "fd00::/8", "unix"]);

function from(peer: string, fields: Record<string, string>, trusted = TRUSTED) {
  return clientAddress(peer, new Headers(fields), trusted);
}

Deno.test("clientAddress(): nobody is believed who is not trusted", () => {
  const fields = { "x-forwarded-for": "1.2.3.4", forwarded: "for=1.2.3.4" };
  for (const peer of ["192.0.2.1", "2001:db8::1", "11.0.0.1"]) {
    assert.equal(from(peer, fields), peer);
  }
  assert.equal(from("10.0.0.1", fields, trustProxies([])), "10.0.0.1");
  assert.equal(from("", fields, trustProxies(["10.0.0.0/8"])), "");
});

Deno.test("clientAddress(): the last address that is not a trusted proxy's", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["6.6.6.6, 192.0.2.1", "192.0.2.1"],
    ["6.6.6.6,192.0.2.1,10.1.1.1,10.2.2.2", "192.0.2.1"],
    ["10.1.1.1, 10.2.2.2", "10.1.1.1"], // an inside client
    ["192.0.2.1:4711", "192.0.2.1"],
    ["2001:DB8:0::1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["[2001:db8::1]:4711", "2001:db8::1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["192.0.2.1, ::ffff:10.9.9.9", "192.0.2.1"],
    ["fe80::1%eth0", "fe80::1"],
  ];
  for (const [field, client] of cases) {
    assert.equal(from("10.0.0.1", { "x-forwarded-for": field }), client, field);
    assert.equal(from("::ffff:10.0.0.1", { "x-forwarded-for": field }), client, field);
    assert.equal(from("", { "x-forwarded-for": field }), client, field);
  }
});

Deno.test("clientAddress(): Forwarded (RFC 7239) as well", () => {
  const cases: [string, string][] = [
    ["for=192.0.2.1", "192.0.2.1"],
    ['For="192.0.2.1:4711"', "192.0.2.1"],
    ['for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"],
    ["for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"],
    ["by=203.0.113.43;for=192.0.2.60", "192.0.2.60"],
    ['for=6.6.6.6, for=192.0.2.43 , for="10.1.1.1:_x"', "192.0.2.43"],
    ['for="192\\.0.2.1"', "192.0.2.1"],
  ];
  for (const [field, client] of cases) {
    assert.equal(from("10.0.0.1", { forwarded: field }), client, field);
  }
});

Deno.test("clientAddress(): where the chain ends in no address, the last trusted proxy's", () => {
  const nothing = ["", "unknown", "_hidden", "1.2.3", "010.0.0.1", "127.1", "0x7f.1", "1.2.3.4:x"];
  const more = ["1.2.3.256", "1.2.3.4/8", "localhost", "[1.2.3.4", "::1::", "\u00e4", "1"];
  for (const node of [...nothing, ...more]) {
    assert.equal(from("10.0.0.1", { "x-forwarded-for": node }), "10.0.0.1", node);
    const field = `192.0.2.1, ${node}, 10.3.3.3`;
    assert.equal(from("10.0.0.1", { "x-forwarded-for": field }), "10.3.3.3", field);
  }
  for (
    const field of ["for=unknown", "proto=https", "for=_x", "for=1.2.3.4 ;by=a", "for =1.2.3.4"]
  ) {
    assert.equal(from("10.0.0.1", { forwarded: field }), "10.0.0.1", field);
  }
  assert.equal(from("10.0.0.1", {}), "10.0.0.1");
  assert.equal(from("", {}), "");
});

Deno.test("clientAddress(): an open quote of the client hides nothing of the proxy's", () => {
  for (const open of ['for=6.6.6.6, x="', 'for=6.6.6.6;x="\\', 'for="6.6.6.6', "for=6.6.6.6, ="]) {
    for (const proxy of ["for=192.0.2.1", 'for="[2001:db8::1]"', 'for=192.0.2.1;host="a.b"']) {
      const field = `${open}, ${proxy}`;
      assert.equal(from("10.0.0.1", { forwarded: field }), "10.0.0.1", field);
    }
  }
});

Deno.test("clientAddress(): two fields that do not agree are not believed", () => {
  const both = (a: string, b: string) =>
    from("10.0.0.1", { "x-forwarded-for": a, forwarded: `for=${b}` });
  assert.equal(both("192.0.2.1", "6.6.6.6"), "10.0.0.1");
  assert.equal(both("192.0.2.1", "192.0.2.1"), "192.0.2.1");
  assert.equal(both("192.0.2.1", "unknown"), "10.0.0.1");
});

Deno.test("clientAddress(): a very long field is read from its end, if at all", () => {
  const long = `${"6.6.6.6,".repeat(8000)}192.0.2.1`;
  assert.equal(from("10.0.0.1", { "x-forwarded-for": long }), "192.0.2.1");
  const all = "10.1.1.1,".repeat(7000);
  assert.equal(from("10.0.0.1", { "x-forwarded-for": `192.0.2.1,${all}10.1.1.1` }), "10.1.1.1");
  const quotes = `for="${"\\\\".repeat(30_000)}`;
  assert.equal(from("10.0.0.1", { forwarded: quotes }), "10.0.0.1");
});

Deno.test("trustProxies(): groups, addresses, and networks of either kind", () => {
  const has = (network: string, peer: string) => trustProxies([network]).has(peer);
  assert.ok(has("loopback", "127.8.9.1") && has("loopback", "::1"));
  assert.ok(has("loopback", "::ffff:127.0.0.1"));
  assert.ok(!has("loopback", "10.0.0.1") && !has("loopback", ""));
  for (const peer of ["10.1.2.3", "172.31.0.1", "192.168.7.7", "fd12::1", "fe80::1%eth0"]) {
    assert.ok(has("private", peer), peer);
  }
  assert.ok(!has("private", "172.32.0.1") && !has("private", "127.0.0.1"));
  assert.ok(has("192.0.2.7", "192.0.2.7") && !has("192.0.2.7", "192.0.2.8"));
  assert.ok(has("::ffff:192.0.2.0/120", "192.0.2.8"));
  assert.ok(has("::/0", "2001:db8::1") && !has("::/0", "192.0.2.8"));
  assert.ok(has("unix", "") && !has("unix", "127.0.0.1") && !has("::/0", ""));
  assert.throws(() => trustProxies(["10.0.0.0/33"]));
  assert.throws(() => trustProxies(["nginx"]));
});

Deno.test("clientKey(): an IPv6 network of 64 bits is one client", () => {
  assert.equal(clientKey("192.0.2.1"), "192.0.2.1");
  assert.equal(clientKey("2001:db8:0:1:a:b:c:d"), "2001:db8:0:1::/64");
  assert.equal(clientKey("2001:db8:0:1::9"), clientKey("2001:db8:0:1:ffff::1"));
  assert.notEqual(clientKey("2001:db8:0:1::9"), clientKey("2001:db8:0:2::9"));
  assert.equal(clientKey("::1"), "::/64");
  assert.equal(clientKey(""), "");
});
