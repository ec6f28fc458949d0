import assert from "node:assert/strict";
import { type Bar, barChart, escapeText } from "./bars.ts";

const kind = "ours";

Deno.test("barChart(): a larger value has a longer bar, in proportion", () => {
  const [one, two, four] = lengths([bar(1), bar(2), bar(4)], 4);
  assert.ok(one > 0);
  assert.ok(Math.abs(two / one - 2) < 0.01 && Math.abs(four / one - 4) < 0.01);
});

Deno.test("barChart(): a bar is as long as its parts together", () => {
  const [whole, first, second] = lengths([bar(3), { ...bar(3), parts: [1, 2] }], 4);
  assert.ok(Math.abs(first + second - whole) < 0.2);
  assert.ok(first < second);
});

Deno.test("barChart(): what is too long has the full length and is marked as cut", () => {
  const bars = [bar(4), bar(5)];
  const [full, cut] = lengths(bars, 4);
  assert.equal(cut, full);
  assert.equal(draw(bars, 4).match(/class="cut"/g)?.length, 1);
  assert.equal(draw(bars, 5).match(/class="cut"/g), null);
});

Deno.test("barChart(): values and names are there as text, also for those who do not see it", () => {
  const svg = draw([{ ...bar(1), label: "a server", text: "0.83" }], 1);
  assert.match(svg, />a server<\/text>/);
  assert.match(svg, />0\.83<\/text>/);
  assert.match(svg, /role="img"[^>]+aria-labelledby="title desc"/);
  assert.match(svg, /<desc id="desc">said &lt;aloud&gt;<\/desc>/);
});

Deno.test("escapeText(): nothing is left that means something in XML", () => {
  assert.equal(escapeText(`<a b="c">&`), "&lt;a b=&quot;c&quot;&gt;&amp;");
  assert.match(draw([{ ...bar(1), label: "</svg><script>" }], 1), /&lt;\/svg&gt;&lt;script&gt;/);
});

function bar(value: number): Bar {
  return { label: "", parts: [value], text: String(value), kind };
}

function draw(bars: readonly Bar[], full: number) {
  const panels = [{ title: "panel", bars, full }];
  return barChart({ title: "title", description: "said <aloud>", note: "", panels });
}

function lengths(bars: readonly Bar[], full: number) {
  return [...draw(bars, full).matchAll(/class="ours part\d".* width="([\d.]+)"/g)]
    .map(([, width]) => Number(width));
}
