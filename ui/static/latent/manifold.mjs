// The decoder's own picture of the map: a grid of codes at the prior's quantiles, decoded once and laid under the points.

import { decodeAll } from "./decoder.mjs";
import { quantile } from "./geometry.mjs";
import { paint } from "./picture.mjs";

const SIDE = 15;
const AT_ONCE = 3 * SIDE; // codes decoded in one go

const steps = Array.from({ length: SIDE }, (_, index) => quantile((index + 0.5) / SIDE));

/** The grid's picture, tile by tile as it is decoded: a canvas, and the box [x0, y0, x1, y1] of the map that it covers. */
export async function decodeManifold(cloud, base, decoder, shape, theme, wanted) {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE * shape.width, height: SIDE * shape.height });
  const context = canvas.getContext("2d");
  const [x0, y0] = cloud.place(new Float32Array(cloud.latent));
  const places = steps.flatMap((up, row) => steps.map((along, column) => [x0 + along, y0 - up, column, row]));
  const pixels = shape.channels * shape.width * shape.height;
  const made = await decodeAll(decoder, places.map(([x, y]) => cloud.lift([x, y], base)), wanted, (decoded, start, number) => {
    for (let index = start; index < start + number; index += 1) {
      const [, , column, row] = places[index];
      paint(context, decoded, shape, theme, [column * shape.width, row * shape.height], index * pixels);
    }
  }, AT_ONCE);
  return made && { canvas, steps, centre: [x0, y0] };
}

/** Lays the grid under the points, each tile where its code stands. */
export function drawManifold(context, manifold, view, shape, ratio) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  if (!manifold) return;
  context.imageSmoothingEnabled = shape.height > 16;
  const edges = steps.map((value, index) => (index ? (value + steps[index - 1]) / 2 : 2 * value - (steps[1] + value) / 2));
  edges.push(-edges[0]);
  const across = edges.map((edge) => view.pixel([manifold.centre[0] + edge, 0])[0]);
  const down = edges.map((edge) => view.pixel([0, manifold.centre[1] - edge])[1]);
  for (let row = 0; row < SIDE; row += 1) {
    for (let column = 0; column < SIDE; column += 1) {
      const [wide, high] = [across[column + 1] - across[column], down[row + 1] - down[row]];
      const scale = Math.min(wide / shape.width, high / shape.height);
      const [width, height] = [scale * shape.width, scale * shape.height];
      context.drawImage(manifold.canvas, column * shape.width, row * shape.height, shape.width, shape.height,
        across[column] + (wide - width) / 2, down[row] + (high - height) / 2, width, height);
    }
  }
}
