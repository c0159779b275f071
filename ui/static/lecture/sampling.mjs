// Importance sampling of ln p(x): repeated estimates for every number of samples, their bias, and the weights they are made of.

import { answer } from "../latent/answer.mjs";
import { node, set, shape } from "../run/nodes.mjs";
import { count, nats } from "../run/numbers.mjs";
import { besides, clipped, drawing, logarithmic, panel, straight } from "./axes.mjs";
import { createBadge, small } from "./badge.mjs";
import { button, choices, selection } from "./controls.mjs";
import { gallery } from "./gallery.mjs";
import { ofRun } from "./image.mjs";
import { mean, quantile } from "./maths.mjs";
import { LinearModel } from "./models.mjs";
import { Section, mounting, sentence } from "./section.mjs";
import { COUNTS, effective, estimates, gaussianWeights } from "./weights.mjs";

const HEIGHT = 330;
const REPEATS = 100;
const BUSY = 40; // ms of work between two drawings
const BINS = 40;
const FEW = 0.5; // the middle share of the first estimates, which the axis must hold
const SIZES = [1, 2, 5, 10, 20];
const BEFORE = 5; // latents at the most until the question is answered, which is about more
const PROPOSALS = {
  prior: ["the prior", (model) => ({ mean: zeros(model), std: zeros(model).map(() => 1) })],
  best: ["the best factorised q", (model) => model.best],
  wide: ["too wide", (model) => ({ mean: model.best.mean, std: model.best.std.map((value) => 2 * value) })],
  narrow: ["too narrow", (model) => ({ mean: model.best.mean, std: model.best.std.map((value) => 0.6 * value) })],
  shifted: ["in the wrong place", (model) => ({ mean: model.best.mean.map((value, axis) => value + 2 * model.best.std[axis]), std: model.best.std })],
};
const OF_RUN = { prior: "the prior", q: "what the encoder says", optimised: "q, optimised", narrow: "too narrow" };
const SAME = 1e-9; // below it χ² is that of equal weights, and a difference that of rounding
const ENOUGH = 50; // samples must count, or the repeats' mean says little
const FLOOR = 12; // powers of ten below the largest weight that the histogram shows
const zeros = (model) => Array.from({ length: model.latent }, () => 0);
const powers = (value) => (value >= 1000 ? value.toLocaleString("en-US") : String(value));

class Sampling extends Section {
  build() {
    Object.assign(this, { model: this.choice("model", ["linear", "dimensions", "run"]), seed: Math.round(this.asked("seed", 1, 1e6, 1)) });
    this.size = Number(this.choice("J", ["2", ...SIZES.map(String)]));
    this.proposal = this.choice("proposal", [...Object.keys(PROPOSALS), ...Object.keys(OF_RUN)]);
    this.said = node(this.root, "p", "lx-said");
    const row = node(this.root, "div", "lx-row");
    choices(row, {
      name: "Model", value: this.model, change: (model) => this.start({ model }),
      options: [["linear", "Linear-Gaussian"], ["dimensions", "More latents"], ["run", ofRun]],
    });
    this.sizes = choices(row, { name: "Latents", value: this.size, options: SIZES.map((size) => [size, String(size)]), change: (size) => this.start({ size }) });
    this.proposals = node(row, "span");
    const { tiles, count: offered } = this.settings.data;
    this.image = Math.round(this.asked("image", 0, Math.max(0, offered - 1), 0));
    this.tiles = gallery(this.root, { tiles, count: tiles ? offered : 0, value: this.image, change: (image) => this.start({ image }) });
    button(row, "Draw again", () => this.start({ seed: this.seed + 1 }));
    const beside = node(this.root, "div", "lx-beside");
    this.curve = drawing(beside, "Estimates of ln p(x) by the number of samples");
    this.histogram = drawing(beside, "The weights");
    this.badge = createBadge(this.root);
    this.note = node(this.root, "p", "lx-note");
    this.start({});
  }

  update(options) {
    super.update(options);
    const { ask } = this.settings;
    if (ask === this.asking) return;
    this.asking = ask;
    this.sizes.allow((size) => !ask || size <= BEFORE);
    this.sizes.put(this.latents);
    if (this.drawn && this.latents !== this.drawn) this.start({});
  }

  get latents() {
    return this.settings.ask ? Math.min(this.size, BEFORE) : this.size;
  }

  offer() {
    const known = this.model === "run" ? Object.entries(OF_RUN) : Object.entries(PROPOSALS).map(([key, [words]]) => [key, words]);
    if (!known.some(([key]) => key === this.proposal)) this.proposal = known[0][0];
    this.proposals.replaceChildren();
    selection(this.proposals, { name: "Codes drawn from", options: known, value: this.proposal, change: (proposal) => this.start({ proposal }) });
    this.sizes.row.hidden = this.model !== "dimensions";
  }

