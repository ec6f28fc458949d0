/**
 * Draws the pictures of `test_photos/`: three folders of small JPEGs, so that a fresh checkout has
 * something to download and the tests have something real to pack.
 *
 * Everything comes from fixed numbers: no clock, no random source, so a second run writes the same
 * bytes.
 *
 * ```sh
 * deno run --config deno.dev.json --allow-write=test_photos tools/make_test_photos.ts
 * ```
 *
 * @module
 */

import { dirname, join } from "node:path";
import jpeg from "jpeg-js";

/** Size of a picture in pixels; 3:2, as most cameras have it. */
const WIDTH = 640;
const HEIGHT = 427;

/** JPEG quality, 1 to 100. */
const QUALITY = 80;

/** Every pixel is the mean of `SAMPLES` × `SAMPLES` points, which smooths the outlines. */
const SAMPLES = 2;

/** Columns of points in a picture. Outlines go on for a quarter of that on both sides. */
const COLUMNS = WIDTH * SAMPLES;

/** Red, green and blue, each 0 to 1. */
type Colour = readonly [number, number, number];

/** Colour of one point. `x` runs from 0 to 1.5 and `y` from 0 (top) to 1, so both have one unit. */
type Picture = (x: number, y: number) => Colour;

/** The sun or the moon. */
interface Light {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly colour: Colour;
  /** Strength of the light around the disc, 0 to 1. */
  readonly glow: number;
}

/** One line of hills, from its outline down. */
interface Ridge {
  /** Height the outline starts from, 0 (top of the picture) to 1 (bottom). */
  readonly base: number;
  /** How far the highest hill stands above `base`. */
  readonly rise: number;
  /** Hills per unit of width: 1 is a slow slope, 6 is jagged. */
  readonly waves: number;
  readonly colour: Colour;
  /** Colour of the haze at the foot. */
  readonly haze?: Colour;
  /** How far below the outline snow lies. */
  readonly snow?: number;
  /** Height of the firs on the outline. */
  readonly firs?: number;
  /** Where the ridge stands, when it does not cross the whole picture. */
  readonly cape?: { readonly x: number; readonly width: number };
}

interface Scene {
  /** Changes every outline, cloud and star, and no colour. */
  readonly seed: number;
  /** From the top down to the horizon. */
  readonly sky: readonly Colour[];
  /** Where the sky ends, 0 to 1. */
  readonly horizon: number;
  readonly light?: Light;
  readonly clouds?: { readonly cover: number; readonly colour: Colour };
  /** Share of the sky's cells that hold a star, 0 to 1. */
  readonly stars?: number;
  readonly aurora?: Colour;
  /** Hills behind the water, the farthest first. */
  readonly ridges: readonly Ridge[];
  readonly water?: { readonly colour: Colour; readonly ripple: number };
  /** A sailing boat on the water. */
  readonly boat?: { readonly x: number; readonly size: number; readonly sail: Colour };
  /** Hills before the water, the farthest first. */
  readonly shore?: readonly Ridge[];
}

const GOLDEN_LAKE: Scene = {
  seed: 11,
  sky: [[0.2, 0.3, 0.52], [0.56, 0.53, 0.63], [0.97, 0.68, 0.47], [1, 0.83, 0.56]],
  horizon: 0.6,
  light: { x: 0.86, y: 0.42, radius: 0.035, colour: [1, 0.95, 0.78], glow: 0.6 },
  clouds: { cover: 0.45, colour: [1, 0.72, 0.58] },
  ridges: [
    { base: 0.58, rise: 0.2, waves: 2.2, colour: [0.52, 0.45, 0.56], haze: [0.93, 0.68, 0.55] },
    { base: 0.61, rise: 0.13, waves: 3.1, colour: [0.3, 0.29, 0.4], haze: [0.75, 0.52, 0.47] },
  ],
  water: { colour: [0.2, 0.25, 0.38], ripple: 0.05 },
  shore: [{ base: 0.97, rise: 0.13, waves: 1.6, colour: [0.07, 0.08, 0.11], firs: 0.16 }],
};

