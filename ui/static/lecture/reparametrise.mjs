// z = μ + σε: the same draws of ε carried to z, and the smooth curve that their estimate is, because they are the same.

import { node, set, shape } from "../run/nodes.mjs";
import { signedTwo } from "../latent/words.mjs";
import { clipped, drawing, panel, straight } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { button, slider } from "./controls.mjs";
import { draggable } from "./drag.mjs";
import { noise } from "./estimators_maths.mjs";
import { logNormal, mean } from "./maths.mjs";
import { Section, mounting } from "./section.mjs";

const HEIGHT = 400;
const DRAWS = 24;
const SEEDS = 100;
const REACH = 4.2; // of both axes
const TALL = 96; // pixels of the highest density
const PEAK = 0.6; // more where q is higher
const STEP = 1e-4; // of the difference quotient
const WITHIN = 1e-8;
const CURVE = 121;
const NARROW = 640;
const RULES = [["mu", "μ", -2, 2], ["sigma", "σ", 0.1, 1.5]];

const peak = (sigma) => Math.exp(logNormal([0], [0], [sigma]));
const bounded = ([, , low, high], value) => Math.max(low, Math.min(high, value));

class Reparametrise extends Section {
  build() {
    this.mu = this.asked("mu", -2, 2, 1);
    this.sigma = this.asked("sigma", 0.1, 1.5, 0.6);
    this.seed = Math.round(this.asked("seed", 0, SEEDS - 1, 1));
    this.said = node(this.root, "p", "lx-said");
    this.picture = drawing(this.root, "Draws of ε carried to z");
    draggable(this.picture.svg, () => this.handles ?? []);
    const controls = node(this.root, "div", "lx-controls");
    this.sliders = Object.fromEntries(RULES.map(([key, name, low, high]) => [
      key, slider(controls, { name, low, high, value: this[key], words: signedTwo, input: (value) => this.take(key, value) }),
    ]));
    const row = node(this.root, "div", "lx-row");
    button(row, "Other ε", () => this.reseed());
    this.badge = createBadge(row);
    this.drawNoise();
  }

  // The ε that are kept, and others for the curve that draws anew at each of its points.
  drawNoise() {
    this.epsilon = Array.from(noise(DRAWS, 1000 + this.seed)).map((e) => Math.max(-3.2, Math.min(3.2, e)));
    this.fresh = noise(DRAWS * CURVE, 2000 + this.seed);
  }

  reseed() {
    this.seed = (this.seed + 1) % SEEDS;
    this.drawNoise();
    this.moved();
  }

  take(key, value) {
    this[key] = bounded(RULES.find(([name]) => name === key), value);
    this.sliders[key].put(this[key]);
    this.moved();
  }

  moved() {
    this.tell({ mu: +this.mu.toFixed(3), sigma: +this.sigma.toFixed(3), seed: this.seed });
    this.redraw();
  }

  estimate(mu, sigma = this.sigma, epsilon = this.epsilon) {
    return mean(Array.from(epsilon, (e) => (mu + sigma * e) ** 2));
  }

  draw() {
    const width = this.root.clientWidth;
    const narrow = width < NARROW;
    this.picture.clear(width, narrow ? 2 * HEIGHT - 60 : HEIGHT, `${DRAWS} draws of ε, carried to z with mean ${signedTwo(this.mu)} and standard deviation ${signedTwo(this.sigma)}`);
    this.drawPaths(narrow ? width : 0.6 * width);
    this.drawCurve(narrow ? { left: 34, top: HEIGHT + 30, width: width - 50, height: HEIGHT - 130 } : { left: 0.6 * width + 56, top: 40, width: 0.4 * width - 66, height: HEIGHT - 90 });
    this.report();
  }

  drawPaths(width) {
    const [left, right] = [8, width - 8];
    const [above, below] = [TALL + 24, HEIGHT - 30 - TALL];
    const x = straight([-REACH, REACH], [left, right]);
    const most = Math.max(PEAK, 1.1 * peak(this.sigma));
    const up = straight([0, most], [above, above - TALL]);
    const down = straight([0, most], [below, below + TALL]);
    const top = panel(this.picture.svg, { left, top: above - TALL, width: right - left, height: TALL }, x, up);
    const low = panel(this.picture.svg, { left, top: below, width: right - left, height: TALL }, x, down);
    const places = Array.from({ length: 201 }, (_, index) => -REACH + (index * 2 * REACH) / 200);
    const density = (mu, sigma) => places.map((z) => [z, Math.exp(logNormal([z], [mu], [sigma]))]);
    top.band(density(0, 1).map(([z, value]) => [z, 0, value]), "");
    top.line(density(0, 1), "lx-faint");
    low.band(density(this.mu, this.sigma).map(([z, value]) => [z, 0, value]), "");
    low.line(density(this.mu, this.sigma), "");
    this.drawLines(clipped(this.picture.svg, { left, top: above - 4, width: right - left, height: below - above + 8 }, "lx-paths"), x, above, below);
    top.text(-REACH, 0, "ε from N(0, 1)", "lx-quiet", [0, -80]);
    low.text(-REACH, 0, "z = μ + σε", "lx-strong", [0, 67]);
    for (const value of [-4, -2, 0, 2, 4]) {
      const text = shape(low.group, "text", "lx-tick lx-middle");
      set(text, { x: x(value), y: HEIGHT - 4 });
      text.textContent = signedTwo(value).replace(".00", "");
    }
    this.drawHandles(low, x, below);
  }

