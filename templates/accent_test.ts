import assert from "node:assert/strict";
import fc from "fast-check";
import { accentStyle, contrast } from "./accent.ts";

Deno.test("contrast() is that of WCAG", () => {
  assert.equal(contrast("#000000", "#ffffff").toFixed(2), "21.00");
  assert.equal(contrast("#777777", "#ffffff").toFixed(2), "4.48");
  assert.equal(contrast("#8a3ffc", "#8a3ffc"), 1);
});

Deno.test("accentStyle() of any colour can be read, in light and in dark", () => {
  const colours = fc.integer({ min: 0, max: 0xffffff })
    .map((value) => `#${value.toString(16).padStart(6, "0")}`);
  fc.assert(fc.property(colours, (colour) => {
    const style = accentStyle(colour);
    const [light, dark] = [...style.matchAll(/--link:(#[0-9a-f]{6})/g)].map(([, link]) => link);
    const [, on] = /--on:(#[0-9a-f]{6})/.exec(style) ?? [];
    assert.ok(contrast(light, "#f3f1ec") >= 4.5, `${colour}: light ${light}`);
    assert.ok(contrast(dark, "#222529") >= 4.5, `${colour}: dark ${dark}`);
    assert.ok(contrast(on, colour) >= 4.5, `${colour}: button ${on}`);
    assert.ok(style.includes(`--button:${colour}`));
  }));
});

Deno.test("accentStyle() leaves a colour as it is where it can be read", () => {
  assert.match(accentStyle("#7a1f3d"), /^:root\{--link:#7a1f3d;/);
});