  start(changes) {
    Object.assign(this, changes, { rows: [], logs: null, fill: null, drawn: 0 });
    if (!("proposal" in changes)) this.offer();
    this.turn = (this.turn ?? 0) + 1;
    this.tiles.row.hidden = this.model !== "run" || !this.settings.data.tiles;
    this.root.dataset.repeats = 0;
    this.tell({ run: this.settings.data.run, model: this.model, J: this.model === "dimensions" ? this.size : undefined, proposal: this.proposal, image: this.model === "run" ? this.image : undefined, seed: this.seed > 1 ? this.seed : undefined });
    if (this.model === "run") this.ask(this.turn);
    else this.prepare();
    this.redraw();
  }

  prepare() {
    this.wait(null);
    const { linear } = this.settings.data;
    const zero = zeros({ latent: (this.drawn = this.latents) });
    const line = { weight: zero.map((_, row) => zero.map((__, column) => Number(row === column))), bias: zero, sigma: 0.1 };
    const oracle = this.model === "linear" ? new LinearModel(linear, linear.x) : new LinearModel(line, zero.map(() => 0.5));
    const q = PROPOSALS[this.proposal][1](oracle);
    Object.assign(this, { truth: oracle.logEvidence, chi: oracle.chiSquare(q.mean, q.std), exact: true, fill: gaussianWeights(oracle, q, this.seed) });
  }

  async ask(turn) {
    const { base } = this.settings;
    this.wait("Drawing codes…");
    try {
      if (!base) throw new Error("Choose a run first.");
      const url = `${base}/evidence/weights?image=${this.image}&proposal=${this.proposal}&seed=${this.seed}`;
      const response = await answer(url, { signal: this.abort.signal });
      const facts = JSON.parse(response.headers.get("X-Facts"));
      const all = new Float32Array(await response.arrayBuffer());
      if (turn !== this.turn) return;
      const each = all.length / facts.repeats;
      const rows = Array.from({ length: facts.repeats }, (_, index) => all.subarray(index * each, (index + 1) * each));
      Object.assign(this, { truth: facts.truth, error: facts.error, chi: null, exact: false, logs: rows.at(-1), rows: rows.map(estimates) });
      this.wait(null);
      this.redraw();
    } catch (error) {
      if (!this.abort.signal.aborted && turn === this.turn) this.wait(sentence(error));
    }
  }

  // More repeats, for as long as the page can wait.
  work() {
    const until = performance.now() + BUSY;
    while (this.fill && this.rows.length < REPEATS && performance.now() < until) {
      this.logs = this.fill(this.logs ?? new Float64Array(COUNTS.at(-1)));
      this.rows.push(estimates(this.logs));
    }
  }

  draw() {
    this.tiles.draw(this.root.dataset.theme);
    this.work();
    const done = !this.fill || this.rows.length >= REPEATS;
    const [left, right] = besides(this.curve);
    if (!this.rows.length) return this.empty(left, right);
    this.drawCurve(left);
    this.drawHistogram(right);
    this.report();
    this.root.dataset.repeats = this.rows.length;
    if (!done) this.redraw();
  }

  // While codes are drawn, nothing of what was there before.
  empty(left, right) {
    this.curve.clear(left, HEIGHT);
    this.histogram.clear(right, HEIGHT);
    this.badge.root.hidden = true;
    this.note.textContent = "";
  }

  /** Of each number of samples: mean, median and quantiles of the estimates, less ln p(x). */
  summary() {
    return COUNTS.slice(0, this.rows[0].length).map((samples, index) => {
      const sorted = this.rows.map((row) => row[index] - this.truth).sort((one, other) => one - other);
      return { samples, low: quantile(sorted, 0.05), middle: quantile(sorted, 0.5), high: quantile(sorted, 0.95), mean: mean(sorted), sorted };
    });
  }

  drawCurve(width) {
    const found = this.summary();
    this.curve.clear(width, HEIGHT);
    const box = { left: 52, top: 24, width: width - 64, height: HEIGHT - 74 };
    const shown = found.filter(({ samples }) => samples >= 10);
    const low = Math.min(...shown.map(({ low: value }) => value), quantile(found[0].sorted, FEW) / 4, -0.05);
    const high = Math.max(...found.map(({ high: value }) => value), -0.12 * low);
    const x = logarithmic([1, COUNTS.at(-1)], [box.left, box.left + box.width]);
    const y = straight([low, high], [box.top + box.height, box.top]);
    const plot = panel(this.curve.svg, box, x, y);
    plot.across({ name: `estimate less ${this.exact ? "the exact" : "the best estimate of"} ln p(x), nats` });
    plot.along({ name: "samples K", words: powers });
    const into = panel(clipped(plot.group, box, "lx-estimates"), box, x, y);
    into.band(found.map(({ samples, low: from, high: to }) => [samples, from, to]), "");
    into.line([[1, 0], [COUNTS.at(-1), 0]], "lx-thin");
    into.line(found.map(({ samples, middle }) => [samples, middle]), "");
    into.line(found.map(({ samples, mean: value }) => [samples, value]), "lx-dashed");
    if (Number.isFinite(this.chi) && this.chi !== null) into.line(COUNTS.map((samples) => [samples, -this.chi / (2 * samples)]).filter(([, value]) => value > 1.5 * low), "lx-dotted lx-faint");
    const key = ["band: 90 % of repeats", "line: median · dashes: mean", ...(Number.isFinite(this.chi) && this.chi !== null ? ["dots: predicted mean, −χ²/2K"] : [])];
    key.forEach((words, index) => plot.text(COUNTS.at(-1), low, words, "lx-quiet lx-end", [-4, -12 - 18 * (key.length - 1 - index)]));
  }

