// The KL to the prior as ∫q ln q − ∫q ln p, and what it would be from draws.

import { node, set, shape, write } from "../run/nodes.mjs";
import { signedTwo } from "../latent/words.mjs";
import { drawing, logarithmic, panel, straight } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { button, slider } from "./controls.mjs";
import { draggable } from "./drag.mjs";
import { noise } from "./estimators_maths.mjs";
import { logRatio, misread, ownHalf, priorHalf, quadrature, samplingError } from "./kl_maths.mjs";
import { logNormal } from "./maths.mjs";
import { differenceOfPrinted } from "./numerals.mjs";
import { Section, mounting } from "./section.mjs";

const HEIGHT = 206; // of the upper drawing
const LOWER = 176;
const DRAWS = 1000;
const SEEDS = 100;
const WITHIN = 1e-9; // nats: of closed forms and quadrature
const RULES = [["mu", "μ", -3, 3, 1], ["sigma", "σ", 0.05, 2.5, 0.5]];
const NARROW = 600;
const REACH = 6; // of the axis of z: the handles stay on it

class Kl extends Section {
  build() {
    for (const [key, , low, high, usual] of RULES) this[key] = this.asked(key, low, high, usual);
    this.seed = Math.round(this.asked("seed", 0, SEEDS - 1, 1));
    this.epsilon = noise(DRAWS, 3000 + this.seed);
    this.said = node(this.root, "p", "lx-said");
    this.picture = drawing(this.root, "q and the prior, and the two halves of the KL");
    draggable(this.picture.svg, () => this.handles ?? []);
    this.lower = drawing(this.root, "The KL from draws");
    const controls = node(this.root, "div", "lx-controls");
    this.sliders = Object.fromEntries(RULES.map(([key, name, low, high]) => [
      key, slider(controls, { name, low, high, value: this[key], words: signedTwo, input: (value) => this.take(key, value) }),
    ]));
    const row = node(this.root, "div", "lx-row");
    button(row, "Other draws", () => this.reseed());
    this.badge = createBadge(row);
    const note = node(this.root, "details", "lx-note");
    node(note, "summary", "", "If your lecture notes say 3 + σ² for 1 + ln σ²");
    this.warning = node(note, "p");
  }

  reseed() {
    this.seed = (this.seed + 1) % SEEDS;
    this.epsilon = noise(DRAWS, 3000 + this.seed);
    this.moved();
  }

  take(key, value) {
    const [, , low, high] = RULES.find(([name]) => name === key);
    this[key] = Math.max(low, Math.min(high, value));
    this.sliders[key].put(this[key]);
    this.moved();
  }

  moved() {
    this.tell({ mu: +this.mu.toFixed(3), sigma: +this.sigma.toFixed(3), seed: this.seed });
    this.redraw();
  }

  draw() {
    const width = this.root.clientWidth;
    const narrow = width < NARROW;
    const [own, prior] = [ownHalf(this.sigma), priorHalf(this.mu, this.sigma)];
    this.picture.clear(width, narrow ? 2 * HEIGHT + 16 : HEIGHT, `KL ${signedTwo(differenceOfPrinted(own, prior))} = ${signedTwo(own)} − (${signedTwo(prior)})`);
    this.drawDensities(narrow ? width : 0.52 * width);
    this.drawHalves(narrow ? { left: 44, top: HEIGHT + 30, width: width - 60 } : { left: 0.52 * width + 60, top: 14, width: 0.48 * width - 70 }, own, prior);
    this.drawDraws(width, own - prior);
    this.report(own, prior);
  }

  drawDensities(width) {
    const { mu, sigma } = this;
    const x = straight([-REACH, REACH], [8, width - 8]);
    const density = (z, m, s) => Math.exp(logNormal([z], [m], [s]));
    const y = straight([0, Math.max(0.9, 1.1 * density(mu, mu, sigma))], [HEIGHT - 30, 8]);
    const plot = panel(this.picture.svg, { left: 8, top: 8, width: width - 16, height: HEIGHT - 38 }, x, y);
    plot.along({ count: 7, name: "" });
    const places = Array.from({ length: 481 }, (_, index) => -REACH + index / 40);
    plot.line(places.map((z) => [z, density(z, 0, 1)]), "lx-faint lx-dotted");
    plot.band(places.map((z) => [z, 0, density(z, mu, sigma)]), "");
    plot.line(places.map((z) => [z, density(z, mu, sigma)]), "");
    const side = mu < 0 ? 1 : -1; // where q is not
    plot.text(side * 1.35, density(1.35, 0, 1), "prior p", `lx-quiet ${side < 0 ? "lx-end" : ""}`, [6 * side, -14]);
    this.handles = [
      { at: [x(mu), y(density(mu, mu, sigma))], move: ([a]) => this.take("mu", x.back(a)) },
      { at: [x(mu + sigma), y(density(mu + sigma, mu, sigma))], move: ([a]) => this.take("sigma", x.back(a) - mu) },
    ];
    this.handles.forEach(({ at: [a, b] }, index) => {
      shape(plot.group, "circle", "lx-handle", { cx: a, cy: b, r: 7 });
      write(shape(plot.group, "text", `lx-label lx-strong ${index ? "" : "lx-end"}`), index ? a + 13 : a - 13, b, index ? "σ" : "q: μ");
    });
  }

