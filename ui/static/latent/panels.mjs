// What stands around the map: the picture under the pointer, its neighbours, the dimensions, the legend, the selection.

import { node } from "../run/nodes.mjs";
import { count, nats, signedTwo } from "./words.mjs";
import { classColour, gradient, range } from "./colours.mjs";
import { show } from "./picture.mjs";

const NEIGHBOURS = 4; // at most
const GALLERY = 12;
const REACH = 3.5; // standard deviations of the prior that a slider covers, at least

/** The large picture, where and how fast it was decoded, and the nearest real images. */
export function createPicture(side) {
  const canvas = node(side, "canvas", "lc-decoded");
  Object.assign(canvas.dataset, { testid: "decoded", decodes: 0 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "The image that the decoder makes of the point");
  const words = node(side, "p", "lc-words");
  const line = node(side, "div", "lc-line");
  const label = node(line, "span", "lc-label", "nearest real images");
  const way = node(line, "a", "lc-link");
  const box = node(side, "div", "lc-near");
  const near = Array.from({ length: NEIGHBOURS }, () => node(box, "canvas", "lc-tile"));
  return {
    canvas,
    draw(pixels, z, spent, shape, theme, [what, where]) {
      show(canvas, pixels, shape, theme);
      canvas.style.aspectRatio = `${shape.width} / ${shape.height}`;
      Object.assign(canvas.dataset, { decodes: Number(canvas.dataset.decodes) + 1, decodeMs: spent.toFixed(2), z: JSON.stringify([...z]) });
      words.textContent = `${what}decoded ${where}, ${spent.toFixed(1)} ms`;
    },
    fail(message) {
      words.textContent = message;
    },
    near(indices, tiles, theme) {
      label.hidden = box.hidden = !tiles;
      if (tiles) near.forEach((tile, place) => place < indices.length && tiles.show(tile, indices[place], theme));
    },
    lead(address, sentence) {
      point(way, address, sentence);
    },
  };
}

// A link to an address; none where there is none.
function point(link, address, sentence) {
  link.hidden = !address;
  if (address) Object.assign(link, { href: address, textContent: sentence });
}

/** A slider for each dimension, the one with the largest KL first; those not in use are marked. */
export function createDimensions(side, onChange) {
  const box = node(side, "div", "lc-dimensions");
  node(box, "span", "lc-label", "dimensions, by KL in nats");
  const list = node(box, "div", "lc-sliders");
  let inputs = [];
  return {
    build({ order, kl, active, reach }) {
      list.replaceChildren();
      inputs = [];
      for (const dimension of order) {
        const row = node(list, "label", active[dimension] ? "lc-slider" : "lc-slider lc-dead");
        node(row, "span", "lc-axis", `z${dimension + 1}`);
        const input = node(row, "input");
        const end = Math.max(REACH, Math.ceil(reach[dimension]));
        Object.assign(input, { type: "range", min: -end, max: end, step: 0.01, ariaLabel: `z${dimension + 1}` });
        input.addEventListener("input", () => onChange(dimension, Number(input.value)));
        inputs[dimension] = [input, node(row, "output", "lc-value")];
        node(row, "span", "lc-kl", active[dimension] ? nats(kl[dimension]) : "not in use");
      }
    },
    write(z) {
      z.forEach((value, dimension) => {
        if (!inputs[dimension]) return;
        const [input, output] = inputs[dimension];
        input.value = value;
        input.ariaValueText = signedTwo(value);
        output.textContent = signedTwo(value);
      });
    },
  };
}

/** Classes as switches, or the range of the number that colours. */
export function createLegend(foot, onToggle) {
  const box = node(foot, "div", "lc-legend");
  return {
    classes(names, counts, hidden, theme) {
      box.replaceChildren();
      for (const [label, name] of names) {
        const button = node(box, "button", "lc-class");
        Object.assign(button, { type: "button", ariaPressed: String(!hidden.has(label)), title: `${count(counts[label] ?? 0)} points` });
        node(button, "span", "lc-swatch").style.background = classColour(label, theme);
        node(button, "span", "", name);
        button.addEventListener("click", () => onToggle(label));
      }
    },
    numbers(values, unit, scale) {
      const [low, high] = range(values);
      box.replaceChildren();
      node(box, "span", "", nats(low));
      node(box, "span", "lc-ramp").style.background = gradient(scale);
      node(box, "span", "", `${nats(high)} ${unit}`);
    },
  };
}

/** What is inside the lasso: how many, of which classes, their mean terms, some of their pictures, a table to take away,
    and the way on from one image or two. */
export function createSelection(root, onClear, onTake) {
  const box = node(root, "section", "lc-selection");
  box.hidden = true;
  const words = node(box, "p", "lc-words");
  words.setAttribute("role", "status");
  const gallery = node(box, "div", "lc-gallery");
  const bar = node(box, "div", "lc-bar");
  for (const [name, act] of [["Download CSV", onTake], ["Clear", onClear]]) {
    const button = node(bar, "button", "lc-button", name);
    button.type = "button";
    button.addEventListener("click", act);
  }
  const way = node(bar, "a", "lc-button lc-way");
  return {
    async draw(summary, map) {
      const { cloud, tiles, decoder, shape, theme } = map;
      box.hidden = !summary;
      box.dataset.count = summary?.indices.length ?? 0;
      if (!summary) return;
      const few = summary.indices.length <= 2;
      point(way, few ? map.walkFrom(...summary.indices) : null, summary.indices.length === 2 ? "Walk from one to the other" : "Walk from here");
      words.textContent = summary.words;
      gallery.replaceChildren();
      const some = summary.indices.slice(0, GALLERY);
      const pairs = some.map((index) => {
        const pair = node(gallery, "span", "lc-pair");
        const canvases = [node(pair, "canvas", "lc-tile"), node(pair, "canvas", "lc-tile")];
        tiles?.show(canvases[0], index, theme);
        return canvases;
      });
      if (!some.length || !decoder) return;
      const codes = Float32Array.from(some.flatMap((index) => [...cloud.code(index)]));
      const pixels = await decoder.decode(codes, cloud.latent);
      pairs.forEach(([, canvas], place) => show(canvas, pixels, shape, theme, place * shape.channels * shape.width * shape.height));
    },
  };
}
