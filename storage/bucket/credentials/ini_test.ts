import assert from "node:assert/strict";
import { parseSections } from "./ini.ts";

function parsed(text: string) {
  const sections = [...parseSections(text)];
  return Object.fromEntries(sections.map(([name, values]) => [name, Object.fromEntries(values)]));
}

Deno.test("parseSections() reads what the tools of AWS write", () => {
  const text = `\ufeff# of the whole file
[default]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY==
; a note
[profile  photos.example-1]\r
region = eu-central-1   # Frankfurt\r
s3 =
  max_concurrent_requests = 20
  addressing_style = path
output = json
endpoint_url = https://store.example/a#b
services = own
[ profile "with quotes" ]
region=auto
[services own]
dynamodb =
  endpoint_url = http://127.0.0.1:1
s3 =
  endpoint_url = http://127.0.0.1:2
[default]
region = ru-central1
no value
= no key
`;
  assert.deepEqual(parsed(text), {
    default: {
      aws_access_key_id: "AKIDEXAMPLE",
      aws_secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY==",
      region: "ru-central1",
    },
    "profile photos.example-1": {
      region: "eu-central-1",
      "s3.max_concurrent_requests": "20",
      "s3.addressing_style": "path",
      output: "json",
      endpoint_url: "https://store.example/a#b",
      services: "own",
    },
    "profile with quotes": { region: "auto" },
    "services own": {
      "dynamodb.endpoint_url": "http://127.0.0.1:1",
      "s3.endpoint_url": "http://127.0.0.1:2",
    },
  });
});

Deno.test("parseSections() takes nothing of what stands before the first section", () => {
  assert.deepEqual(parsed(""), {});
  assert.deepEqual(parsed("a = 1\n[b]\n"), { b: {} });
});
