/**
 * `docs/label.md` and the label's schema hold, and so do the recipes of `docs/cms.md` that need another
 * program.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import fc from "fast-check";
import { parseLabel } from "../storage/label.ts";
import { said, start } from "./process.ts";
import { exchange } from "./raw.ts";
import { run, testWith } from "./tools.ts";
import { makeTree } from "./tree.ts";

const HASH = "5b0d81c3f2a94e67a0c8d15e3b7f2694";
const CMS = read("cms.md");
const schema = JSON.parse(read("label.schema.json"));
const isValid = makeValidator();

function read(name: string) {
  return Deno.readTextFileSync(new URL(`../docs/${name}`, import.meta.url));
}

/** Strict: a keyword that the validator does not know is an error */
function makeValidator() {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  formats.default(ajv);
  return ajv.compile(schema);
}

/** A block of the page in PHP, by the name that it gives itself */
function blockOf(name: string) {
  const [, block] = new RegExp(`\`\`\`php\n(<\\?php // ${name}\n[^]*?)\`\`\``).exec(CMS) ?? [];
  assert.ok(block, name);
  return block;
}

Deno.test("docs/label.schema.json: what the page shows is valid, and understood", () => {
  const page = read("label.md");
  const blocks = [...page.matchAll(/^```json\n([^]*?)^```/gm)].map(([, text]) => text);
  const lines = [...page.matchAll(/^\| `("[^`]+)` /gm)].map(([, line]) => `{${line}}`);
  assert.deepEqual([blocks.length, lines.length], [1, 6]);
  for (const text of [...blocks, ...lines]) {
    assert.ok(isValid(JSON.parse(text)), text);
    assert.deepEqual(parseLabel(text).problems, [], text);
  }
  const named = lines.flatMap((line) => Object.keys(JSON.parse(line)));
  const fields = Object.keys(schema.properties).filter((name) => name !== "$schema");
  assert.deepEqual(named.sort(), fields.sort());
});

Deno.test("docs/label.schema.json: whatever is valid is understood", () => {
  const day = fc.date({
    min: new Date("0001-01-01"),
    max: new Date("9999-12-31"),
    noInvalidDate: true,
  })
    .map((date) => date.toISOString());
  const time = fc.oneof(
    day.map((text) => text.slice(0, 10)),
    day,
    day.map((text) => text.replace("Z", "+05:30")),
    fc.string(),
    fc.constantFrom("2027-02-29", "2027-01-31T18:00:00", "2027-01-31 18:00:00Z", "31.01.2027", ""),
  );
  const label = fc.record({
    title: fc.oneof(fc.string(), fc.constant(null), fc.integer()),
    note: fc.oneof(fc.string(), fc.constant(null), fc.boolean()),
    expires: fc.oneof(time, fc.integer()),
    notBefore: time,
    download: fc.constantFrom("page", "zip", null, "html", 1),
    accent: fc.constantFrom("#8a3ffc", "#FFFFFF", "red", "#fff", null),
  }, { requiredKeys: [] });
  let valid = 0;
  const property = fc.property(label, (label) => {
    const { problems } = parseLabel(JSON.stringify(label));
    if (!isValid(label)) return;
    valid++;
    assert.deepEqual(problems, [], JSON.stringify(label));
  });
  fc.assert(property, { numRuns: 3000 });
  assert.ok(valid > 30, `${valid} of them were valid`);
  for (const wrong of [[], "x", { colour: "red" }, { expires: "soon" }, { title: 1 }]) {
    assert.ok(!isValid(wrong), JSON.stringify(wrong));
    assert.notDeepEqual(parseLabel(JSON.stringify(wrong)).problems, []);
  }
});

Deno.test("docs/label.md: a title and an end, from the outside", async () => {
  await using tree = await makeTree({ [`photos/${HASH}/IMG_0001.jpg`]: "1" });
  await using program = await start(["--folder", tree.join("photos"), "--hidden"]);
  const ask = () => exchange(program.port, `GET /archive/${HASH}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
  const before = await ask();
  const [, example] = /^```json\n([^]*?)^```/m.exec(read("label.md"))!;
  const file = tree.join(`photos/${HASH}/.zipferry.json`);
  await Deno.writeTextFile(file, example.replace("2027", "2999"));
  const named = await ask();
  assert.equal(
    named.headers.get("content-disposition"),
    'attachment; filename="Anna & Peter, 12 June.zip"; ' +
      "filename*=UTF-8''Anna%20%26%20Peter%2C%2012%20June.zip",
  );
  assert.deepEqual(named.body, before.body);
  assert.equal(named.headers.get("etag"), before.headers.get("etag"));
  await Deno.writeTextFile(file, example.replace("2027", "2001"));
  assert.equal((await ask()).status, 410);
  await Deno.writeTextFile(file, example.replace("2027", "next"));
  assert.equal((await ask()).status, 404);
  await said(program, /expires is not a date such as 2027-01-31/);
  assert.ok(!program.stderr().includes(HASH));
  await Deno.remove(file);
  assert.equal(
    (await ask()).headers.get("content-disposition"),
    before.headers.get("content-disposition"),
  );
});

