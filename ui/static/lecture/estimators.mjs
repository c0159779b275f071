// Four estimators of the gradient of E z²: what they say, one draw after another, and how noisy they are.

import { node } from "../run/nodes.mjs";
import { signedTwo } from "../latent/words.mjs";
import { drawing } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { choices, slider } from "./controls.mjs";
import { drawNoise, drawRows } from "./estimators_charts.mjs";
import { ESTIMATORS, estimates, gradient, noise, spread, variance, works } from "./estimators_maths.mjs";
import { raise, short } from "./numerals.mjs";
import { Section, mounting } from "./section.mjs";

const HEIGHT = 356;
const SAMPLES = [1, 2, 5, 10, 20, 50, 100];
const OFFERED = [1, 2, 5, 10, 100];
const DRAWS = 10000;
const WITHIN = 5; // standard errors of a measured variance
const SHOWN = 3; // standard deviations of the score to either side
const NARROW = 640;

class Estimators extends Section {
  build() {
    this.mu = this.asked("mu", -2, 2, 1);
    this.sigma = this.asked("sigma", 0.1, 2, 1);
    this.samples = Number(this.choice("s", OFFERED.map(String)));
    this.of = this.choice("of", ["mu", "sigma"]);
    this.shown = this.choice("show", ["variance", "snr"]);
    this.epsilon = noise(DRAWS, 7);
    this.said = node(this.root, "p", "lx-said");
    const row = node(this.root, "div", "lx-row");
    this.offer(row, "Slope in", "of", [["mu", "μ"], ["sigma", "σ"]]);
    this.offer(row, "Codes S", "samples", OFFERED.map((count) => [String(count), String(count)]), Number);
    this.offer(row, "Show", "shown", [["variance", "variance"], ["snr", "signal to noise"]]);
    this.picture = drawing(this.root, "Estimates of the gradient, and their noise");
    const controls = node(this.root, "div", "lx-controls");
    for (const [key, name, low, high] of [["mu", "μ", -2, 2], ["sigma", "σ", 0.1, 2]]) {
      slider(controls, { name, low, high, value: this[key], words: signedTwo, input: (value) => this.take(key, value) });
    }
    this.badge = createBadge(this.root);
  }

  offer(row, name, key, options, read = String) {
    choices(row, { name, options, value: String(this[key]), change: (value) => this.take(key, read(value)) });
  }

  take(key, value) {
    this[key] = value;
    this.tell({ mu: this.mu, sigma: this.sigma, s: this.samples, of: this.of, show: this.shown });
    this.redraw();
  }

  draw() {
    const { mu, sigma, of, samples } = this;
    const truth = gradient(mu, sigma, of);
    const measured = this.measure(truth);
    const width = this.root.clientWidth;
    const narrow = width < NARROW;
    this.picture.clear(width, narrow ? 2 * HEIGHT : HEIGHT, `Estimates of ${short(truth)} by four estimators from ${samples} codes`);
    this.drawEstimates(truth, measured, narrow ? width : 0.52 * width);
    this.drawNoise(truth, measured, narrow ? { left: 44, top: HEIGHT + 24, width: width - 44 } : { left: 0.52 * width + 64, top: 24, width: 0.48 * width - 64 });
    this.report(truth, measured);
  }

  // The noise of every estimator with every number of samples, from the same draws.
  measure(truth) {
    const { mu, sigma, of } = this;
    return Object.fromEntries(ESTIMATORS.map((estimator) => [estimator, SAMPLES.map((count) => {
      if (!works(estimator, count)) return null;
      return spread(estimates(estimator, mu, sigma, of, count, this.epsilon), truth);
    })]));
  }

  drawEstimates(truth, measured, width) {
    const { mu, sigma, of, samples } = this;
    const place = SAMPLES.indexOf(samples);
    const reach = SHOWN * Math.sqrt(variance("score", mu, sigma, of, samples));
    const rows = ESTIMATORS.map((estimator) => ({
      estimator, values: works(estimator, samples) ? estimates(estimator, mu, sigma, of, samples, this.epsilon) : null,
      note: measured[estimator][place] ? `variance ${short(measured[estimator][place].variance)}` : "needs two codes",
    }));
    drawRows(this.picture.svg, {
      left: 4, top: 28, width: width - 8, height: HEIGHT - 28, rows, range: [truth - reach, truth + reach],
      marks: [{ at: truth, words: `exact ${short(truth)}`, strong: true }], name: `estimates of d/d${of === "mu" ? "μ" : "σ"}`,
    });
  }

  drawNoise(truth, measured, box) {
    const { mu, sigma, of, samples } = this;
    const told = (value) => (this.shown === "variance" ? value : Math.abs(truth) / Math.sqrt(value));
    const lines = ESTIMATORS.map((estimator) => ({
      estimator,
      points: SAMPLES.map((count, index) => (works(estimator, count) ? [count, told(variance(estimator, mu, sigma, of, count)), told(measured[estimator][index].variance)] : [count, null, null])),
    }));
    drawNoise(this.picture.svg, { ...box, height: HEIGHT - 24, lines, name: this.shown === "variance" ? "variance" : "|gradient| / standard deviation", chosen: samples, samples: SAMPLES, ticks: [1, 10, 100] });
  }

  report(truth, measured) {
    const { mu, sigma, of, samples } = this;
    const [path, score] = ["pathwise", "score"].map((estimator) => variance(estimator, mu, sigma, of, samples));
    this.said.textContent = `The score is ${short(score / path)} times as noisy as the path: variance ${short(score)} against ${short(path)}.`;
    raise(this.said);
    const off = ESTIMATORS.map((estimator) => {
      const found = measured[estimator][SAMPLES.indexOf(samples)];
      return found ? Math.abs(found.variance - variance(estimator, mu, sigma, of, samples)) / found.error : 0;
    });
    const most = Math.max(...off);
    Object.assign(this.root.dataset, { path, score, measured: measured.score[SAMPLES.indexOf(samples)].variance });
    this.badge.write({
      one: most, other: 0, within: WITHIN,
      words: () => `the variances of ${short(DRAWS / samples)} estimates each are within ${most.toFixed(1)} standard errors of the exact ones (lines).`,
    });
  }
}

export const mountEstimators = mounting(Estimators);