  // Two columns down from zero; what one is longer than the other is the KL.
  drawHalves({ left, top, width }, own, prior) {
    const low = Math.min(-3, Math.floor(Math.min(own, prior) - 0.9));
    const high = Math.max(0.2, Math.ceil(own + 0.9));
    const height = HEIGHT - 34;
    const y = straight([low, high], [top + height, top]);
    const plot = panel(this.picture.svg, { left, top, width, height }, straight([0, 1], [left, left + width]), y);
    plot.across({ name: "" });
    const wide = Math.min(64, 0.16 * width);
    const column = (at, from, to, className) => set(shape(plot.group, "rect", className), { x: left + at * width, width: wide, y: y(Math.max(from, to)), height: Math.abs(y(from) - y(to)) });
    // Beyond the end of its column.
    const words = (at, value, name) => {
      const [first, second] = value > 0 ? [-29, -12] : [13, 30];
      write(shape(plot.group, "text", "lx-label lx-middle"), left + at * width + wide / 2, y(value) + first, name);
      write(shape(plot.group, "text", "lx-label lx-middle lx-strong"), left + at * width + wide / 2, y(value) + second, signedTwo(value));
    };
    column(0.03, 0, own, "lx-soft");
    column(0.36, 0, prior, "lx-soft");
    column(0.69, own, prior, "lx-kl");
    words(0.03, own, "mean ln q");
    words(0.36, prior, "mean ln p");
    for (const [at, value] of [[0.03, own], [0.36, prior]]) set(shape(plot.group, "path", "lx-line lx-thin lx-faint lx-dashed"), { d: `M${left + at * width},${y(value)}H${left + 0.69 * width + wide}` });
    const middle = y((own + prior) / 2);
    write(shape(plot.group, "text", "lx-label lx-kl"), left + 0.69 * width + wide + 7, middle - 9, "KL");
    write(shape(plot.group, "text", "lx-label lx-strong lx-kl"), left + 0.69 * width + wide + 7, middle + 9, signedTwo(differenceOfPrinted(own, prior)));
    set(shape(plot.group, "path", "lx-line lx-thin"), { d: `M${left},${y(0)}H${left + width}` });
  }

  drawDraws(width, kl) {
    const { mu, sigma, epsilon } = this;
    const error = samplingError(mu, sigma);
    const reach = Math.max(0.05, 1.25 * error);
    const height = LOWER - 60;
    const box = { left: 44, top: 22, width: width - 190, height };
    this.lower.clear(width, LOWER, `The KL from 1 to ${DRAWS} draws, beside the exact ${signedTwo(kl)}`);
    const plot = panel(this.lower.svg, box, logarithmic([1, DRAWS], [box.left, box.left + box.width]), straight([kl - reach, kl + reach], [22 + height, 22]));
    plot.across({ count: 3, words: signedTwo, name: "KL from S draws, nats" });
    plot.along({ name: "draws S" });
    const counts = Array.from({ length: 121 }, (_, index) => DRAWS ** (index / 120));
    const cut = (value) => Math.max(kl - reach, Math.min(kl + reach, value));
    set(plot.band(counts.map((s) => [s, cut(kl - error / Math.sqrt(s)), cut(kl + error / Math.sqrt(s))]), "lx-kl"), { "fill-opacity": 0.3 });
    plot.line([[1, kl], [DRAWS, kl]], "lx-kl lx-thin");
    let total = 0;
    plot.line(Array.from(epsilon, (e, index) => [index + 1, cut((total += logRatio(mu, sigma, e)) / (index + 1))]), "lx-thin");
    plot.text(DRAWS, kl, "exact", "lx-kl lx-strong", [10, 0]);
    plot.text(DRAWS, kl, "± the predicted error", "lx-quiet", [10, 17]);
    Object.assign(this.root.dataset, { sampled: total / DRAWS, error: error / Math.sqrt(DRAWS) });
  }

  report(own, prior) {
    const { mu, sigma } = this;
    const kl = own - prior;
    this.said.replaceChildren(
      `KL = mean ln q − mean ln p = ${signedTwo(own)} − (${signedTwo(prior)}) = `, Object.assign(document.createElement("strong"), { textContent: signedTwo(differenceOfPrinted(own, prior)) }),
      ` nats; one draw: ± ${signedTwo(samplingError(mu, sigma))}.`,
    );
    Object.assign(this.root.dataset, { own, prior, kl, mu: mu.toFixed(3), sigma: sigma.toFixed(3) });
    const by = quadrature(mu, sigma);
    this.badge.write({ one: Math.max(Math.abs(by[0] - prior), Math.abs(by[1] - own)), other: 0, within: WITHIN, words: (difference) => `closed forms and quadrature differ by ${difference} nats.` });
    const wrong = misread(sigma);
    this.warning.textContent = `Mean ln q would then be ${signedTwo(wrong)}, and the KL ${signedTwo(differenceOfPrinted(wrong, prior))}${wrong < prior ? ", which no KL can be" : ` instead of ${signedTwo(differenceOfPrinted(own, prior))}`}.`;
  }
}

export const mountKl = mounting(Kl);