const GREEN_HILLS: Scene = {
  seed: 23,
  sky: [[0.16, 0.43, 0.8], [0.42, 0.67, 0.92], [0.8, 0.91, 0.97]],
  horizon: 0.7,
  clouds: { cover: 0.62, colour: [1, 1, 1] },
  light: { x: 0.2, y: 0.05, radius: 0, colour: [1, 0.98, 0.85], glow: 0.35 },
  ridges: [
    { base: 0.62, rise: 0.16, waves: 1.7, colour: [0.4, 0.58, 0.68], haze: [0.7, 0.83, 0.88] },
    { base: 0.7, rise: 0.17, waves: 1.4, colour: [0.34, 0.55, 0.37], haze: [0.56, 0.73, 0.55] },
    { base: 0.82, rise: 0.16, waves: 1.2, colour: [0.33, 0.56, 0.2], haze: [0.55, 0.7, 0.28] },
    { base: 1, rise: 0.2, waves: 0.9, colour: [0.24, 0.46, 0.13], haze: [0.5, 0.66, 0.2] },
  ],
};

const AURORA_NIGHT: Scene = {
  seed: 37,
  sky: [[0.02, 0.03, 0.1], [0.03, 0.08, 0.19], [0.07, 0.2, 0.28]],
  horizon: 0.68,
  stars: 0.22,
  aurora: [0.25, 0.95, 0.6],
  ridges: [
    { base: 0.69, rise: 0.26, waves: 2.6, colour: [0.09, 0.13, 0.2], snow: 0.1 },
    { base: 0.7, rise: 0.07, waves: 2, colour: [0.02, 0.05, 0.08], firs: 0.05 },
  ],
  water: { colour: [0.02, 0.06, 0.11], ripple: 0.03 },
};

const BLUE_RIDGES: Scene = {
  seed: 42,
  sky: [[0.55, 0.66, 0.8], [0.86, 0.82, 0.8], [0.99, 0.9, 0.78]],
  horizon: 0.5,
  light: { x: 1.15, y: 0.2, radius: 0.04, colour: [1, 0.97, 0.87], glow: 0.5 },
  ridges: [
    { base: 0.47, rise: 0.14, waves: 2.4, colour: [0.68, 0.72, 0.8], haze: [0.91, 0.86, 0.82] },
    { base: 0.57, rise: 0.16, waves: 2.1, colour: [0.51, 0.59, 0.71], haze: [0.82, 0.8, 0.8] },
    { base: 0.69, rise: 0.17, waves: 1.8, colour: [0.34, 0.45, 0.59], haze: [0.68, 0.71, 0.75] },
    { base: 0.83, rise: 0.17, waves: 1.5, colour: [0.19, 0.3, 0.43], haze: [0.5, 0.57, 0.64] },
    { base: 1, rise: 0.16, waves: 1.2, colour: [0.07, 0.14, 0.21], firs: 0.12 },
  ],
};

const SEA_SUNSET: Scene = {
  seed: 58,
  sky: [[0.17, 0.13, 0.33], [0.53, 0.23, 0.43], [0.93, 0.42, 0.34], [1, 0.74, 0.4]],
  horizon: 0.56,
  light: { x: 0.62, y: 0.49, radius: 0.06, colour: [1, 0.9, 0.62], glow: 0.7 },
  clouds: { cover: 0.55, colour: [0.98, 0.5, 0.42] },
  ridges: [
    {
      base: 0.57,
      rise: 0.16,
      waves: 2.5,
      colour: [0.28, 0.15, 0.28],
      haze: [0.6, 0.3, 0.34],
      cape: { x: 1.38, width: 0.33 },
    },
  ],
  water: { colour: [0.24, 0.13, 0.3], ripple: 0.07 },
  boat: { x: 0.98, size: 0.13, sail: [0.14, 0.09, 0.16] },
};

