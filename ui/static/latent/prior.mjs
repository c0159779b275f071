// The prior beside the aggregate posterior: what the decoder makes of samples of each, and each dimension's density.

import { node, set, shape } from "../run/nodes.mjs";
import { nats } from "../run/numbers.mjs";
import { normal } from "./chance.mjs";
import { show } from "./picture.mjs";

const SAMPLES = 12;
const MOST = 12; // dimensions drawn, those with the largest KL
const CODES = 2000; // of the cloud that the density is the mean of
const GRID = Array.from({ length: 81 }, (_, index) => -4 + index / 10);
const [WIDTH, HEIGHT, TOP] = [150, 56, 0.55]; // of a panel, and the density at its upper edge

const bell = (value, mean, sigma) => Math.exp(-(((value - mean) / sigma) ** 2) / 2) / (sigma * Math.sqrt(2 * Math.PI));

/** The density of q(z_j) = mean over x of q(z_j|x) at each value of a grid, from at most `most` codes. */
export function aggregate(cloud, dimension, grid, most = CODES) {
  const stride = Math.max(1, Math.ceil(cloud.count / most));
  const sums = new Float64Array(grid.length);
  let count = 0;
  for (let index = 0; index < cloud.count; index += stride, count += 1) {
    const at = index * cloud.latent + dimension;
    const sigma = Math.exp(cloud.logvar[at] / 2);
    grid.forEach((value, place) => (sums[place] += bell(value, cloud.mean[at], sigma)));
  }
  return sums.map((sum) => sum / count);
}

/** A code from the prior, or from the posterior of a random example. */
export function draw(cloud, fromPrior) {
  const index = Math.floor(Math.random() * cloud.count);
  const [mean, sigma] = [cloud.code(index), cloud.spread(index)];
  return Float32Array.from({ length: cloud.latent }, (_, axis) => (fromPrior ? normal(Math.random) : mean[axis] + sigma[axis] * normal(Math.random)));
}

function line(values) {
  const points = values.map((value, place) => [(place / (GRID.length - 1)) * WIDTH, HEIGHT * (1 - Math.min(1.2, value / TOP))]);
  return `M${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}`;
}

function panel(parent, cloud, dimension) {
  const { kl, active } = cloud.head;
  const figure = node(parent, "figure", "lc-density");
  const svg = shape(figure, "svg", "", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const values = [...aggregate(cloud, dimension, GRID)];
  shape(svg, "path", "lc-posterior", { d: `${line(values)}L${WIDTH},${HEIGHT}L0,${HEIGHT}Z` });
  shape(svg, "path", "lc-prior", { d: line(GRID.map((value) => bell(value, 0, 1))) });
  const words = `z${dimension + 1}  ${active[dimension] ? `${nats(kl[dimension])} nats` : "not in use"}`;
  set(svg, { "aria-label": `Density of ${words} over the images, and that of the prior` });
  node(figure, "figcaption", "", words);
}

function grid(parent, words) {
  const box = node(parent, "div", "lc-samples");
  node(box, "span", "lc-label", words);
  return Array.from({ length: SAMPLES }, () => node(box, "canvas", "lc-tile"));
}

/** The fold under the map; it works only when it is opened. */
export function createPrior(root, map) {
  const fold = node(root, "details", "lc-fold");
  node(fold, "summary", "", "Prior and posterior");
  const grids = node(fold, "div", "lc-two");
  const rows = [[true, grid(grids, "decoded from the prior N(0, I)")], [false, grid(grids, "decoded from q(z), the posteriors of random images")]];
  const bar = node(fold, "div", "lc-bar");
  const again = Object.assign(node(bar, "button", "lc-button", "Draw again"), { type: "button" });
  node(fold, "p", "lc-label", "Each dimension: q(z) over the images (filled) and the prior N(0, 1) (dotted), −4 to 4, by KL.");
  const densities = node(fold, "div", "lc-densities");
  const sample = async () => {
    for (const [fromPrior, canvases] of rows) {
      if (!map.decoder) return;
      const codes = canvases.map(() => draw(map.cloud, fromPrior));
      const pixels = await map.decoder.decode(Float32Array.from(codes.flatMap((code) => [...code])), map.cloud.latent);
      const size = map.shape.channels * map.shape.width * map.shape.height;
      canvases.forEach((canvas, place) => show(canvas, pixels, map.shape, map.theme, place * size));
    }
  };
  const write = () => {
    if (!fold.open || !map.cloud) return;
    grids.hidden = bar.hidden = !map.decoder;
    sample();
    densities.replaceChildren();
    for (const dimension of map.cloud.head.order.slice(0, MOST)) panel(densities, map.cloud, dimension);
  };
  fold.addEventListener("toggle", write);
  again.addEventListener("click", sample);
  return write;
}
