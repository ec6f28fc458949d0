/**
 * Lines over time, one panel each, as SVG. Pure.
 *
 * @module
 */

const WIDTH = 720;
const PANEL_HEIGHT = 130;
const LEFT = 60;
const RIGHT = 20;
const TOP = 34;

/** One line. `x` is in minutes. */
export interface Series {
  /** What it shows, with its unit. */
  readonly title: string;
  /** In the order of time. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** A chart with a panel for each series, from zero up, and one axis of time in minutes. */
export function timeChart(title: string, series: readonly Series[]): string {
  const height = TOP + PANEL_HEIGHT * series.length + 24;
  const most = Math.max(...series.flatMap(({ points }) => points.map(({ x }) => x)), 1);
  const panels = series.map((line, i) => panel(line, TOP + PANEL_HEIGHT * i, most));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" ` +
    `font-family="sans-serif" font-size="12">\n<title>${title}</title>\n` +
    `<rect width="100%" height="100%" fill="white"/>\n` +
    `<text x="${LEFT}" y="20" font-weight="bold">${title}</text>\n${panels.join("")}` +
    `<text x="${WIDTH - RIGHT}" y="${height - 8}" text-anchor="end">${
      most.toFixed(0)
    } minutes</text>\n</svg>\n`;
}

function panel({ title, points }: Series, top: number, most: number) {
  const highest = Math.max(...points.map(({ y }) => y), 1);
  const bottom = top + PANEL_HEIGHT - 20;
  const x = (value: number) => LEFT + value / most * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => bottom - value / highest * (PANEL_HEIGHT - 44);
  const path = points.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(" ");
  return `<text x="${LEFT}" y="${top + 14}">${title}</text>\n` +
    `<line x1="${LEFT}" y1="${bottom}" x2="${WIDTH - RIGHT}" y2="${bottom}" stroke="#999"/>\n` +
    `<text x="${LEFT - 6}" y="${y(highest) + 4}" text-anchor="end">${highest.toFixed(0)}</text>\n` +
    `<text x="${LEFT - 6}" y="${bottom}" text-anchor="end">0</text>\n` +
    `<polyline points="${path}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>\n`;
}