const BAIKAL_MORNING: Scene = {
  seed: 64,
  sky: [[0.35, 0.56, 0.8], [0.67, 0.77, 0.87], [0.98, 0.87, 0.8]],
  horizon: 0.55,
  light: { x: 0.35, y: 0.42, radius: 0.028, colour: [1, 0.96, 0.86], glow: 0.5 },
  clouds: { cover: 0.4, colour: [1, 0.9, 0.86] },
  ridges: [
    { base: 0.55, rise: 0.17, waves: 3, colour: [0.56, 0.63, 0.74], snow: 0.06 },
    {
      base: 0.56,
      rise: 0.3,
      waves: 3.4,
      colour: [0.33, 0.27, 0.27],
      haze: [0.62, 0.51, 0.46],
      cape: { x: 1.12, width: 0.22 },
    },
  ],
  water: { colour: [0.16, 0.38, 0.53], ripple: 0.04 },
};

const BAIKAL_ICE: Scene = {
  seed: 71,
  sky: [[0.1, 0.33, 0.67], [0.4, 0.65, 0.88], [0.82, 0.92, 0.97]],
  horizon: 0.52,
  clouds: { cover: 0.3, colour: [1, 1, 1] },
  light: { x: 1.3, y: 0.1, radius: 0, colour: [1, 1, 0.93], glow: 0.3 },
  ridges: [
    { base: 0.54, rise: 0.34, waves: 2.7, colour: [0.36, 0.46, 0.6], snow: 0.2 },
    { base: 0.525, rise: 0.05, waves: 3, colour: [0.25, 0.35, 0.46], haze: [0.7, 0.82, 0.9] },
  ],
  water: { colour: [0.3, 0.75, 0.82], ripple: 0.015 },
};

const AUTUMN_TAIGA: Scene = {
  seed: 83,
  sky: [[0.45, 0.57, 0.68], [0.74, 0.78, 0.8], [0.94, 0.9, 0.82]],
  horizon: 0.6,
  clouds: { cover: 0.6, colour: [0.96, 0.95, 0.93] },
  ridges: [
    { base: 0.57, rise: 0.2, waves: 1.8, colour: [0.47, 0.5, 0.54], haze: [0.83, 0.79, 0.7] },
    { base: 0.64, rise: 0.12, waves: 2, colour: [0.75, 0.5, 0.17], firs: 0.05 },
    { base: 0.74, rise: 0.1, waves: 2.2, colour: [0.63, 0.35, 0.1], firs: 0.08 },
    { base: 0.87, rise: 0.1, waves: 1.7, colour: [0.27, 0.28, 0.12], firs: 0.12 },
    { base: 1.04, rise: 0.1, waves: 1.3, colour: [0.09, 0.13, 0.08], firs: 0.18 },
  ],
};

const MOONLIT_BAY: Scene = {
  seed: 96,
  sky: [[0.03, 0.05, 0.15], [0.08, 0.14, 0.3], [0.24, 0.31, 0.46]],
  horizon: 0.58,
  light: { x: 0.55, y: 0.2, radius: 0.05, colour: [0.98, 0.96, 0.87], glow: 0.35 },
  stars: 0.1,
  ridges: [
    { base: 0.58, rise: 0.15, waves: 2.1, colour: [0.11, 0.16, 0.28], haze: [0.22, 0.29, 0.42] },
  ],
  water: { colour: [0.05, 0.09, 0.2], ripple: 0.06 },
  shore: [{ base: 1, rise: 0.16, waves: 1.4, colour: [0.02, 0.03, 0.06], firs: 0.14 }],
};

