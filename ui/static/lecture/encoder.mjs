// Four estimators of the gradient of a run's encoder, measured by the server on its first test images.

import { node } from "../run/nodes.mjs";
import { count } from "../run/numbers.mjs";
import { drawing } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { choices } from "./controls.mjs";
import { drawNoise, drawRows } from "./estimators_charts.mjs";
import { ESTIMATORS } from "./estimators_maths.mjs";
import { mean } from "./maths.mjs";
import { Measured } from "./measured.mjs";
import { raise, short } from "./numerals.mjs";
import { mounting } from "./section.mjs";

const HEIGHT = 384;
const SAMPLES = [1, 2, 5, 10];
const WITHIN = 5; // standard errors of a mean
const NARROW = 640;
const MOST = 12; // of the true gradient, to either side
const FAR = 0.02; // the share of estimates outside of that from which on it is told

class Encoder extends Measured {
  build() {
    this.samples = Number(this.choice("s", SAMPLES.map(String)));
    this.shown = this.choice("show", ["variance", "snr"]);
    this.said = node(this.root, "p", "lx-said");
    const row = node(this.root, "div", "lx-row");
    choices(row, { name: "Codes S an image", options: SAMPLES.map((number) => [String(number), String(number)]), value: String(this.samples), change: (value) => this.take("samples", Number(value)) });
    choices(row, { name: "Show", options: [["variance", "variance"], ["snr", "signal to noise"]], value: this.shown, change: (value) => this.take("shown", value) });
    this.parts(row);
    this.picture = drawing(this.root, "Estimates of the encoder's gradient, and their noise");
    this.badge = createBadge(this.root);
    this.read("encoder", "Drawing codes, and asking the decoder about them…");
  }

  take(key, value) {
    this[key] = value;
    this.told();
    this.redraw();
  }

  told() {
    this.tell({ s: this.samples, show: this.shown, seed: this.seed });
  }

  row(estimator, samples) {
    return this.found.rows.find((row) => row.estimator === estimator && row.samples === samples);
  }

  draw() {
    const width = this.root.clientWidth;
    const narrow = width < NARROW;
    if (!this.measuredFor(width, narrow ? 2 * HEIGHT : HEIGHT)) return;
    this.picture.clear(width, narrow ? 2 * HEIGHT : HEIGHT, "How far each estimate leads along the true gradient, and the variance of each estimator");
    this.drawEstimates(narrow ? width : 0.52 * width);
    const lines = ESTIMATORS.map((estimator) => ({
      estimator, points: SAMPLES.flatMap((samples) => {
        const row = this.row(estimator, samples);
        const value = row && (this.shown === "variance" ? row.variance : this.found.norm / Math.sqrt(row.variance));
        return row ? [[samples, value, value]] : [];
      }),
    }));
    const box = narrow ? { left: 50, top: HEIGHT + 24, width: width - 50 } : { left: 0.52 * width + 66, top: 24, width: 0.48 * width - 66 };
    drawNoise(this.picture.svg, { ...box, height: HEIGHT - 24, lines, name: this.shown === "variance" ? "variance, all parameters" : "|gradient| / standard deviation", chosen: this.samples, samples: SAMPLES });
    this.report();
  }

  drawEstimates(width) {
    const rows = ESTIMATORS.map((estimator) => {
      const row = this.row(estimator, this.samples);
      return { estimator, values: row?.along ?? null, note: row ? this.tally(row) : "needs two codes" };
    });
    const sizes = rows.flatMap(({ values }) => values ?? []).map((value) => Math.abs(value - 1)).sort((one, other) => one - other);
    const reach = Math.max(1.5, Math.min(MOST, sizes[Math.floor(0.97 * (sizes.length - 1))] ?? 1.5));
    drawRows(this.picture.svg, {
      left: 4, top: 28, width: width - 8, height: HEIGHT - 28, rows, range: [1 - reach, 1 + reach],
      marks: [{ at: 0, words: reach > 4 ? "0" : "0, no way" }, { at: 1, words: reach > 4 ? "1" : "1, right", strong: true }], name: "along the true gradient",
    });
  }

  // How often an estimate leads downhill, which is not told before it is asked; and how many lie outside of the axis.
  tally({ along, downhill }) {
    const far = along.filter((share) => Math.abs(share - 1) > MOST).length / along.length;
    const parts = [far > FAR ? `${(100 * far).toFixed(0)} % further out` : "", this.settings.ask ? "" : `${(100 * downhill).toFixed(0)} % downhill`];
    return parts.filter(Boolean).join(", ");
  }

  // How far the mean of an estimator is from that of the path with the same codes, along the gradient, in standard errors.
  offset(estimator) {
    const row = this.row(estimator, this.samples);
    if (!row || estimator === "pathwise") return 0;
    const path = this.row("pathwise", this.samples);
    const differences = row.along.map((share, index) => share - path.along[index]);
    const off = mean(differences);
    const variance = mean(differences.map((value) => (value - off) ** 2));
    return variance > 0 ? Math.abs(off) / Math.sqrt(variance / (differences.length - 1)) : 0;
  }

  report() {
    const { found, samples } = this;
    const [path, score] = ["pathwise", "score"].map((estimator) => this.row(estimator, samples));
    const times = score.variance / path.variance;
    const much = Number.isFinite(times) ? `${short(times)} times the path's variance` : "noisy, the path is not";
    this.said.textContent = `${samples === 1 ? "One code" : `${samples} codes`}, score: ${much}; ${(100 * score.downhill).toFixed(0)} % of its steps lead downhill.`;
    raise(this.said);
    const most = Math.max(...ESTIMATORS.map((estimator) => this.offset(estimator)));
    Object.assign(this.root.dataset, { ratio: times, downhill: score.downhill, offset: most });
    this.badge.write({ one: most, other: 0, within: WITHIN, words: () => `every mean leads as far along the gradient as the path's, within ${most.toFixed(1)} standard errors.` });
    this.note.textContent = `${found.images} test images at step ${count(found.step)}, ${count(found.codes)} codes of each, ${count(found.parameters)} parameters. Norm of the gradient: ${short(found.norm)} nats per image.`;
    raise(this.note);
  }
}

export const mountEncoder = mounting(Encoder);