  drawLines(group, x, above, below) {
    for (const e of this.epsilon) {
      const z = this.mu + this.sigma * e;
      set(shape(group, "path", "lx-line lx-thin lx-faint"), { "stroke-opacity": 0.45, d: `M${x(e)},${above}C${x(e)},${(above + below) / 2} ${x(z)},${(above + below) / 2} ${x(z)},${below}` });
      shape(group, "circle", "lx-dot", { cx: x(e), cy: above, r: 4 });
      shape(group, "circle", "lx-bar", { cx: x(z), cy: below, r: 4 });
    }
  }

  drawHandles({ group, y }, x, below) {
    const height = peak(this.sigma);
    this.handles = [
      { at: [x(this.mu), y(height)], words: "μ", move: ([a]) => this.take("mu", x.back(a)) },
      { at: [x(this.mu + this.sigma), y(Math.exp(-0.5) * height)], words: "σ", move: ([a]) => this.take("sigma", x.back(a) - this.mu) },
    ];
    set(shape(group, "path", "lx-line lx-thin lx-dashed"), { d: `M${x(this.mu)},${below}V${y(height)}` });
    this.handles.forEach(({ at: [a, b], words }, index) => {
      shape(group, "circle", "lx-handle", { cx: a, cy: b, r: 7 });
      const text = shape(group, "text", `lx-label lx-strong ${index ? "" : "lx-end"}`);
      set(text, index ? { x: a + 13, y: b + 5 } : { x: a - 13, y: b + 1 });
      text.textContent = words;
    });
  }

  drawCurve(box) {
    const places = Array.from({ length: CURVE }, (_, index) => -2 + (4 * index) / (CURVE - 1));
    const same = places.map((mu) => [mu, this.estimate(mu)]);
    const anew = places.map((mu, index) => [mu, this.estimate(mu, this.sigma, this.fresh.subarray(index * DRAWS, (index + 1) * DRAWS))]);
    const y = straight([0, 8], [box.top + box.height, box.top]);
    const x = straight([-2, 2], [box.left, box.left + box.width]);
    const plot = panel(this.picture.svg, box, x, y);
    const inside = panel(clipped(this.picture.svg, box, "lx-slopes"), box, x, y);
    plot.across({ count: 4 });
    plot.along({ count: 4, name: "μ" });
    plot.text(-2, 8, "mean of z² over the draws", "lx-quiet", [-20, -20]);
    if (!this.settings.ask) {
      inside.line(anew, "lx-thin lx-faint");
      inside.text(0, 6, "jagged: new ε at each μ", "lx-quiet lx-middle", [0, 10]);
    }
    inside.line(same, "");
    inside.text(0, 6, "the same ε at each μ", "lx-strong lx-middle", [0, -9]);
    this.drawSlope(inside);
  }

  drawSlope(plot) {
    const [slope] = this.slopes();
    const [here, half] = [this.estimate(this.mu), 0.6];
    plot.line([[this.mu - half, here - half * slope], [this.mu + half, here + half * slope]], "lx-thin lx-dashed");
    plot.circle(this.mu, here, 4.5, "lx-bar");
  }

  // In μ and in σ, by the path.
  slopes() {
    const { mu, sigma, epsilon } = this;
    return [mean(epsilon.map((e) => 2 * (mu + sigma * e))), mean(epsilon.map((e) => 2 * (mu + sigma * e) * e))];
  }

  report() {
    const { mu, sigma } = this;
    const slopes = this.slopes();
    const quotients = [
      (this.estimate(mu + STEP) - this.estimate(mu - STEP)) / (2 * STEP),
      (this.estimate(mu, sigma + STEP) - this.estimate(mu, sigma - STEP)) / (2 * STEP),
    ];
    this.said.textContent = `Slope of the mean z² by the path: ${signedTwo(slopes[0])} in μ, ${signedTwo(slopes[1])} in σ. Exact: ${signedTwo(2 * mu)} and ${signedTwo(2 * sigma)}.`;
    Object.assign(this.root.dataset, { mu: mu.toFixed(3), sigma: sigma.toFixed(3), slope: slopes[0], seed: this.seed });
    const off = Math.max(...slopes.map((slope, index) => Math.abs(slope - quotients[index])));
    this.badge.write({ one: off, other: 0, within: WITHIN, words: (difference) => `slopes by the path and by difference quotients differ by ${difference}.` });
  }
}

export const mountReparametrise = mounting(Reparametrise);
