// Rows of decoded pictures, and which images are offered as ends.

import { node } from "../run/nodes.mjs";
import { show } from "./picture.mjs";
import { random } from "./chance.mjs";

const EACH = 2; // images offered of each class
const MOST_CLASSES = 10;
const NO_LABEL = 255;

/** A row of pictures that keeps its pixels, so that it can be drawn again in another theme. */
export class Row {
  constructor(parent, number, className = "wk-row") {
    this.box = node(parent, "div", className);
    this.canvases = Array.from({ length: number }, () => node(this.box, "canvas", "wk-tile"));
    this.shown = new Map();
  }

  put(place, pixels, start, { shape, theme }) {
    this.shown.set(place, [pixels, start]);
    this.canvases[place].style.aspectRatio = `${shape.width} / ${shape.height}`;
    show(this.canvases[place], pixels, shape, theme, start);
  }

  redraw(state) {
    for (const [place, [pixels, start]] of this.shown) this.put(place, pixels, start, state);
  }
}

/** Indices of images to choose from: two of each class where there are classes, the same for the same seed. */
export function offer({ label, count }, seed) {
  const draw = random(seed + 1);
  const shuffled = Array.from({ length: count }, (_, index) => [draw(), index]).sort(([one], [other]) => one - other).map(([, index]) => index);
  const classes = label ? [...new Set(label)].filter((one) => one !== NO_LABEL).sort((one, other) => one - other).slice(0, MOST_CLASSES) : [];
  if (classes.length < 2) return shuffled.slice(0, EACH * MOST_CLASSES);
  return classes.flatMap((wanted) => shuffled.filter((index) => label[index] === wanted).slice(0, EACH));
}

/** Of the offered images the two of different classes whose codes are farthest apart. */
export function farthest(cloud, offered) {
  let [best, pair] = [-1, [offered[0], offered.at(-1)]];
  for (const one of offered) {
    for (const other of offered) {
      if (one >= other || (cloud.label && cloud.label[one] === cloud.label[other] && cloud.label[one] !== NO_LABEL)) continue;
      const [a, b] = [cloud.code(one), cloud.code(other)];
      const distance = a.reduce((sum, value, axis) => sum + (value - b[axis]) ** 2, 0);
      if (distance > best) [best, pair] = [distance, [one, other]];
    }
  }
  return pair;
}
