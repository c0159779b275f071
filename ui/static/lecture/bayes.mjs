// Why inference is hard: Bayes' rule on a grid, the normaliser as a sum over its points, and what that costs in more dimensions.

import { node, set, shape } from "../run/nodes.mjs";
import { nats } from "../run/numbers.mjs";
import { drawing, panel, straight } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { choices, slider } from "./controls.mjs";
import { logNormal, logSumExp } from "./maths.mjs";
import { LogisticModel, logJoint } from "./models.mjs";
import { raise } from "./numerals.mjs";
import { Section, mounting } from "./section.mjs";

const HEIGHT = 320;
const SPAN = 6; // of the grid, in standard deviations of the prior
const DIMENSIONS = [1, 2, 10, 50];
const WITHIN = 1e-3; // nats: a grid that is that good is good enough to see
const YEAR = 365.25 * 24 * 3600;
const UNIVERSE = 1.38e10; // years
const SPANS = [[1, 1e-3, "ms"], [60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [YEAR, 86400, "days"], [Infinity, YEAR, "years"]];

/** ln of the sum over a grid of n points a dimension: what the normaliser is taken for. */
export function gridEvidence(model, n) {
  const step = (2 * SPAN) / (n - 1);
  const line = Array.from({ length: n }, (_, index) => -SPAN + index * step);
  const places = model.latent === 1 ? line.map((a) => [a]) : line.flatMap((a) => line.map((b) => [a, b]));
  const logs = places.map((z) => logJoint(model, z));
  return { value: logSumExp(logs) + model.latent * Math.log(step), places, logs, step };
}

/** A time in words: "12 ms", "3.1e9 years". */
export function duration(seconds) {
  const [, unit, name] = SPANS.find(([below]) => seconds < below);
  const value = seconds / unit;
  return `${large(value)} ${name}`;
}

/** A number in words: thousands with commas, powers of ten beyond. */
export function large(value) {
  if (value < 0.01) return "under 0.01";
  if (value < 10) return String(+value.toPrecision(2));
  if (value < 1e7) return Math.round(value).toLocaleString("en-US");
  const power = Math.floor(Math.log10(value));
  return `${(value / 10 ** power).toFixed(1)} × 10^${power}`;
}

class Bayes extends Section {
  build() {
    const { bit, bits } = this.settings.data;
    this.models = { 1: new LogisticModel(bit, bit.x), 2: new LogisticModel(bits, bits.x) };
    this.latent = Number(this.choice("d", ["1", "2"]));
    this.points = Math.round(this.asked("n", 3, 81, 21));
    this.rate = pace(this.models[1]);
    this.said = node(this.root, "p", "lx-said");
    choices(node(this.root, "div", "lx-row"), {
      name: "Latents", value: this.latent, options: [[1, "one"], [2, "two"]], change: (latent) => this.put({ latent }),
    });
    this.figure = drawing(this.root, "Bayes' rule on a grid");
    this.control = slider(node(this.root, "div", "lx-controls"), {
      name: "Points a dimension", low: 3, high: 81, step: 1, value: this.points, words: String, input: (points) => this.put({ points }),
    });
    this.badge = createBadge(this.root);
    this.table = node(this.root, "table", "lx-table");
    this.note = node(this.root, "p", "lx-note");
  }

  put(changes) {
    Object.assign(this, changes);
    this.tell({ d: this.latent, n: this.points });
    this.redraw();
  }

  draw() {
    const model = this.models[this.latent];
    const found = gridEvidence(model, this.points);
    const total = this.points ** this.latent;
    this.said.textContent = `A sum over ${total.toLocaleString("en-US")} points gives ln p(x) = ${nats(found.value)}.`;
    Object.assign(this.root.dataset, { evidence: found.value, exact: model.logEvidence });
    const width = this.root.clientWidth;
    this.figure.clear(width, HEIGHT, this.said.textContent);
    if (this.latent === 1) this.drawLine(model, found, width);
    else this.drawCells(found, width);
    this.badge.write({ one: found.value, other: model.logEvidence, within: WITHIN, words: (difference) => `the sum and ln p(x), ${nats(model.logEvidence)}, differ by ${difference} nats.`, otherwise: "Too coarse a grid" });
    this.cost();
  }

  drawLine(model, { places, logs, step, value }, width) {
    const box = { left: 30, top: 12, width: width - 40, height: HEIGHT - 56 };
    const fine = Array.from({ length: 321 }, (_, index) => -SPAN + (index * SPAN) / 160);
    const posterior = fine.map((z) => [z, Math.exp(logJoint(model, [z]) - model.logEvidence)]);
    const likelihood = fine.map((z) => [z, Math.exp(model.logLikelihood([z]))]);
    const x = straight([-SPAN, SPAN], [box.left, box.left + box.width]);
    const y = straight([0, 1.12 * Math.max(...[...posterior, ...likelihood].map(([, height]) => height), 0.5)], [box.top + box.height, box.top]);
    const plot = panel(this.figure.svg, box, x, y);
    plot.along({ name: "z" });
    places.forEach(([z], index) => {
      const height = Math.exp(logs[index] - value);
      plot.band([[z - step / 2, 0, height], [z + step / 2, 0, height]], "");
    });
    plot.line(posterior, "");
    plot.line(fine.map((z) => [z, Math.exp(logNormal([z], [0], [1]))]), "lx-faint lx-dotted");
    plot.line(likelihood, "lx-reconstruction");
    plot.text(SPAN, likelihood.at(-1)[1], "p(x|z)", "lx-reconstruction lx-end", [-4, 16]);
    const [peak, height] = posterior.reduce((best, point) => (point[1] > best[1] ? point : best));
    plot.text(peak, height, "p(z|x) = p(x|z) p(z) / p(x)", "lx-strong lx-end", [-14, -6]);
    plot.text(-1.5, Math.exp(logNormal([-1.5], [0], [1])), "p(z)", "lx-quiet lx-end", [-8, -6]);
  }

  drawCells({ places, logs, step }, width) {
    const size = HEIGHT - 56;
    const box = { left: (width - size) / 2, top: 12, width: size, height: size };
    const x = straight([-SPAN, SPAN], [box.left, box.left + size]);
    const y = straight([-SPAN, SPAN], [box.top + size, box.top]);
    const plot = panel(this.figure.svg, box, x, y);
    plot.along({ name: "z1" });
    plot.across({ lines: false });
    const top = Math.max(...logs);
    const side = Math.abs(x(step) - x(0));
    const cells = places.map(([a, b], index) => [x(a) - side / 2, y(b) - side / 2, Math.exp(logs[index] - top)]).filter(([, , share]) => share > 0.004);
    for (const [left, up, share] of cells) {
      set(shape(plot.group, "rect", "lx-bar"), { x: left, y: up, width: side, height: side, "fill-opacity": share.toFixed(3) });
    }
    for (const times of [1, 2]) plot.ellipse([0, 0], [1, 1], times, "lx-prior");
  }

  /** What the same grid costs in more dimensions, at the pace of this browser. */
  cost() {
    const rows = DIMENSIONS.map((d) => [d, this.points ** d, this.points ** d / this.rate]);
    this.table.replaceChildren();
    const head = node(node(this.table, "thead"), "tr");
    for (const words of ["latents", "points of the grid", "time in this browser"]) Object.assign(node(head, "th", "", words), { scope: "col" });
    const body = node(this.table, "tbody");
    for (const [d, points, seconds] of this.settings.ask ? rows.slice(0, 2) : rows) {
      const row = node(body, "tr");
      Object.assign(node(row, "th", "", String(d)), { scope: "row" });
      raise(node(row, "td", "", large(points)));
      raise(node(row, "td", "", seconds > UNIVERSE * YEAR ? `${duration(seconds)}: the universe is not that old` : duration(seconds)));
    }
    this.note.textContent = `At ${large(this.rate)} values of p(x, z) a second, measured here, for a model of three pixels.`;
  }
}

// How many values of p(x, z) a second.
function pace(model) {
  const begun = performance.now();
  let done = 0;
  while (performance.now() - begun < 12) {
    for (let index = 0; index < 500; index += 1) logJoint(model, [0.001 * index]);
    done += 500;
  }
  return (1000 * done) / (performance.now() - begun);
}

export const mountBayes = mounting(Bayes);
