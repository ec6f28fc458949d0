/**
 * A chart of horizontal bars as SVG: panels below each other, each with a scale of its own that
 * begins at zero.
 *
 * @module
 */

/** One bar. */
export interface Bar {
  /** What stands before it. */
  readonly label: string;
  /** Its length, in parts that follow each other. */
  readonly parts: readonly number[];
  /** What stands behind it. */
  readonly text: string;
  /** Which colour it has: this project, what it is compared with, or neither. */
  readonly kind: "ours" | "base" | "other";
}

/** Bars that share a scale. */
export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
  /** The value whose bar has the full length; longer ones are cut off and show it. */
  readonly full: number;
}

/** A chart. */
export interface Chart {
  readonly title: string;
  /** For those who do not see it. */
  readonly description: string;
  /** A line below the title. */
  readonly note: string;
  /** Names of the parts of a bar, if there are several. */
  readonly parts?: readonly string[];
  readonly panels: readonly Panel[];
}

const WIDTH = 860;
const LABELS = 232;
const BAR_LENGTH = 430;
const BAR_HEIGHT = 15;
const ROW = 22;
const HEAD = 62;
const LEGEND = 24;
const PANEL_HEAD = 34;

const STYLE = `
  svg { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
  text { fill: #1f2328; }
  .page { fill: #ffffff; }
  .title { font-size: 17px; font-weight: 600; }
  .panel { font-size: 14px; font-weight: 600; }
  .note, .other-text { fill: #57606a; }
  .ours-text { font-weight: 700; }
  .axis { stroke: #8c959f; }
  .cut { stroke: #ffffff; stroke-width: 3; }
  .ours { fill: #0f766e; }
  .base { fill: #b45309; }
  .other { fill: #6e7781; }
  .part1 { fill-opacity: 0.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .page { fill: #0d1117; }
    .note, .other-text { fill: #9aa4ae; }
    .cut { stroke: #0d1117; }
    .ours { fill: #2dd4bf; }
    .base { fill: #f59e0b; }
    .other { fill: #8b949e; }
  }`;

/** The chart as the text of an SVG file; it has a dark look where the reader prefers that. */
export function barChart({ title, description, note, parts = [], panels }: Chart): string {
  let y = parts.length > 0 ? HEAD + LEGEND : HEAD;
  const drawn = panels.map((panel) => {
    const top = y;
    y += PANEL_HEAD + panel.bars.length * ROW;
    return drawPanel(panel, top);
  });
  const height = y + 16;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img"`,
    `  aria-labelledby="title desc">`,
    `  <title id="title">${escapeText(title)}</title>`,
    `  <desc id="desc">${escapeText(description)}</desc>`,
    `  <style>${STYLE}\n  </style>`,
    `  <rect class="page" width="${WIDTH}" height="${height}" />`,
    drawText(title, { x: 16, y: 30, kind: "title" }),
    drawText(note, { x: 16, y: 52, kind: "note" }),
    ...parts.map(drawLegend),
    ...drawn,
    "</svg>\n",
  ].join("\n");
}

/** Text for SVG, with what has a meaning there written as references. */
export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function drawPanel({ title, bars, full }: Panel, top: number) {
  const first = top + PANEL_HEAD;
  const bottom = first + bars.length * ROW - (ROW - BAR_HEIGHT) / 2;
  return [
    drawText(title, { x: 16, y: top + 24, kind: "panel" }),
    ...bars.map((bar, row) => drawBar(bar, { top: first + row * ROW, full })),
    `  <path class="axis" d="M${LABELS} ${first - 3}V${bottom}" />`,
  ].join("\n");
}

function drawBar({ label, parts, text, kind }: Bar, place: { top: number; full: number }) {
  const middle = place.top + 12;
  const total = parts.reduce((sum, part) => sum + part, 0);
  const cut = total > place.full;
  const scale = BAR_LENGTH / (cut ? total : place.full);
  let x = LABELS;
  const rects = parts.map((part, index) => {
    const width = part * scale;
    const at = `x="${round(x)}" y="${place.top}" width="${round(width)}" height="${BAR_HEIGHT}"`;
    x += width;
    return `  <rect class="${kind} part${index}" ${at} />`;
  });
  return [
    drawText(label, { x: LABELS - 8, y: middle, kind: `${kind}-text`, anchor: "end" }),
    ...rects,
    ...(cut ? [drawCut(x - 24, place.top)] : []),
    drawText(text, { x: round(x) + 7, y: middle, kind: `${kind}-text` }),
  ].join("\n");
}

/** Two slanted lines through a bar that is longer than there is room. */
function drawCut(x: number, top: number) {
  const line = (x: number) => `M${round(x)} ${top + BAR_HEIGHT + 2}l6 ${-BAR_HEIGHT - 4}`;
  return `  <path class="cut" d="${line(x)}${line(x + 7)}" />`;
}

function drawLegend(name: string, index: number) {
  const x = 16 + index * 90;
  return [
    `  <rect class="other part${index}" x="${x}" y="${HEAD + 2}" width="14" height="13" />`,
    drawText(name, { x: x + 20, y: HEAD + 13, kind: "note" }),
  ].join("\n");
}

interface TextPlace {
  readonly x: number;
  readonly y: number;
  readonly kind: string;
  readonly anchor?: "end";
}

function drawText(text: string, { x, y, kind, anchor }: TextPlace) {
  const aligned = anchor ? ` text-anchor="${anchor}"` : "";
  return `  <text class="${kind}" x="${x}" y="${y}"${aligned}>${escapeText(text)}</text>`;
}

function round(value: number) {
  return Math.round(value * 10) / 10;
}