testWith(["php"], "docs/cms.md: labels from PHP, WordPress and Bitrix", async () => {
  const names = ["photos.php", "photo_label.php", "album_label.php", "wordpress_label.php"]
    .concat("bitrix_label.php");
  await using tree = await makeTree({
    ...Object.fromEntries(names.map((name) => [name, blockOf(name)])),
    [`photos/${HASH}/IMG_0001.jpg`]: "1",
    "wordpress.php": WORDPRESS,
    "bitrix.php": BITRIX,
  });
  const php = async (...args: string[]) => {
    const { code, stdout, stderr } = await run("php", args, { cwd: tree.path });
    assert.deepEqual([code, stderr, new TextDecoder().decode(stdout)], [0, "", ""]);
    const text = await Deno.readTextFile(tree.join(`photos/${HASH}/.zipferry.json`));
    assert.ok(isValid(JSON.parse(text)), text);
    const { label, problems } = parseLabel(text);
    assert.deepEqual(problems, []);
    return label;
  };
  const { title, expires } = await php("album_label.php", HASH);
  const days = (Number(expires) - Date.now()) / 86_400_000;
  assert.equal(title, "Свадьба Ани и Пети");
  assert.ok(days > 29 && days < 32, `${days} days`);
  const end = Date.UTC(2027, 1, 1);
  assert.deepEqual(await php("wordpress.php"), { title: "Anna & Peter’s day", expires: end });
  assert.deepEqual(await php("bitrix.php"), {
    title: "Аня & Петя",
    expires: Date.UTC(2027, 0, 31, 15),
  });
});

/** As much of WordPress as the recipe calls */
const WORDPRESS = `<?php
define('ZIPFERRY_PHOTOS', __DIR__ . '/photos');
class WP_Post { public $ID = 7; }
function add_action($hook, $callback, $priority, $count) {
    $GLOBALS['hooks'][$hook] = [$callback, $count];
}
function get_post_meta($id, $key, $single) {
    $meta = [7 => ['photos_hash' => '${HASH}', 'photos_until' => '2027-01-31']];
    return $meta[$id][$key] ?? '';
}
function get_the_title($post) { return 'Anna &#038; Peter&#8217;s day'; }
require 'wordpress_label.php';
[$callback, $count] = $GLOBALS['hooks']['save_post'];
if ($count !== 2) throw new Exception('two arguments');
$callback(8, new WP_Post); // a post without an album
$callback(7, new WP_Post);
`;

/** As much of Bitrix as the recipe calls */
const BITRIX = `<?php
namespace Bitrix\\Main {
    class EventManager {
        public $handlers = [];
        public static function getInstance() { static $one; return $one ??= new self; }
        public function addEventHandlerCompatible($module, $event, $callback) {
            $this->handlers[$event] = $callback;
        }
    }
}
namespace {
    date_default_timezone_set('Europe/Moscow');
    define('ZIPFERRY_PHOTOS', __DIR__ . '/photos');
    function MakeTimeStamp($text) { return strtotime($text); }
    class CIBlockElement {
        private $id;
        public static function GetByID($id) { $one = new self; $one->id = $id; return $one; }
        public function GetNextElement($textHtmlAuto = true, $useTilda = true) { return $this; }
        public function GetFields() {
            return ['NAME' => 'Аня & Петя', 'ACTIVE_TO' => '31.01.2027 18:00:00'];
        }
        public function GetProperty($code) {
            return $this->id === 7 ? ['VALUE' => '${HASH}'] : false;
        }
    }
    require 'bitrix_label.php';
    foreach (Bitrix\\Main\\EventManager::getInstance()->handlers as $callback) {
        foreach ([['ID' => 7, 'RESULT' => false], ['ID' => 8, 'RESULT' => true],
            ['ID' => 7, 'RESULT' => true]] as $fields) $callback($fields);
    }
}
`;