const DUNES: Scene = {
  seed: 105,
  sky: [[0.24, 0.5, 0.76], [0.6, 0.75, 0.85], [0.97, 0.89, 0.76]],
  horizon: 0.5,
  light: { x: 0.3, y: 0.28, radius: 0.035, colour: [1, 0.98, 0.88], glow: 0.45 },
  ridges: [
    { base: 0.52, rise: 0.1, waves: 1.9, colour: [0.83, 0.65, 0.47], haze: [0.94, 0.81, 0.65] },
    { base: 0.64, rise: 0.14, waves: 1.3, colour: [0.8, 0.55, 0.33], haze: [0.93, 0.74, 0.52] },
    { base: 0.8, rise: 0.19, waves: 1, colour: [0.72, 0.44, 0.23], haze: [0.92, 0.68, 0.43] },
    { base: 1.02, rise: 0.22, waves: 0.8, colour: [0.55, 0.3, 0.15], haze: [0.82, 0.53, 0.29] },
  ],
};

const RED_SAILS: Scene = {
  seed: 118,
  sky: [[0.15, 0.45, 0.8], [0.45, 0.7, 0.92], [0.84, 0.93, 0.97]],
  horizon: 0.5,
  clouds: { cover: 0.58, colour: [1, 1, 1] },
  light: { x: 0.3, y: 0.12, radius: 0, colour: [1, 1, 0.9], glow: 0.3 },
  ridges: [
    { base: 0.505, rise: 0.08, waves: 2, colour: [0.35, 0.5, 0.58], haze: [0.62, 0.76, 0.82] },
  ],
  water: { colour: [0.05, 0.33, 0.52], ripple: 0.09 },
  boat: { x: 0.52, size: 0.3, sail: [0.93, 0.36, 0.26] },
};

const SNOW_PEAK: Scene = {
  seed: 134,
  sky: [[0.3, 0.32, 0.58], [0.68, 0.53, 0.68], [0.99, 0.74, 0.66]],
  horizon: 0.66,
  clouds: { cover: 0.35, colour: [1, 0.78, 0.72] },
  light: { x: 0.1, y: 0.55, radius: 0, colour: [1, 0.75, 0.55], glow: 0.4 },
  ridges: [
    { base: 0.7, rise: 0.62, waves: 1.9, colour: [0.33, 0.3, 0.43], snow: 0.3 },
    { base: 0.8, rise: 0.12, waves: 1.8, colour: [0.2, 0.22, 0.32], haze: [0.55, 0.45, 0.52] },
    { base: 0.97, rise: 0.12, waves: 1.5, colour: [0.06, 0.09, 0.13], firs: 0.13 },
  ],
};

const STARRY_FOREST: Scene = {
  seed: 149,
  sky: [[0.02, 0.02, 0.08], [0.06, 0.06, 0.17], [0.28, 0.17, 0.27], [0.62, 0.34, 0.3]],
  horizon: 0.78,
  stars: 0.3,
  clouds: { cover: 0.45, colour: [0.36, 0.2, 0.33] },
  ridges: [
    { base: 0.8, rise: 0.16, waves: 2, colour: [0.14, 0.1, 0.17], haze: [0.34, 0.2, 0.25] },
    { base: 0.96, rise: 0.1, waves: 1.5, colour: [0.02, 0.02, 0.05], firs: 0.2 },
  ],
};

const CAPTIONS = `A walk along the coast

sails.jpg            the first sails of the year
dunes.jpg            sand, and more sand
moonlit bay.jpg      back at the tents
mountains/peak.jpg   what we had come for
`;

