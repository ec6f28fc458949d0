/**
 * A colour of the owner's own, so that text in it and on it can be read in light and in dark. Pure.
 *
 * @module
 */

/** Least contrast between a text and what is behind it (WCAG 2.2, criterion 1.4.3, level AA). */
const CONTRAST = 4.5;

/** What is behind a link: the darkest of the light backgrounds, and the lightest of the dark ones. */
const BEHIND = { light: "#f3f1ec", dark: "#222529" } as const;

/** What stands on a button: one of the two can be read on any colour. */
const ON_BUTTON = ["#ffffff", "#000000"] as const;

/** Steps on the way from a colour to black or white. */
const STEPS = 50;

type Channels = readonly number[];

/** True for a colour as it is given: `#` and six hexadecimal digits. */
export function isColour(text: string): boolean {
  return /^#[0-9a-f]{6}$/i.test(text);
}

/**
 * A style sheet that makes a colour the accent of a page. Where it could not be read as a text, text
 * is a darker or a lighter one.
 *
 * @param colour as {@link isColour} takes it
 */
export function accentStyle(colour: string): string {
  const on = ON_BUTTON.map((text) => [contrast(text, colour), text] as const)
    .reduce((best, other) => other[0] > best[0] ? other : best)[1];
  const link = (scheme: "light" | "dark") => legible(colour, BEHIND[scheme]);
  return `:root{--link:${link("light")};--sea:${link("light")};--button:${colour};--on:${on}}` +
    `@media(prefers-color-scheme:dark){:root{--link:${link("dark")};--sea:${link("dark")}}}`;
}

/** Contrast of two colours, from 1 to 21 (WCAG 2.2, "contrast ratio"). */
export function contrast(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** The colour itself, or the nearest on the way to black or white that can be read. */
function legible(colour: string, behind: string) {
  const aim = luminance(behind) > 0.5 ? [0, 0, 0] : [255, 255, 255];
  const from = channelsOf(colour);
  for (let step = 0; step < STEPS; step++) {
    const mixed = hex(from.map((value, i) => value + (aim[i] - value) * step / STEPS));
    if (contrast(mixed, behind) >= CONTRAST) return mixed;
  }
  return hex(aim);
}

/** Brightness from 0 to 1 (WCAG 2.2, "relative luminance"). */
function luminance(colour: string) {
  const [red, green, blue] = channelsOf(colour).map((channel) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function channelsOf(colour: string): Channels {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

function hex(channels: Channels) {
  return `#${channels.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;
}