  drawHistogram(width) {
    this.histogram.clear(width, HEIGHT);
    const values = Array.from(this.logs, (value) => (value - this.truth) / Math.LN10);
    const sorted = [...values].sort((one, other) => one - other);
    const [low, high] = [Math.max(sorted[0], sorted.at(-1) - FLOOR), sorted.at(-1) + 0.3];
    const below = sorted.findIndex((value) => value >= low);
    const bins = new Array(BINS).fill(0);
    for (const value of sorted.slice(below)) bins[Math.max(0, Math.min(BINS - 1, Math.floor(((value - low) / (high - low)) * BINS)))] += 1;
    const box = { left: 52, top: 24, width: width - 62, height: HEIGHT - 74 };
    const x = straight([low, high], [box.left, box.left + box.width]);
    const y = straight([0, 1.05 * Math.max(...bins)], [box.top + box.height, box.top]);
    const plot = panel(this.histogram.svg, box, x, y);
    plot.across({ count: 3, name: `${count(values.length)} weights` });
    plot.along({ count: 4, name: "log10 of w / p(x)" });
    const wide = box.width / BINS;
    bins.forEach((number, index) => set(shape(plot.group, "rect", "lx-soft"), { x: box.left + index * wide, width: Math.max(1, wide - 1), y: y(number), height: box.top + box.height - y(number) }));
    if (below) plot.text(low, y.domain[1], `${count(below)} smaller still`, "lx-quiet", [6, 26]);
    if (high < 0) return void plot.text(high, y.domain[1], `w = p(x): ${Math.round(-high)} powers further`, "lx-quiet lx-end", [-4, 8]);
    plot.line([[0, 0], [0, y.domain[1]]], "lx-thin");
    plot.text(0, y.domain[1], "w = p(x)", "lx-quiet lx-end", [-6, 8]);
  }

  report() {
    const size = effective(this.logs);
    const last = this.summary().at(-1);
    const ratios = last.sorted.map(Math.exp);
    const average = mean(ratios);
    const spread = Math.sqrt(mean(ratios.map((value) => (value - average) ** 2)) / (ratios.length - 1));
    const finite = this.chi !== Infinity;
    this.said.textContent = finite
      ? `${count(this.logs.length)} samples are worth ${count(size)}; at K = ${count(last.samples)} the median is ${nats(last.middle)} nats off.`
      : "χ² is infinite: q is too narrow, and no number of samples makes this safe.";
    Object.assign(this.root.dataset, { effective: size, middle: last.middle, chi: this.chi ?? "", mean: last.mean, truth: this.truth });
    const chi = this.chi === null ? "" : finite ? ` χ² of p(z|x) against q: ${this.chi < 1e4 ? nats(this.chi) : this.chi.toExponential(1).replace("e+", "e")}.` : "";
    this.note.textContent = this.settings.ask ? "" : `${this.onAverage(average, spread)}${chi}`;
    this.check(last);
  }

  // What the repeats say of p-hat itself, and whether they are enough to say it.
  onAverage(average, spread) {
    if (this.exact && Math.abs(this.chi) < SAME) return "Every weight is p(x): q is the posterior.";
    const repeats = this.rows.length;
    const found = repeats > 1 ? `${average.toPrecision(3)} ± ${spread.toPrecision(2)}` : average.toPrecision(3);
    if (!this.exact) {
      const whose = `the best estimate of p(x), whose logarithm is known to ± ${nats(this.error)}`;
      return `p-hat is right on average, its logarithm errs low. Here ${repeats > 1 ? `its mean over ${repeats} repeats` : "the only one there was time for"} is ${found} times ${whose}.`;
    }
    if (this.chi === Infinity || effective(this.logs) < ENOUGH) return `p-hat is right on average, but ${repeats} repeats are too few to show it: the mean is carried by rare codes that they may all have missed.`;
    return `p-hat is right on average: over ${repeats} repeats its mean is ${found} times p(x). Its logarithm errs low.`;
  }

  // Where χ²/K is small the mean of ln p̂ lies -χ²/2K from the truth, within three standard errors of the repeats.
  check(last) {
    const asked = this.exact && Number.isFinite(this.chi) && this.chi / last.samples < 0.1 && this.rows.length >= REPEATS;
    this.badge.root.hidden = !asked;
    if (!asked) return;
    const error = Math.sqrt(mean(last.sorted.map((value) => (value - last.mean) ** 2)) / (last.sorted.length - 1));
    this.badge.write({ one: last.mean, other: -this.chi / (2 * last.samples), within: 3 * error + SAME, words: (difference) => `at K = ${count(last.samples)} mean and prediction differ by ${difference} nats, three standard errors are ${small(3 * error)}.` });
  }
}

export const mountSampling = mounting(Sampling);