/** What `test_photos/` holds: path → picture, or text as it is. */
const PHOTOS: ReadonlyMap<string, Scene | string> = new Map<string, Scene | string>([
  ["9f2c41d7e8ab05364c1e7f90d2b8635a/IMG_2041.jpg", GOLDEN_LAKE],
  ["9f2c41d7e8ab05364c1e7f90d2b8635a/IMG_2042.jpg", GREEN_HILLS],
  ["9f2c41d7e8ab05364c1e7f90d2b8635a/IMG_2047.jpg", BLUE_RIDGES],
  ["9f2c41d7e8ab05364c1e7f90d2b8635a/IMG_2053.jpg", SEA_SUNSET],
  ["9f2c41d7e8ab05364c1e7f90d2b8635a/IMG_2060.jpg", STARRY_FOREST],
  ["3b70e6a5184fd92c7da1530b9ec84f26/Байкал/Лёд в марте.jpg", BAIKAL_ICE],
  ["3b70e6a5184fd92c7da1530b9ec84f26/Байкал/Утро на мысе.jpg", BAIKAL_MORNING],
  ["3b70e6a5184fd92c7da1530b9ec84f26/Осенняя тайга.jpg", AUTUMN_TAIGA],
  ["3b70e6a5184fd92c7da1530b9ec84f26/Северное сияние.jpg", AURORA_NIGHT],
  ["c85d1a09f3e24b76a0cf928e4d7163b1/README.txt", CAPTIONS],
  ["c85d1a09f3e24b76a0cf928e4d7163b1/dunes.jpg", DUNES],
  ["c85d1a09f3e24b76a0cf928e4d7163b1/moonlit bay.jpg", MOONLIT_BAY],
  ["c85d1a09f3e24b76a0cf928e4d7163b1/mountains/peak.jpg", SNOW_PEAK],
  ["c85d1a09f3e24b76a0cf928e4d7163b1/sails.jpg", RED_SAILS],
]);

/** The JPEG file of a scene. */
function photograph(scene: Scene): Uint8Array {
  const data = develop(compose(scene));
  return jpeg.encode({ width: WIDTH, height: HEIGHT, data }, QUALITY).data;
}

/** Samples a picture into RGBA bytes, row by row. */
function develop(picture: Picture): Uint8Array {
  const pixels = new Uint8Array(WIDTH * HEIGHT * 4);
  for (let row = 0; row < HEIGHT; row++) {
    for (let column = 0; column < WIDTH; column++) {
      const at = (row * WIDTH + column) * 4;
      pixels.set(exposePixel(picture, column, row), at);
    }
  }
  return pixels;
}

/** The bytes of one pixel: the mean of its samples, and less than one step of grain against bands. */
function exposePixel(picture: Picture, column: number, row: number): number[] {
  const sum = [0, 0, 0];
  for (let sample = 0; sample < SAMPLES * SAMPLES; sample++) {
    const x = column + (sample % SAMPLES + 0.5) / SAMPLES;
    const y = row + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES;
    picture(x / HEIGHT, y / HEIGHT).forEach((part, index) => sum[index] += clamp(part));
  }
  const grain = speck(column, row, 1);
  return [...sum.map((part) => Math.floor(part / SAMPLES ** 2 * 254 + grain)), 255];
}

/** Puts sky, hills, water and shore of a scene behind each other. */
function compose(scene: Scene): Picture {
  const sky = skyOf(scene);
  const hills = withRidges(sky, scene.ridges, scene);
  const boat = scene.boat ? withBoat(hills, scene) : hills;
  const water = scene.water ? withWater(boat, scene) : boat;
  return withRidges(water, scene.shore ?? [], scene);
}

/** The sky: colours from top to horizon, then stars, aurora, light and clouds. */
function skyOf(scene: Scene): Picture {
  return (x, y) => {
    let colour = gradient(scene.sky, y / scene.horizon);
    if (scene.stars) colour = add(colour, [1, 1, 0.95], starlight(x, y, scene));
    if (scene.aurora) colour = add(colour, scene.aurora, auroraAt(x, y, scene));
    if (scene.light) {
      colour = shine(colour, scene.light, Math.hypot(x - scene.light.x, y - scene.light.y));
    }
    if (scene.clouds) colour = mix(colour, scene.clouds.colour, cloudAt(x, y, scene));
    return colour;
  };
}

