// The gradient of a run's decoder from a few codes of each image: how far it is from that of all codes.

import { node, set, shape, write } from "../run/nodes.mjs";
import { count } from "../run/numbers.mjs";
import { drawing, logarithmic, panel, straight } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { Measured } from "./measured.mjs";
import { raise, raiseAll, short } from "./numerals.mjs";
import { mounting } from "./section.mjs";

const HEIGHT = 380;
const WITHIN = 0.35; // of an error measured from few groups of codes, relative to 1/√S
const NARROW = 640;
const NAME = 28; // pixels from the middle to the end of a circle's name
const TALL = 17; // and from the circle to the upper edge of that name

class Decoder extends Measured {
  build() {
    this.said = node(this.root, "p", "lx-said");
    this.parts(node(this.root, "div", "lx-row"));
    this.picture = drawing(this.root, "The decoder's gradient from a few codes");
    this.badge = createBadge(this.root);
    this.read("decoder", "Drawing codes, and passing each back through the decoder…");
  }

  told() {
    this.tell({ seed: this.seed });
  }

  // The typical error of each number of codes, in lengths of the gradient.
  get errors() {
    return this.found.variance.map((value) => Math.sqrt(value) / this.found.norm);
  }

  draw() {
    const width = this.root.clientWidth;
    const narrow = width < NARROW;
    if (!this.measuredFor(width, narrow ? 2 * HEIGHT : HEIGHT)) return;
    if (!(this.found.norm > 0)) return void (this.note.textContent = "On these images the gradient is zero, as far as one can tell: there is nothing to be right or wrong about.");
    this.picture.clear(width, narrow ? 2 * HEIGHT : HEIGHT, "The true gradient with circles of typical errors, and the error against the number of codes");
    this.drawCircles(narrow ? width : 0.5 * width);
    this.drawErrors(narrow ? { left: 50, top: HEIGHT + 30, width: width - 60 } : { left: 0.5 * width + 56, top: 30, width: 0.5 * width - 66 });
    this.report();
  }

  // An arrow of length 1, and around its tip how far an estimate typically lies.
  drawCircles(width) {
    const [{ samples }, errors] = [this.found, this.errors];
    const most = Math.max(...errors);
    const before = Math.max(0, most - 1); // how far the largest circle reaches behind the arrow
    const unit = Math.min((HEIGHT - 60) / (2 * most), (width - 30) / (before + 1 + most), 260);
    const left = (width - (1 + most - before) * unit) / 2;
    const [x, y] = [straight([0, 1], [left, left + unit]), straight([0, 1], [HEIGHT / 2, HEIGHT / 2 - unit])];
    const group = shape(this.picture.svg, "g");
    const shown = this.settings.ask ? [0] : rings(errors.map((error) => error * unit));
    for (const index of shown) set(shape(group, "circle", index ? "lx-line lx-thin lx-faint" : "lx-line"), { cx: x(1), cy: y(0), r: errors[index] * unit });
    set(shape(group, "path", "lx-line"), { d: `M${x(0)},${y(0)}H${x(1)}`, "stroke-width": 3 });
    set(shape(group, "path", "lx-bar"), { d: `M${x(1)},${y(0)}l-12,-6v12z` });
    write(shape(group, "text", "lx-label lx-strong"), x(0), y(0) + 18, "the gradient");
    for (const index of shown) {
      const name = shape(group, "text", `lx-label lx-middle ${index ? "lx-quiet" : ""}`);
      write(name, x(1), y(0) - errors[index] * unit - 9, `${samples[index]} ${samples[index] === 1 ? "code" : "codes"}`);
    }
  }

  drawErrors({ left, top, width }) {
    const [{ samples }, errors] = [this.found, this.errors];
    const height = HEIGHT - 70;
    const [x, y] = [logarithmic([1, samples.at(-1)], [left, left + width]), logarithmic([errors.at(-1) / 1.6, errors[0] * 1.6], [top + height, top])];
    x.ticks = () => samples;
    const steps = [1, 2, 5].flatMap((digit) => [-4, -3, -2, -1, 0, 1, 2].map((power) => digit * 10 ** power)).sort((a, b) => a - b);
    y.ticks = () => steps.filter((value) => value >= y.domain[0] && value <= y.domain[1]).slice(0, 6);
    const plot = panel(this.picture.svg, { left, top, width, height }, x, y);
    plot.across({ words: short, name: "typical error / |gradient|" });
    plot.along({ name: "codes S of each image" });
    raiseAll(plot.group);
    plot.circle(1, errors[0], 4.5, "lx-bar");
    if (this.settings.ask) return; // the rest is the answer
    plot.line(samples.map((s) => [s, errors[0] / Math.sqrt(s)]), "lx-thin lx-faint lx-dashed");
    samples.slice(1).forEach((s, index) => plot.circle(s, errors[index + 1], 4.5, "lx-bar"));
    const middle = samples[Math.floor(samples.length / 2)];
    plot.text(middle, errors[0] / Math.sqrt(middle), "1 / root of S", "lx-quiet lx-end", [-8, 16]);
  }

  report() {
    const { found, errors } = this;
    const { samples } = found;
    this.said.textContent = `One code: the error is ${percent(errors[0])} of the gradient. ${samples.at(-1)} codes: ${percent(errors.at(-1))}.`;
    const law = samples.map((s, index) => Math.abs((errors[index] * Math.sqrt(s)) / errors[0] - 1));
    const most = Math.max(...law);
    Object.assign(this.root.dataset, { one: errors[0], many: errors.at(-1), law: most });
    this.badge.write({ one: most, other: 0, within: WITHIN, words: () => `the measured errors (dots) are within ${(100 * most).toFixed(0)} % of one over the root of S.` });
    this.note.textContent = `${found.images} test images at step ${count(found.step)}, ${count(found.draws)} codes of each, ${count(found.parameters)} parameters. Norm of the gradient: ${short(found.norm)} nats per image.`;
    raise(this.note);
  }
}

// The places of the circles between which there is room for their names, from the smallest on; that of one code always.
function rings(radii) {
  const clear = (inner, outer) => Math.sqrt(outer ** 2 - NAME ** 2) > inner + TALL;
  const kept = [];
  for (let index = radii.length - 1; index >= 0; index -= 1) {
    if (index === 0) while (kept.length && !clear(radii[kept.at(-1)], radii[0])) kept.pop();
    if (!kept.length || clear(radii[kept.at(-1)], radii[index])) kept.push(index);
  }
  return kept;
}

const percent = (share) => `${short(Number((100 * share).toPrecision(2)))} %`;

export const mountDecoder = mounting(Decoder);