/** Glow and disc of the light, `distance` away from its centre. */
function shine(colour: Colour, light: Light, distance: number): Colour {
  const glow = light.glow * (0.55 * Math.exp(-distance * 4.5) + 0.45 * Math.exp(-distance * 16));
  const lit = mix(colour, light.colour, glow);
  if (light.radius === 0) return lit;
  return mix(lit, light.colour, 1 - smooth(light.radius, light.radius + 0.004, distance));
}

/** Density of the clouds, 0 to 1: long at the horizon, higher and softer above. */
function cloudAt(x: number, y: number, scene: Scene): number {
  const cover = scene.clouds?.cover ?? 0;
  const height = y / scene.horizon;
  const density = layered(x * 2.4 + scene.seed, y * (4 + 7 * height), scene.seed);
  return 0.85 * smooth(1 - cover, 1.22 - cover, density) * (1 - smooth(0.8, 1.05, height));
}

/** Brightness of the star in the cell around the point; few are bright. */
function starlight(x: number, y: number, scene: Scene): number {
  const cell = 0.016;
  const column = Math.floor(x / cell);
  const row = Math.floor(y / cell);
  if (speck(column, row, scene.seed) > (scene.stars ?? 0)) return 0;
  const starX = (column + 0.25 + 0.5 * speck(column, row, scene.seed + 1)) * cell;
  const starY = (row + 0.25 + 0.5 * speck(column, row, scene.seed + 2)) * cell;
  const size = 0.0008 + 0.0016 * speck(column, row, scene.seed + 3) ** 4;
  const fade = 1 - smooth(0.5, 1, y / scene.horizon);
  return fade * Math.exp(-(((x - starX) ** 2 + (y - starY) ** 2) / size ** 2));
}

/** Brightness of two curtains of light. */
function auroraAt(x: number, y: number, scene: Scene): number {
  const curtain = (foot: number, seed: number): number => {
    const above = foot + 0.22 * (layered(x * 1.5, 0, seed) - 0.5) - y;
    if (above < -0.03) return 0;
    const rays = 0.35 + 0.65 * smoothNoise(x * 26 + above * 3, 0, seed + 1);
    return rays * Math.exp(-Math.max(above, 0) * 6) * smooth(-0.03, 0.02, above);
  };
  return 0.62 * curtain(0.47, scene.seed + 4) + 0.4 * curtain(0.32, scene.seed + 9);
}

/** Draws hills over a picture. */
function withRidges(behind: Picture, ridges: readonly Ridge[], scene: Scene): Picture {
  return ridges.reduce((picture, ridge, index) => {
    const seed = scene.seed * 31 + index * 7 + Math.round(ridge.base * 100);
    const outline = outlineOf(ridge, seed);
    return (x, y) => {
      const depth = y - outline[columnOf(x)];
      return depth < 0 ? picture(x, y) : slopeAt(ridge, { x, y, depth, seed, scene });
    };
  }, behind);
}

/** A point on a slope. */
interface SlopePoint {
  readonly x: number;
  readonly y: number;
  /** Distance below the outline. */
  readonly depth: number;
  readonly seed: number;
  readonly scene: Scene;
}

/** Colour of a slope: texture, snow and haze. */
function slopeAt(ridge: Ridge, point: SlopePoint): Colour {
  const { x, y, depth, seed } = point;
  const texture = layered(x * 14, y * 22 + depth * 9, seed + 2) - 0.5;
  let colour = scale(ridge.colour, 1 + 0.28 * texture);
  if (ridge.snow) colour = mix(colour, ...snowAt(ridge.snow, point));
  if (ridge.haze) colour = mix(colour, ridge.haze, 0.9 * smooth(0, 0.2, depth));
  return colour;
}

/** Colour and cover of the snow: lit from one side, broken by rocks further down. */
function snowAt(snow: number, point: SlopePoint): [Colour, number] {
  const { x, y, depth, seed, scene } = point;
  const relief = (at: number) => layered(at * 7 + depth * 2.5, y * 6, seed + 5);
  const lit = clamp(0.5 + 9 * (relief(x + 0.012) - relief(x - 0.012)));
  const horizonColour = scene.sky[scene.sky.length - 1];
  const shadow = mix(scene.sky[0], horizonColour, 0.3);
  const colour = mix(shadow, mix(horizonColour, [1, 1, 1], scene.stars ? 0 : 0.65), lit);
  const rocks = layered(x * 13 + depth * 4, y * 10, seed + 6);
  return [colour, 1 - smooth(-0.06, 0.03, depth - snow * (0.1 + 1.5 * rocks))];
}

/** Height of the outline for every column. */
function outlineOf(ridge: Ridge, seed: number): Float64Array {
  return Float64Array.from({ length: COLUMNS * 1.5 }, (_, column) => {
    const x = (column - COLUMNS / 4) / SAMPLES / HEIGHT;
    const hills = layered(x * ridge.waves + seed, 0, seed);
    const shape = ridge.cape ? capeAt(x, ridge.cape) * (0.45 + 0.8 * hills) : 1.6 * hills - 0.35;
    return ridge.base - ridge.rise * shape - (ridge.firs ? firsAt(x, ridge.firs, seed) : 0);
  });
}

/** Column of an outline that a point falls into. */
function columnOf(x: number): number {
  const column = Math.round(x * HEIGHT * SAMPLES + COLUMNS / 4);
  return Math.min(Math.max(column, 0), COLUMNS * 1.5 - 1);
}

/** 1 in the middle of a cape, falling below 0 outside it, so that it ends in the water. */
function capeAt(x: number, cape: { readonly x: number; readonly width: number }): number {
  return 1.15 * Math.exp(-(((x - cape.x) / cape.width) ** 2) * 1.6) - 0.15;
}

/** How far firs stand above the outline: the highest of the trees around, each with its branches. */
function firsAt(x: number, height: number, seed: number): number {
  const spacing = height * 0.32;
  const cell = Math.floor(x / spacing);
  let top = 0;
  for (let tree = cell - 2; tree <= cell + 2; tree++) {
    const centre = (tree + 0.2 + 0.6 * speck(tree, 7, seed)) * spacing;
    const tall = height * (0.35 + 0.65 * speck(tree, 8, seed));
    const branch = tall * 0.035;
    const away = Math.abs(x - centre);
    top = Math.max(top, tall - away * 4.6 + 3.2 * (away % branch));
  }
  return top;
}

/** Draws water below the horizon: what is above it upside down, shaken, and the light's path. */
function withWater(above: Picture, scene: Scene): Picture {
  const { colour, ripple } = scene.water!;
  return (x, y) => {
    const depth = (y - scene.horizon) / (1 - scene.horizon);
    if (depth <= 0) return above(x, y);
    const wave = smoothNoise(x * 9 / (0.25 + depth), 34 * Math.log(depth + 0.06), scene.seed) - 0.5;
    const mirrorY = Math.max(0, 2 * scene.horizon - y + wave * ripple * (0.3 + depth));
    const mirrored = above(x + wave * ripple * 0.4, Math.min(mirrorY, scene.horizon - 0.001));
    const surface = mix(mirrored, colour, 0.25 + 0.45 * smooth(0, 1, depth) + wave * ripple * 3);
    if (!scene.light?.radius) return surface;
    return add(surface, scene.light.colour, glitter(x, depth, wave, scene));
  };
}

/** Brightness of the path the light lays on the water. */
function glitter(x: number, depth: number, wave: number, scene: Scene): number {
  const { x: centre, radius, glow } = scene.light!;
  const width = (radius + 0.015) * (0.8 + 1.8 * depth);
  return 1.1 * glow * Math.exp(-(((x - centre) / width) ** 2)) * smooth(-0.1, 0.35, wave);
}

/** Draws a boat with two sails that stands on the horizon line, so that the water mirrors it. */
function withBoat(behind: Picture, scene: Scene): Picture {
  const { x: centre, size, sail } = scene.boat!;
  return (x, y) => {
    const across = (x - centre) / size;
    const up = (scene.horizon - y) / size;
    if (up < 0 || up > 1.1 || Math.abs(across) > 0.6) return behind(x, y);
    if (isHull(across, up)) return [0.12, 0.09, 0.12];
    return isSail(across, up) ? scale(sail, 0.86 + 0.14 * smooth(-0.3, 0.2, across)) : behind(x, y);
  };
}

/** Whether a point, in boat lengths from the middle of the water line, is on the hull or the mast. */
function isHull(across: number, up: number): boolean {
  const hull = up < 0.1 && Math.abs(across) < 0.3 + 1.4 * up;
  return hull || (Math.abs(across) < 0.007 && up < 1.08);
}

/** Whether such a point is on the main sail (behind the mast) or on the jib (before it). */
function isSail(across: number, up: number): boolean {
  const main = across < -0.02 && up > 0.17 && across > -0.4 * (1.05 - up) ** 0.8;
  const jib = across > 0.025 && up > 0.2 && across < 0.38 * (0.88 - up);
  return main || jib;
}

/** Noise with detail: five layers of `smoothNoise`, each finer and fainter. 0 to 1, mean 0.5. */
function layered(x: number, y: number, seed: number): number {
  let sum = 0;
  for (let octave = 0; octave < 5; octave++) {
    const step = 2 ** octave;
    sum += smoothNoise(x * step, y * step, seed + octave) / step;
  }
  return sum / 1.9375;
}

/** Value noise: one number per whole point, eased in between. 0 to 1. */
function smoothNoise(x: number, y: number, seed: number): number {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const across = smooth(0, 1, x - left);
  const down = smooth(0, 1, y - top);
  const upper = lerp(speck(left, top, seed), speck(left + 1, top, seed), across);
  const lower = lerp(speck(left, top + 1, seed), speck(left + 1, top + 1, seed), across);
  return lerp(upper, lower, down);
}

/** A number from 0 to below 1 that looks random and depends on three whole numbers only. */
function speck(x: number, y: number, seed: number): number {
  let bits = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ Math.imul(seed, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 15), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
}

/** Colour at `place` (0 first, 1 last) of evenly spaced colours. */
function gradient(colours: readonly Colour[], place: number): Colour {
  const at = clamp(place) * (colours.length - 1);
  const index = Math.min(Math.floor(at), colours.length - 2);
  return mix(colours[index], colours[index + 1], at - index);
}

/** The way from one colour to the other, `share` 0 to 1. */
function mix(from: Colour, to: Colour, share: number): Colour {
  const part = clamp(share);
  return [lerp(from[0], to[0], part), lerp(from[1], to[1], part), lerp(from[2], to[2], part)];
}

function add(base: Colour, light: Colour, strength: number): Colour {
  return [
    base[0] + light[0] * strength,
    base[1] + light[1] * strength,
    base[2] + light[2] * strength,
  ];
}

function scale(colour: Colour, factor: number): Colour {
  return [colour[0] * factor, colour[1] * factor, colour[2] * factor];
}

function lerp(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}

/** 0 below `low`, 1 above `high`, an S-shaped curve between. */
function smooth(low: number, high: number, value: number): number {
  const share = clamp((value - low) / (high - low));
  return share * share * (3 - 2 * share);
}

function clamp(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}

if (import.meta.main) {
  const folder = join(import.meta.dirname!, "..", "test_photos");
  for (const [name, content] of PHOTOS) {
    const path = join(folder, name);
    Deno.mkdirSync(dirname(path), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, photograph(content));
  }
}
